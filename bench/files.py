"""A large model there and back over HTTP, beside a copy that hashes what it copies.

The copy is the least that could be: read a piece, hash it, write it, and have all of it on the
same disk in the end. Publishing hashes twice, as the client has to know what it announces, and
the server that it came whole; pulling hashes on both sides as well. Every file is new to the
registry, and pulled into an empty folder without a cache. A fourth part of a gigabyte takes the
place of one where the disk has less than ten times as much room; BENCH_MODEL_MB sets another size.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import harness, machine
from bench.harness import Result, Spread, at_least, at_most
from bench.run import Run
from pointsman import Client

_MB = 1 << 20
_STEP = 1 << 20


def files(run: Run) -> Iterator[Result]:
    """The rows of files."""
    size = run.size(int(os.environ.get("BENCH_MODEL_MB", "1024")) << 20, 16 << 20)
    if shutil.disk_usage(run.folder).free < 10 * size:
        size >>= 2
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(machine.pointsman(run.folder / "data"))
        client = stack.enter_context(
            contextlib.closing(Client(server.url, server.key, snapshot=False, follow=False))
        )
        stack.enter_context(machine.pinned(machine.LOAD_CORE))
        trip = _Trip(run.folder, client, size)
        trip.publish()  # so that everything is loaded and warm
        with _memory(server.child) as grown:
            rounds = run.size(5, 2)
            copied, published, pulled = harness.interleave(
                rounds, trip.copy, trip.publish, trip.pull
            )
    what = f"a model of {size / _MB:,.0f} MB"
    copying = "against a copy that hashes, to the same disk"
    must = at_least(0.7)
    yield harness.compare_speeds(f"publish {what}, {copying}", must, published, copied)
    yield harness.compare_speeds(f"pull {what}, {copying}", must, pulled, copied)
    yield Result(
        f"memory that the server takes more for {what}",
        at_most(64, "MB"),
        f"{harness.figure(grown() / _MB)} MB",
        ratio=Spread.of([grown() / _MB]),
    )


class _Trip:
    """A file of so many bytes, new each time, on its ways."""

    def __init__(self, folder: Path, client: Client, size: int) -> None:
        self._folder = folder
        self._client = client
        self._given = folder / "model.bin"
        self._number = 0
        with self._given.open("wb") as file:
            for _ in range(size // _STEP):
                file.write(os.urandom(_STEP))

    def copy(self) -> float:
        """Seconds that the copy takes."""
        target = self._folder / "copy.bin"
        return self._timed(lambda: _copy(self._given, target), target.unlink)

    def publish(self) -> float:
        """Seconds until a version with the file is there."""
        self._number += 1
        with self._given.open("r+b") as file:
            file.write(self._number.to_bytes(8, "big"))
        return self._timed(lambda: self._client.publish_model("large", self._given))

    def pull(self) -> float:
        """Seconds until the newest version is in a folder."""
        target = self._folder / "pulled"
        return self._timed(
            lambda: self._client.pull("model:large", target, cache=False),
            lambda: shutil.rmtree(target),
        )

    def _timed(self, deed: Callable[[], object], after: Callable[[], object] = int) -> float:
        os.sync()  # nobody pays for what another left to be written
        began = time.perf_counter()
        deed()
        spent = time.perf_counter() - began
        after()
        return spent


def _copy(source: Path, target: Path) -> str:
    total = hashlib.sha256()
    with source.open("rb") as given, target.open("wb") as taken:
        while piece := given.read(_STEP):
            total.update(piece)
            taken.write(piece)
        taken.flush()
        os.fsync(taken.fileno())
    return total.hexdigest()


@contextlib.contextmanager
def _memory(child: machine.Child) -> Iterator[Callable[[], float]]:
    """How much more memory a process took at most than at the beginning."""
    before = most = child.memory()
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, child.memory())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: most - before
    finally:
        over.set()
        watching.join()
