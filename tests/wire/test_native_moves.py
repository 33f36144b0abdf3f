"""Aliases move by compare-and-swap, together, back, and once however often they are asked to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import Alias, Artifact, Page, Release, Released
from serving import Api, place, server_on

_numbers = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with server_on(request, tmp_path_factory.mktemp("moves")) as server:
        yield server


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"moves/näme {next(_numbers)}%"


def test_an_alias_moves_by_compare_and_swap(api: Api, name: str) -> None:
    api.publish(name)
    api.publish(name)
    path = place(name, "aliases", "deployment")
    assert api.get(path).code == "alias_not_found"

    made = api.put(path, {"version": 1, "reason": "go"}, headers={"If-None-Match": "*"})
    release = from_plain(Released, made.json).release
    assert release is not None
    assert (release.reason, release.moves[0].revision) == ("go", 1)
    again = api.put(path, {"version": 2}, headers={"If-None-Match": "*"})
    assert (again.status, again.code) == (409, "stale_revision")

    shown = api.get(path)
    alias = from_plain(Alias, shown.json)
    assert (alias.revision, shown.headers["etag"]) == (1, '"1"')
    assert api.get(path, headers={"If-None-Match": '"1"'}).status == 304
    assert api.get(path, headers={"If-None-Match": '"2"'}).status == 200

    stale = api.put(path, {"version": 2}, headers={"If-Match": '"7"'})
    assert (stale.status, stale.code) == (409, "stale_revision")
    assert stale.json["details"]["current"] == {
        "kind": "prompt",
        "name": name,
        "alias": "deployment",
        "revision": 1,
        "target": {"version": 1},
    }
    assert api.put(path, {"version": 2}, headers={"If-Match": '"1"'}).status == 200
    unchanged = api.put(path, {"version": 2}, headers={"If-Match": '"2"'})
    assert from_plain(Released, unchanged.json).release is None
    assert api.put(path, {"version": 1}, headers={"If-Match": "*"}).status == 200

    assert api.delete(path, headers={"If-Match": '"2"'}).code == "stale_revision"
    gone = api.delete(path, headers={"If-Match": '"3"'}, query={"reason": "tidy"})
    release = from_plain(Released, gone.json).release
    assert release is not None
    assert (release.reason, release.moves[0].to, release.moves[0].revision) == ("tidy", None, 4)
    assert api.get(path).status == 404
    assert api.delete(path).code == "alias_not_found"
    back = api.put(path, {"version": 1}, headers={"If-Match": '"4"'})
    assert back.json["release"]["moves"][0]["revision"] == 5


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"If-Match": "four"}, "invalid_if_match"),
        ({"If-Match": '"-1"'}, "invalid_if_match"),
        ({"If-Match": '"1", "2"'}, "invalid_if_match"),
        ({"If-None-Match": '"4"'}, "invalid_if_none_match"),
        ({"If-None-Match": "*", "If-Match": '"1"'}, "invalid_if_none_match"),
    ],
)
def test_a_precondition_that_can_not_be_kept_is_refused(
    api: Api, name: str, headers: dict[str, str], code: str
) -> None:
    api.publish(name)
    answer = api.put(place(name, "aliases", "deployment"), {"version": 1}, headers=headers)
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["hint"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_target"),
        ({"version": 1, "split": {"1": 1}}, 400, "invalid_target"),
        ({"version": 9}, 404, "version_not_found"),
        ({"version": 0}, 400, "version_out_of_range"),
        ({"split": {}}, 400, "invalid_split"),
        ({"split": {"1": 0, "2": 1}}, 400, "invalid_split"),
        ({"split": {"one": 1}}, 400, "not_a_number"),
        ({"split": {"1": 1, "9": 1}}, 404, "version_not_found"),
    ],
)
def test_a_target_must_exist(
    api: Api, name: str, body: dict[str, object], status: int, code: str
) -> None:
    api.publish(name)
    head = api.head()
    answer = api.put(place(name, "aliases", "deployment"), body)
    assert (answer.status, answer.code) == (status, code), answer
    assert api.head() == head


def test_aliases_roll_back(api: Api, name: str) -> None:
    for template in ("one", "two", "three"):
        api.move(name, "deployment", api.publish(name, template))
    path = place(name, "aliases", "deployment")
    stale = api.post(path + "/rollback", {"reason": "bad"}, headers={"If-Match": '"1"'})
    assert stale.code == "stale_revision"
    back = from_plain(Release, api.post(path + "/rollback", {"reason": "bad"}).json)
    assert (back.reason, back.moves[0].revision) == ("bad", 4)
    assert (
        back.undoes == from_plain(Page[Release], api.get(path + "/releases").json).items[1].number
    )
    assert api.get(path).json["target"]["version"] == 2
    assert api.post(path + "/rollback").status == 200  # a body is not needed
    assert api.get(path).json["target"]["version"] == 1
    nothing = api.post(path + "/rollback", {})
    assert (nothing.status, nothing.code) == (409, "nothing_before")
    listed = from_plain(Page[Release], api.get(path + "/releases").json).items
    assert [one.moves[0].revision for one in listed] == [5, 4, 3, 2, 1]


def test_releases_move_aliases_together(api: Api, name: str) -> None:
    for one in (name, name + "b"):
        api.publish(one)
        api.publish(one)
    moves: list[dict[str, object]] = [
        {"name": name, "alias": "deployment", "version": 1, "if_revision": 0},
        {"name": name + "b", "alias": "deployment", "split": {"1": 1, "2": 2}},
    ]
    made = api.post("/releases", {"moves": moves, "reason": "both"})
    release = from_plain(Released, made.json).release
    assert release is not None
    assert len(release.moves) == 2
    assert from_plain(Release, api.get(f"/releases/{release.number}").json) == release

    head = api.head()
    stale = api.post("/releases", {"moves": [{**moves[0], "version": 2}, moves[1]]})
    assert (stale.status, stale.code) == (409, "stale_revision")
    assert api.head() == head

    undone = from_plain(Release, api.post(f"/releases/{release.number}/rollback", {}).json)
    assert undone.undoes == release.number
    assert api.get(place(name, "aliases", "deployment")).status == 404
    assert api.post(f"/releases/{undone.number}/rollback", {}).code == "is_rollback"
    assert api.get("/releases/1").code == "release_not_found"
    assert api.get("/releases/0").code == "invalid_number"
    assert api.post("/releases", {"moves": []}).code == "empty_release"
    deleted = {"name": name, "alias": "deployment", "delete": True}
    assert api.post("/releases", {"moves": [deleted]}).code == "alias_not_found"


def test_an_archived_artifact_is_read_but_not_moved(api: Api, name: str) -> None:
    api.publish(name, aliases=["deployment"])
    archived = from_plain(Artifact, api.post(place(name, "archive")).json)
    assert archived.archived_at is not None
    assert api.get("/artifacts", query={"name": name}).json["items"] == []
    resolve = "/resolve" + place(name).removeprefix("/artifacts/prompt")
    assert api.get(resolve + "@deployment").status == 200
    moved = api.put(place(name, "aliases", "staging"), {"version": 1})
    assert (moved.status, moved.code) == (409, "archived")
    published = api.post("/versions", {"name": name, "content": {"template": ""}})
    assert (published.status, published.code) == (409, "archived")
    restored = from_plain(Artifact, api.post(place(name, "restore"), {}).json)
    assert restored.archived_at is None
    api.move(name, "staging", 1)


def test_a_repeated_request_takes_effect_once(api: Api, name: str) -> None:
    headers = {"Idempotency-Key": f"once {next(_numbers)}"}
    body = {"name": name, "content": {"template": "x"}}
    first = api.post("/versions", body, headers=headers)
    head = api.head()
    again = api.post("/versions", body, headers=headers)
    assert (again.status, again.json) == (201, first.json)
    assert api.head() == head
    other = api.post("/versions", {**body, "message": "m"}, headers=headers)
    assert (other.status, other.code) == (409, "idempotency_key_reused")
    elsewhere = api.post("/releases", {"moves": []}, headers=headers)
    assert (elsewhere.status, elsewhere.code) == (409, "idempotency_key_reused")
    _, editor = api.make_key("editor")
    assert api.post("/versions", body, headers=headers, key=editor).status == 201
    for bad in ("x" * 256, ""):
        refused = api.post("/versions", body, headers={"Idempotency-Key": bad})
        assert (refused.status, refused.code) == (400, "invalid_idempotency_key")


def test_every_change_that_can_be_repeated_by_key_gives_the_same_answer(
    api: Api, name: str
) -> None:
    api.publish(name)
    api.publish(name)
    path = place(name, "aliases", "deployment")
    release = {"moves": [{"name": name, "alias": "staging", "version": 1}]}
    key_id, _ = api.make_key("viewer")
    number = 0
    for method, at, body, headers in (
        ("PUT", path, {"version": 1}, {"If-None-Match": "*"}),
        ("PUT", path, {"version": 2}, {"If-Match": '"1"'}),
        ("POST", path + "/rollback", {"reason": "r"}, {}),
        ("DELETE", path, None, {}),
        ("POST", "/releases", release, {}),
        ("POST", "/versions/bulk", {"versions": [{"name": name, "content": "x"}]}, {}),
        ("POST", place(name, "archive"), None, {}),
        ("POST", place(name, "restore"), None, {}),
        ("PUT", place(name, "versions", 2, "tombstone"), {"reason": "r"}, {}),
        ("DELETE", f"/keys/{key_id}", None, {}),
    ):
        once = {**headers, "Idempotency-Key": f"each {next(_numbers)}"}
        first = api.request(method, at, body, headers=once)
        assert first.status == 200, (method, at, first)
        head = api.head()
        again = api.request(method, at, body, headers=once)
        assert (again.status, again.body) == (first.status, first.body), (method, at)
        assert api.head() == head
        if at == "/releases":
            number = first.json["release"]["number"]
    once = {"Idempotency-Key": f"each {next(_numbers)}"}
    undone = api.post(f"/releases/{number}/rollback", {}, headers=once)
    assert undone.status == 200, undone
    assert api.post(f"/releases/{number}/rollback", {}, headers=once).body == undone.body


def test_the_assumption_about_the_alias_is_part_of_what_is_repeated(api: Api, name: str) -> None:
    api.publish(name)
    path = place(name, "aliases", "deployment")
    once = {"Idempotency-Key": f"assumed {next(_numbers)}"}
    assert api.put(path, {"version": 1}, headers={**once, "If-None-Match": "*"}).status == 200
    assert api.put(path, {"version": 1}, headers=once).code == "idempotency_key_reused"


def test_secrets_are_not_kept_to_be_repeated(api: Api) -> None:
    answer = api.post(
        "/keys", {"name": "x", "role": "viewer"}, headers={"Idempotency-Key": "secret"}
    )
    assert (answer.status, answer.code) == (400, "idempotency_not_supported")
    assert answer.json["field"] == "Idempotency-Key"
