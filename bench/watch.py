"""Live push: how soon a move is seen by all who watch one node, and what each costs.

The watchers are raw sockets in one process on the load's core, which also moves the alias: a
round begins with the request, notes when the acknowledgement arrives and when the event has
reached the last watcher. Reading thousands of sockets takes the watchers' process a while too;
that time is counted in. Memory is what the server grows by, divided by the connections.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench import harness, machine
from bench.harness import Result, Spread, at_most
from bench.moves import filled, name_of
from bench.run import Run

_BATCH = 100
_PATIENCE = 30.0


@dataclass(frozen=True)
class Round:
    """A move as its watchers saw it: seconds from the request."""

    acknowledged: float
    first: float
    last: float


def watch(run: Run) -> Iterator[Result]:
    """The rows of live push."""
    data = run.folder / "watch"
    filled(data).close()
    for count, most, rounds in (
        (run.size(1_000, 200), 60, run.rounds(40)),
        (run.size(5_000, 500), 300, run.rounds(20)),
    ):
        with machine.pointsman(data) as server, machine.pinned(machine.LOAD_CORE):
            yield from _watched(server, count, most, rounds)


def _watched(server: machine.Server, count: int, most: int, rounds: int) -> Iterator[Result]:
    with contextlib.closing(Watchers(server)) as watchers:
        watchers.connect(_BATCH)  # what the first ones cost once is not each one's cost
        time.sleep(0.5)
        before = server.child.memory()
        watchers.connect(count - _BATCH)
        time.sleep(0.5)
        grown = (server.child.memory() - before) / 1024 / (count - _BATCH)
        watchers.move(0)
        spent = server.child.cpu_seconds()
        seen = [watchers.move(turn) for turn in range(1, rounds + 1)]
        spent = (server.child.cpu_seconds() - spent) / rounds
        watching = len(watchers)
    behind = [max(0.0, one.last - one.acknowledged) * 1e3 for one in seen]
    since = Spread.of([one.last for one in seen])
    acknowledged = Spread.of([one.acknowledged for one in seen])
    yield Result(
        f"watch: a move seen by {watching:,} after its acknowledgement",
        at_most(most, "ms"),
        f"{harness.figure(Spread.of(behind).middle)} ms",
        ratio=Spread.of(behind),
        notes=[
            f"{watching:,} watchers, from the request: acknowledged after "
            f"{harness.duration(acknowledged.middle)}, last one told after "
            f"{harness.duration(since.middle)} (at most {harness.duration(since.highest)}); the "
            f"server's processor time for each move is {harness.duration(spent)}"
        ],
    )
    yield Result(
        f"watch: memory of each of {watching:,} connections",
        at_most(20, "KB"),
        f"{harness.figure(grown)} KB",
        ratio=Spread.of([grown]),
    )


class Watchers:
    """Many open streams, and one connection that moves an alias."""

    def __init__(self, server: machine.Server) -> None:
        self._address = ("127.0.0.1", server.port)
        self._alias = f"live-{server.port}"
        self._key = f"Authorization: Bearer {server.key}\r\n"
        self._poll = select.epoll()
        self._streams: dict[int, socket.socket] = {}
        self._mover = socket.create_connection(self._address)
        self._mover.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(self._mover, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._streams)

    def connect(self, count: int) -> None:
        """Open so many more streams, and wait until each has been greeted."""
        request = f"GET /api/v1/watch HTTP/1.1\r\nHost: bench\r\n{self._key}\r\n".encode()
        for start in range(0, count, _BATCH):
            waiting = {}
            for _ in range(min(_BATCH, count - start)):
                stream = socket.create_connection(self._address)
                stream.sendall(request)
                waiting[stream.fileno()] = stream
                self._streams[stream.fileno()] = stream
                self._poll.register(stream, select.EPOLLIN)
            self._until(set(waiting), b"event: hello", None)

    def move(self, turn: int) -> Round:
        """Move an alias, and wait until the acknowledgement and every event have come."""
        body = json.dumps({"version": 1 + turn % 2, "reason": "measuring"})
        name = name_of(0).replace("/", "%2F")
        path = f"/api/v1/artifacts/prompt/{name}/aliases/{self._alias}"
        head = f"PUT {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        request = f"{head}{self._key}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        began = time.perf_counter()
        self._mover.sendall(request)
        acknowledged, first, last = self._until(set(self._streams), b"alias.moved", self._mover)
        return Round(acknowledged - began, first - began, last - began)

    def close(self) -> None:
        """Hang up."""
        for stream in self._streams.values():
            stream.close()
        self._mover.close()
        self._poll.close()

    def _until(
        self, waiting: set[int], word: bytes, mover: socket.socket | None
    ) -> tuple[float, float, float]:
        """Read until each of `waiting` has been sent `word`: when the answer, first and last."""
        moving = -1 if mover is None else mover.fileno()
        acknowledged = 0.0 if mover else time.perf_counter()
        first = last = 0.0
        end = time.perf_counter() + _PATIENCE
        while waiting or not acknowledged:
            ready = self._poll.poll(1.0, 1_024)
            for number, _ in ready:
                if number == moving:
                    assert mover is not None
                    said = mover.recv(65_536)
                    if acknowledged:
                        continue  # the rest of the answer
                    acknowledged = time.perf_counter()
                    if not said.startswith(b"HTTP/1.1 200"):
                        raise RuntimeError(f"A move was answered: {said[:500]!r}")
                    continue
                said = self._streams[number].recv(65_536)
                if not said:
                    raise RuntimeError("The server ended a stream.")
                if word in said:
                    waiting.discard(number)
                    first = first or time.perf_counter()
            if ready:
                last = time.perf_counter() if not waiting and not last else last
            elif time.perf_counter() > end:
                raise RuntimeError(f"{len(waiting)} watchers were not told {word!r}.")
        return acknowledged, first, last
