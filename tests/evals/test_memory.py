"""Remembering outputs: many together, durably, and each asker is told what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pointsman.app.application import Application, Caller
from pointsman.core.access import Actor
from pointsman.errors import Unavailable
from pointsman.evals.memory import Memory
from pointsman.storage.sqlite import SqliteStore


class Counting(SqliteStore):
    """A store that counts how often it is read from and written to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads = 0
        self.writes = 0

    def read(self) -> Any:
        self.reads += 1
        return super().read()

    def submit(self, *given: Any) -> None:
        self.writes += 1
        super().submit(*given)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path)
    yield made
    made.close()


def with_memory(
    store: Counting, act: Callable[[Memory], Awaitable[object]], since: int = 0
) -> object:
    """What comes of using a memory within a loop."""
    app = Application(store)
    caller = Caller(Actor("local:eva", "eva", "admin", "embedded"), app.project("default"))

    async def use() -> object:
        memory = Memory(app, caller, 1, since)
        try:
            return await act(memory)
        finally:
            memory.close()

    return asyncio.run(use())


async def kept(memory: Memory, rows: Sequence[tuple[str, str]]) -> None:
    await asyncio.gather(*(memory.keep(key, body) for key, body in rows))


async def recalled(memory: Memory, keys: Sequence[str]) -> list[str | None]:
    return await asyncio.gather(*(memory.recall(key) for key in keys))


def test_each_is_told_what_it_asked_for(store: Counting) -> None:
    rows = [(f"key {n}", f"body {n}") for n in range(500)]
    with_memory(store, lambda memory: kept(memory, rows))
    asked = [f"key {n}" for n in range(700)]
    found = with_memory(store, lambda memory: recalled(memory, asked))
    assert found == [body for _, body in rows] + [None] * 200


def test_many_at_once_are_read_and_written_together(store: Counting) -> None:
    async def use(memory: Memory) -> None:
        await kept(memory, [(str(n), "x") for n in range(200)])
        await recalled(memory, [str(n) for n in range(200)])

    with_memory(store, use)
    assert store.writes <= 2
    assert store.reads <= 3, "one of them was to find the project"


def test_the_last_that_was_kept_counts(store: Counting) -> None:
    async def use(memory: Memory) -> list[str | None]:
        await kept(memory, [("one", "first"), ("two", "first"), ("one", "second")])
        return await recalled(memory, ["one", "two"])

    assert with_memory(store, use) == ["second", "first"]


def test_what_was_made_before_is_not_looked_at(store: Counting) -> None:
    with_memory(store, lambda memory: kept(memory, [("one", "x")]))
    later = 2**62
    assert with_memory(store, lambda memory: recalled(memory, ["one"]), since=later) == [None]


def test_who_goes_away_takes_nobody_along(store: Counting) -> None:
    async def use(memory: Memory) -> list[str | None]:
        tasks = [asyncio.create_task(memory.keep(str(n), "x")) for n in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [one.cancelled() for one in tasks] == [True] + [False] * 9
        return await recalled(memory, [str(n) for n in range(10)])

    assert with_memory(store, use) == ["x"] * 10, "what was paid for is kept all the same"


def test_what_can_not_be_kept_is_told_to_all_and_later_ones_go_on(store: Counting) -> None:
    async def use(memory: Memory) -> list[BaseException | None]:
        unfit = [memory.keep("one", "half a pair: \ud800"), memory.keep("two", "x")]
        failed = await asyncio.gather(*unfit, return_exceptions=True)
        await memory.keep("three", "x")
        assert await memory.recall("three") == "x"
        return failed

    failed = with_memory(store, use)
    assert isinstance(failed, list)
    assert [type(one) for one in failed] == [UnicodeEncodeError] * 2


def test_a_closed_registry_is_told_to_who_asks(store: Counting) -> None:
    async def use(memory: Memory) -> list[object]:
        store.close()
        asked = memory.recall("one"), memory.keep("one", "x")
        return list(await asyncio.gather(*asked, return_exceptions=True))

    failed = with_memory(store, use)
    assert isinstance(failed, list)
    assert [type(one) for one in failed] == [Unavailable] * 2
