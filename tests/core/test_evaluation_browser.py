"""The page of an evaluation in a real browser: what others wrote is never run."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Held, Metric, Report, Side
from pointsman.core.evaluation_reports import html_page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for found in map(shutil.which, _NAMES) if found), "")
AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
RUNS = 'document.documentElement.setAttribute("lang","it-ran")'
HOSTILE = (
    f"<script>{RUNS}</script>",
    f"</pre></details><img src=x onerror='{RUNS}'>",
    f"</title></style><svg onload='{RUNS}'>",
    f"\"><iframe srcdoc='<script>parent.{RUNS}</script>'></iframe>",
)

pytestmark = pytest.mark.skipif(not BROWSER, reason="there is no browser on this machine")


class _Seen(HTMLParser):
    """What a browser made of a page: its elements, and the language of the root."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.language: str | None = None
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        if tag == "html":
            self.language = dict(attrs).get("lang")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _seen(page: str, folder: Path) -> _Seen:
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    ran = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return _Seen(ran.stdout)


def _page(text: str) -> str:
    """A page with `text` wherever others write."""
    figures = Figures(1, 0.5)
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


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text_in_a_browser(text: str, tmp_path: Path) -> None:
    seen = _seen(_page(text), tmp_path)
    assert seen.language == "en"
    assert not seen.elements.keys() & {"script", "img", "svg", "iframe"}
    assert text in "".join(seen.texts)


def test_the_policy_of_the_page_lets_nothing_run(tmp_path: Path) -> None:
    """Even if something slipped through: the second defence holds by itself."""
    page = _page("harmless")
    slipped = page.replace("<main>", f"<main>{''.join(HOSTILE[:2])}<svg onload='{RUNS}'></svg>")
    seen = _seen(slipped, tmp_path)
    assert seen.elements["script"] == 1
    assert seen.language == "en"
    start = slipped.index('<meta http-equiv="Content-Security-Policy"')
    bare = slipped[:start] + slipped[slipped.index(">", start) + 1 :]
    assert _seen(bare, tmp_path).language == "it-ran"  # so the probe does notice
