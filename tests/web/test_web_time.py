"""The time machine: what was where, who had put it there and why, and what differs since."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from serving import ServerProcess
from web.browsing import Visitor

Come = Callable[..., Visitor]
LISBON = ZoneInfo("Europe/Lisbon")  # where visitors are


def last(server: ServerProcess) -> datetime:
    """When the last thing happened."""
    (entry,) = server.get("/journal", query={"limit": 1}).json["items"]
    return datetime.fromisoformat(entry["at"])


def next_second(server: ServerProcess) -> datetime:
    """A whole second after all that has happened, which has come."""
    at = last(server).replace(microsecond=0) + timedelta(seconds=1)
    while datetime.now(at.tzinfo) <= at:
        time.sleep(0.05)
    return at


@pytest.fixture(scope="module")
def lived(server: ServerProcess) -> dict[str, datetime]:
    """Moments before the first move, between the two, and after both."""
    name = "then/reply"
    server.publish(name, "One")
    server.publish(name, "Two", message="kinder")
    moments = {"before": next_second(server)}
    server.move(name, "production", 1, reason="good enough to start")
    moments["between"] = next_second(server)
    server.move(name, "production", 2, reason="kinder answers")
    server.move("then/reply", "canary", 2, reason="try it")
    moments["after"] = next_second(server)
    server.publish("then/later", "One")
    server.move("then/later", "production", 1, reason="later on")
    return moments


def typed(at: datetime) -> str:
    """A moment as the field has it."""
    return f"{at.astimezone(LISBON):%Y-%m-%dT%H:%M:%S}"


def cards(page: Page) -> list[str]:
    return page.locator(".stood > li").all_inner_texts()


def test_what_was_production_then_takes_two_clicks(
    lived: dict[str, datetime], visitor: Come
) -> None:
    page = visitor("Vic").go("/prompts/then/reply")
    page.get_by_role("link", name="Time machine").click()
    page.get_by_label("At this moment").fill(typed(lived["between"]))
    page.get_by_role("button", name="Show that moment").click()
    card = page.locator(".stood > li").filter(has_text="production")
    expect(card).to_contain_text("version 1")
    expect(card).to_contain_text("first admin put it there")
    expect(card).to_contain_text("good enough to start")
    expect(page.locator(".asof")).to_contain_text(f"{lived['between'].astimezone(LISBON):%H:%M:%S}")
    assert len(cards(page)) == 1, "canary came later"


def test_before_the_first_move_nothing_points_anywhere(
    lived: dict[str, datetime], visitor: Come
) -> None:
    page = visitor("Vic").go(f"/prompts/then/reply:time?at={typed(lived['before'])}")
    expect(page.get_by_text("No alias pointed anywhere at that moment.")).to_be_visible()
    expect(page.locator("svg.track")).to_have_attribute("aria-label", re.compile("2 versions"))
    page = visitor("Vic").go("/prompts/then/reply:time?at=2001-01-01T00:00")
    expect(page.get_by_role("heading", name="had no version yet")).to_be_visible()


def test_links_lead_from_move_to_move(lived: dict[str, datetime], visitor: Come) -> None:
    page = visitor("Vic").go(f"/prompts/then/reply:time?at={typed(lived['before'])}")
    page.get_by_role("link", name="The move after").click()
    expect(page.locator(".stood")).to_contain_text("good enough to start")
    page.get_by_role("link", name="The move after").click()
    expect(page.locator(".stood")).to_contain_text("kinder answers")
    page.get_by_role("link", name="The move before").click()
    expect(page.locator(".stood")).to_contain_text("good enough to start")


def test_the_slider_shows_the_moment_it_stands_at(
    lived: dict[str, datetime], visitor: Come
) -> None:
    page = visitor("Vic").go("/prompts/then/reply:time")
    expect(page.locator(".stood")).to_contain_text("kinder answers")
    assert page.locator(".marks line").count() == 3
    slider = page.get_by_label("Slide through time")
    slider.fill(str(int(lived["between"].timestamp())))
    expect(page.locator(".stood")).to_contain_text("good enough to start")
    assert page.get_by_label("At this moment").input_value() == typed(lived["between"])


def test_what_changed_is_told_with_a_comparison(lived: dict[str, datetime], visitor: Come) -> None:
    at, other = typed(lived["between"]), typed(lived["after"])
    page = visitor("Vic").go(f"/time?at={at}&other={other}&q=then")
    changed = page.locator("ul.lines")
    expect(changed).to_contain_text("production of then/reply moved from version 1 to version 2")
    expect(changed).to_contain_text("canary of then/reply was set, and is at version 2")
    expect(changed).not_to_contain_text("then/later")
    href = changed.get_by_role("link", name="Compare").first.get_attribute("href")
    assert href == "/projects/default/prompts/then/reply:compare?before=1&after=2"


def test_the_whole_project_at_a_moment(lived: dict[str, datetime], visitor: Come) -> None:
    page = visitor("Vic").go("/time")
    page.get_by_label("Names with").fill("THEN/")
    expect(page.locator("#found tbody tr")).to_have_count(3)
    page.get_by_label("At this moment").fill(typed(lived["between"]))
    expect(page.locator("#found tbody tr")).to_have_count(1)
    expect(page.locator("#found tbody tr")).to_contain_text("version 1 of 2")
    page.get_by_role("link", name="then/reply").first.click()
    expect(page.locator(".stood")).to_contain_text("good enough to start")


def test_it_works_without_scripts(lived: dict[str, datetime], visitor: Come) -> None:
    vic = visitor("Vic")
    with vic.context.browser.new_context(  # type: ignore[union-attr]
        java_script_enabled=False, storage_state=vic.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(f"{vic.server.url}/projects/default/prompts/then/reply:time")
        expect(page.get_by_label("Slide through time")).to_be_hidden()
        page.get_by_label("At this moment").fill(typed(lived["between"]))
        page.get_by_role("button", name="Show that moment").click()
        expect(page.locator(".stood")).to_contain_text("good enough to start")


def test_what_is_no_moment_is_explained(lived: dict[str, datetime], visitor: Come) -> None:
    page = visitor("Vic").go("/time?at=last+tuesday")
    expect(page.get_by_role("alert")).to_contain_text("'last tuesday' is no moment")
