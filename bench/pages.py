"""The pages that people see, over 10,000 artifacts: time on the server, and until they react.

The time on the server is that of a whole request on one kept connection, the answer packed as
browsers ask for it. Until it is interactive: from the start of the navigation in a Chromium
without a window until the page's scripts have run (`domComplete`).
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench import harness, machine
from bench.big_store import name_of, store_of
from bench.harness import NotMeasuredError, Result, Spread, at_most
from bench.run import Run

_PROJECT = "/projects/default"


def pages(run: Run) -> Iterator[Result]:
    """The rows of pages."""
    artifacts = run.size(10_000, 500)
    data = run.folder / "pages"
    with store_of(artifacts, data):
        pass
    with machine.pointsman(data) as server:
        machine.wait_for(server.child, server.port, "/readyz")
        for what, path in _pages(name_of(artifacts // 2)).items():
            spent = _server_time(server, path, run.size(40, 4))
            yield Result(
                f"the page of {what}, among {artifacts:,} artifacts",
                at_most(50, "ms"),
                harness.duration(spent.middle / 1e3),
                ratio=spent,
            )
        yield from _interactive(run, server, artifacts)


def _pages(name: str) -> dict[str, str]:
    """What is looked at, and its address below the project."""
    prompt = f"/prompts/{name}"
    return {
        "the catalogue": "/catalogue",
        "a folder": f"/catalogue?folder={name.split('/')[0]}",
        "a search by name": "/catalogue?q=reply",
        "a search by tag": "/catalogue?tags=stage%20%3D%20live",
        "an artifact": prompt,
        "a version": f"{prompt}:3",
        "comparing": f"{prompt}:compare?before=1&after=5",
        "promoting": f"{prompt}:move?alias=production&version=2",
        "the editor": f"{prompt}:edit",
        "the history": "/history",
        "an artifact's history": f"{prompt}:history",
        "the time machine": f"{prompt}:time",
        "the graph around an artifact": f"{prompt}:graph",
        "the changes": "/changes",
        "the inbox": "/inbox",
        "the policies": "/settings/policies",
    }


def _server_time(server: machine.Server, path: str, rounds: int) -> Spread:
    """Milliseconds of a request, the first one not counted."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Cookie": f"pointsman_session={server.key}", "Accept-Encoding": "gzip"}
    samples = []
    with contextlib.closing(connection):
        for turn in range(rounds + 1):
            began = time.perf_counter()
            connection.request("GET", _PROJECT + path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise NotMeasuredError(f"{path} answered {answer.status}")
            if turn:
                samples.append((time.perf_counter() - began) * 1e3)
    return Spread.of(samples)


def _interactive(run: Run, server: machine.Server, artifacts: int) -> Iterator[Result]:
    row = f"the catalogue is interactive, among {artifacts:,} artifacts"
    place = shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(place).exists():
        yield Result(row, at_most(1, "s"), missing="chromium is not installed")
        return
    samples = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=place, args=options)
        for _ in range(run.size(9, 2)):
            context = browser.new_context()
            context.add_cookies(
                [{"name": "pointsman_session", "value": server.key, "url": server.url}]
            )
            page = context.new_page()
            page.goto(f"{server.url}{_PROJECT}/catalogue", wait_until="load")
            samples.append(
                page.evaluate("performance.getEntriesByType('navigation')[0].domComplete") / 1e3
            )
            context.close()
        browser.close()
    spent = Spread.of(samples)
    yield Result(row, at_most(1, "s"), harness.duration(spent.middle), ratio=spent)
