"""What tests of pages share: one server with a team, one browser, and visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from serving import ServerProcess
from web.browsing import Visitor, chromium, join, visit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a team, for the tests of one file: each uses artifacts of its own."""
    folder: Path = tmp_path_factory.mktemp("web")
    with ServerProcess(data=folder) as made:
        join(made)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a file; each visitor has a window of their own.

    Not for longer: what drives it has an event loop running in this thread, in which tests of
    other files could not run theirs.
    """
    with chromium() as made:
        yield made


@pytest.fixture
def visitor(browser: Browser, server: ServerProcess) -> Iterator[Callable[..., Visitor]]:
    """Has somebody of the team come by: `visitor("Rui")`."""
    made: list[Visitor] = []

    def come(name: str, *, width: int = 1280, theme: str = "light") -> Visitor:
        made.append(visit(browser, server, name, width=width, theme=theme))
        return made[-1]

    yield come
    for one in made:
        one.close()
