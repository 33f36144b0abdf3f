"""The graph page: a drawing with a list behind it, worlds, moments, and what is strange."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]


def publish(
    server: ServerProcess, name: str, template: str = "x", *needs: str, **more: Any
) -> None:
    """Publish a prompt that consumes others, and let an alias point to it."""
    dependencies = [
        {
            "relation": "consumes",
            "selector": one.rpartition("=")[2],
            "variable": one.rpartition("=")[0],
        }
        for one in needs
    ]
    more = {"aliases": ["production"], "reason": "for the graph", **more}
    server.publish(name, template, dependencies=dependencies, **more)


@pytest.fixture(scope="module")
def made(server: ServerProcess) -> datetime:
    """A chain with a side branch; the moment before the last of it was published."""
    publish(server, "net/tone")
    publish(server, "net/classify")
    publish(server, "net/reply", "{{> net/tone@production }} {{ topic }}",
            "topic=net/classify@production")  # fmt: skip
    publish(server, "net/daily", "{{ reply }}", "reply=net/reply")
    (entry,) = server.get("/journal", query={"limit": 1}).json["items"]
    publish(server, "net/weekly", "{{ day }}", "day=net/daily")
    publish(server, "net/alone")
    return datetime.fromisoformat(entry["at"])


def boxes(page: Page) -> list[str]:
    """The nodes of the drawing, in words."""
    titles = page.locator("svg.graph a.box > title")
    return [titles.nth(n).text_content() or "" for n in range(titles.count())]


def test_what_is_around_an_artifact_is_drawn(
    made: datetime, server: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/prompts/net/reply")
    page.get_by_role("navigation", name="About net/reply").get_by_role("link", name="Graph").click()
    assert sorted(one.split("@")[0] for one in boxes(page)) == [
        "net/classify", "net/daily", "net/reply", "net/tone", "net/weekly",
    ]  # fmt: skip
    drawing = page.locator("svg.graph")
    expect(drawing).to_have_attribute(
        "aria-label", "5 nodes and 4 dependencies; what is needed stands left of what needs it"
    )
    expect(drawing).to_contain_text("consumes as topic")
    page.get_by_text("As a list").click()
    row = page.locator("tbody tr").filter(has=page.get_by_role("rowheader", name="net/reply"))
    expect(row).to_contain_text("includes net/tone")
    expect(row).to_contain_text("consumes as topic net/classify")
    row.get_by_role("link", name="net/classify").click()
    expect(page.get_by_role("heading", name="classify")).to_be_visible()
    assert len(boxes(page)) == 4, "what it has nothing to do with is gone"


def test_the_whole_project_is_drawn_without_what_is_alone(
    made: datetime, server: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/graph")
    assert "net/alone@production, version 1" not in boxes(page)
    assert "net/weekly@production, version 1" in boxes(page)


def test_as_of_a_moment(made: datetime, server: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go(f"/prompts/net/reply:graph?at={made.isoformat().replace('+', '%2B')}")
    assert "net/weekly" not in " ".join(boxes(page))
    assert "net/daily@production, version 1" in boxes(page)
    page.get_by_role("link", name="Now").click()
    assert "net/weekly@production, version 1" in boxes(page)


def test_other_worlds_and_dead_ends(made: datetime, server: ServerProcess, visitor: Come) -> None:
    publish(server, "ends/needed", aliases=["test"])
    publish(server, "ends/needing", "{{ x }}", "x=ends/needed@test", aliases=["test"])
    gone = server.delete("/artifacts/prompt/ends%2Fneeded/aliases/test", query={"reason": "gone"})
    assert gone.status < 300, gone
    page = visitor("Vic").go("/prompts/ends/needing:graph")
    page.get_by_label("In the world of the alias").fill("test")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("note")).to_contain_text(
        "ends/needed@test, which points nowhere: there is no such alias"
    )
    page = visitor("Vic").go("/graph?world=test")
    expect(page.get_by_role("note").filter(has_text="Dead ends")).to_contain_text("ends/needing")


def test_what_needs_each_other_is_told(
    made: datetime, server: ServerProcess, visitor: Come
) -> None:
    publish(server, "ring/a")
    publish(server, "ring/b", "{{ x }}", "x=ring/a@production")
    publish(server, "ring/a", "{{ x }}", "x=ring/b@production")
    page = visitor("Vic").go("/graph")
    expect(page.get_by_role("note").filter(has_text="Some need each other")).to_contain_text(
        "ring/a"
    )
    assert page.locator("svg.graph .edge.back").count() == 1


def test_what_is_too_much_to_draw_is_a_list_in_pages(
    made: datetime, server: ServerProcess, visitor: Come
) -> None:
    publish(server, "many/root")
    for number in range(70):
        publish(server, f"many/leaf-{number:02}", "{{ x }}", "x=many/root@production")
    page = visitor("Vic").go("/graph")
    assert boxes(page) == []
    assert page.locator("tbody tr").count() == 50
    page.get_by_role("link", name="Next page").click()
    assert page.locator("tbody tr").count() > 20
    page.get_by_role("link", name="many/leaf-69").click()
    assert len(boxes(page)) == 2


def test_what_can_not_be_shown_is_explained(
    made: datetime, server: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/prompts/net/reply:graph?at=2001-01-01")
    expect(page.get_by_role("alert")).to_contain_text("has no version at that time")
    page = visitor("Vic").go("/graph?world=not%20an%20alias")
    expect(page.get_by_role("alert")).to_be_visible()
