"""The record over HTTP: where the journal ends, its lines, checkpoints, and evidence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core.checkpoints import parse_note
from serving import Api, ServerProcess

SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with something on record, and a key to sign with."""
    where: dict[str, object] = {"data": tmp_path_factory.mktemp("record")}
    databases = None
    if request.param == "postgres":
        databases = request.getfixturevalue("databases")
        name = databases.migrated()
        where = {"database": databases.url(name)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("POINTSMAN_SIGNING_KEY", SEED)
        patched.setenv("POINTSMAN_CHECKPOINT_DIR", str(tmp_path_factory.mktemp("kept")))
        server = ServerProcess(**where)  # type: ignore[arg-type]
    with server:
        server.publish("record/reply", "one", aliases=["live"], reason="launch")
        server.publish("record/reply", "two")
        server.move("record/reply", "live", 2, headers={})
        yield server
    if databases is not None:
        databases.drop(name)


def test_the_lines_are_what_the_hashes_are_made_of(api: Api) -> None:
    head = api.get("/journal/head").json
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = api.get("/journal/lines", query={"after": after, "limit": 2}).json
        found += page["lines"]
        after = page["last"]
    assert len(found) == head["seq"]
    hashes = [hashlib.sha256(line.encode()).hexdigest() for line in found]
    assert [json.loads(line)[0] for line in found[1:]] == hashes[:-1]
    assert hashes[-1] == head["hash"]
    assert head["project"] == "default"


def test_checkpoints(api: Api) -> None:
    head = api.get("/journal/head").json
    made = api.post("/checkpoints", {})
    assert made.status == 200, made
    note = parse_note(made.json["note"])
    assert (note.checkpoint.size, note.checkpoint.hash) == (head["seq"], head["hash"])
    assert note.checkpoint.origin == f"pointsman/{head['store']}/{head['uid']}"
    assert api.post("/checkpoints", {}).json == made.json
    once = {"Idempotency-Key": "one checkpoint"}
    assert api.post("/checkpoints", {}, headers=once).json == made.json
    assert api.get("/checkpoints").json["items"][0] == made.json


def test_evidence(api: Api) -> None:
    now = api.get("/evidence", query={"selector": "record/reply@live"}).json
    assert [one["number"] for one in now["versions"]] == [2]
    entry = api.get("/journal", query={"name": "record/reply", "alias": "live", "limit": 5}).json
    moves = entry["items"]
    assert (now["move"]["seq"], now["move"]["hash"]) == (moves[0]["seq"], moves[0]["hash"])
    query = {"selector": "record/reply@live", "at": moves[1]["at"]}
    then = api.get("/evidence", query=query).json
    assert ([one["number"] for one in then["versions"]], then["move"]["reason"]) == ([1], "launch")


def test_who_may(api: Api) -> None:
    _, viewer = api.make_key("viewer")
    _, releaser = api.make_key("releaser")
    for path in ("/journal/head", "/journal/lines", "/checkpoints"):
        assert api.get(path, key=viewer).status == 200
        assert api.get(path, key=None).status == 401
    selector = {"selector": "record/reply@live"}
    assert api.get("/evidence", key=viewer, query=selector).status == 200
    assert api.post("/checkpoints", {}, key=releaser).status == 403


def test_the_installation_s_journal_is_for_its_admins(api: Api) -> None:
    made = api.post("/projects", {"name": "shop"})
    assert made.status in (201, 409), made
    _, other = api.make_key("admin")
    of_all = {"installation": "true"}
    head = api.get("/journal/head", query=of_all).json
    assert head["project"] == "installation"
    lines = api.get("/journal/lines", query=of_all).json["lines"]
    assert [json.loads(line)[3] for line in lines][:2] == ["project.created", "project.added"]
    assert hashlib.sha256(lines[-1].encode()).hexdigest() == head["hash"]
    assert api.get("/checkpoints", query=of_all).status == 200
    for path in ("/journal/head", "/journal/lines", "/checkpoints"):
        assert api.get(path, key=other).status == 200
        refused = api.get(path, key=other, query=of_all)
        assert (refused.status, refused.code) == (403, "needs_installation_admin")
    named = {"Pointsman-Project": "installation"}
    assert api.get("/journal/head", headers=named).status == 403
    assert api.get("/journal/head").json["project"] == "default"


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/journal/lines", {"after": -1}, 400, "invalid_field"),
        ("/journal/lines", {"limit": 0}, 400, "invalid_field"),
        ("/journal/lines", {"limit": 10_001}, 400, "invalid_field"),
        ("/journal/lines", {"more": 1}, 400, "unknown_field"),
        ("/checkpoints", {"cursor": "x"}, 400, "invalid_cursor"),
        ("/journal/head", {"installation": "perhaps"}, 400, "invalid_field"),
        ("/evidence", {}, 400, "missing_field"),
        ("/evidence", {"selector": "a@b@c"}, 400, None),
        ("/evidence", {"selector": "record/reply@live", "at": "yesterday"}, 400, "invalid_field"),
        ("/evidence", {"selector": "nothing@live"}, 404, "artifact_not_found"),
        ("/evidence", {"selector": "record/reply@nothing"}, 404, "alias_not_found"),
        (
            "/evidence",
            {"selector": "record/reply@live", "at": "2001-01-01T00:00:00Z"},
            404,
            "alias_not_found",
        ),
    ],
)
def test_bad_input(
    api: Api, path: str, query: dict[str, object], status: int, code: str | None
) -> None:
    answer = api.get(path, query=query)
    assert answer.status == status, answer
    assert code in (None, answer.code), answer


def test_without_a_key_to_sign_with(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_SIGNING_KEY", raising=False)
    url = request.getfixturevalue("postgres_url")
    with ServerProcess(database=url) as server:
        answer = server.post("/checkpoints", {})
        assert (answer.status, answer.code) == (409, "no_signing_key")
        assert "openssl rand" in answer.json["hint"]
