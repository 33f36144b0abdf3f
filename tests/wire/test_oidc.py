"""Single sign-on and password resets over HTTP, with a real provider that signs its tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pointsman.storage.sqlite import SqliteStore
from serving import Answer, Api, ServerProcess
from signon import Account, Browser, LittleProvider, key_of

BASE = "http://127.0.0.1:1"
"""Where the server says it is: it learns its port too late, so `back` puts the right one in."""
PASSWORD = "correct horse battery"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]


@pytest.fixture
def provider() -> Iterator[LittleProvider]:
    with LittleProvider() as running:
        yield running


@pytest.fixture
def api(provider: LittleProvider, tmp_path: Path) -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in provider.environment(BASE).items():
            patch.setenv(name, value)
        server = ServerProcess(data=tmp_path / "data")
    with server:
        assert server.post("/projects", {"name": "other"}).status == 201
        yield server
        assert server.get("/doctor").json["findings"] == []


def sign_in(api: Api, browser: Browser | None = None, query: str = "") -> Answer:
    browser = browser or Browser()
    return browser.get(back(api, browser, query))


def back(api: Api, browser: Browser, query: str = "") -> str:
    address = browser.back_from(browser.to_provider(api.url, query))
    assert address.startswith(f"{BASE}/auth/oidc/callback?"), address
    return address.replace(BASE, api.url, 1)


def is_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.json["hint"]
    assert "set-cookie" not in answer.headers


def let_in(api: Api) -> str:
    """Sign in, and return the session's token."""
    browser = Browser()
    assert sign_in(api, browser).status == 303
    return browser.cookies["pointsman_session"]


def entries(api: Api, project: str = "default") -> list[tuple[str, Any]]:
    headers = {"Pointsman-Project": project}
    items = api.get("/journal", query={"limit": 100}, headers=headers).json["items"]
    return [(one["type"], one["data"]) for one in reversed(items)]


def roles(api: Api, project: str = "default") -> dict[str, str]:
    listed = api.get("/grants", headers={"Pointsman-Project": project}).json["grants"]
    return {one["who"] + ("!" if one["everywhere"] else ""): one["role"] for one in listed}


def test_who_signs_in_has_a_session_a_role_and_a_record(
    api: Api, provider: LittleProvider, tmp_path: Path
) -> None:
    browser = Browser()
    done = sign_in(api, browser)
    assert (done.status, done.headers["location"]) == (303, "/"), done
    token = browser.cookies["pointsman_session"]
    assert token not in done.body.decode()
    catalogue = browser.get(f"{api.url}/projects/default/catalogue")
    assert (catalogue.status, b"Ana" in catalogue.body) == (200, True)
    kept = done.headers["set-cookie"].split("\n")[0].lower()
    assert kept.startswith("pointsman_session=")
    assert "httponly; path=/; samesite=lax" in kept
    assert "secure" not in kept, "http on this very machine"
    assert done.headers["cache-control"] == "no-store"
    assert done.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in done.headers["content-security-policy"]
    assert "pointsman_sign_in" not in browser.cookies
    me = api.get("/me", key=token).json
    assert (me["email"], me["role"], me["groups"]) == ("ana@example.org", "editor", ["ml-team"])
    assert api.get("/me", key=None, headers={"Cookie": f"pointsman_session={token}"}).status == 401
    home = entries_at_home(tmp_path / "data")
    (joined,) = [fact for kind, fact in home if kind == "person.joined"]
    assert (joined["issuer"], joined["subject"]) == (provider.issuer, "1")
    assert [fact["role"] for kind, fact in entries(api) if kind == "role.granted"] == ["editor"]
    assert token.split("_", 2)[2] not in str(home)
    again = let_in(api)
    assert api.get("/me", key=again).json["actor"] == me["actor"]
    assert [kind for kind, _ in entries(api)].count("role.granted") == 1


def entries_at_home(folder: Path) -> list[tuple[str, Any]]:
    """The installation's record, which no request can read: from the data itself."""
    with closing(SqliteStore(folder)) as store, store.read() as reader:
        home = reader.project("installation")
        assert home is not None
        return [(one.type, json.loads(one.data)) for one in reader.lines(home.id, 0, 1_000)]


def test_the_way_to_the_provider_has_all_that_keeps_it_safe(
    api: Api, provider: LittleProvider
) -> None:
    browser = Browser()
    begun = browser.get(f"{api.url}/auth/oidc/login")
    kept = begun.headers["set-cookie"].lower()
    assert "httponly" in kept
    assert "samesite=lax" in kept
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["redirect_uri"] == [f"{BASE}/auth/oidc/callback"]
    assert query["scope"] == ["openid email profile groups"]
    other = parse_qs(urlsplit(Browser().to_provider(api.url)).query)
    for name in ("state", "nonce", "code_challenge"):
        assert len(query[name][0]) >= 43
        assert query[name] != other[name]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "somebody-else"}, "aud"),
        ({"aud": ["pointsman", "somebody-else"]}, "azp"),
        ({"aud": None}, "aud"),
        ({"iss": "https://elsewhere.example.org"}, "iss"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": None}, "iat"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "s" * 256}, "subject"),
        ({"at_hash": "another"}, "at_hash"),
    ],
)
def test_tokens_that_are_not_for_this_sign_in(
    api: Api, provider: LittleProvider, claims: dict[str, Any], why: str
) -> None:
    provider.claims = claims
    answer = sign_in(api)
    is_refused(answer, 401, "invalid_id_token")
    assert why in answer.json["detail"]
    assert api.get("/people").json["people"] == []


def test_algorithms_and_keys(api: Api, provider: LittleProvider) -> None:
    assert sign_in(api).status == 303
    right, keys = provider.signs_with, provider.keys
    provider.algorithm = "none"
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.algorithm = "RS512"
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.algorithm, provider.signs_with = "RS256", key_of("RSA", "first")
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.algorithm, provider.signs_with = "ES256", key_of("EC", "first")
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.algorithm, provider.signs_with, provider.kid = "RS256", right, "unheard-of"
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.kid = None
    assert sign_in(api).status == 303
    provider.keys = []
    provider.rotate("EC", "ES256", "second")
    before = provider.asked_for_keys
    assert sign_in(api).status == 303
    assert provider.asked_for_keys == before + 1
    assert sign_in(api).status == 303
    assert provider.asked_for_keys == before + 1, "they are known now"
    provider.rotate("OKP", "Ed25519", "third")
    assert sign_in(api).status == 303
    provider.keys, provider.signs_with, provider.kid = keys, right, "first"
    provider.algorithm = "RS256"
    assert sign_in(api).status == 303


def test_an_older_name_of_a_signature(api: Api, provider: LittleProvider) -> None:
    provider.rotate("OKP", "EdDSA", "only")
    with pytest.warns(UserWarning, match="EdDSA"):
        assert sign_in(api).status == 303


def test_only_the_browser_that_began_can_end(api: Api) -> None:
    browser = Browser()
    address = back(api, browser)
    is_refused(Browser().get(address), 400, "unknown_sign_in")
    other = Browser()
    other.to_provider(api.url)
    is_refused(other.get(address), 400, "unknown_sign_in")
    parts = urlsplit(address)
    code = parse_qs(parts.query)["code"][0]
    for query in (f"code={code}", f"code={code}&state=", f"code={code}&state=guess", ""):
        is_refused(browser.get(f"{api.url}{parts.path}?{query}"), 400, "unknown_sign_in")
    kept = browser.cookies["pointsman_sign_in"]
    text, _, seal = kept.partition(".")
    for forged in (f"{text}.{'0' * 64}", f"{text[:-4]}AAAA.{seal}", text, ".", "é"):
        browser.cookies["pointsman_sign_in"] = forged.encode().decode("latin-1")
        is_refused(browser.get(address), 400, "unknown_sign_in")
    browser.cookies["pointsman_sign_in"] = kept
    assert browser.get(address).status == 303
    browser.cookies["pointsman_sign_in"] = kept
    is_refused(browser.get(address), 401, "sign_in_refused")


def test_a_sign_in_that_takes_too_long(provider: LittleProvider, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in provider.environment(BASE).items():
            patch.setenv(name, value)
        server = ServerProcess(data=tmp_path, settings={"pointsman.app.oidc.SIGN_IN_LASTS": -1})
    with server:
        browser = Browser()
        begun = browser.get(f"{server.url}/auth/oidc/login")
        kept = begun.headers["set-cookie"].partition("=")[2].partition(";")[0].strip('"')
        address = browser.back_from(begun.headers["location"]).replace(BASE, server.url, 1)
        browser.cookies["pointsman_sign_in"] = kept
        is_refused(browser.get(address), 400, "unknown_sign_in")


def test_what_the_provider_refuses(api: Api, provider: LittleProvider) -> None:
    browser = Browser()
    parts = urlsplit(back(api, browser))
    state = parse_qs(parts.query)["state"][0]
    denied = f"{api.url}{parts.path}?error=access_denied&state={state}"
    answer = browser.get(denied)
    is_refused(answer, 401, "sign_in_refused")
    assert "access_denied" in answer.json["detail"]
    mixed = f"{api.url}{parts.path}?{parts.query}&iss=https://elsewhere.example.org"
    is_refused(browser.get(mixed), 401, "sign_in_refused")
    provider.token_answer = (401, {"error": "invalid_client"})
    is_refused(sign_in(api), 503, "provider_unavailable")
    provider.token_answer = (200, {"access_token": "at"})
    is_refused(sign_in(api), 401, "invalid_id_token")
    provider.token_answer = (200, {"id_token": "a.b.c"})
    is_refused(sign_in(api), 401, "invalid_id_token")


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 1.5])
def test_an_address_that_is_not_verified(
    api: Api, provider: LittleProvider, verified: object
) -> None:
    provider.account.verified = verified
    is_refused(sign_in(api), 403, "unverified_email")
    assert api.get("/people").json["people"] == []


def test_an_account_is_bound_to_a_person(api: Api, provider: LittleProvider) -> None:
    invited = api.post("/invitations", {"email": "ana@example.org", "name": "Ana of old"}).json
    body = {"token": invited["token"], "password": PASSWORD}
    assert api.post("/invitations/accept", body, key=None).status == 201
    me = api.get("/me", key=let_in(api)).json
    assert me["name"] == "Ana of old"
    assert me["role"] == "viewer", "what was granted by hand stays"
    provider.account = Account("2", "Ana@example.org", groups=["platform"])
    is_refused(sign_in(api), 403, "other_identity")
    provider.account = Account("1", "ana.b@example.org", groups=["ml-team"])
    assert api.get("/me", key=let_in(api)).json["email"] == "ana@example.org"
    assert len(api.get("/people").json["people"]) == 1


def test_roles_and_groups_follow_the_provider(api: Api, provider: LittleProvider) -> None:
    ana, account = "ana@example.org", provider.account
    account.groups = ["ml-team", "ml-leads", "strangers", "Not A Name"]
    token = let_in(api)
    assert roles(api)[ana] == "releaser", "the highest counts"
    assert roles(api, "other")[ana] == "viewer"
    assert api.get("/me", key=token).json["groups"] == ["ml-leads", "ml-team"]
    account.groups = ["ml-team"]
    let_in(api)
    assert roles(api)[ana] == "editor"
    assert ana not in roles(api, "other")
    assert api.get("/me", key=token).json["groups"] == ["ml-team"]
    assert api.get("/me", key=token).json["role"] == "editor", "older sessions as well"
    assert [fact["role"] for kind, fact in entries(api, "other") if kind == "role.withdrawn"] == [
        "viewer"
    ]
    api.post("/grants", {"who": ana, "role": "reviewer"})
    api.put(f"/groups/by-hand/{ana}", {})
    account.groups = []
    let_in(api)
    assert roles(api)[ana] == "reviewer", "what was granted by hand stays"
    assert api.get("/me", key=token).json["groups"] == ["by-hand"]
    account.groups = ["ml-leads"]
    let_in(api)
    assert roles(api)[ana] == "reviewer"


def test_admins_of_the_installation(api: Api, provider: LittleProvider) -> None:
    provider.account.groups = ["platform"]
    token = let_in(api)
    assert roles(api)["ana@example.org!"] == "admin"
    assert api.post("/projects", {"name": "made"}, key=token).status == 201
    provider.account.groups = []
    let_in(api)
    assert roles(api)["ana@example.org!"] == "admin", "the last one stays"
    provider.account = Account("2", "bo@example.org", "Bo", ["platform"])
    let_in(api)
    provider.account = Account("1", "ana@example.org", "Ana")
    let_in(api)
    assert "ana@example.org!" not in roles(api)
    assert api.post("/projects", {"name": "more"}, key=token).status == 403


def test_a_deactivated_person_stays_out(api: Api, provider: LittleProvider) -> None:
    let_in(api)
    assert api.post("/people/ana@example.org/deactivate", {}).status == 200
    provider.account.groups = ["platform"]
    is_refused(sign_in(api), 403, "account_deactivated")
    assert "ana@example.org!" not in roles(api)
    assert api.post("/people/ana@example.org/reactivate", {}).status == 200
    assert sign_in(api).status == 303


def test_a_provider_that_is_down(api: Api, provider: LittleProvider) -> None:
    address = back(api, browser := Browser())
    provider.stop()
    answer = browser.get(address)
    is_refused(answer, 503, "provider_unavailable")
    assert answer.headers["retry-after"]
    page = Browser(Accept="text/html,*/*").get(f"{api.url}/auth/oidc/callback?state=<b>")
    assert (page.status, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "not begun in this browser" in page.body.decode()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example.org"},
        {"authorization_endpoint": "http://elsewhere.example.org/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_says_nonsense(
    api: Api, provider: LittleProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    is_refused(Browser().get(f"{api.url}/auth/oidc/login"), 503, "provider_unavailable")


# The command line


def test_a_code_for_a_command_line(api: Api) -> None:
    browser = Browser()
    done = sign_in(api, browser, f"cli=50123&challenge={CHALLENGE}")
    assert done.status == 303, done
    assert "pointsman_session" not in browser.cookies
    there = urlsplit(done.headers["location"])
    assert (there.scheme, there.netloc, there.path) == ("http", "127.0.0.1:50123", "/")
    code = parse_qs(there.query)["code"][0]
    wrong = {"code": code, "verifier": "w" * 43}
    is_refused(api.post("/sessions/code", wrong, key=None), 401, "wrong_verifier")
    right = {"code": code, "verifier": VERIFIER}
    signed = api.post("/sessions/code", right, key=None)
    assert signed.status == 201, signed
    assert api.get("/me", key=signed.json["token"]).json["email"] == "ana@example.org"
    is_refused(api.post("/sessions/code", right, key=None), 404, "unknown_token")
    assert api.get("/me", key=code).status == 401


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cli=50123", "invalid_listener"),
        (f"challenge={CHALLENGE}", "invalid_listener"),
        (f"cli=80&challenge={CHALLENGE}", "invalid_listener"),
        (f"cli=65536&challenge={CHALLENGE}", "invalid_listener"),
        (f"cli=50123@evil.example.org&challenge={CHALLENGE}", "invalid_field"),
        (f"cli=50123&challenge={CHALLENGE}%0d%0a", "invalid_listener"),
        ("next=https://evil.example.org", "unknown_field"),
        ("redirect_uri=https://evil.example.org", "unknown_field"),
        ("cli=//evil.example.org", "invalid_field"),
    ],
)
def test_browsers_are_sent_nowhere_else(api: Api, query: str, code: str) -> None:
    is_refused(Browser().get(f"{api.url}/auth/oidc/login?{query}"), 400, code)


def test_the_host_of_a_request_does_not_count(api: Api) -> None:
    browser = Browser(Host="evil.example.org")
    query = parse_qs(urlsplit(browser.to_provider(api.url)).query)
    assert query["redirect_uri"] == [f"{BASE}/auth/oidc/callback"]


# Without it


def test_without_settings_there_is_none(tmp_path: Path) -> None:
    with ServerProcess(data=tmp_path) as server:
        for path in ("login", "callback?code=1&state=2"):
            is_refused(server.get(f"//auth/oidc/{path}", key=None), 404, "no_single_sign_on")


def test_a_server_without_it_does_not_load_it(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pointsman.compose import open_store\n"
        "from pointsman.server import Service\n"
        f"Service(open_store({str(tmp_path)!r})).close()\n"
        "print(sorted({'authlib', 'joserfc'} & set(sys.modules)))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


# Password resets


def join(api: Api, name: str) -> str:
    email = f"{name}@example.org"
    invited = api.post("/invitations", {"email": email, "name": name}).json
    body = {"token": invited["token"], "password": PASSWORD}
    return str(api.post("/invitations/accept", body, key=None).json["token"])


def test_a_new_password_by_a_token(tmp_path: Path) -> None:
    with ServerProcess(data=tmp_path) as api:
        session = join(api, "rae")
        assert api.get("/me", key=session).status == 200
        made = api.post("/people/rae@example.org/reset", {})
        assert made.status == 201, made
        assert api.get("/me", key=session).status == 200, "nothing has changed yet"
        body = {"token": made.json["token"], "password": "another horse battery"}
        done = api.post("/sessions/reset", body, key=None)
        assert (done.status, done.json["email"]) == (200, "rae@example.org")
        is_refused(api.get("/me", key=session), 401, "ended_session")
        is_refused(api.post("/sessions/reset", body, key=None), 404, "unknown_token")
        old = {"email": "rae@example.org", "password": PASSWORD}
        is_refused(api.post("/sessions", old, key=None), 401, "wrong_password")
        new = {**old, "password": "another horse battery"}
        assert api.post("/sessions", new, key=None).status == 201
