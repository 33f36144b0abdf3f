"""Evaluations: what a run adds to the calls that it makes, what it reuses, what a gate costs.

The calls go to an endpoint in a process of its own that gives one answer to all, at once or a
little later. The yardstick makes the same calls by any-llm alone, in one gather behind a
semaphore of 64: nothing is rendered, scored or kept. Each round of either is a process of its
own, so that its memory is its own as well.

The gate is asked about one prompt whose output others take: they are what its move affects.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness, machine
from bench.evaluation_probe import AT_ONCE, ECHO
from bench.harness import Result, Spread, at_least, at_most
from bench.run import Registry, Run
from pointsman.app import policies, providers, releases
from pointsman.app.application import Work
from pointsman.app.evaluating import asking
from pointsman.app.publishing import Publish
from pointsman.core.evaluation import Evaluation
from pointsman.core.provider_settings import check_settings
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Dependency, Target
from pointsman.errors import Refused
from pointsman.evals.worker import Worker

_MODEL = {"provider": "local", "name": ECHO}
_MB = 1024.0**2
_LATER = 0.02
_LONG = 50
_CHANGED = 30
_GATES = ((1, 1), (20, 1), (200, 1), (200, 30))
"""How many artifacts a move affects, and among how many suites the one for each is found."""
_SUITE = {
    "dataset": "tickets@production",
    "output": {"by": "chain"},
    "scorers": [{"name": "correct", "by": "exact"}],
    "hold": [{"metric": "correct", "at_least": 0.9}],
}


def evaluations(run: Run) -> Iterator[Result]:
    """The rows of evaluations."""
    yield from _runs(run, "answered at once", 0.0)
    yield from _runs(run, f"answered after {_LATER * 1e3:.0f} ms", _LATER)
    yield _long_chain(run)
    yield from _asking(run)
    for affected, suites in _GATES:
        yield _gate(run, affected, suites)


# -- runs


def _runs(run: Run, how: str, delay: float) -> Iterator[Result]:
    """An evaluation of many cases beside the same calls made bare."""
    cases = run.size(10_000, 300)
    bare: list[dict[str, float]] = []
    runs: list[dict[str, float]] = []
    with _endpoint(run.folder, delay) as url:

        def make_calls() -> float:
            bare.append(_probe("bare", url, cases))
            return cases / bare[-1]["wall"]

        def evaluate() -> float:
            folder = run.folder / f"run-{delay:g}-{len(runs)}"
            runs.append(_probe("run", url, cases, str(folder)))
            return cases / runs[-1]["wall"]

        mine, base = harness.interleave(run.rounds(3), evaluate, make_calls)
    row = f"{cases:,} cases {how}, {AT_ONCE} at once, against the calls alone by any-llm"
    yield harness.compare_rates(row, at_least(0.7), mine, base)
    for name, told in (("wall", "in time"), ("cpu", "of the processor")):
        spent = [
            (one[name] - alone[name]) / cases * 1e3
            for one, alone in zip(runs[1:], bare[1:], strict=True)
        ]
        ours, theirs = (
            harness.duration(statistics.median(one[name] for one in many[1:]) / cases)
            for many in (runs, bare)
        )
        row = f"what a run adds to each call {told}, {how}"
        yield Result(row, at_most(3, "ms"), ours, theirs, Spread.of(spent))
    if not delay:
        yield _memory(cases, runs)
        again = Spread.of([cases / one["again"] for one in runs[1:]])
        row = f"{cases:,} cases again, all outputs reused"
        yield Result(row, None, harness.per_second(again.middle, "cases"))


def _memory(cases: int, runs: list[dict[str, float]]) -> Result:
    peaks = Spread.of([one["peak"] / _MB for one in runs])
    before = statistics.median(one["before"] / _MB for one in runs)
    note = (
        f"{harness.figure(before)} MB of it are any-llm's, imported alone; "
        f"the run takes {harness.figure(peaks.middle - before)} MB above that"
    )
    told = f"{harness.figure(peaks.middle)} MB"
    row = f"memory at most of a process that evaluates {cases:,} cases"
    return Result(row, at_most(300, "MB"), told, ratio=peaks, notes=[note])


def _probe(*arguments: object) -> dict[str, float]:
    """What a process of its own took, on the server's core."""
    command = [sys.executable, "-m", "bench.evaluation_probe", *map(str, arguments)]
    with machine.pinned(machine.SERVER_CORE):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    said: dict[str, float] = json.loads(done.stdout)
    return said


@contextlib.contextmanager
def _endpoint(folder: Path, delay: float) -> Iterator[str]:
    """The URL of an endpoint that answers so many seconds later, on the other core."""
    child = machine.start(
        [sys.executable, "-m", "bench.evaluation_probe", "endpoint", str(delay)],
        core=machine.LOAD_CORE,
        log=folder / "endpoint.log",
        heard=True,
    )
    try:
        assert child.process.stdout is not None
        yield child.process.stdout.readline().strip()
    finally:
        child.stop()


# -- what is affected


def _long_chain(run: Run) -> Result:
    """Of a chain of prompts one is changed: what is asked is what follows, and nothing else."""
    rows = run.size(20, 2)
    registry = Registry(run.folder / "chain")
    with contextlib.closing(registry), _endpoint(run.folder, 0.0) as url:
        settings = check_settings("local", api="openai", base_url=url, concurrency=AT_ONCE)
        registry.app.write(
            registry.caller, lambda w: providers.set_provider(w, settings, key="no-key")
        )
        registry.publish(
            [
                _rows(rows),
                _prompt("step-0", "Begin: {{ message }}"),
                *(_step(n, f"Step {n}:") for n in range(1, _LONG)),
                _suite("last", f"step-{_LONG - 1}"),
            ]
        )
        whole = _evaluated(registry, url, f"step-{_LONG - 1}:1")
        assert whole == rows * _LONG, whole
        registry.publish([_step(_CHANGED, "Changed:")])
        asked = _evaluated(registry, url, f"step-{_LONG - 1}:1")
    must = rows * (_LONG - _CHANGED)
    row = f"calls too many after {_LONG - _CHANGED} of {_LONG} chained prompts were affected"
    told = f"{asked:,} of {whole:,}"
    return Result(row, at_most(0, "calls"), told, f"{must:,}", Spread.of([abs(asked - must)]))


def _evaluated(registry: Registry, url: str, selector: str) -> int:
    """Evaluate a version; how many calls the endpoint got meanwhile."""
    before = _answered(url)
    _ask(registry, selector)
    Worker(registry.app, None).work_off()
    return _answered(url) - before


def _answered(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.read())


# -- asking, and the gate


def _asking(run: Run) -> Iterator[Result]:
    """Asking for the evaluation of versions that nobody has evaluated yet."""
    times = run.size(200, 5)
    spent: list[float] = []

    def ask(selector: str, work: Work) -> None:
        began = time.perf_counter()
        asking.evaluate(work, asking.Request(parse_selector(selector)))
        spent.append(time.perf_counter() - began)

    whole = []
    with contextlib.closing(Registry(run.folder / "asking")) as registry:
        registry.publish([_rows(3), _suite("one", "reply")])
        registry.publish([_prompt("reply", f"{n}: {{{{ message }}}}") for n in range(times)])
        for number in range(1, times + 1):
            began = time.perf_counter()
            registry.app.write(registry.caller, partial(ask, f"reply:{number}"))
            whole.append(time.perf_counter() - began)
    durable = harness.duration(statistics.median(whole))
    row = "asking for an evaluation, in its transaction (beside: until it is durable)"
    yield Result(row, None, harness.duration(statistics.median(spent)), durable)


def _gate(run: Run, affected: int, suites: int) -> Result:
    """How long a move waits to be told what has to be evaluated first."""
    with contextlib.closing(Registry(run.folder / f"gate-{affected}-{suites}")) as registry:
        registry.publish([_rows(3), _prompt("base", "Keep: {{ message }}")])
        registry.publish([_suite(f"suite-{n}", f"team-{n}/*") for n in range(suites)])
        registry.publish([_suite("suite-base", "base")])
        takes = [Dependency("consumes", "base@production", "base")]
        registry.publish(
            [
                _prompt(f"team-{n % suites}/reply-{n}", f"{n}: {{{{ base }}}}", takes)
                for n in range(affected)
            ]
        )
        policy = {"name": "production", "aliases": "production", "evaluate": "affected"}
        registry.app.write(registry.caller, lambda w: policies.set_policy(w, policy))
        registry.publish([Publish("base", "Shorten: {{ message }}")])
        wish = releases.Wish("prompt", "base", "production", Target(version=2))

        def move() -> float:
            missing = 0
            began = time.perf_counter()
            try:
                registry.app.write(registry.caller, lambda w: releases.release(w, [wish], "gate"))
            except Refused as refused:
                missing = sum(one.code == "evaluation_missing" for one in refused.reasons)
            spent = time.perf_counter() - began
            assert missing == affected + 1, missing
            return spent

        move()
        spent = Spread.of([move() for _ in range(run.size(30, 3))])
    row = f"verdict of a move that affects {affected}, with {suites + 1} suites"
    note = f"{harness.duration(spent.lowest)} … {harness.duration(spent.highest)}"
    return Result(row, None, harness.duration(spent.middle), notes=[note])


def _ask(registry: Registry, selector: str) -> tuple[Evaluation, ...]:
    wish = asking.Request(parse_selector(selector), again=True)
    return registry.app.write(registry.caller, lambda w: asking.evaluate(w, wish))


# -- what is evaluated


def _rows(count: int) -> Publish:
    rows = [{"input": {"message": f"Ticket {n}"}, "expected": "delivery"} for n in range(count)]
    return _live("tickets", {"rows": rows}, kind="dataset")


def _suite(name: str, pattern: str) -> Publish:
    return _live(name, {**_SUITE, "for": [pattern]}, kind="suite")


def _step(number: int, text: str) -> Publish:
    """A prompt that takes the output of the one before it."""
    before = f"step-{number - 1}"
    takes = [Dependency("consumes", f"{before}@production", before)]
    return _prompt(f"step-{number}", f"{text} {{{{ {before} }}}}", takes)


def _prompt(name: str, template: str, takes: Sequence[Dependency] = ()) -> Publish:
    return _live(name, {"template": template, "model": _MODEL}, dependencies=takes)


def _live(name: str, content: Any, **more: Any) -> Publish:
    return Publish(name, content, aliases=("production",), reason="measuring", **more)
