"""Several moves at once, shares of readers, and releases that are undone as a whole."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from serving import ServerProcess
from web.browsing import Visitor
from web.deciding import live, number_of

Come = Callable[..., Visitor]


def versions(server: ServerProcess, name: str, count: int = 3) -> None:
    """Publish some versions, the first of which is live."""
    for number in range(1, count + 1):
        server.publish(name, f"Version {number} of {name}")
    server.move(name, "production", 1, reason="to begin with")


def target(server: ServerProcess, name: str, alias: str = "production") -> object:
    """Where an alias points."""
    path = f"/artifacts/prompt/{name.replace('/', '%2F')}/aliases/{alias}"
    return server.get(path).json["target"]


def test_several_aliases_are_moved_together_and_rolled_back_in_two_clicks(
    server: ServerProcess, visitor: Come
) -> None:
    for name in ("together/a", "together/b", "together/c"):
        versions(server, name)
    page = visitor("Rui").go("/changes")
    page.get_by_role("link", name="Propose a change").click()
    for index, name in enumerate(("together/a", "together/b", "together/nowhere")):
        if index:
            page.get_by_role("button", name="Add a move").click()
        row = page.get_by_role("group", name=f"Move {index + 1}")
        row.get_by_label("Artifact").fill(name)
        row.get_by_label("To", exact=True).fill("2" if index else "newest")
    page.get_by_role("button", name="Show what moves").last.click()
    expect(page.get_by_role("alert")).to_contain_text("There is no prompt 'together/nowhere'")
    assert not page.get_by_role("button", name="together").count()
    page.get_by_role("button", name="Take out move 3").click()
    page.get_by_label("Why").fill("They quote one another")
    page.get_by_role("button", name="Move 2 aliases together").click()
    expect(page.get_by_role("status").first).to_contain_text("The moves are made.")
    assert (live(server, "together/a"), live(server, "together/b")) == (3, 2)
    expect(page.locator("main")).to_contain_text("They quote one another")
    number = number_of(page)
    page.get_by_role("link", name="Roll back…").click()
    expect(page.locator(".swap").first).to_contain_text("version 1")
    page.keyboard.type("One of them is wrong")
    page.get_by_role("button", name="Put 2 aliases back").click()
    expect(page.get_by_role("status").first).to_contain_text(f"Release {number} is rolled back.")
    expect(page.locator("main")).to_contain_text(f"It undid release {number}.")
    assert (live(server, "together/a"), live(server, "together/b")) == (1, 1)


def test_a_release_whose_aliases_moved_on_is_not_undone_as_a_whole(
    server: ServerProcess, visitor: Come
) -> None:
    versions(server, "moved/on")
    page = visitor("Rui").go("/changes/new?name=moved/on&to=2&reason=because")
    page.get_by_role("button", name="Move production to version 2").click()
    number = number_of(page)
    server.move("moved/on", "production", 3, reason="further")
    expect(page.locator("main")).to_contain_text("It has moved since, and points to version 3")
    assert not page.get_by_role("link", name="Roll back…").count()
    page = visitor("Vic").go(f"/releases/{number}:rollback")
    expect(page.locator(".waits")).to_contain_text("production of moved/on has moved since")
    assert not page.get_by_role("button", name="Put").count()


def test_moves_that_are_not_as_they_were_shown_are_not_made(
    server: ServerProcess, visitor: Come
) -> None:
    versions(server, "unseen/a")
    page = visitor("Rui").go("/changes/new?name=unseen/a&to=2")
    page.get_by_label("Why").fill("typed before the other one moved")
    server.move("unseen/a", "production", 3, reason="somebody was faster")
    page.get_by_role("button", name="Move production to version 2").click()
    expect(page.get_by_role("alert")).to_contain_text("is not what you looked at")
    expect(page.locator(".swap")).to_contain_text("version 3")
    assert page.get_by_label("Why").input_value() == "typed before the other one moved"
    page.get_by_label("To", exact=True).fill("1")
    page.get_by_role("button", name="Move production to version 2").click()
    expect(page.get_by_role("alert")).to_contain_text("is not what you looked at")
    assert live(server, "unseen/a") == 3


def test_who_may_not_move_proposes_several_and_splits_them(
    server: ServerProcess, visitor: Come
) -> None:
    versions(server, "several/a")
    versions(server, "several/b")
    wanda = visitor("Wanda")
    page = wanda.go(
        "/changes/new?name=several/a&to=2&name=several/b&to=1=90, 3=10&alias=production"
    )
    assert not page.get_by_role("button", name="Move 2 aliases together", exact=True).count()
    page.get_by_role("button", name="Propose to move 2 aliases together").click()
    expect(page.get_by_role("alert")).to_contain_text("A change needs a title")
    page.get_by_label("Title").fill("Two at once")
    page.get_by_label("Why").fill("They quote one another")
    page.get_by_role("button", name="Propose to move 2 aliases together").click()
    page.wait_for_url("**/changes/*")
    (first, second) = server.get(f"/changes/{number_of(page)}").json["moves"]
    assert first["to"]["version"] == 2
    assert [arm["weight"] for arm in second["to"]["split"]] == [90, 10]
    expect(page.locator(".arms")).to_contain_text("10 % version 3")


def test_a_share_of_readers_is_sent_to_a_version(server: ServerProcess, visitor: Come) -> None:
    versions(server, "share/a")
    rui = visitor("Rui")
    page = rui.go("/prompts/share/a:move?alias=production&version=2")
    page.get_by_label("for").fill("10")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".swap")).to_contain_text("90 % version 1")
    page.get_by_label("Why").fill("a few at first")
    page.get_by_role("button", name="Send 10 % of readers to version 2").click()
    expect(page.get_by_role("status").first).to_contain_text("version 2 (10%)")
    shares = {"split": [{"version": 1, "weight": 9}, {"version": 2, "weight": 1}]}
    assert target(server, "share/a")["split"] == shares["split"]  # type: ignore[index]
    page = rui.go("/prompts/share/a:move?alias=production&version=3&share=50")
    expect(page.locator(".swap")).to_contain_text("45 % version 1")
    page.get_by_label("Why").fill("half of them")
    server.move("share/a", "production", 2, reason="somebody was faster")
    page.get_by_role("button", name="Send 50 % of readers to version 3").click()
    expect(page.get_by_role("alert")).to_contain_text("was moved while you were looking")
    assert target(server, "share/a")["version"] == 2  # type: ignore[index]


def test_a_share_of_nothing_is_refused_by_its_field(server: ServerProcess, visitor: Come) -> None:
    server.publish("share/first")
    page = visitor("Rui").go("/prompts/share/first:move?alias=canary&version=1&share=10")
    expect(page.get_by_role("alert")).to_contain_text("There is no other version")
    expect(page.get_by_role("button", name="Move canary to version 1")).to_be_visible()


def test_a_deleted_alias_is_set_again(server: ServerProcess, visitor: Come) -> None:
    server.publish("deleted/once")
    server.move("deleted/once", "canary", 1, reason="to try it")
    path = "/artifacts/prompt/deleted%2Fonce/aliases/canary"
    assert server.delete(path, query={"reason": "tried"}).status == 200
    page = visitor("Rui").go("/prompts/deleted/once:move?alias=canary&version=1")
    page.get_by_label("Why").fill("again")
    page.get_by_role("button", name="Move canary to version 1").click()
    expect(page.get_by_role("status").first).to_contain_text("canary points to version 1 now")
