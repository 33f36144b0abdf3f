"""People, sessions, scopes and projects over HTTP: against a real server, at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.app.passwords import FREE
from serving import Answer, Api, Event, Listener, ServerProcess, place

PASSWORD = "correct horse battery"
OTHER = {"Pointsman-Project": "other"}
SETTINGS = {"pointsman.wire.native.watch.HEARTBEAT": 3600}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with ServerProcess(data=tmp_path_factory.mktemp("people"), settings=SETTINGS) as server:
        server.publish("support/reply", "support one", aliases=["live"])
        server.publish("sales/offer", "sales one", aliases=["live"])
        assert server.post("/projects", {"name": "other"}).status == 201
        made = {"name": "support/reply", "content": {"template": "other one"}, "aliases": ["live"]}
        assert server.post("/versions", made, headers=OTHER).status == 201
        yield server


def email(name: str) -> str:
    return f"{name}@example.org"


def join(api: Api, name: str, role: str = "viewer", *, project: str = "", **part: Any) -> str:
    """Have somebody come in, and return the token of their session."""
    headers = {"Pointsman-Project": project} if project else {}
    body = {"email": email(name), "name": name, "role": role, **part}
    invited = api.post("/invitations", body, headers=headers)
    assert invited.status == 201, invited
    accepted = api.post(
        "/invitations/accept", {"token": invited.json["token"], "password": PASSWORD}, key=None
    )
    assert accepted.status == 201, accepted
    return str(accepted.json["token"])


def make_key(api: Api, **wanted: Any) -> tuple[str, str]:
    made = api.post("/keys", {"name": "a key", "role": "admin", **wanted})
    assert made.status == 201, made
    return made.json["key"]["id"], made.json["secret"]


def told(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.json["content"]["template"])


def is_refused(answer: Answer, code: str, status: int = 403) -> None:
    assert (answer.status, answer.code) == (status, code), answer


# Coming in


def test_from_an_invitation_to_a_key_of_ones_own(api: Api) -> None:
    token = join(api, "ana", "editor")
    me = api.get("/me", key=token).json
    assert (me["email"], me["role"], me["project"]) == (email("ana"), "editor", "default")
    assert me["actor"].startswith("person:")
    assert me["projects"] == ["default"]
    signed = api.post("/sessions", {"email": "ANA@example.org", "password": PASSWORD}, key=None)
    assert signed.status == 201, signed
    made = api.post("/me/keys", {"name": "laptop", "role": "viewer"}, key=signed.json["token"])
    assert made.status == 201, made
    secret = made.json["secret"]
    mine = api.get("/me", key=secret).json
    assert (mine["actor"], mine["role"]) == (me["actor"], "viewer")
    assert [one["id"] for one in api.get("/me/keys", key=secret).json["keys"]] == [
        made.json["key"]["id"]
    ]
    gone = api.delete(f"/me/keys/{made.json['key']['id']}", key=token)
    assert gone.json["revoked_at"]
    is_refused(api.get("/me", key=secret), "revoked_key", 401)
    assert api.delete("/sessions/current", key=token).status == 200
    is_refused(api.get("/me", key=token), "ended_session", 401)
    assert api.get("/me", key=signed.json["token"]).status == 200, "that is another session"
    is_refused(api.delete("/sessions/current"), "not_a_session", 409)


def test_what_was_used_or_never_was(api: Api) -> None:
    invited = api.post("/invitations", {"email": email("uma"), "name": "uma"}).json
    accept = {"token": invited["token"], "password": PASSWORD}
    assert api.post("/invitations/accept", accept, key=None).status == 201
    is_refused(api.post("/invitations/accept", accept, key=None), "used_invitation_token", 410)
    wrong = {**accept, "token": "pi_nothing222_" + "A" * 43}
    is_refused(api.post("/invitations/accept", wrong, key=None), "unknown_invitation", 404)
    again = api.post("/invitations", {"email": email("ute")}).json
    api.delete(f"/invitations/{again['invitation']['id']}")
    accept["token"] = again["token"]
    is_refused(api.post("/invitations/accept", accept, key=None), "withdrawn_invitation", 410)


def test_wrong_passwords_are_slowed_down(tmp_path: Path) -> None:
    with ServerProcess(data=tmp_path) as server:
        join(server, "eva")
        for who in ("eva", "nobody"):
            wrong = {"email": email(who), "password": "not the password"}
            answers = [server.post("/sessions", wrong, key=None) for _ in range(FREE)]
            for one in answers:
                is_refused(one, "wrong_password", 401)
            assert len({one.json["detail"] for one in answers}) == 1
            right = {"email": email(who), "password": PASSWORD}
            waiting = server.post("/sessions", right, key=None)
            is_refused(waiting, "too_many_attempts")
            assert waiting.json["details"]["retry_after"] >= 1


# At once


def test_a_deactivated_person_is_out_at_the_very_next_request(api: Api) -> None:
    token = join(api, "dan", "editor")
    _, secret = make_key(api, person=email("dan"))
    path = "/resolve/support/reply@live"
    with api.connect() as reader, api.connect() as other:

        def ask(key: str) -> int:
            line = reader if key == token else other
            line.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})
            response = line.getresponse()
            response.read()
            return response.status

        for _ in range(3):
            assert (ask(token), ask(secret)) == (200, 200)
        assert api.post(f"/people/{email('dan')}/deactivate", {}).status == 200
        assert (ask(token), ask(secret)) == (401, 401)
        assert api.post(f"/people/{email('dan')}/reactivate", {}).status == 200
        assert (ask(token), ask(secret)) == (401, 200)


@pytest.mark.parametrize("how", ["deactivate", "sign out", "withdraw"])
def test_streams_end_at_once(api: Api, how: str) -> None:
    name = f"s-{how.replace(' ', '-')}"
    token = join(api, name)
    bystander = join(api, f"b-{name}")
    with Listener(api, key=token) as listener, Listener(api, key=bystander) as other:
        if how == "deactivate":
            assert api.post(f"/people/{email(name)}/deactivate", {}).status == 200
        elif how == "sign out":
            assert api.delete("/sessions/current", key=token).status == 200
        else:
            assert api.delete("/grants", query={"who": email(name)}).status == 200
        while listener.next() is not None:
            pass
        seq = tag(api, "sales/offer")
        assert other.until(seq)[-1].data["seq"] == seq


def test_a_role_counts_from_the_very_next_request(api: Api) -> None:
    token = join(api, "rob", "viewer")
    path = place("support/reply", "tags", "rob")
    for role, status in (("viewer", 403), ("editor", 200), ("viewer", 403)):
        assert api.post("/grants", {"who": email("rob"), "role": role}).status == 200
        assert api.put(path, {"value": role}, key=token).status == status
    api.put(f"/groups/crew/{email('rob')}", {})
    api.post("/grants", {"who": "group:crew", "role": "editor", "artifacts": "support/*"})
    assert api.put(path, {"value": "group"}, key=token).status == 200
    api.delete(f"/groups/crew/{email('rob')}")
    assert api.put(path, {"value": "group"}, key=token).status == 403


def test_other_nodes_hear_of_it_within_moments(tmp_path: Path, eventually: Any) -> None:
    with ServerProcess(data=tmp_path) as one, ServerProcess(data=tmp_path) as two:
        one.publish("support/reply", aliases=["live"])
        token = join(one, "ana")
        assert two.get("/resolve/support/reply@live", key=token).status == 200
        assert one.post(f"/people/{email('ana')}/deactivate", {}).status == 200
        eventually(lambda: two.get("/resolve/support/reply@live", key=token).status == 401)


# Narrow keys


@pytest.fixture(scope="module")
def narrow(api: Api) -> str:
    return make_key(api, artifacts="support/*", role="viewer")[1]


@pytest.mark.parametrize("times", [1, 4])
def test_narrow_reads(api: Api, narrow: str, times: int) -> None:
    with api.connect() as wide, api.connect() as line:

        def ask(key: str, path: str) -> int:
            connection = line if key == narrow else wide
            connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            response.read()
            return response.status

        for _ in range(times):
            for path in ("support/reply@live", "support/reply:1", "sales/offer@live"):
                assert ask(api.own_key, f"/resolve/{path}") == 200
        for _ in range(times):
            assert ask(narrow, "/resolve/support/reply@live") == 200
            assert ask(narrow, "/resolve/support/reply:1") == 200
            assert ask(narrow, "/resolve/sales/offer@live") == 403
            assert ask(narrow, "/resolve/prompt%3Asales/offer") == 403


def test_what_a_narrow_reader_may_have_is_asked_again_when_it_changes(api: Api) -> None:
    """An answer from memory may come to hold what is included from elsewhere."""
    api.publish("support/main", "plain", aliases=["live"])
    secret = make_key(api, artifacts="support/*", role="viewer")[1]
    path = "/resolve/support/main@live"
    for _ in range(3):
        assert told(api.get(path, key=secret)) == "plain"
        assert told(api.get(path)) == "plain"
    number = api.publish("support/main", "with {{> sales/offer:1 }}")
    api.move("support/main", "live", number)
    assert "sales one" in told(api.get(path))
    for _ in range(3):
        assert api.get(path, key=secret).status == 403
        assert api.get(path).status == 200


def test_narrow_lists_and_journal(api: Api, narrow: str) -> None:
    names = {one["name"] for one in api.get("/artifacts", key=narrow).json["items"]}
    assert names >= {"support/reply"}
    assert not any(one.startswith("sales/") for one in names)
    assert api.get(place("support/reply"), key=narrow).status == 200
    assert api.get(place("sales/offer"), key=narrow).status == 403
    for path in (
        "/journal",
        "/journal?after=0",
        "/differences?before=2026-01-01T00:00:00Z&after=2026-01-02T00:00:00Z",
    ):
        is_refused(api.get(path, key=narrow), "needs_whole_project")
    assert api.get("/journal?name=support%2Freply", key=narrow).status == 200
    assert api.get("/journal?name=sales%2Foffer", key=narrow).status == 403


def test_a_narrow_listener_hears_of_its_part_only(api: Api, narrow: str) -> None:
    with Listener(api, key=narrow) as part, Listener(api) as all_of_it:
        before = api.head()
        tag(api, "sales/offer")
        make_key(api, role="viewer")
        last = tag(api, "support/reply")
        assert len(all_of_it.until(last)) == 3
        heard = part.until(last)
        assert [one.data["name"] for one in heard] == ["support/reply"]
    with Listener(api, key=narrow, after=before) as again:
        assert [one.data["name"] for one in again.until(last)] == ["support/reply"]


def tag(api: Api, name: str, **more: Any) -> int:
    """Do something that stands in the journal, and return its number."""
    tag.count += 1  # type: ignore[attr-defined]
    path = place(name, "tags", "count")
    assert api.put(path, {"value": str(tag.count)}, **more).status == 200  # type: ignore[attr-defined]
    items = api.get("/journal", query={"limit": 1}, headers=more.get("headers")).json["items"]
    return int(items[0]["seq"])


tag.count = 0  # type: ignore[attr-defined]


# Projects


def test_the_same_name_in_two_projects_on_every_path(api: Api) -> None:
    path = "/resolve/support/reply@live"
    with api.connect() as line:
        for _ in range(4):  # the store, the table, the bytes that were seen before
            for headers, text in (({}, "support one"), (OTHER, "other one")):
                sent = {"Authorization": f"Bearer {api.own_key}", **headers}
                line.request("GET", f"/api/v1{path}", headers=sent)
                response = line.getresponse()
                assert text in response.read().decode()
                assert response.status == 200
    assert [one["name"] for one in api.get("/artifacts", headers=OTHER).json["items"]] == [
        "support/reply"
    ]
    newest = api.get("/journal", headers=OTHER).json["items"]
    assert {one["data"].get("name") for one in newest} <= {"support/reply", None}


def test_a_stream_is_of_one_project(api: Api) -> None:
    other = make_other_key(api)
    with Listener(api, key=other) as there, Listener(api) as here:
        mine = tag(api, "support/reply")
        seq = tag(api, "support/reply", headers=OTHER)
        heard: list[Event] = there.until(seq)
        assert [one.data["seq"] for one in heard] == [seq]
        assert here.until(mine)[-1].data["seq"] == mine


def test_keys_are_for_one_project_and_people_for_all_of_theirs(api: Api) -> None:
    other = make_other_key(api)
    assert api.get("/me", key=other).json["project"] == "other"
    assert api.get("/me", key=other, headers=OTHER).json["project"] == "other"
    for name in ("default", "nothing", "installation"):
        for path in ("/me", "/resolve/support/reply@live", "/watch"):
            answer = api.get(path, key=other, headers={"Pointsman-Project": name})
            is_refused(answer, "foreign_project")
    token = join(api, "paul", "editor", project="other")
    assert api.get("/me", key=token).json["project"] == "other"
    is_refused(
        api.get("/me", key=token, headers={"Pointsman-Project": "default"}), "foreign_project"
    )
    api.post("/grants", {"who": email("paul"), "role": "viewer"})
    me = api.get("/me", key=token, headers={"Pointsman-Project": "default"}).json
    assert (me["project"], me["role"], me["projects"]) == (
        "default",
        "viewer",
        ["default", "other"],
    )
    assert api.get("/me", key=token, headers=OTHER).json["role"] == "editor"


def test_two_projects_in_one_request_are_refused(api: Api) -> None:
    """Which of two headers counts must not depend on the path that the request takes."""
    other = make_other_key(api)
    with api.socket() as line:
        for _ in range(3):
            line.send(
                b"GET /api/v1/resolve/support/reply@live HTTP/1.1\r\nHost: x\r\n"
                b"Authorization: Bearer %b\r\nPointsman-Project: other\r\n"
                b"Pointsman-Project: default\r\n\r\n" % other.encode()
            )
            answer = line.answer()
            assert answer.status == 200, answer
            assert told(answer) == "other one"


def make_other_key(api: Api) -> str:
    made = api.post("/keys", {"name": "other", "role": "admin"}, headers=OTHER)
    assert made.status == 201, made
    return str(made.json["secret"])
