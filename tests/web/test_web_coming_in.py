"""Coming in: invitations, the first admin's link, single sign-on, passwords, one's account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pointsman.app import welcoming
from pointsman.app.application import Application
from pointsman.app.passwords import FREE
from pointsman.storage.sqlite import SqliteStore
from serving import ServerProcess
from signon import LittleProvider
from web.browsing import PASSWORD, Visitor

Come = Callable[..., Visitor]


@pytest.fixture
def stranger(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    """Somebody who is not signed in."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def enter(page: Page, **fields: str) -> None:
    """Fill fields in, by their labels."""
    for label, text in fields.items():
        page.get_by_label(label, exact=False).fill(text)


def invite(server: ServerProcess, email: str, **more: str) -> str:
    made = server.post("/invitations", {"email": email, **more})
    assert made.status == 201, made
    return f"{server.url}/join?token={made.json['token']}"


def test_accepting_an_invitation(server: ServerProcess, stranger: Page) -> None:
    stranger.goto(invite(server, "ina@example.org", name="Ina", role="editor"))
    expect(stranger.locator("main")).to_contain_text("ina@example.org")
    expect(stranger.locator("main")).to_contain_text("an editor")
    enter(stranger, Name="Ina Inside", Password="short")
    stranger.get_by_role("button", name="Join").click()
    expect(stranger.get_by_role("alert")).to_contain_text("at least 10 characters")
    assert stranger.get_by_label("Name").input_value() == "Ina Inside"
    enter(stranger, Password=PASSWORD)
    stranger.get_by_role("button", name="Join").click()
    stranger.wait_for_url("**/catalogue")
    expect(stranger.get_by_role("link", name="Ina Inside")).to_be_visible()


def test_an_invitation_that_was_used_leads_nowhere(
    server: ServerProcess, stranger: Page, browser: Browser
) -> None:
    link = invite(server, "ivo@example.org", name="Ivo")
    token = link.rpartition("=")[2]
    body = {"token": token, "password": PASSWORD}
    assert server.post("/invitations/accept", body, key=None).status == 201
    answer = stranger.goto(link)
    assert answer is not None
    assert answer.status == 410
    expect(stranger.get_by_role("alert")).to_contain_text("accepted already")
    assert not stranger.get_by_role("button").count()


def test_who_has_an_account_joins_with_its_password(server: ServerProcess, stranger: Page) -> None:
    server.post("/projects", {"name": "second"})
    made = server.request(
        "POST",
        "/invitations",
        {"email": "wanda@example.org", "role": "viewer"},
        headers={"Pointsman-Project": "second"},
    )
    stranger.goto(f"{server.url}/join?token={made.json['token']}")
    assert not stranger.get_by_label("Name").count()
    enter(stranger, Password="not the password of Wanda")
    stranger.get_by_role("button", name="Join").click()
    expect(stranger.get_by_role("alert")).to_contain_text("password is wrong")
    enter(stranger, Password=PASSWORD)
    stranger.get_by_role("button", name="Join").click()
    stranger.wait_for_url("**/catalogue")


def test_the_first_person_comes_in_by_the_link(tmp_path: Path, browser: Browser) -> None:
    store = SqliteStore(tmp_path)
    token = welcoming.welcome(Application(store)).token
    store.close()
    with ServerProcess(data=tmp_path) as server:
        page = browser.new_page()
        link = f"{server.url}/welcome?token={token}"
        page.goto(link)
        expect(page.locator("main")).to_contain_text("admin of the whole installation")
        fields = {"E-mail": "first@example.org", "Name": "First", "Password": PASSWORD}
        enter(page, **fields)
        page.get_by_role("button", name="Come in as admin").click()
        page.wait_for_url("**/catalogue")
        (grant,) = server.get("/grants").json["grants"]
        assert (grant["who"], grant["everywhere"]) == ("first@example.org", True)
        page.goto(link)
        expect(page.get_by_role("alert")).to_contain_text("accepted already")
        page.close()
        assert server.get("/doctor").json["findings"] == []


def test_single_sign_on_has_a_button_where_it_is_set_up(
    tmp_path: Path, browser: Browser, server: ServerProcess, stranger: Page
) -> None:
    stranger.goto(f"{server.url}/sign-in")
    assert not stranger.get_by_role("link", name="Single sign-on").count()
    base = "http://127.0.0.1:1"
    with LittleProvider() as provider, pytest.MonkeyPatch.context() as patch:
        for name, value in provider.environment(base).items():
            patch.setenv(name, value)
        with ServerProcess(data=tmp_path) as other:
            page = browser.new_page()

            def back(url: str) -> None:
                # The server learns its port too late to name it to the provider.
                page.goto(url.replace(base, other.url, 1))

            page.route(f"{base}/**", lambda route: route.abort())
            page.goto(f"{other.url}/sign-in")
            with page.expect_event("requestfailed") as failed:
                page.get_by_role("link", name="Single sign-on").click()
            back(failed.value.url)
            page.wait_for_url("**/catalogue")
            expect(page.get_by_role("link", name="Ana")).to_be_visible()
            page.close()


def test_a_new_password_by_a_link(server: ServerProcess, stranger: Page) -> None:
    invited = invite(server, "lea@example.org", name="Lea").rpartition("=")[2]
    server.post("/invitations/accept", {"token": invited, "password": PASSWORD}, key=None)
    made = server.post("/people/lea@example.org/reset", {})
    link = f"{server.url}/reset?token={made.json['token']}"
    stranger.goto(link)
    expect(stranger.locator("main")).to_contain_text("lea@example.org")
    stranger.get_by_label("New password").fill("short")
    stranger.get_by_role("button", name="Set the password").click()
    expect(stranger.get_by_role("alert")).to_contain_text("at least 10 characters")
    stranger.get_by_label("New password").fill("another horse battery")
    stranger.get_by_role("button", name="Set the password").click()
    stranger.wait_for_url("**/catalogue")
    stranger.goto(link)
    expect(stranger.get_by_role("alert")).to_contain_text("works once")


def test_changing_ones_own_name_and_password(server: ServerProcess, stranger: Page) -> None:
    stranger.goto(invite(server, "nia@example.org", name="Nia"))
    enter(stranger, Password=PASSWORD)
    stranger.get_by_role("button", name="Join").click()
    stranger.wait_for_url("**/catalogue")
    stranger.goto(f"{server.url}/account")
    stranger.get_by_label("What colleagues call you").fill("Nia Newname")
    stranger.get_by_role("button", name="Change the name").click()
    expect(stranger.get_by_role("status").first).to_contain_text("Nia Newname now")
    other = {"email": "nia@example.org", "password": PASSWORD}
    session = server.post("/sessions", other, key=None).json["token"]
    stranger.get_by_label("Password until now").fill("wrong horse battery")
    stranger.get_by_label("New password").fill("another horse battery")
    stranger.get_by_role("button", name="Change the password").click()
    expect(stranger.get_by_role("alert")).to_contain_text("password is wrong")
    stranger.get_by_label("Password until now").fill(PASSWORD)
    stranger.get_by_label("New password").fill("another horse battery")
    stranger.get_by_role("button", name="Change the password").click()
    expect(stranger.get_by_role("status").first).to_contain_text("password is changed")
    assert server.get("/me", key=session).status == 401, "other sessions end"
    stranger.goto(f"{server.url}/account")
    expect(stranger.get_by_role("heading", name="Your account")).to_be_visible()


def test_a_session_that_ended_says_so_and_goes_on(server: ServerProcess, visitor: Come) -> None:
    server.publish("entering/onward")
    vic = visitor("Vic")
    (cookie,) = (one for one in vic.context.cookies() if one.get("name") == "pointsman_session")
    assert server.delete("/sessions/current", key=str(cookie.get("value"))).status == 200
    page = vic.go("/prompts/entering/onward")
    expect(page.get_by_role("status").first).to_contain_text("Your session has ended")
    enter(page, **{"E-mail": "vic@example.org", "Password": PASSWORD})
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/prompts/entering/onward")


def test_too_many_attempts_are_told(tmp_path: Path, browser: Browser) -> None:
    slow = {"pointsman.app.passwords.FIRST_DELAY": 600.0}
    with ServerProcess(data=tmp_path, settings=slow) as server:
        page = browser.new_page()
        page.goto(f"{server.url}/sign-in")
        for _ in range(FREE):
            enter(page, **{"E-mail": "nobody@example.org", "Password": "a guess of ten"})
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("alert")).to_contain_text("is wrong")
        enter(page, Password="a guess of ten")
        with page.expect_response("**/sign-in") as answered:
            page.get_by_role("button", name="Sign in").click()
        assert answered.value.status == 429
        expect(page.get_by_role("alert")).to_contain_text("too many attempts")
        expect(page.get_by_role("alert")).to_contain_text("Wait")
        assert page.get_by_label("E-mail").input_value() == "nobody@example.org"
        page.close()


def test_signing_out_ends_the_session(server: ServerProcess, visitor: Come) -> None:
    rosa = visitor("Rosa")
    (cookie,) = (one for one in rosa.context.cookies() if one.get("name") == "pointsman_session")
    page = rosa.go("/catalogue")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    assert server.get("/me", key=str(cookie.get("value"))).status == 401
