"""Every route of the native API against a real server, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import (
    Artifact,
    Diagnosis,
    Entry,
    Key,
    NewKey,
    Page,
    Published,
    Resolution,
    Version,
)
from pointsman.wire.native.routes import RESOLVE, ROUTES
from serving import Api, place, server_on

_numbers = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with server_on(request, tmp_path_factory.mktemp("routes")) as server:
        yield server


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"routes/näme {next(_numbers)}%"


def test_publishing_answers_what_was_made(api: Api, name: str) -> None:
    body = {
        "name": name,
        "content": {"template": "Hi {{ who }}"},
        "message": "first",
        "tags": {"team": "support"},
        "aliases": ["deployment", "staging"],
        "reason": "launch",
    }
    answer = api.post("/versions", body)
    assert answer.status == 201, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    published = from_plain(Published, answer.json)
    assert published.created
    assert published.version.number == 1
    assert published.version.message == "first"
    assert published.version.tags == {"team": "support"}
    assert published.version.aliases == ("deployment", "staging")
    assert published.release is not None
    assert published.release.reason == "launch"
    assert [move.revision for move in published.release.moves] == [1, 1]

    again = api.post("/versions", {**body, "if_changed": True})
    assert again.status == 200, again
    assert from_plain(Published, again.json).version.digest == published.version.digest
    assert from_plain(Published, again.json).release is None


def test_publishing_over_a_newer_version_is_refused(api: Api, name: str) -> None:
    api.publish(name)
    answer = api.post("/versions", {"name": name, "content": {"template": "x"}, "if_newest": 0})
    assert (answer.status, answer.code) == (409, "newer_version")
    assert answer.json["details"] == {"newest": 1}


def test_bulk_publishes_all_or_none(api: Api, name: str) -> None:
    one = {"name": name, "content": {"template": "x"}}
    answer = api.post("/versions/bulk", {"versions": [one, one, {**one, "aliases": ["a"]}]})
    assert answer.status == 200, answer
    numbers = [from_plain(Published, each).version.number for each in answer.json["published"]]
    assert numbers == [1, 2, 3]

    head = api.head()
    refused = api.post("/versions/bulk", {"versions": [one, {**one, "name": "../x"}]})
    assert (refused.status, refused.json["field"]) == (400, "versions/1/name")
    assert api.head() == head
    assert api.post("/versions/bulk", {"versions": []}).json == {"published": []}


def test_a_selector_is_resolved_in_every_spelling(api: Api, name: str) -> None:
    api.publish(name, "one", aliases=["deployment"])
    api.publish(name, "two")
    path = place(name).removeprefix("/artifacts/prompt/")
    for selector, version in (
        (path, 2),
        (path.replace("%2F", "/"), 2),
        (f"{path}@deployment", 1),
        (f"{path}%40deployment", 1),
        (f"{path}:1", 1),
        (f"prompts:/{path}/1", 1),
    ):
        answer = api.get(f"/resolve/{selector}")
        assert answer.status == 200, answer
        resolution = from_plain(Resolution, answer.json)
        assert (resolution.name, resolution.version) == (name, version)
        assert int(answer.headers["pointsman-seq"]) == api.head()
    moved = from_plain(Resolution, api.get(f"/resolve/{path}@deployment").json).why
    assert (moved.alias, moved.revision, moved.moved_by) == ("deployment", 1, "first admin")
    assert api.get(f"/resolve/{path}@nowhere").code == "alias_not_found"
    assert api.get(f"/resolve/{path}:9").code == "version_not_found"
    assert api.get("/resolve/no/such/thing").code == "artifact_not_found"


def test_a_resolution_is_not_sent_twice(api: Api, name: str) -> None:
    api.publish(name, aliases=["deployment"])
    path = "/resolve" + place(name).removeprefix("/artifacts/prompt") + "@deployment"
    for _ in range(3):  # from the store, then from memory
        whole = api.get(path)
        etag = whole.headers["etag"]
        for said in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            same = api.get(path, headers={"If-None-Match": said})
            assert (same.status, same.body) == (304, b""), said
            assert same.headers["etag"] == etag
            assert same.headers["cache-control"] == whole.headers["cache-control"]
        assert api.get(path, headers={"If-None-Match": '"other"'}).body == whole.body
    api.move(name, "deployment", api.publish(name, "new"))
    moved = api.get(path, headers={"If-None-Match": etag})
    assert (moved.status, moved.json["version"]) == (200, 2)


def test_a_resolution_as_of_a_moment_and_for_a_reader(api: Api, name: str) -> None:
    api.publish(name, "one")
    api.move(name, "deployment", 1)
    path = "/resolve" + place(name).removeprefix("/artifacts/prompt") + "@deployment"
    then = api.get(path).json["why"]["moved_at"]
    api.publish(name, "two")
    split = api.put(place(name, "aliases", "deployment"), {"split": {"1": 50, "2": 50}})
    assert split.status == 200, split
    before = api.get(path, query={"at": then})
    assert (before.json["version"], before.json["why"]["as_of"]) == (1, then)
    served = {api.get(path, query={"key": f"user-{n}"}).json["version"] for n in range(40)}
    assert served == {1, 2}
    assert api.get(path).json["why"]["split"] == [
        {"version": 1, "weight": 50},
        {"version": 2, "weight": 50},
    ]


def test_artifacts_are_found_and_shown(api: Api, name: str) -> None:
    api.publish(name, aliases=["deployment"], tags={"team": "x"})
    api.publish(name + "b")
    shown = from_plain(Artifact, api.get(place(name)).json)
    assert (shown.name, shown.newest, shown.aliases[0].name) == (name, 1, "deployment")
    for query, found in (
        ({"name": name}, [name, name + "b"]),
        ({"name": name, "alias": "deployment"}, [name]),
        ({"name": name, "without_alias": ["deployment", "nothing"]}, [name + "b"]),
        ({"name": name, "kind": "model"}, []),
        ({"name": name, "folder": "routes", "order": "created"}, [name + "b", name]),
        ({"name": name, "folder": "elsewhere"}, []),
        ({"name": name, "text": "HELLO"}, [name, name + "b"]),
        ({"name": name, "author": "nobody"}, []),
        ({"name": name, "since": "2100-01-01T00:00:00Z"}, []),
        ({"name": name, "until": "2100-01-01T00:00:00+01:00"}, [name, name + "b"]),
        ({"name": name, "archived": "true"}, []),
    ):
        answer = api.get("/artifacts", query=query)
        assert answer.status == 200, answer
        assert [one.name for one in from_plain(Page[Artifact], answer.json).items] == found, query
    assert api.get(place("no such thing")).code == "artifact_not_found"


def test_lists_come_in_pages(api: Api, name: str) -> None:
    for _ in range(7):
        api.publish(name)
        api.move(name, "deployment", api.publish(name))
    for path, query, size in (
        (place(name, "versions"), {}, 14),
        (place(name, "aliases", "deployment", "releases"), {}, 7),
        ("/journal", {"name": name}, 22),
    ):
        items: list[Any] = []
        cursor = None
        while True:
            page = {**query, "limit": 3} | ({"cursor": cursor} if cursor else {})
            answer = api.get(path, query=page)
            assert answer.status == 200, answer
            assert len(answer.json["items"]) <= 3
            items += answer.json["items"]
            cursor = answer.json["cursor"]
            if cursor is None:
                break
        assert len(items) == size
        assert items == api.get(path, query={**query, "limit": 1_000}).json["items"]


def test_a_cursor_of_another_question_is_refused(api: Api, name: str) -> None:
    for _ in range(3):
        api.publish(name)
        api.publish(name + "b")
    cursor = api.get(place(name, "versions"), query={"limit": 1}).json["cursor"]
    answer = api.get(place(name + "b", "versions"), query={"limit": 1, "cursor": cursor})
    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_cursor", "cursor")


def test_versions_are_listed_and_shown(api: Api, name: str) -> None:
    api.publish(name, "one", message="why")
    api.publish(name, "two", tags={"a": "b"})
    listed = from_plain(Page[Version], api.get(place(name, "versions")).json).items
    assert [(one.number, one.content) for one in listed] == [(2, None), (1, None)]
    shown = from_plain(Version, api.get(place(name, "versions", 1)).json)
    assert (shown.number, shown.message) == (1, "why")
    assert shown.content == {"template": "one"}
    assert api.get(place(name, "versions", 3)).code == "version_not_found"
    assert api.get(place(name, "versions", "x")).code == "invalid_number"


def test_content_is_removed_but_its_record_stays(api: Api, name: str) -> None:
    api.publish(name, "secret", aliases=["deployment"])
    path = place(name, "versions", 1, "tombstone")
    assert api.put(path, {}).code == "reason_required"
    in_use = api.put(path, {"reason": "a password"})
    assert (in_use.status, in_use.code) == (409, "in_use")
    api.delete(place(name, "aliases", "deployment"))
    done = from_plain(Version, api.put(path, {"reason": "a password"}).json)
    assert done.tombstone is not None
    assert done.tombstone.reason == "a password"
    gone = api.get("/resolve" + place(name).removeprefix("/artifacts/prompt") + ":1")
    assert (gone.status, gone.code) == (410, "tombstoned")
    assert gone.json["details"]["digest"] == done.digest
    assert api.get(place(name, "versions", 1)).json["content"] is None
    assert api.put(path, {"reason": "again"}).status == 409


def test_tags_are_set_and_deleted(api: Api, name: str) -> None:
    api.publish(name)
    for below in ((), ("versions", 1)):
        path = place(name, *below, "tags", "ówner/of")
        assert api.put(path, {"value": "Ana"}).json == {}
        assert api.get(place(name, *below)).json["tags"] == {"ówner/of": "Ana"}
        head = api.head()
        assert api.put(path, {"value": "Ana"}).status == 200
        assert api.head() == head
        assert api.delete(path).json == {}
        assert api.get(place(name, *below)).json["tags"] == {}
        assert api.delete(path).status == 200
    assert api.put(place(name, "versions", 2, "tags", "a"), {"value": "b"}).status == 404
    assert api.put(place(name + "x", "tags", "a"), {"value": "b"}).status == 404


def test_the_journal_is_read_both_ways(api: Api, name: str) -> None:
    before = api.head()
    api.publish(name, aliases=["deployment"])
    newest = from_plain(Page[Entry], api.get("/journal", query={"name": name}).json).items
    assert [one.type for one in newest] == ["alias.moved", "version.published", "artifact.created"]
    oldest = from_plain(Page[Entry], api.get("/journal", query={"after": before}).json).items
    assert [one.seq for one in oldest] == [before + 1, before + 2, before + 3]
    assert [one.hash for one in oldest] == [one.hash for one in reversed(newest)]
    assert [one.previous for one in oldest[1:]] == [one.hash for one in oldest[:-1]]
    page = api.get("/journal", query={"after": before, "limit": 2}).json
    assert page["cursor"] == str(before + 2)
    rest = api.get("/journal", query={"after": page["cursor"]}).json["items"]
    assert rest == api.get("/journal", query={"after": before}).json["items"][2:]
    for query, size in (
        ({"name": name, "alias": "deployment"}, 1),
        ({"name": name, "type": ["alias.moved", "artifact.created"]}, 2),
        ({"name": name, "actor": "nobody"}, 0),
        ({"name": name, "actor": oldest[0].actor}, 3),
        ({"name": name, "since": oldest[1].at.isoformat()}, 2),
        ({"name": name, "until": oldest[1].at.isoformat()}, 2),
    ):
        items = api.get("/journal", query=query).json["items"]
        assert len(items) == size, query
    both = api.get("/journal", query={"after": 0, "name": name})
    assert (both.status, both.code) == (400, "invalid_combination")
    paged = api.get("/journal", query={"after": 0, "cursor": page["cursor"]})
    assert (paged.status, paged.code) == (400, "invalid_combination")


def test_two_moments_and_two_versions_are_compared(api: Api, name: str) -> None:
    api.publish(name, "one line\nmore")
    api.move(name, "deployment", 1)
    path = place(name, "aliases", "deployment")
    before = api.get(path).json["moved_at"]
    api.move(name, "deployment", api.publish(name, "one line\nless"))
    after = api.get(path).json["moved_at"]
    found = api.get("/differences", query={"before": before, "after": after}).json["differences"]
    assert [(one["alias"], one["after"]["version"]) for one in found if one["name"] == name] == [
        (None, 2),
        ("deployment", 2),
    ]
    reversed_ = api.get("/differences", query={"before": after, "after": before})
    assert (reversed_.status, reversed_.code) == (400, "moments_reversed")

    diff = api.get("/diff", query={"before": f"{name}:1", "after": f"{name}@deployment"})
    assert diff.status == 200, diff
    assert "less" in diff.body.decode()
    assert api.get("/diff", query={"before": name}).code == "missing_field"
    other = api.post("/versions", {"name": name, "kind": "model", "content": {}})
    assert other.status == 201, other
    kinds = api.get("/diff", query={"before": name, "after": f"model:{name}"})
    assert (kinds.status, kinds.code) == (400, "different_kinds")


def test_keys_are_made_listed_and_revoked(api: Api, name: str) -> None:
    made = api.post("/keys", {"name": name, "role": "viewer"})
    assert made.status == 201, made
    new = from_plain(NewKey, made.json)
    listed = [from_plain(Key, one) for one in api.get("/keys").json["keys"]]
    assert new.key in [key for key in listed if key.last_used_at is None]
    assert new.secret not in api.get("/keys").body.decode()
    me = api.get("/me", key=new.secret).json
    assert me == {
        "project": "default",
        "actor": f"key:{new.key.id}",
        "name": name,
        "role": "viewer",
        "email": "",
        "groups": [],
        "grants": [],
        "scope": None,
        "projects": ["default"],
    }
    revoked = from_plain(Key, api.delete(f"/keys/{new.key.id}").json)
    assert revoked.revoked_at is not None
    assert from_plain(Key, api.delete(f"/keys/{new.key.id}").json) == revoked
    assert api.delete("/keys/nothing").code == "key_not_found"
    for body, code in (
        ({"name": "", "role": "viewer"}, "invalid_key_name"),
        ({"name": "x", "role": "king"}, "invalid_field"),
        ({"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}, "invalid_expiry"),
        ({"name": "x", "role": "viewer", "expires_at": "2100-01-01T00:00:00"}, "invalid_time"),
    ):
        refused = api.post("/keys", body)
        assert (refused.status, refused.code) == (400, code), refused


def test_head_gives_the_headers_alone(api: Api, name: str) -> None:
    api.publish(name, aliases=["deployment"])
    paths = [
        place(name),
        place(name, "aliases", "deployment"),
        "/resolve" + place(name).removeprefix("/artifacts/prompt"),
        "/me",
        "//healthz",
        "//api/openapi.json",
        place("no such thing"),
    ]
    for path in paths:
        whole, head = api.get(path), api.request("HEAD", path)
        assert (head.status, head.body) == (whole.status, b"")
        volatile = {"pointsman-seq", "content-length" if whole.status == 404 else ""}
        assert {k: v for k, v in head.headers.items() if k not in volatile} == {
            k: v for k, v in whole.headers.items() if k not in volatile
        }


def test_a_wrong_method_is_told_the_right_ones(api: Api) -> None:
    allowed: dict[str, set[str]] = {"/resolve/x": {"GET", "HEAD"}, "/watch": {"GET"}}
    for route in ROUTES:
        path = route.path
        for part in ("kind", "name", "alias", "key", "id"):
            path = path.replace(f"{{{part}}}", "prompt")
        path = path.replace("{number}", "1").replace("{release}", "1")
        methods = allowed.setdefault(path, set())
        methods |= {route.method, "HEAD"} if route.method == "GET" else {route.method}
    for path, methods in allowed.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - methods:
            answer = api.request(method, path)
            assert (answer.status, answer.code) == (405, "method_not_allowed"), (method, path)
            assert set(answer.headers["allow"].split(", ")) == methods
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//api/v1",
        "/resolve",
        "/me/",
        "/artifacts/",
        "/artifacts/prompt/a/b",
        "/keys/a/b",
        "//api/v2/me",
        "//API/V1/me",
    ],
)
def test_an_address_that_leads_nowhere(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.code) == (404, "no_such_address")
    assert answer.json["hint"]
    assert "location" not in answer.headers


def test_probes_and_metrics(api: Api) -> None:
    assert api.get("//healthz", key=None).body == b"ok\n"
    assert api.get("//readyz", key=None).body == b"ready\n"
    assert api.get("//api/openapi.json", key=None).json["openapi"] == "3.1.0"
    assert api.get("//metrics", key=None).status == 401
    served = api.metric("pointsman_reads_total")
    name = f"metrics {next(_numbers)}"
    api.publish(name)
    for _ in range(3):
        assert api.get("/resolve/" + name.replace(" ", "%20")).status == 200
    assert api.metric("pointsman_reads_total") == served + 3
    assert api.metric("pointsman_watchers") == 0


def test_the_doctor_finds_nothing(api: Api, name: str) -> None:
    api.publish(name)
    diagnosis = from_plain(Diagnosis, api.get("/doctor").json)
    assert diagnosis.findings == ()
    assert diagnosis.checked["versions"] >= 1


def test_a_key_expires(api: Api, name: str, eventually: Callable[..., None]) -> None:
    api.publish(name)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    made = api.post("/keys", {"name": "soon gone", "role": "viewer", "expires_at": soon})
    assert made.status == 201, made
    secret = made.json["secret"]
    path = "/resolve" + place(name).removeprefix("/artifacts/prompt")
    assert api.get(path, key=secret).status == 200
    eventually(lambda: api.get(path, key=secret).status != 200, "the key's end")
    answer = api.get(path, key=secret)
    assert (answer.status, answer.code) == (401, "expired_key")
    assert api.get("/me", key=secret).code == "expired_key"


def test_no_route_is_forgotten_here() -> None:
    folder = Path(__file__).parent
    text = "".join(path.read_text() for path in folder.glob("test_*.py"))
    for route in (RESOLVE, *ROUTES):
        last = route.path.rstrip("}").rpartition("/")[2].removeprefix("{")
        assert last in text, route.path
