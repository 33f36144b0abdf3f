"""The history: sentences, filters that are an address, pages, and files to take along."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]


@pytest.fixture(scope="module")
def lived(server: ServerProcess) -> ServerProcess:
    """A server on which things have happened."""
    for name in ("past/reply", "past/other"):
        server.publish(name, "One {{ who }}", message="the first of all")
        server.publish(name, "Two {{ who }}", message='=HYPERLINK("x")')
        server.move(name, "production", 1, reason=f"{name} goes live")
        server.move(name, "production", 2, reason="shorter answers")
        server.move(name, "canary", 2, reason="<b>to try</b>")
    return server


def lines(page: Page) -> list[str]:
    """The sentences that are shown."""
    return page.locator(".log > li > div").all_inner_texts()


def test_what_happened_is_told_in_sentences_with_links(lived: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/history?about=past/reply")
    expect(page.get_by_role("heading", name="Today")).to_be_visible()
    line = page.locator(".log > li").filter(has_text="shorter answers")
    expect(line).to_contain_text(
        "first admin moved production of past/reply from version 1 to version 2"
    )
    expect(page.locator(".log").first).to_contain_text("<b>to try</b>")
    expect(line.get_by_role("link", name="release")).to_have_count(1)
    line.get_by_role("link", name="version 2").click()
    expect(page.get_by_role("heading", name="Version 2")).to_be_visible()


def test_filters_narrow_it_down_and_stay_in_the_address(
    lived: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/history")
    page.get_by_label("About").fill("past/reply")
    page.get_by_label("What").select_option(label="Moves")
    page.get_by_label("Alias", exact=True).fill("canary")
    expect(page.locator(".log > li")).to_have_count(1)
    page.wait_for_url("**/history?about=past%2Freply&alias=canary&what=moves")
    page.reload()
    assert len(lines(page)) == 1
    page.goto(page.url.replace("canary", "nothing-like-it"))
    expect(page.get_by_role("heading", name="Nothing like that happened")).to_be_visible()
    page.goto(f"{lived.url}/projects/default/history?until=2001-01-01")
    assert lines(page) == []
    page.goto(f"{lived.url}/projects/default/history?from=2001-01-01&by=first+admin&what=moves")
    assert len(lines(page)) >= 6


@pytest.mark.parametrize(
    ("query", "said"),
    [("about=nothing/there", "There is no prompt"), ("from=tuesday", "is no moment")],
)
def test_what_can_not_be_answered_is_explained_in_place(
    lived: ServerProcess, visitor: Come, query: str, said: str
) -> None:
    page = visitor("Vic").go(f"/history?{query}")
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("button", name="Show")).to_be_visible()


def test_long_histories_come_in_pages(lived: ServerProcess, visitor: Come) -> None:
    for number in range(60):
        tag = f"/artifacts/prompt/past%2Fother/tags/n{number}"
        assert lived.put(tag, {"value": "x"}).status < 300
    page = visitor("Vic").go("/history?about=past/other&what=around")
    assert len(lines(page)) == 50
    page.get_by_role("link", name="Older").click()
    assert len(lines(page)) == 10
    page.get_by_role("link", name="Newest").click()
    assert len(lines(page)) == 50


def test_the_history_of_one_artifact_has_nothing_of_others(
    lived: ServerProcess, visitor: Come
) -> None:
    page = visitor("Vic").go("/prompts/past/reply:history")
    told = "\n".join(lines(page))
    assert "past/reply goes live" in told
    assert "past/other" not in told
    page.get_by_role("navigation", name="About past/reply").get_by_role(
        "link", name="Overview"
    ).click()
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()


def test_what_happens_now_appears(lived: ServerProcess, visitor: Come) -> None:
    page = visitor("Vic").go("/prompts/past/reply:history")
    lived.move("past/reply", "canary", 1, reason="seen at once")
    expect(page.locator(".log").first).to_contain_text("seen at once")


def test_what_is_filtered_can_be_taken_along(
    lived: ServerProcess, visitor: Come, tmp_path: Path
) -> None:
    page = visitor("Vic").go("/history?about=past/reply&what=versions")
    shown = len(lines(page))
    with page.expect_download() as csv_file:
        page.get_by_role("link", name="CSV").click()
    csv_file.value.save_as(tmp_path / "history.csv")
    with (tmp_path / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shown
    assert rows[-1]["sentence"] == "first admin began past/reply."
    with page.expect_download() as lines_file:
        page.get_by_role("link", name="JSON lines").click()
    lines_file.value.save_as(tmp_path / "history.jsonl")
    text = (tmp_path / "history.jsonl").read_text("utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    assert [one["seq"] for one in entries] == [int(row["number"]) for row in rows]
