"""The same with a million artifacts of five versions: cold reads, moves, searches, bulk publish.

Reads and moves of random artifacts take turns with the same on a store of 1,000: a tree of
pages that is deeper by a level or two should be all the difference. "Cold" means that the
answer is in no table of ready answers, so that the store is asked; the operating system has
both files in memory. Searches must answer one page (50) within 50 ms wherever the page lies
and however rare the matches are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import harness
from bench.big_store import VERSIONS, Built, batch, owner_of, store_of
from bench.harness import Result, Round, Spread, at_least, at_most
from bench.run import Registry, Run
from pointsman.app import reading, searching
from pointsman.app.requests import search_query
from pointsman.core.search import Query
from pointsman.core.selectors import parse_selector

SMALL = 1_000
_PAGE = 50
_DEEP = 100
"""Pages of 1,000 that lie before the deep page, where there are so many matches."""


def scale(run: Run) -> Iterator[Result]:
    """The rows of the large store."""
    with ExitStack() as stack:
        yield _bulk(run, run.folder / "bulk")
        small = stack.enter_context(store_of(SMALL, run.folder / "small"))
        large = stack.enter_context(store_of(run.artifacts))
        size = f"{large.artifacts:,} artifacts"
        yield Result(
            f"bulk publish while building {size} ({large.bytes / 1e9:.1f} GB)",
            at_least(20_000, "versions/s"),
            harness.per_second(large.rate, "versions"),
            ratio=Spread.of([large.rate]),
            notes=["the large store is kept: its figure is of the run that built it"],
        )
        times = run.size(200, 50)
        yield _compared(run, f"cold resolve at {size} against 1,000", large, small, _resolve, times)
        yield _compared(run, f"move at {size} against 1,000", large, small, _move, times)
        yield from _searches(run, large)


def _bulk(run: Run, folder: Path) -> Result:
    registry = Registry(folder)
    rates = []
    at_once = 1_000 // VERSIONS
    for turn in range(run.size(60, 5)):
        items = batch(range(turn * at_once, (turn + 1) * at_once))
        began = time.perf_counter()
        registry.publish(items)
        rates.append(len(items) / (time.perf_counter() - began))
    registry.close()
    return Result(
        "bulk publish, 1,000 versions at once, empty store",
        at_least(20_000, "versions/s"),
        harness.per_second(Spread.of(rates).middle, "versions"),
        ratio=Spread.of(rates),
    )


def _compared(
    run: Run,
    row: str,
    large: Built,
    small: Built,
    deed: Callable[[Built], None],
    times: int,
) -> Result:
    def on(store: Built) -> Round:
        def one() -> float:
            began = time.perf_counter()
            for _ in range(times):
                deed(store)
            return (time.perf_counter() - began) / times

        return one

    a, b = harness.interleave(run.rounds(40), on(large), on(small))
    return harness.compare_costs(row, at_most(1.3), a, b)


def _resolve(store: Built) -> None:
    selector = parse_selector(f"{store.any_name()}@production")
    registry = store.registry
    registry.app.read(registry.caller, lambda view: reading.resolve(view, selector))


def _move(store: Built) -> None:
    name, version = store.any_move()
    store.registry.move(name, "production", version)


def _searches(run: Run, store: Built) -> Iterator[Result]:
    owners = iter(range(3, store.artifacts, 10))

    def rare_tag() -> Query:
        return search_query(tags=f"owner = {owner_of(next(owners))}")

    common, rare = "stage = live", f"owner = {owner_of(3)}"
    asked: list[tuple[str, Callable[[], Query], bool]] = [
        ("by tag, common", lambda: search_query(tags=common), False),
        ("by tag, common, deep page", lambda: search_query(tags=common), True),
        ("by tag, rare", rare_tag, False),
        ("by two tags, rare first", lambda: search_query(tags=f"{rare} and {common}"), False),
        ("by two tags, common first", lambda: search_query(tags=f"{common} and {rare}"), False),
        ("by folder, common", lambda: search_query(folder="team-07"), False),
        ("by folder, common, deep page", lambda: search_query(folder="team-07"), True),
        ("by folder, rare", lambda: search_query(folder="team-37/hapax"), False),
        ("by part of the name, common", lambda: search_query(name="reply"), False),
        ("by part of the name, common, deep page", lambda: search_query(name="reply"), True),
        ("by part of the name, rare", lambda: search_query(name="hapax"), False),
        ("by part of the name, no match", lambda: search_query(name="zebra"), False),
        ("by folder, of one kind", lambda: search_query(folder="team-07", kind="prompt"), False),
        ("by part, of one kind", lambda: search_query(name="reply", kind="prompt"), False),
        ("by part, of one kind, none", lambda: search_query(name="zebra", kind="prompt"), False),
        ("newest first", lambda: search_query(order="updated"), False),
        ("newest first, by tag, common", lambda: search_query(tags=common, order="updated"), False),
        ("newest first, by tag, rare", lambda: search_query(tags=rare, order="updated"), False),
    ]
    for what, query, deep in asked:
        yield _search(run, store, what, query, deep=deep)


def _search(run: Run, store: Built, what: str, query: Callable[[], Query], *, deep: bool) -> Result:
    cursor = _walk(store, query()) if deep else None
    spent = []
    found = 0
    for _ in range(run.size(9, 3)):
        asked = query()
        began = time.perf_counter()
        found = len(_page(store, asked, _PAGE, cursor)[0])
        spent.append((time.perf_counter() - began) * 1e3)
    return Result(
        f"search at {store.artifacts:,}: {what} ({found} found)",
        at_most(50, "ms"),
        f"{harness.figure(Spread.of(spent).middle)} ms",
        ratio=Spread.of(spent),
    )


def _walk(store: Built, query: Query) -> str | None:
    """The cursor of a page deep inside: after 100 pages of 1,000, or the last but one."""
    cursor: str | None = None
    for _ in range(_DEEP):
        _, following = _page(store, query, 1_000, cursor)
        if following is None:
            break
        cursor = following
    return cursor


def _page(
    store: Built, query: Query, limit: int, cursor: str | None
) -> tuple[tuple[object, ...], str | None]:
    registry = store.registry
    page = registry.app.read(
        registry.caller, lambda view: searching.search(view, query, limit=limit, cursor=cursor)
    )
    return tuple(page.items), page.cursor
