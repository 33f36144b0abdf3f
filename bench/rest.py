"""A server at rest: how soon it answers, and what it holds in memory while nobody asks.

From the start of the process to the answer to `/readyz`, over a registry of 1,000 versions that
is there already; the memory a second later. MLflow's server with its default settings is shown
for comparison; of its several processes, memory that they share is counted once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench import harness, machine, peers
from bench.harness import NotMeasuredError, Result, Spread, at_most
from bench.moves import filled
from bench.run import Run

_MB = 1 << 20


def rest(run: Run) -> Iterator[Result]:
    """The rows of a server at rest."""
    data = run.folder / "rest"
    filled(data).close()
    ready, memory = [], []
    # The first start makes the first key; those that count find everything in place.
    for turn in range(run.size(9, 3)):
        with machine.pointsman(data) as server:
            machine.wait_for(server.child, server.port, "/readyz")
            took = time.perf_counter() - server.started
            time.sleep(1)
            if turn:
                ready.append(took)
                memory.append(server.child.memory() / _MB)
    theirs = _mlflow(run)
    yield Result(
        "server at rest: memory",
        at_most(90, "MB"),
        f"{harness.figure(Spread.of(memory).middle)} MB",
        ratio=Spread.of(memory),
    )
    yield Result(
        "server at rest: ready",
        at_most(1, "s"),
        harness.duration(Spread.of(ready).middle),
        ratio=Spread.of(ready),
    )
    yield theirs


def _mlflow(run: Run) -> Result:
    row = "mlflow server at rest, memory and ready"
    folder = run.folder / "mlflow-rest"
    folder.mkdir()
    try:
        with peers.mlflow_server(folder) as server:  # makes its database
            pass
        began = time.perf_counter()
        with peers.mlflow_server(folder) as server:
            ready = time.perf_counter() - began
            time.sleep(15)  # its other workers start after the first one answers
            memory = server.child.memory() / _MB
    except NotMeasuredError as error:
        return Result(row, None, missing=str(error))
    return Result(row, None, yardstick=f"{harness.figure(memory)} MB, {harness.duration(ready)}")
