"""`make screenshots`: every page in both themes, and as a telephone shows it.

    python tests/web/screenshots.py [words in a page's pattern…]
    python tests/web/screenshots.py readme    the README's picture, docs/pages.png

Fills a demo registry, opens every page and writes pictures into `build/screenshots/`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Browser

from serving import ServerProcess
from web.browsing import chromium, join, visit
from web.world import fill

HOME = Path(__file__).resolve().parents[2]
FOLDER = HOME / "build" / "screenshots"
LOOKS = (("light", 1280), ("dark", 1280), ("light", 360), ("light", 1920))


def main() -> None:
    """Take all pictures, or those of pages whose pattern has one of the words."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as data, ServerProcess(data=Path(data)) as server:
        join(server)
        world = fill(server)
        with chromium() as browser:
            if wanted == ["readme"]:
                _picture(browser, server)
                return
            for theme, width in LOOKS:
                ada = visit(browser, server, "Ada", width=width, theme=theme)
                for pattern, addresses in world.addresses().items():
                    if wanted and not any(word in pattern for word in wanted):
                        continue
                    for address in addresses:
                        answer = ada.page.goto(f"{server.url}{address}", wait_until="load")
                        if answer is None or answer.status >= 500:
                            sys.exit(f"{address} failed:\n{server.log()}")
                        name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")[:80]
                        path = FOLDER / f"{name or 'home'}-{theme}-{width}.png"
                        ada.page.screenshot(path=path, full_page=True)
                        print(path.relative_to(HOME))
                ada.context.close()


def _picture(browser: Browser, server: ServerProcess) -> None:
    """The page of an artifact, as the README shows it."""
    ada = visit(browser, server, "Ada")
    ada.page.set_viewport_size({"width": 1280, "height": 680})
    ada.go("/prompts/support/reply")
    ada.page.screenshot(path=HOME / "docs" / "pages.png")
    ada.context.close()


if __name__ == "__main__":
    main()
