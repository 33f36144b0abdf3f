"""The power is cut, hundreds of times: what was acknowledged is there, whole and sound.

The disk is simulated (see `forgetful`); the store, the use cases and SQLite are real. The
same harness is run with durability switched off, where it must find losses.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from faults.damage import RUNS
from faults.forgetful import Forgetful
from pointsman.compose import Registry
from pointsman.errors import NotFound, PointsmanError
from pointsman.storage.sqlite import FILE, SqliteStore

MOVERS = 4
MOVES = 30 + 10 * RUNS
CUTS = 100 + 20 * RUNS
"""Cuts at most; the moments are chosen at random among all writes and flushes."""

Acknowledged = dict[str, tuple[int, int]]
"""Alias → the highest revision that was acknowledged, and its version."""


@dataclass
class Cut:
    """What the disk held when the power failed, and what callers had been told by then."""

    files: dict[str, bytes]
    acknowledged: Acknowledged
    published: int


@dataclass
class Told:
    """What callers have been told. Whoever looks holds the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    moves: Acknowledged = field(default_factory=dict)
    published: int = 2

    def now(self) -> tuple[Acknowledged, int]:
        with self.lock:
            return dict(self.moves), self.published


@pytest.fixture
def disk() -> Iterator[Forgetful]:
    made = Forgetful()
    yield made
    made.unregister()


def test_nothing_acknowledged_is_lost(disk: Forgetful, tmp_path: Path) -> None:
    cuts = _run(disk, tmp_path / "run", durable=True)
    assert len(cuts) >= CUTS // 3
    outcomes = Counter(_examine(cut, tmp_path / f"cut-{n}") for n, cut in enumerate(cuts))
    assert set(outcomes) == {"whole"}, outcomes
    assert sum(cut.acknowledged != {} for cut in cuts) > len(cuts) // 2


def test_the_harness_finds_losses_where_durability_is_off(disk: Forgetful, tmp_path: Path) -> None:
    cuts = _run(disk, tmp_path / "run", durable=False)
    outcomes = Counter(_examine(cut, tmp_path / f"cut-{n}") for n, cut in enumerate(cuts))
    assert outcomes["lost"] + outcomes["damaged"] > len(cuts) // 10, outcomes


def _run(disk: Forgetful, folder: Path, *, durable: bool) -> list[Cut]:
    """Moves and publications from several threads, checkpoints in between, and cuts of power."""
    told = Told()
    cuts: list[Cut] = []
    chance = random.Random(1)

    def moment() -> None:
        if len(cuts) < CUTS and chance.random() < 0.25:
            # First what was told, then the disk: nothing can be told meanwhile that counts.
            moves, published = told.now()
            cuts.append(Cut(disk.cut(chance), moves, published))

    with closing(SqliteStore(folder, durable=durable)) as store:
        registry = Registry(store)
        for text in ("one", "two"):
            registry.publish("power/cut", text)
        disk.moment = moment
        done = threading.Event()
        checkpoints = threading.Thread(target=_checkpoint, args=(folder, durable, done))
        checkpoints.start()
        movers = [
            threading.Thread(target=_move, args=(registry, f"mover-{n}", told))
            for n in range(MOVERS)
        ]
        publisher = threading.Thread(target=_publish, args=(registry, told))
        for thread in (*movers, publisher):
            thread.start()
        for thread in (*movers, publisher):
            thread.join()
        done.set()
        checkpoints.join()
        disk.moment = lambda: None
    return cuts


def _move(registry: Registry, alias: str, told: Told) -> None:
    for turn in range(MOVES):
        version = turn % 2 + 1
        release = registry.promote(f"power/cut:{version}", alias)
        assert release is not None
        with told.lock:
            told.moves[alias] = (release.moves[0].revision, version)


def _publish(registry: Registry, told: Told) -> None:
    for turn in range(MOVES // 4):
        published = registry.publish("power/cut", f"{turn} " + "text " * 2_000)
        with told.lock:
            told.published = published.version.number


def _checkpoint(folder: Path, durable: bool, done: threading.Event) -> None:
    """Have the log written back every so often, which SQLite would do only every 16 MB."""
    modes = [
        apsw.SQLITE_CHECKPOINT_PASSIVE,
        apsw.SQLITE_CHECKPOINT_RESTART,
        apsw.SQLITE_CHECKPOINT_TRUNCATE,
    ]
    turn = 0
    with closing(apsw.Connection(str(folder / FILE))) as connection:
        connection.pragma("synchronous", "full" if durable else "off")
        connection.set_busy_timeout(100)
        while not done.wait(0.02):
            turn += 1
            try:
                connection.wal_checkpoint(mode=modes[turn % len(modes)])
            except apsw.BusyError:
                continue


def _examine(cut: Cut, folder: Path) -> str:
    """Start again from what was left: whole, lost (what was told is missing), or damaged."""
    folder.mkdir()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)
    try:
        with closing(apsw.Connection(str(folder / FILE))) as connection:
            sound = connection.pragma("integrity_check")
        if sound != "ok":
            return "damaged"
        with closing(SqliteStore(folder)) as store:
            registry = Registry(store)
            if registry.doctor().findings:
                return "damaged"
            return "whole" if _keeps(registry, cut) else "lost"
    except (apsw.Error, PointsmanError):
        return "damaged"


def _keeps(registry: Registry, cut: Cut) -> bool:
    try:
        artifact = registry.artifact("power/cut")
    except NotFound:
        return False
    if artifact.newest < cut.published:
        return False
    aliases = {one.name: one for one in artifact.aliases}
    for alias, (revision, version) in cut.acknowledged.items():
        found = aliases.get(alias)
        if found is None or found.revision < revision:
            return False
        if found.revision == revision and found.target.version != version:
            return False
    return True
