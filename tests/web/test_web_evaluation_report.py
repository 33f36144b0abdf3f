"""The page of an evaluation in a real browser: nothing in it is run, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Held, Metric, Report, Side
from pointsman.core.evaluation_reports import html_page

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
RUNS = "document.documentElement.lang='it-ran'"
HOSTILE = (
    f"<script>{RUNS}</script>",
    f'</pre></details><img src=x onerror="{RUNS}">',
    f'</title></style><svg onload="{RUNS}">',
    f'"><iframe srcdoc="<script>parent.{RUNS}</script>"></iframe>',
)


@contextmanager
def _opened(
    browser: Browser, html: str, folder: Path, *, width: int = 1280, theme: str = "light"
) -> Iterator[Page]:
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
    )
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        yield page
    finally:
        context.close()


def _page(text: str) -> str:
    """A page with `text` wherever others write."""
    figures = Figures(1, 0.5, p95=0.00001275)
    report = Report(
        "failed",
        text,
        1,
        (Held(text, "failed", text, rows=(0,)),),
        (Metric(text, figures, figures, slices={text: (figures, figures)}),),
        (text,),
    )
    evaluation = Evaluation(
        21, "suite:labels:3", "prompt", "classify", 2, 1, text, "ab" * 32, "failed", text, AT,
        ended_at=AT, report=report,
    )  # fmt: skip
    side = Side(text, {text: 0.0}, {text: text})
    case = CaseResult(0, {text: text}, side, Side(f"before {text}"), text, {text: text}, text, -1.0)
    failed = CaseResult(1, {}, Side(error=text), Side(text), change=-1.0)
    return html_page(evaluation, [case, failed])


def _ran(page: Page) -> bool:
    return page.locator("html").get_attribute("lang") == "it-ran"


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(browser: Browser, text: str, tmp_path: Path) -> None:
    with _opened(browser, _page(text), tmp_path) as page:
        assert not _ran(page)
        assert page.locator("script, img, svg, iframe").count() == 0
        assert text in page.locator("pre").first.inner_text()


def test_the_policy_of_the_page_lets_nothing_run(browser: Browser, tmp_path: Path) -> None:
    """Even if something slipped through: the second defence holds by itself."""
    page = _page("harmless")
    slipped = page.replace("<main>", f"<main>{HOSTILE[0]}")
    with _opened(browser, slipped, tmp_path) as opened:
        assert opened.locator("script").count() == 1
        assert not _ran(opened)
    start = slipped.index('<meta http-equiv="Content-Security-Policy"')
    bare = slipped[:start] + slipped[slipped.index(">", start) + 1 :]
    with _opened(browser, bare, tmp_path) as opened:
        assert _ran(opened), "or this test would see nothing"


_CUT_OFF = """() => [...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1
    || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
  .map(one => one.tagName + " " + one.textContent.slice(0, 40))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("text", ["correct", "x" * 400, "two words " * 60])
def test_nothing_is_cut_off(
    browser: Browser, width: int, theme: str, text: str, tmp_path: Path
) -> None:
    with _opened(browser, _page(text), tmp_path, width=width, theme=theme) as page:
        for closed in page.locator("details:not([open]) > summary").all():
            closed.click()
        assert page.evaluate(_CUT_OFF) == []
        assert page.get_by_text("was 0.00001275").first.is_visible()
