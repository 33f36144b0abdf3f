"""What holds for every page there is: nothing that somebody wrote runs, all can be used by all.

The pages come from `web.routes`, their addresses from `web.world`: a page that is new is looked
at by itself, and one without an example fails.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page

from serving import ServerProcess
from web.browsing import PASSWORD, email_of, join, visit
from web.world import UNSAFE, World, fill

HEAVIEST = 100 * 1024
"""Bytes that a page may weigh, packed, with all that it loads but the editor."""
AXE = Path(__file__).resolve().parents[2] / "assets" / "node_modules" / "axe-core" / "axe.min.js"
_WATCH = """
window.addEventListener("securitypolicyviolation", (event) => {
  const told = event.violatedDirective + " " + event.blockedURI;
  window.__violations = [...(window.__violations || []), told];
});
"""


@pytest.fixture(scope="module")
def unsafe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registry in which every text is one that wants to be run."""
    with ServerProcess(data=tmp_path_factory.mktemp("unsafe")) as server:
        join(server)
        yield fill(server, UNSAFE, together=12)


@pytest.fixture(scope="module")
def pleasant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A registry as people have it."""
    with ServerProcess(data=tmp_path_factory.mktemp("pleasant")) as server:
        join(server)
        yield fill(server)


def test_there_are_enough_inputs() -> None:
    assert len(set(UNSAFE)) >= 200


def test_every_page_has_an_example(pleasant: World) -> None:
    empty = [pattern for pattern, found in pleasant.addresses().items() if not found]
    assert not empty, "add examples to tests/web/world.py"


@pytest.mark.parametrize("guarded", [True, False], ids=["as it is", "without its content policy"])
def test_nothing_that_somebody_wrote_runs(unsafe: World, browser: Browser, guarded: bool) -> None:
    context = browser.new_context(bypass_csp=not guarded)
    context.add_init_script(_WATCH)
    context.add_cookies([_session(unsafe)])
    page = context.new_page()
    strange: list[str] = []

    def close(dialog: Dialog) -> None:
        strange.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", close)
    context.on(
        "request",
        lambda request: strange.append(request.url) if _foreign(unsafe, request.url) else None,
    )
    for pattern, addresses in unsafe.addresses(every=True).items():
        for address in addresses:
            answer = page.goto(f"{unsafe.server.url}{address}", wait_until="load")
            assert answer is not None
            assert answer.status < 500, (address, answer.status)
            _poke(page)
            found = page.evaluate("({ran: window.__ran, broken: window.__violations})")
            assert not found["ran"], f"{address} ({pattern}) ran what somebody wrote"
            assert not found["broken"], (address, found["broken"])
            assert not strange, (address, strange)
    context.close()


def _poke(page: Page) -> None:
    """What somebody does who reads a page: open what is closed, go through what has the focus."""
    page.evaluate(
        """() => {
          for (const one of document.querySelectorAll("details")) one.open = true;
          for (const one of document.querySelectorAll("main *")) {
            for (const name of ["mouseover", "focusin", "pointerenter", "toggle"]) {
              one.dispatchEvent(new Event(name, {bubbles: true}));
            }
          }
          for (const one of document.querySelectorAll("a[href]")) {
            if (!/^https?:$/.test(one.protocol)) window.__ran = one.href;
          }
        }"""
    )


def test_what_was_written_is_shown_as_it_was_written(unsafe: World, browser: Browser) -> None:
    ada = visit(browser, unsafe.server, "Ada")
    page = ada.go("/prompts/support/reply:1")
    shown = page.locator("pre.prompt").first.inner_text()
    for text in UNSAFE:
        assert text.replace("{", "(").strip() in shown, text
    ada.close()


# Weight, and where things come from


def test_no_page_is_heavy_or_loads_anything_from_elsewhere(
    pleasant: World, browser: Browser
) -> None:
    ada = visit(browser, pleasant.server, "Ada")
    asked: list[str] = []
    packed: dict[str, int] = {}
    ada.page.on("request", lambda request: asked.append(request.url))

    def weight(url: str) -> int:
        if "/static/" not in url or url not in packed:
            packed[url] = len(gzip.compress(ada.context.request.get(url).body(), 5))
        return packed[url]

    for addresses in pleasant.addresses().values():
        for address in addresses:
            asked.clear()
            ada.page.goto(f"{pleasant.server.url}{address}", wait_until="load")
            foreign = [url for url in asked if _foreign(pleasant, url)]
            assert not foreign, (address, foreign)
            weights = {url: weight(url) for url in list(asked) if _counts(url)}
            assert sum(weights.values()) <= HEAVIEST, (address, weights)
    ada.close()


def _counts(url: str) -> bool:
    """Whether a file counts: the editor does not, nor the stream of news."""
    path = urlsplit(url).path
    return not path.endswith("/live") and "editor" not in path


# For everybody


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility(
    pleasant: World, browser: Browser, theme: str
) -> None:
    if not AXE.exists():
        if os.environ.get("CI"):
            raise RuntimeError("axe-core is not there: python assets/build.py")
        pytest.skip("axe-core is not there: python assets/build.py")
    rules = AXE.read_text()
    ada = visit(browser, pleasant.server, "Ada", theme=theme)
    wrong = []
    for addresses in pleasant.addresses().values():
        for address in addresses:
            ada.page.goto(f"{pleasant.server.url}{address}", wait_until="load")
            ada.page.evaluate(rules)
            found = ada.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            wrong += [
                f"{address}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]} "
                f"{one['nodes'][0].get('failureSummary', '')[:300]}"
                for one in found["violations"]
            ]
    ada.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("width", [360, 1920])
def test_no_page_is_wider_than_the_window(
    pleasant: World, unsafe: World, browser: Browser, width: int
) -> None:
    wrong = []
    for world in (pleasant, unsafe):
        ada = visit(browser, world.server, "Ada", width=width)
        for addresses in world.addresses().values():
            for address in addresses:
                ada.page.goto(f"{world.server.url}{address}", wait_until="load")
                wide = ada.page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    wrong.append(f"{address}: {wide} px")
        ada.context.close()
    assert not wrong, "\n".join(wrong)


def test_every_control_is_reached_by_keyboard(pleasant: World, browser: Browser) -> None:
    ada = visit(browser, pleasant.server, "Ada")
    main_pages = ("/catalogue", "/prompts/support/reply", "/settings/people", "/settings/keys")
    for path in main_pages:
        page = ada.go(path)
        wanted = page.evaluate(
            """() => [...document.querySelectorAll(
                 "a[href], button, input:not([type=hidden]), select, textarea, summary")]
                .filter((one) => one.checkVisibility() && !one.disabled)
                .map((one, number) => { one.dataset.control = number; return number; }).length"""
        )
        met: set[str] = set()
        for _ in range(wanted * 2):
            page.keyboard.press("Tab")
            met.add(page.evaluate("document.activeElement.dataset.control ?? ''"))
        missed = {str(number) for number in range(wanted)} - met
        told = [
            page.evaluate(f"document.querySelector('[data-control=\"{one}\"]').outerHTML")
            for one in sorted(missed)
        ]
        assert not told, (path, told)
    ada.close()


def _session(world: World) -> Any:
    body = {"email": email_of("Ada"), "password": PASSWORD}
    token = world.server.post("/sessions", body, key=None).json["token"]
    return {"name": "pointsman_session", "value": token, "url": world.server.url}


def _foreign(world: World, url: str) -> bool:
    """Whether a request leaves the server."""
    parts = urlsplit(url)
    if parts.scheme == "data":
        return not re.match("data:image/svg", url)
    return parts.netloc != urlsplit(world.server.url).netloc
