"""A durable move of an alias (policy, alias, journal), by use case and over HTTP, on SQLite.

The yardstick is the least that could be durable: a transaction of two rows through the same
driver, with the same settings, on the same file system. One UPDATE of a row by its key, one
INSERT of a row of 350 bytes, `synchronous=FULL`. Every move here is a real one: each mover
alternates between two versions of an artifact of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import apsw

from bench import harness, machine, peers
from bench.harness import NotMeasuredError, Result, at_least
from bench.load import Loaded, Wrk
from bench.run import Registry, Run, text
from pointsman.app.publishing import Publish

MOVERS = 16
_ARTIFACTS = 500


class Bare:
    """The bare transaction of two rows."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._connection = connection = apsw.Connection(str(folder / "bare.db"))
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("wal_autocheckpoint", 4_000)
        connection.execute("CREATE TABLE state (id INTEGER PRIMARY KEY, version, revision)")
        connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, data TEXT)")
        with connection:
            rows = [(number,) for number in range(_ARTIFACTS)]
            connection.executemany("INSERT INTO state VALUES (?, 1, 1)", rows)
        self._data = text(350)
        self._count = 0

    def transact(self) -> None:
        """One durable transaction."""
        execute = self._connection.execute
        self._count += 1
        execute("BEGIN IMMEDIATE")
        execute(
            "UPDATE state SET version = ?, revision = revision + 1 WHERE id = ?",
            (self._count % 2, self._count % _ARTIFACTS),
        )
        execute("INSERT INTO record (data) VALUES (?)", (self._data,))
        execute("COMMIT")

    def rate(self, seconds: float) -> float:
        """Transactions a second, tried for so long."""
        return rate(self.transact, seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def moves(run: Run) -> Iterator[Result]:
    """The rows of moves."""
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(contextlib.closing(Bare(run.folder / "bare")))
        registry = stack.enter_context(contextlib.closing(filled(run.folder / "moves")))
        turn = count()

        def move() -> None:
            number = next(turn)
            registry.move(name_of(number % _ARTIFACTS), "live", 1 + number // _ARTIFACTS % 2)

        rounds, seconds = run.size(150, 15), 0.05
        alone, base = harness.interleave(
            rounds, lambda: rate(move, seconds), lambda: bare.rate(seconds)
        )
        row = "1 mover, by use case, against a bare transaction"
        yield harness.compare_rates(row, at_least(0.5), alone, base)
        crowd = Crowd(registry)
        rounds, seconds = run.size(50, 5), 0.2
        together, base = harness.interleave(
            rounds, lambda: crowd.rate(seconds), lambda: bare.rate(seconds)
        )
        row = f"{MOVERS} movers, by use case, against a bare transaction"
        yield harness.compare_rates(row, at_least(1), together, base)
    yield from _over_http(run)


class Crowd:
    """Threads that move at the same time, each an alias of its own."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._turns = [count() for _ in range(MOVERS)]

    def rate(self, seconds: float) -> float:
        """Moves a second of all together, tried for so long."""
        with ThreadPoolExecutor(MOVERS) as pool:
            began = time.perf_counter()
            moved = sum(pool.map(lambda mover: self._moves(mover, began + seconds), range(MOVERS)))
            return moved / (time.perf_counter() - began)

    def _moves(self, mover: int, until: float) -> int:
        moved = 0
        while time.perf_counter() < until:
            turn = next(self._turns[mover])
            self._registry.move(name_of(mover), "crowd", 1 + turn % 2)
            moved += 1
        return moved


def rate(deed: Callable[[], None], seconds: float) -> float:
    """How many times a second something is done, tried for so long."""
    done = 0
    began = now = time.perf_counter()
    while now < began + seconds:
        deed()
        done += 1
        now = time.perf_counter()
    return done / (now - began)


def filled(folder: Path) -> Registry:
    """A registry with a few hundred artifacts of two versions."""
    registry = Registry(folder)
    registry.publish(
        [
            Publish(name_of(number), f"Version {version}. {text(180)}")
            for number in range(_ARTIFACTS)
            for version in (1, 2)
        ]
    )
    return registry


def name_of(number: int) -> str:
    """The name of an artifact."""
    return f"bench/reply-{number}"


def _over_http(run: Run) -> Iterator[Result]:
    data = run.folder / "moves-http"
    filled(data).close()
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(contextlib.closing(Bare(run.folder / "bare-http")))
        server = stack.enter_context(machine.pointsman(data))
        load = Wrk(
            "moves.lua",
            [
                "PUT",
                "/api/v1/artifacts/prompt/bench%%2Freply-%d/aliases/production",
                '{"version": 1, "reason": "measuring"}',
                '{"version": 2, "reason": "measuring"}',
            ],
            headers=server.headers,
        )
        ours = Loaded(server.child, server.port, load, connections=MOVERS, threads=MOVERS)

        def bare_on_the_same_core() -> float:
            with machine.pinned(machine.SERVER_CORE):
                return bare.rate(0.5)

        before = _head(server)
        mine, base = harness.interleave(run.rounds(20), ours.by_clock, bare_on_the_same_core)
        moved = _head(server) - before
        if moved < 0.98 * ours.requests:
            raise RuntimeError(f"{ours.requests} requests made {moved} moves only.")
        note = (
            f"moves over HTTP: core busy {ours.busy:.0%}, "
            f"{harness.duration(ours.cost)} of processor time a move"
        )
        row = f"{MOVERS} movers, over HTTP, against a bare transaction"
        yield harness.compare_rates(row, at_least(0.4), mine, base, note)
        yield _against_mlflow(run, ours)


def _against_mlflow(run: Run, ours: Loaded) -> Result:
    row, must = f"{MOVERS} movers, over HTTP, against mlflow server", at_least(50)
    body = '{"name": "reply-%d", "alias": "production", "version": "{}"}'
    arguments = [body.replace("{}", str(version)) for version in (1, 2)]
    load = Wrk("moves.lua", ["POST", f"{peers.API}registered-models/alias", *arguments])
    try:
        peers.environment()
        folder = run.folder / "mlflow-moves"
        folder.mkdir()
        with peers.mlflow_server(folder, 1) as beside:
            for number in range(MOVERS):
                beside.publish(f"reply-{number}", [text(200), text(200, "2")], "production")
        workers = peers.best_workers(folder, load, MOVERS, threads=MOVERS)
        with peers.mlflow_server(folder, workers) as beside:
            theirs = Loaded(
                beside.child, beside.port, load, connections=MOVERS, threads=MOVERS, seconds=2
            )
            a, b = harness.interleave(run.rounds(8), ours.by_clock, theirs.by_clock)
    except NotMeasuredError as error:
        return Result(row, must, missing=str(error))
    note = (
        f"mlflow server set aliases fastest with --workers {workers} of {peers.WORKERS}; it takes "
        f"{harness.duration(theirs.cost)} of processor time each, we {harness.duration(ours.cost)}"
    )
    return harness.compare_rates(row, must, a, b, note)


def _head(server: machine.Server) -> int:
    """The last sequence number of the server's journal."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/api/v1/journal?limit=1", headers=server.headers)
        return int(json.loads(connection.getresponse().read())["items"][0]["seq"])
    finally:
        connection.close()
