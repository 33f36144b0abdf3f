"""Who is let in, and who may do what: every role on every route."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from pointsman.core.access import ROLES
from pointsman.wire.huggingface.routes import ROUTES as HUB
from pointsman.wire.native.files import STREAMS
from pointsman.wire.native.progress import PATH as PROGRESS
from pointsman.wire.native.route import Route
from pointsman.wire.native.routes import RESOLVE, ROUTES
from serving import Api, Listener, ServerProcess
from wire.permissions import PERMISSIONS, RIGHT_BODIES

NAME = "access/reply"
ALL = [RESOLVE, *ROUTES]
_VERBS = {
    "viewer": "read",
    "reviewer": "approve",
    "admin": "admin",
    "installation": "admin",
    "anyone": "read",
}
_STREAMS = [
    "GET /watch",
    f"GET {PROGRESS}",
    *(f"{one.method} {one.path}" for one in STREAMS),
    *(f"{method} /{one.path}" for one in HUB for method in one.methods),
]
"""Operations that are no routes."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    settings = {"pointsman.wire.native.watch.HEARTBEAT": 0.1}
    with ServerProcess(data=tmp_path_factory.mktemp("access"), settings=settings) as server:
        server.publish(NAME, aliases=["deployment"])
        yield server


@pytest.fixture(scope="module")
def secrets(api: Api) -> dict[str, str]:
    return {role: api.make_key(role)[1] for role in ROLES}


@pytest.fixture(scope="module")
def stranger(api: Api) -> str:
    """The key of an admin of another project."""
    assert api.post("/projects", {"name": "elsewhere"}).status == 201
    body = {"name": "stranger", "role": "admin"}
    made = api.post("/keys", body, headers={"Pointsman-Project": "elsewhere"})
    assert made.status == 201, made
    return str(made.json["secret"])


_UNKNOWN = "pm_unknown222_" + "B" * 43
_PATHS = ["/me", f"/resolve/{NAME}", "/watch", "//metrics", "/artifacts", "/keys"]


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "no_key"),
        ("", "no_key"),
        ("Bearer", "unknown_key"),
        ("Basic YTpi", "invalid_authorization"),
        ("Bearer pm_x\xe9", "invalid_authorization"),
        ("Bearer ", "unknown_key"),
        ("Bearer pm_", "unknown_key"),
        ("Bearer not a key", "unknown_key"),
        (f"Bearer {_UNKNOWN}", "unknown_key"),
        (f"Bearer {_UNKNOWN}, {_UNKNOWN}", "unknown_key"),
        ("Bearer " + "A" * 10_000, "unknown_key"),
        ("Bearer ' OR 1=1 --", "unknown_key"),
    ],
)
def test_nobody_is_let_in_without_a_key(api: Api, path: str, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = api.get(path, key=None, headers=headers)
    assert (answer.status, answer.code) == (401, code), answer
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["hint"]


def test_a_right_id_with_a_wrong_secret_is_unknown(api: Api, secrets: dict[str, str]) -> None:
    secret = secrets["viewer"]
    last = "B" if secret[-1] == "A" else "A"
    assert api.get("/me", key=secret[:-1] + last).code == "unknown_key"
    assert api.get("/me", key=secret).status == 200


@pytest.mark.parametrize("form", ["bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "])
def test_the_scheme_is_read_generously(api: Api, secrets: dict[str, str], form: str) -> None:
    header = {"Authorization": form.format(secrets["viewer"])}
    for _ in range(3):
        for path in ("/me", f"/resolve/{NAME}"):
            assert api.get(path, key=None, headers=header).status == 200


def test_a_second_key_in_the_request_is_no_way_in(api: Api, secrets: dict[str, str]) -> None:
    valid = f"Authorization: Bearer {secrets['viewer']}\r\n".encode()
    assert api.get(f"/resolve/{NAME}", key=secrets["viewer"]).status == 200
    for first, status in ((b"Authorization: \r\n", 401), (b"Authorization: Bearer x\r\n", 401)):
        for _ in range(2):
            with api.socket() as line:
                request = b"GET /api/v1/resolve/%b HTTP/1.1\r\nHost: x\r\n" % NAME.encode()
                line.send(request + first + valid + b"\r\n")
                assert line.answer().status == status, first


def test_a_revoked_key_is_useless_at_the_very_next_request(api: Api) -> None:
    key_id, secret = api.make_key("viewer")
    with api.connect() as reader:
        for path in ("/api/v1/me", f"/api/v1/resolve/{NAME}", f"/api/v1/resolve/{NAME}"):
            reader.request("GET", path, headers={"Authorization": f"Bearer {secret}"})
            response = reader.getresponse()
            assert response.status == 200
            response.read()
        assert api.delete(f"/keys/{key_id}").status == 200
        for path in (f"/api/v1/resolve/{NAME}", "/api/v1/me"):
            reader.request("GET", path, headers={"Authorization": f"Bearer {secret}"})
            response = reader.getresponse()
            assert (response.status, b"revoked_key" in response.read()) == (401, True)


def test_a_revoked_key_ends_its_streams_without_waiting_for_a_heartbeat(tmp_path: Path) -> None:
    settings = {"pointsman.wire.native.watch.HEARTBEAT": 3600}
    with ServerProcess(data=tmp_path, settings=settings) as server:
        server.publish(NAME)
        key_id, secret = server.make_key("viewer")
        with Listener(server) as admin, Listener(server, key=secret) as revoked:
            assert server.delete(f"/keys/{key_id}").status == 200
            while revoked.next() is not None:
                pass
            server.publish("access/later")
            while (event := admin.next()) is not None and event.data.get("name") != "access/later":
                pass
            assert event is not None, "others go on"


def test_a_revoked_or_expired_key_ends_its_streams(api: Api) -> None:
    key_id, secret = api.make_key("viewer")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    _, short = api.make_key("viewer", expires_at=soon)
    with (
        Listener(api) as admin,
        Listener(api, key=secret) as revoked,
        Listener(api, key=short) as expired,
    ):
        assert api.delete(f"/keys/{key_id}").status == 200
        while revoked.next() is not None:
            pass
        while expired.next() is not None:
            pass
        assert admin.beat()


def _named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_is_in_the_table_of_permissions() -> None:
    routes = {_named(route) for route in ALL} | set(_STREAMS)
    assert not routes - PERMISSIONS.keys(), "declare them in tests/wire/permissions.py"
    assert not PERMISSIONS.keys() - routes, "they are gone"


@pytest.mark.parametrize("route", ALL, ids=_named)
def test_a_route_asks_for_the_verb_of_its_row(route: Route) -> None:
    needed = PERMISSIONS[_named(route)]
    assert route.open == (needed == "anyone")
    assert route.verb == _VERBS.get(needed, route.verb)
    if needed == "editor":
        assert route.verb in ("write", "propose")
    if needed == "releaser":
        assert route.verb in ("move", "report")


def _path(route: Route, name: str = "no such thing") -> str:
    path = route.path
    for part, text in (
        ("kind", "prompt"),
        ("name", quote(name, safe="")),
        ("number", "1"),
        ("alias", "deployment"),
        ("key", "owner"),
        ("release", "1"),
        ("id", "nothing"),
        ("webhook", "nothing"),
        ("delivery", "1"),
        ("selector", quote(name)),
    ):
        path = path.replace(f"{{{part}}}", text)
    return re.sub(r"\{\w+\}", "nothing", path)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", ALL, ids=_named)
def test_a_role_may_do_what_it_may_and_no_more(
    api: Api, secrets: dict[str, str], route: Route, role: str
) -> None:
    """What is asked for is wrong in itself, so that nothing is changed by being let in."""
    needed = PERMISSIONS[_named(route)]
    head = api.head()
    body = {"nonsense": 1} if route.body is not None else None
    answer = api.request(route.method, _path(route), body, key=secrets[role])
    least = {"anyone": "viewer", "installation": "admin"}.get(needed, needed)
    if ROLES.index(role) >= ROLES.index(least):
        assert answer.status != 401, answer
        assert answer.status != 403 or needed == "installation", answer
    else:
        assert (answer.status, answer.code) == (403, "role_too_low"), answer
        assert role in answer.json["detail"]
        assert least in answer.json["hint"]
        assert answer.json["reasons"][0]["code"] == "role_too_low"
    assert api.head() == head


@pytest.mark.parametrize(
    "route", [one for one in ALL if PERMISSIONS[_named(one)] == "installation"], ids=_named
)
def test_what_is_of_the_installation_is_for_its_admins(
    api: Api, secrets: dict[str, str], route: Route
) -> None:
    body = RIGHT_BODIES.get(_named(route), {}) if route.body is not None else None
    answer = api.request(route.method, _path(route), body, key=secrets["admin"])
    assert (answer.status, answer.code) == (403, "needs_installation_admin"), answer


@pytest.mark.parametrize("route", ALL, ids=_named)
def test_another_tenant_gets_nowhere(api: Api, stranger: str, route: Route) -> None:
    """An admin of another project neither names this one nor finds what is in it."""
    if PERMISSIONS[_named(route)] == "anyone":
        return
    head = api.head()
    body = {"nonsense": 1} if route.body is not None else None
    path = _path(route, NAME)
    named = {"Pointsman-Project": "default"}
    answer = api.request(route.method, path, body, key=stranger, headers=named)
    assert (answer.status, answer.code) == (403, "foreign_project"), answer
    unknown = {"Pointsman-Project": "nothing"}
    same = api.request(route.method, path, body, key=stranger, headers=unknown)
    assert (same.status, same.code) == (403, "foreign_project"), same
    if "{name}" in path or "{selector}" in route.path:
        answer = api.request(route.method, path, body, key=stranger)
        assert answer.status in (400, 404), answer
    assert api.head() == head


def test_nobody_is_kept_from_signing_in(api: Api) -> None:
    for route in ALL:
        if PERMISSIONS[_named(route)] == "anyone":
            answer = api.request(route.method, _path(route), {}, key=None)
            assert (answer.status, answer.code) == (400, "missing_field"), answer


def test_publishing_with_aliases_takes_the_right_to_move_them(
    api: Api, secrets: dict[str, str]
) -> None:
    body = {"name": NAME, "content": {"template": "x"}, "aliases": ["deployment"]}
    head = api.head()
    refused = api.post("/versions", body, key=secrets["editor"])
    assert (refused.status, refused.code) == (403, "role_too_low")
    bulk = api.post("/versions/bulk", {"versions": [body]}, key=secrets["editor"])
    assert (bulk.status, bulk.code) == (403, "role_too_low")
    assert api.head() == head
    assert api.post("/versions", body, key=secrets["releaser"]).status == 201


def test_watching_and_metrics_take_a_reader(api: Api, secrets: dict[str, str]) -> None:
    for role in ROLES:
        with Listener(api, key=secrets[role]):
            assert api.get("//metrics", key=secrets[role]).status == 200
