"""Entries that are told of at the very moment when a stream begins, or begins anew.

The tail knows of an entry before the hub has heard of it. These tests hold it at that point,
which a real server passes in a microsecond.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.app.application import Application, Caller
from pointsman.app.gate import Gate, fingerprint_of
from pointsman.app.keys import bootstrap
from pointsman.app.tail import Tail
from pointsman.compose import Registry, open_store
from pointsman.core.journal import Line
from pointsman.wire.native import watch
from pointsman.wire.native.watch import Hub
from pointsman.wire.running import Runner


class Node:
    """A hub over a real store, with a stop between the tail and the hub."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(folder)
        self.app = Application(self.store)
        secret = bootstrap(self.app, None)
        assert secret is not None
        self.registry = Registry(self.store)
        self.registry.publish("hub/reply", "one")
        tail = Tail(self.store)
        tail.listen(self._pause)
        self._go_on = threading.Event()
        self._go_on.set()
        self.held = threading.Event()
        gate = Gate(self.app, tail)
        self.caller: Caller = gate.admit(secret).caller
        self.fingerprint = fingerprint_of(secret)
        self.runner = Runner(self.app)
        self.hub = Hub(self.app, tail, gate, self.runner, "store", "1")

    def _pause(self, project_id: int, lines: Sequence[Line]) -> None:
        if not self._go_on.is_set():
            self.held.set()
            self._go_on.wait()

    @contextmanager
    def on_the_way(self, tags: int) -> Iterator[None]:
        """Entries committed, known to the tail, and not told to the hub until the block ends."""
        self._go_on.clear()
        self.held.clear()
        writer = threading.Thread(target=self.set_tags, args=(tags,))
        writer.start()
        self.held.wait()
        try:
            yield
        finally:
            self._go_on.set()
            writer.join()

    def set_tags(self, count: int) -> None:
        tags = {str(number): "x" for number in range(count - 1)}
        self.registry.publish("hub/reply", "x", tags=tags)

    def close(self) -> None:
        self.hub.close()
        self.runner.close()
        self.registry.close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with closing(Node(tmp_path)) as made:
        yield made


class Stream:
    """A listener in this event loop; `ids` and `resyncs` are what it was sent so far."""

    def __init__(self, node: Node, after: int | None) -> None:
        self.sent = b""
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._gone = asyncio.Event()
        self._task = asyncio.create_task(
            node.hub.stream(node.caller, node.fingerprint, after, self._receive, self._send)
        )

    @property
    def ids(self) -> list[int]:
        return [int(found) for found in re.findall(rb"id: (\d+)", self.sent)]

    @property
    def resyncs(self) -> list[int]:
        return [int(found) for found in re.findall(rb'resync\ndata: {"seq":(\d+)', self.sent)]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        self._gone.set()
        await self._task

    async def _receive(self) -> MutableMapping[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent += message.get("body", b"")
        await self.may_send.wait()


def test_an_entry_on_the_way_is_not_told_twice(node: Node) -> None:
    head = node.registry.entries().items[-1].seq

    async def listen() -> None:
        with node.on_the_way(1):
            fresh, resumed = Stream(node, None), Stream(node, head)
            await fresh.until(lambda: b"hello" in fresh.sent)
            await resumed.until(lambda: b"hello" in resumed.sent)
            assert b'"seq":%d' % (head + 1) in fresh.sent
            assert resumed.ids == [head + 1]
        await asyncio.to_thread(node.set_tags, 1)
        await fresh.until(lambda: bool(fresh.ids))
        await resumed.until(lambda: len(resumed.ids) > 1)
        assert fresh.ids == [head + 2]
        assert resumed.ids == [head + 1, head + 2]
        await fresh.close()
        await resumed.close()

    asyncio.run(asyncio.wait_for(listen(), 60))


def test_an_entry_on_the_way_is_part_of_a_resync(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MAX_WAITING", 2)
    head = node.registry.entries().items[-1].seq

    async def listen() -> None:
        stream = Stream(node, None)
        await stream.until(lambda: b"hello" in stream.sent)
        stream.may_send.clear()
        await asyncio.to_thread(node.set_tags, 1)
        await stream.until(lambda: stream.ids == [head + 1])  # …and it waits to be taken
        await asyncio.to_thread(node.set_tags, 3)
        await asyncio.sleep(0.01)
        with node.on_the_way(2):
            stream.may_send.set()
            await stream.until(lambda: bool(stream.resyncs))
            assert stream.resyncs == [head + 6]
        await asyncio.to_thread(node.set_tags, 1)
        await stream.until(lambda: len(stream.ids) > 1)
        assert stream.ids == [head + 1, head + 7]
        await stream.close()

    asyncio.run(asyncio.wait_for(listen(), 60))
