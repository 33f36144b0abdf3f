"""The catalogue: folders, a search that follows the typing, filters that are links."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]


@pytest.fixture(scope="module")
def stocked(server: ServerProcess) -> ServerProcess:
    """A server with more than a page of prompts, in folders."""
    for number in range(60):
        server.publish(f"stock/{'ab'[number % 2]}/item-{number:02}", f"Item {number}")
    server.publish("stock/readme", "The word xylophone is in here")
    server.publish("stock/readme", "The word xylophone is still in here")
    server.move("stock/readme", "production", 1, reason="to begin with")
    tagged = server.put("/artifacts/prompt/stock%2Freadme/tags/team", {"value": "support"})
    assert tagged.status < 300, tagged
    return server


def names(page: Page) -> list[str]:
    """What the list shows."""
    return page.locator("#found tbody th a").all_inner_texts()


def asked(page: Page) -> dict[str, list[str]]:
    """The parameters of the page's address."""
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_folders_lead_to_what_lies_in_them(stocked: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/catalogue")
    page.get_by_role("link", name="stock 61 artifacts").click()
    expect(page.get_by_role("link", name="a 30 artifacts")).to_be_visible()
    assert names(page) == ["readme"], "what lies in the folder itself"
    page.get_by_role("link", name="b 30 artifacts").click()
    assert len(names(page)) == 30
    page.get_by_label("Folders").get_by_role("link", name="stock").click()
    page.get_by_role("link", name="Show in one list").click()
    assert len(names(page)) == 50
    page.get_by_role("link", name="Next page").click()
    assert len(names(page)) == 11
    page.get_by_role("link", name="Show by folders").click()
    expect(page.get_by_role("link", name="a 30 artifacts")).to_be_visible()


def test_the_list_follows_the_typing_and_the_address_the_list(
    stocked: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/catalogue?folder=stock")
    search = page.get_by_label("Search", exact=True)
    search.press_sequentially("ITEM-07")
    expect(page.locator("#found tbody th a")).to_have_text(["b/item-07"])
    expect(search).to_be_focused()
    page.wait_for_url(re.compile("q=ITEM-07"))
    assert asked(page) == {"q": ["ITEM-07"], "folder": ["stock"]}, "nothing that was left empty"
    page.reload()
    assert names(page) == ["b/item-07"]
    page.get_by_role("link", name="“ITEM-07” in names").click()
    assert asked(page) == {"folder": ["stock"]}


@pytest.mark.parametrize(
    ("where", "text"),
    [("in texts", "XYLOPHONE"), ("in tags", "team = support"), ("by author", "first admin")],
)
def test_other_things_are_searched_by_choice(
    stocked: ServerProcess, visitor: Come, where: str, text: str
) -> None:
    page = visitor("Vic").go("/catalogue")
    page.get_by_label("Search", exact=True).fill(text)
    page.get_by_label("Search in").select_option(label=where)
    expect(page.locator("#found tbody th a").filter(has_text="stock/readme")).to_have_count(
        1 if where != "by author" else 0
    )
    if where == "by author":
        expect(page.locator("#found tbody tr")).to_have_count(50)


def test_a_tag_expression_that_is_not_finished_is_explained(
    stocked: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/catalogue?in=tags&q=team+%3D")
    expect(page.get_by_role("alert")).to_contain_text("not a value")
    assert page.get_by_label("Search", exact=True).input_value() == "team ="


def test_filters_are_links_to_share_and_to_take_away(stocked: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/catalogue?alias=production&kind=prompt&folder=stock&order=updated")
    assert names(page) == ["readme"]
    row = page.locator("#found tbody tr")
    expect(row).to_contain_text("1 version behind")
    expect(row).to_contain_text("by first admin")
    chips = page.get_by_label("Filters", exact=True)
    chips.get_by_role("link", name="has production").click()
    assert asked(page) == {"kind": ["prompt"], "folder": ["stock"], "order": ["updated"]}
    assert names(page)[0] == "readme", "the last changed first"
    page = visitor("Vic").go("/catalogue?without=production&folder=stock")
    assert "readme" not in names(page)


def test_open_changes_are_counted(stocked: ServerProcess, visitor: Come) -> None:
    move = {"name": "stock/a/item-00", "alias": "production", "version": 1}
    made = stocked.post("/changes", {"title": "One", "moves": [move], "reason": "so"})
    assert made.status == 201, made
    page = visitor("Vic").go("/catalogue?q=item-00")
    expect(page.locator("#found tbody tr")).to_contain_text("1 open change")


def test_it_works_without_scripts(stocked: ServerProcess, visitor: Come) -> None:
    vic = visitor("Vic")
    with vic.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=vic.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(f"{stocked.url}/projects/default/catalogue")
        page.get_by_label("Search", exact=True).fill("item-11")
        page.get_by_role("button", name="Search").click()
        assert names(page) == ["stock/b/item-11"]


def test_nothing_found_says_what_next(stocked: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/catalogue?q=nowhere-at-all&folder=stock")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Look everywhere").click()
    assert asked(page) == {"q": ["nowhere-at-all"]}


def test_an_empty_project_teaches_the_first_steps(server: ServerProcess, visitor: Come) -> None:
    assert server.post("/projects", {"name": "fresh"}).status == 201
    ada = visitor("Ada")
    page = ada.page
    grant = {"who": "ada@example.org", "role": "admin"}
    granted = server.post("/grants", grant, headers={"Pointsman-Project": "fresh"})
    assert granted.status < 300, granted
    page.goto(f"{server.url}/projects/fresh/catalogue")
    expect(page.get_by_role("heading", name="Three steps to the first prompt")).to_be_visible()
    for text in ("Write the first prompt", "pointsman promote", "client.get"):
        expect(page.locator(".teach")).to_contain_text(text)
