"""Lists that come in pages: the options, and going through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pointsman.cli.output import Output

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Page

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_MOST = 1_000


def page_options(function: F) -> F:
    """Add `--limit`, `--cursor` and `--all`."""
    function = click.option("--all", "everything", is_flag=True, help="All pages, as one.")(
        function
    )
    function = click.option("--cursor", help="Go on where a page ended.")(function)
    return click.option(
        "--limit", type=click.IntRange(1, _MOST), default=50, show_default=True,
        help="How many at most.",
    )(function)  # fmt: skip


def read_page(
    ask: Callable[[int, str | None], Page[T]], limit: int, cursor: str | None, *, everything: bool
) -> Page[T]:
    """One page, or all that is left. `ask` gives the page of a limit at a cursor."""
    if not everything:
        return ask(limit, cursor)
    page = ask(_MOST, cursor)
    items = list(page.items)
    while page.cursor is not None:
        page = ask(_MOST, page.cursor)
        items += page.items
    return type(page)(tuple(items), None)


def tell_more(out: Output, page: Page[Any]) -> None:
    """Say that there is more, and how to get it."""
    if page.cursor is not None:
        out.note(f"There is more: --cursor {page.cursor}, or --all.")
