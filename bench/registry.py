"""MLflow's own client and protocol: our server beside `mlflow server`, with the same in both.

The client is MLflow's published one, not changed, once for each server, both in processes on
the core of the load; the servers share the other core and take turns. Prompts are loaded with
the client's cache turned off, so that each load is answered by the server. Rates are of bare
requests such as the client sends. `mlflow server` gets the number of workers that suits it
best. Models and versions that are there in numbers are put in without HTTP.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from bench import harness, machine, peers
from bench.harness import Bound, NotMeasuredError, Result, Round, at_least, at_most
from bench.load import Loaded, Wrk
from bench.peers import API, Probe
from bench.run import Registry, Run, text
from pointsman.app import publishing
from pointsman.app.application import Work
from pointsman.app.publishing import Publish

MOVERS = 16
_ALIAS = f"{API}registered-models/alias"
_MANY = 2_000
_ROWS: dict[str, tuple[str, Bound | None]] = {
    "load": ("load_prompt by alias, uncached, against mlflow server", at_least(8)),
    "rate": ("alias reads on one core against mlflow server", at_least(50)),
    "search rare": ("search of {:,} models by tag, 10 found, against mlflow server", at_least(10)),
    "search common": ("… by tag, a page of 100", None),
    "set": (f"{MOVERS} setters of aliases against mlflow server", at_least(10)),
    "many": (f"load_prompt with {_MANY:,} versions against 1", at_most(1.1)),
}


def mlflow(run: Run) -> Iterator[Result]:
    """The rows of MLflow's protocol."""
    models = run.size(10_000, 1_000)
    rows = {do: (row.format(models), must) for do, (row, must) in _ROWS.items()}
    try:
        peers.environment()
    except NotMeasuredError as error:
        for row, must in rows.values():
            yield Result(row, must, missing=str(error))
        return
    folder = run.folder / "mlflow"
    folder.mkdir()
    _fill_theirs(folder, models)
    _fill_ours(run.folder / "data", models)
    read = Wrk("one.lua", path=f"{_ALIAS}?name=reply-0&alias=production")
    workers = peers.best_workers(folder, read, 8)
    with contextlib.ExitStack() as stack:
        theirs = stack.enter_context(peers.mlflow_server(folder, workers))
        ours = stack.enter_context(machine.pointsman(run.folder / "data"))
        mine = _client(run, stack, ours.url, ours.key)
        other = _client(run, stack, theirs.url)
        yield _compared(run, *rows["load"], "load", mine, other)
        yield _alias_reads(run, *rows["rate"], ours, theirs, workers)
        for do in ("search rare", "search common"):
            yield _compared(run, *rows[do], do, mine, other)
        yield _setters(run, *rows["set"], ours, theirs)
        few, many = _turns(mine, "load"), _turns(mine, "load many")
        with machine.pinned(machine.LOAD_CORE):
            a, b = harness.interleave(run.size(60, 6), many, few)
        yield harness.compare_costs(*rows["many"], a, b)


def _fill_theirs(folder: Path, models: int) -> None:
    """Prompts as the client makes them, and models: one so, the others by SQL in its likeness."""
    name, tags = _model(0)
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    with peers.mlflow_server(folder, 1) as server:
        server.post("registered-models/create", {"name": name, "tags": pairs})
        for number in range(MOVERS):
            server.publish(f"reply-{number}", [text(2_000), text(2_000, "2")], "production")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.row_factory = sqlite3.Row
        (model,) = database.execute("SELECT * FROM registered_models WHERE name = ?", (name,))
        tag = database.execute("SELECT * FROM registered_model_tags WHERE name = ?", (name,))
        pattern = dict(tag.fetchone())
        others = [_model(number) for number in range(1, models)]
        _insert(database, "registered_models", ({**dict(model), "name": n} for n, _ in others))
        _insert(
            database,
            "registered_model_tags",
            (
                {**pattern, "name": n, "key": key, "value": value}
                for n, tags in others
                for key, value in tags.items()
            ),
        )


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, object]]) -> None:
    for row in rows:
        places = ", ".join("?" * len(row))
        database.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values())
        )


def _fill_ours(data: Path, models: int) -> None:
    """The same, and a prompt of many versions."""

    def make(work: Work) -> None:
        for name, tags in map(_model, range(models)):
            publishing.create(work, "model", name, tags)

    with contextlib.closing(Registry(data)) as registry:
        registry.app.write(registry.caller, make)
        registry.publish(
            [
                Publish(f"reply-{number}", text(2_000, version), message="first", aliases=aliases)
                for number in range(MOVERS)
                for version, aliases in (("", ("production",)), ("2", ()))
            ]
        )
        for start in range(0, _MANY, 1_000):
            versions = range(start, start + 1_000)
            registry.publish([Publish("many", text(1_000, f"{number} ")) for number in versions])
        registry.move("many", "production", 1)


def _model(number: int) -> tuple[str, dict[str, str]]:
    """A model's name and tags: ten of all have one owner, and half are live."""
    owner = "ana" if number % 1_000 == 7 else "bob"
    return f"model-{number:05}", {"stage": ("live", "old")[number % 2], "owner": owner}


def _client(run: Run, stack: contextlib.ExitStack, *where: str) -> Probe:
    prompt = text(1_000)
    return stack.enter_context(
        peers.probe(run.folder, "mlflow", *where, template=prompt, values={}, text=prompt)
    )


def _turns(probe: Probe, do: str) -> Round:
    """Rounds of a twentieth of a second or so."""
    times = max(1, int(0.05 / probe.seconds(do, 5)))
    return partial(probe.seconds, do, times)


def _compared(run: Run, row: str, must: Bound | None, do: str, mine: Probe, other: Probe) -> Result:
    with machine.pinned(machine.LOAD_CORE):
        rounds = _turns(mine, do), _turns(other, do)
        a, b = harness.interleave(run.size(40, 4), *rounds)
    return harness.compare_speeds(row, must, a, b)


def _alias_reads(
    run: Run,
    row: str,
    must: Bound | None,
    ours: machine.Server,
    theirs: peers.Mlflow,
    workers: int,
) -> Result:
    path = f"{_ALIAS}?name=reply-0&alias=production"
    mine = Loaded(ours.child, ours.port, Wrk("one.lua", path=path, headers=ours.headers))
    other = Loaded(theirs.child, theirs.port, Wrk("one.lua", path=path), connections=8)
    a, b = harness.interleave(run.rounds(12), mine.by_core, other.by_core)
    return harness.compare_rates(
        row,
        must,
        a,
        b,
        f"{row}: by the clock {harness.per_second(mine.rate)} against "
        f"{harness.per_second(other.rate)}, the core busy {mine.busy:.0%} and {other.busy:.0%}",
        f"mlflow server read fastest with --workers {workers} of {peers.WORKERS}",
    )


def _setters(
    run: Run, row: str, must: Bound | None, ours: machine.Server, theirs: peers.Mlflow
) -> Result:
    body = '{"name": "reply-%d", "alias": "staging", "version": "{}"}'
    arguments = ["POST", _ALIAS, *(body.replace("{}", str(version)) for version in (1, 2))]
    load = {"connections": MOVERS, "threads": MOVERS}
    mine = Loaded(ours.child, ours.port, Wrk("moves.lua", arguments, headers=ours.headers), **load)
    other = Loaded(theirs.child, theirs.port, Wrk("moves.lua", arguments), **load, seconds=2)
    a, b = harness.interleave(run.rounds(8), mine.by_clock, other.by_clock)
    return harness.compare_rates(row, must, a, b)
