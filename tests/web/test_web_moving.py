"""Promoting and rolling back by the pages: how many clicks, what is shown, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect

from serving import ServerProcess
from web.browsing import PASSWORD, Visitor, email_of

Come = Callable[..., Visitor]


def versions(server: ServerProcess, name: str, count: int = 3) -> None:
    """Publish some versions, the first of which is live."""
    for number in range(1, count + 1):
        server.publish(name, f"Version {number} says hello to {{{{ who }}}}")
    server.move(name, "production", 1, reason="to begin with")


def live(server: ServerProcess, name: str) -> int:
    """The version that production points to."""
    return int(server.get(f"/resolve/{name.replace('/', '%2F')}@production").json["version"])


class Clicks:
    """Counts what a person has to click."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def link(self, name: str) -> None:
        """Click a link."""
        self._click("link", name)

    def button(self, name: str) -> None:
        """Click a button."""
        self._click("button", name)

    def _click(self, role: str, name: str) -> None:
        self.page.get_by_role(role, name=name, exact=True).first.click()  # type: ignore[arg-type]
        self.count += 1


def test_promoting_takes_three_clicks_at_most(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/clicks")
    rui = visitor("Rui")
    page = rui.go("/prompts/moving/clicks")
    clicks = Clicks(page)
    clicks.link("Move production…")
    expect(page.locator(".swap")).to_contain_text("version 1")
    expect(page.locator(".swap")).to_contain_text("version 3")
    page.keyboard.type("Better greetings")  # the reason has the focus
    clicks.button("Move production to version 3")
    expect(page.get_by_role("status").first).to_contain_text("production points to version 3 now")
    assert clicks.count <= 3
    assert live(server, "moving/clicks") == 3


def test_rolling_back_takes_two_clicks_at_most(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/back")
    server.move("moving/back", "production", 2, reason="x")
    page = visitor("Rui").go("/prompts/moving/back")
    clicks = Clicks(page)
    clicks.link("Roll back")
    page.keyboard.type("It greets nobody")
    clicks.button("Put production back to version 1")
    expect(page.get_by_role("status").first).to_contain_text("production is back at version 1")
    assert clicks.count <= 2
    assert live(server, "moving/back") == 1


def test_a_page_of_before_does_not_move_what_changed_since(
    server: ServerProcess, visitor: Come
) -> None:
    versions(server, "moving/stale")
    page = visitor("Rui").go("/prompts/moving/stale:move?alias=production&version=3")
    page.get_by_label("Why").fill("typed before the other one moved")
    server.move("moving/stale", "production", 2, reason="somebody was faster")
    page.get_by_role("button", name="Move production to version 3").click()
    expect(page.get_by_role("alert")).to_contain_text("was moved while you were looking")
    expect(page.locator(".swap")).to_contain_text("version 2")
    assert page.get_by_label("Why").input_value() == "typed before the other one moved"
    assert live(server, "moving/stale") == 2


def test_a_double_click_moves_once(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/double")
    page = visitor("Rui").go("/prompts/moving/double:move?alias=production&version=2")
    page.get_by_label("Why").fill("once")
    page.get_by_role("button", name="Move production to version 2").dblclick()
    expect(page.get_by_role("status").first).to_contain_text("points to version 2")
    alias = server.get("/artifacts/prompt/moving%2Fdouble/aliases/production").json
    assert alias["revision"] == 2


def test_who_may_not_move_is_told_and_can_propose(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/refused")
    page = visitor("Wanda").go("/prompts/moving/refused:move?alias=production&version=2")
    expect(page.locator(".waits")).to_be_visible()
    assert not page.get_by_role("button", name="Move production to version 2", exact=True).count()
    page.get_by_label("Why").fill("shorter")
    page.get_by_role("button", name="Propose to move production to version 2").click()
    page.wait_for_url("**/changes/*")
    assert live(server, "moving/refused") == 1


def test_who_only_reads_is_offered_nothing_else(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/read")
    page = visitor("Vic").go("/prompts/moving/read")
    for name in ("Edit", "Move production…", "Move", "Roll back"):
        assert not page.get_by_role("link", name=name, exact=True).count(), name
    page = visitor("Wanda").go("/prompts/moving/read")
    for name in ("Edit", "Move production…", "Roll back"):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()


def test_signing_in_leads_to_what_was_asked_for(server: ServerProcess, browser: Browser) -> None:
    versions(server, "moving/later")
    page = browser.new_page()
    wanted = f"{server.url}/projects/default/prompts/moving/later:move?alias=production&version=2"
    page.goto(wanted)
    page.get_by_label("E-mail").fill(email_of("Rui"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Move production to version 2")).to_be_visible()
    page.close()


def test_what_others_do_appears_without_reload(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/seen")
    page = visitor("Vic").go("/prompts/moving/seen")
    server.move("moving/seen", "production", 3, reason="seen by everybody")
    expect(page.get_by_text("seen by everybody").first).to_be_visible()


def test_what_comes_from_another_site_is_refused(server: ServerProcess, visitor: Come) -> None:
    versions(server, "moving/forged")
    rui = visitor("Rui")
    (cookie,) = (one for one in rui.context.cookies() if one.get("name") == "pointsman_session")
    body = urlencode({"alias": "production", "version": 2, "reason": "forged", "deed": "move"})
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {},
    ):
        with server.connect() as connection:
            connection.request(
                "POST",
                "/projects/default/prompts/moving/forged:move",
                body,
                {
                    "Cookie": f"pointsman_session={cookie.get('value')}",
                    "Content-Type": "application/x-www-form-urlencoded",
                    **headers,
                },
            )
            answer = connection.getresponse()
            answer.read()
        assert answer.status == 403, headers
    assert live(server, "moving/forged") == 1


def test_an_address_that_is_no_text_is_answered(server: ServerProcess) -> None:
    for query in (b"to=\xeb", b"%ff=%fe", b"\xff\xfe", b"to=%00&to=%ed%a0%80"):
        with server.socket() as line:
            line.send(b"GET /sign-in?" + query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.answer().status in (200, 400), query
