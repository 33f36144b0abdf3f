"""`kill -9` of whoever runs evaluations: each ends, once, with the result that it would have had.

What is promised: an output whose row is in the store is never asked for again. A call that was
under way at the kill, or whose answer was not written yet, may be made a second time; nothing
else is. So right after each kill the table of outputs is read behind the registry's back, and
no later call may be one of those.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evals.endpoint import Endpoint, Raw, Request, Said, spelt
from faults.damage import RUNS
from faults.workers import SECRET_KEY, Process, wait
from pointsman.app.application import Application
from pointsman.app.evaluating import asking, runs
from pointsman.app.evaluating.asking import Request as Wish
from pointsman.compose import Registry
from pointsman.core.evaluation import CaseResult, Evaluation, Report
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Dependency
from pointsman.evals.worker import Terms, Worker
from stores import Databases, Place, PostgresPlace, SqlitePlace

MODEL: dict[str, Any] = {"provider": "local", "name": "m"}
AT_ONCE = 4
DELAY = 0.1
LONGEST = 1.0
"""Seconds of a life, from when outputs come in to the kill."""
ROWS = 30 + 15 * RUNS
"""Three calls each, and a life can't make more than 15 rows' worth: no kill comes too late."""
SHARED = 12
SHARED_ROWS = 30


def answer_of(text: str) -> str:
    """What the model says to this, of which nobody else gets the same."""
    task, _, told = text.partition(": ")
    found = re.search(r"\d+", told)
    assert found, text
    number = int(found[0])
    if task == "Judge":
        return json.dumps({"score": 1.0, "reason": f"it is {number}"})
    if task == "Shorten":
        return f"{number}: {'money' if 'money' in told else 'talk'}"
    is_wrong = task == "Sort" and number % 10 == 1
    word = "refund" if "money" in told and not is_wrong else "other"
    return f"{word}, says {task} of {number}"


def at_once(request: Request) -> str:
    return answer_of(request.text)


def slowly(request: Request) -> Raw:
    return Raw(spelt(request, Said(answer_of(request.text))), delay=DELAY)


def prepare(registry: Registry, endpoint: Endpoint, rows: int) -> None:
    """shorten → classify, both live, with a second version of classify and a suite for it."""
    registry.set_provider(
        "local", api="openai", base_url=endpoint.base_url, concurrency=AT_ONCE, key="k"
    )
    tickets = [
        {
            "input": {"message": f"Ticket {n}, {'my money' if n % 2 else 'hello'}"},
            "expected": "refund" if n % 2 else "other",
        }
        for n in range(rows)
    ]
    suite = {
        "for": ["*"],
        "dataset": "tickets@production",
        "output": {"by": "chain"},
        "scorers": [{"name": "correct", "by": "contains"}],
        "hold": [
            {"metric": "correct", "at_least": 0.5},
            {"metric": "correct", "not_worse_by": 0.01},
        ],
    }
    contents: list[tuple[str, str, Any]] = [
        ("tickets", "dataset", {"rows": tickets}),
        ("suite", "suite", suite),
        ("shorten", "prompt", {"template": "Shorten: {{ message }}", "model": MODEL}),
    ]
    for name, kind, content in contents:
        registry.publish(name, content, kind=kind, aliases=["production"], reason="live")
    for task, aliases in (("Classify", ["production"]), ("Sort", [])):
        registry.publish(
            "classify",
            {"template": f"{task}: {{{{ short }}}}", "model": MODEL},
            dependencies=[Dependency("consumes", "shorten@production", "short")],
            aliases=aliases,
            reason="live",
        )


def ask(registry: Registry, selector: str) -> Evaluation:
    (asked,) = registry._write(lambda w: asking.evaluate(w, Wish(parse_selector(selector))))
    return asked


def result(registry: Registry, number: int) -> tuple[Evaluation, list[Any]]:
    """An evaluation, and what came out for each row, but for how long things took."""
    done = registry._read(lambda v: runs.show(v, number))
    found: list[CaseResult] = []
    cursor = None
    while True:
        page = registry._read(
            lambda v, c=cursor: runs.cases(v, number, worst_first=False, limit=500, cursor=c)  # type: ignore[misc]
        )
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    sides = [[(one.output, one.scores) for one in (c.candidate, c.baseline) if one] for c in found]
    return done, sides


def timeless(report: Report | None) -> Report:
    """A report without what depends on how long calls took, and on who made them."""
    assert report is not None
    metrics = tuple(one for one in report.metrics if one.name != "latency")
    return replace(
        report, metrics=metrics, outputs_made=0, outputs_reused=0, scores_made=0, scores_reused=0
    )


@pytest.fixture(scope="module", autouse=True)
def secret_key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POINTSMAN_SECRET_KEY", SECRET_KEY)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, list[Any]]:
    """What the evaluation comes to where nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Endpoint(at_once) as endpoint, Registry.open(folder) as registry:
        prepare(registry, endpoint, ROWS)
        asked = ask(registry, "classify:2")
        assert Worker(registry._app, None).work_off() == 1
        done, sides = result(registry, asked.number)
        assert len(endpoint.requests) == 3 * ROWS
    return done, sides


@pytest.fixture(params=["server on sqlite", "worker on postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Place, list[str]]]:
    """Where the registry is, and the command that runs its evaluations."""
    if request.param == "server on sqlite":
        folder = tmp_path / "data"
        yield SqlitePlace(folder), ["serve", "--port", "0", "--data", str(folder)]
        return
    databases = request.getfixturevalue("databases")
    name = databases.migrated()
    yield PostgresPlace(databases.url(name)), ["worker", "--database", databases.url(name)]
    databases.drop(name)


def durable(place: Place) -> set[str]:
    """The outputs that are in the store, whoever put them there."""
    with place.raw() as raw:
        return {json.loads(body)["text"] for (body,) in raw.execute("SELECT body FROM made")}


def ended(place: Place) -> set[int]:
    """The numbers of the evaluations that have ended."""
    with place.raw() as raw:
        return {number for (number,) in raw.execute("SELECT number FROM evaluation_end")}


def test_what_was_kept_is_not_asked_again_and_the_result_is_the_same(
    where: tuple[Place, list[str]], undisturbed: tuple[Evaluation, list[Any]]
) -> None:
    place, command = where
    chance = random.Random()
    kept: set[str] = set()
    with Endpoint(slowly) as endpoint:
        with Registry.open(**place.options) as registry:
            prepare(registry, endpoint, ROWS)
            number = ask(registry, "classify:2").number
        seen = 0

        def nothing_again() -> None:
            nonlocal seen
            made = [answer_of(one.text) for one in endpoint.requests[seen:]]
            seen += len(made)
            assert kept.isdisjoint(made), "asked again, though its output was in the store"

        def goes_on() -> bool:
            return durable(place) > kept

        for run in range(RUNS):
            with Process(*command, "--lease", "1") as process:
                if run == 0 or chance.random() < 0.8:
                    wait(goes_on, process)
                time.sleep(chance.uniform(0, LONGEST))
                process.kill()
            nothing_again()
            kept = durable(place)
            assert not ended(place), "it has to be under way"
        with Process(*command, "--lease", "1") as process:
            wait(lambda: ended(place), process)
        nothing_again()
        with Registry.open(**place.options) as registry:
            done, sides = result(registry, number)
            assert registry.doctor().findings == ()
    wanted, wanted_sides = undisturbed
    assert done.seal == wanted.seal, "it is the same evaluation"
    assert timeless(done.report) == timeless(wanted.report)
    assert (done.state, done.summary) == (wanted.state, wanted.summary)
    assert sides == wanted_sides
    assert len(sides) == ROWS
    assert len({one.text for one in endpoint.requests}) == 3 * ROWS


def test_workers_share_what_waits_whoever_dies_or_goes(databases: Databases) -> None:
    database = databases.migrated()
    place = PostgresPlace(databases.url(database))
    # Longer than a process takes to stop: nobody can have taken over what it did not let go.
    command = ["worker", "--database", place.url, "--lease", "4", "--evaluations-at-once", "1"]
    with Endpoint(slowly) as endpoint, Registry.open(**place.options) as registry:
        prepare(registry, endpoint, SHARED_ROWS)
        names = [f"reply/{n}" for n in range(SHARED)]
        for name in names:
            content: dict[str, Any] = {
                "template": f"Classify: {{{{ message }}}} in {name}",
                "model": MODEL,
            }
            registry.publish(name, content, aliases=["production"], reason="live")
        with Process(*command) as one, Process(*command) as two, Process(*command) as three:
            alive = [one, two, three]
            numbers = {ask(registry, f"{name}:1").number for name in names}
            dying = busy(place, alive)
            dying.kill()
            alive.remove(dying)
            leaving = busy(place, alive, ends=1)
            leaving.stop()
            alive.remove(leaving)
            left = [work for work in at_work(place) if work.pid == leaving.pid]
            assert not left, "who is asked to stop lets go of what it had"
            wait(lambda: ended(place) == numbers, *alive)
        ends = Counter(
            entry.data["evaluation"]
            for entry in registry.entries().items
            if entry.type == "evaluation.finished"
        )
        assert ends == dict.fromkeys(numbers, 1)
        assert ended_by(place).keys() == {leaving.pid, alive[0].pid}, "the dead one ended none"
        for number in numbers:
            done, sides = result(registry, number)
            assert done.report is not None
            assert (done.state, done.report.rows) == ("passed", SHARED_ROWS), done.summary
            assert len(sides) == SHARED_ROWS
        assert registry.doctor().findings == ()
    databases.drop(database)


@pytest.mark.parametrize("by", ["contains", "judge"])
def test_a_registry_that_is_locked_for_a_while_is_no_verdict(tmp_path: Path, by: str) -> None:
    """What the registry itself could not keep is tried again; no result comes of it."""
    place = SqlitePlace(tmp_path)
    with Endpoint(slowly) as endpoint, closing(place.open(patience=1.0)) as store:
        registry = Registry(store)
        prepare(registry, endpoint, SHARED_ROWS)
        if by == "judge":
            judged(registry)
        number = ask(registry, "classify:2").number
        worker = Worker(Application(store), None, Terms(lease=1.0, look_every=0.5))
        worker.start()
        try:
            begun = "Classify" if by == "contains" else "Judge"
            wait(lambda: any(one.text.startswith(begun) for one in endpoint.requests))
            with place.raw() as raw:
                raw.execute("BEGIN IMMEDIATE")
                time.sleep(1.5)  # outputs can't be kept, and then a result could be
                raw.execute("ROLLBACK")
            wait(lambda: ended(place))
        finally:
            worker.stop()
        done, sides = result(registry, number)
    assert done.report is not None
    assert (done.report.rows, len(sides)) == (SHARED_ROWS, SHARED_ROWS), done.summary
    assert done.report.problems == ()


def judged(registry: Registry) -> None:
    """Another version of the suite, in which a model is asked what outputs are worth."""
    judge: dict[str, Any] = {"template": "Judge: {{ output }}", "model": MODEL}
    registry.publish("tone", judge, aliases=["production"], reason="live")
    suite: Any = {
        "for": ["*"],
        "dataset": "tickets@production",
        "output": {"by": "chain"},
        "scorers": [{"name": "tone", "by": "judge", "prompt": "tone@production"}],
        "hold": [{"metric": "tone", "at_least": 0.5}],
    }
    registry.publish("suite", suite, kind="suite", aliases=["production"], reason="live")


class Held(NamedTuple):
    """An evaluation that a process has a lease on, and how many of its steps are done."""

    pid: int
    number: int
    done: int


def busy(place: Place, processes: list[Process], *, ends: int = 0) -> Process:
    """The first of these that is in the middle of an evaluation, and has ended so many before."""

    def found() -> list[Process]:
        deep = {one.pid for one in at_work(place) if one.done}
        before = ended_by(place)
        return [one for one in processes if one.pid in deep and before[one.pid] >= ends]

    wait(found, *processes)
    chosen = found()
    return chosen[0] if chosen else busy(place, processes, ends=ends)


def at_work(place: Place) -> list[Held]:
    """What is held and has not ended."""
    with place.raw() as raw:
        rows = raw.execute(
            "SELECT worker, number, done FROM evaluation_work WHERE lease_until > 0 AND "
            "number NOT IN (SELECT number FROM evaluation_end)"
        )
    return [Held(_pid(worker), number, done) for worker, number, done in rows]


def ended_by(place: Place) -> Counter[int]:
    """How many evaluations each process has ended."""
    with place.raw() as raw:
        rows = raw.execute(
            "SELECT worker FROM evaluation_work WHERE number IN (SELECT number FROM evaluation_end)"
        )
    return Counter(_pid(worker) for (worker,) in rows)


def _pid(worker: str) -> int:
    return int(worker.split(":")[-2])
