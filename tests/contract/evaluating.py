"""A project with suites and a gate, and a worker whose results tests decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contract.governing import Team
from pointsman.app.application import Caller
from pointsman.app.evaluating import asking, runs
from pointsman.app.evaluating.runs import WORKER, Taken
from pointsman.app.ports import Store
from pointsman.core.evaluation import Evaluation, Held, Outcome, Report
from pointsman.core.making import split_label
from pointsman.core.vocabulary import Dependency

SECOND = 1_000_000
ROWS = [{"input": {"message": f"m{n}"}, "expected": "yes"} for n in range(3)]


def report(outcome: Outcome, summary: str = "") -> Report:
    """A report that came to this."""
    told = summary or f"It {outcome}."
    return Report(outcome, told, 3, (Held("correct at least 0.9", outcome, told),), ())


class Lab(Team):
    """A team whose summary is classified and answered: summarise → classify → reply.

    All three are live as version 1, each with a suite of its own that is live, too.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.publish("rows", ROWS, kind="dataset")
        self.live("dataset", "rows")
        self.publish("summarise", "Summarise {{ message }}")
        self.live("prompt", "summarise")
        self.consuming("classify", "summarise")
        self.live("prompt", "classify")
        self.consuming("reply", "classify")
        self.live("prompt", "reply")
        for name in ("summarise", "classify", "reply"):
            self.suite(f"{name}-suite", name)

    def live(self, kind: str, name: str, version: int = 1, alias: str = "production") -> None:
        """Point an alias at a version, without asking any policy."""
        self.points(kind, name, version, alias)

    def points(self, kind: str, name: str, version: int | None, alias: str) -> None:
        from pointsman.app import releases
        from pointsman.core.vocabulary import Target

        to = None if version is None else Target(version=version)
        wish = releases.Wish(kind, name, alias, to)
        self.does("ada", lambda w: releases.release(w, [wish], "to begin with", break_glass=True))

    def consuming(self, name: str, upstream: str, text: str = "Given {{ given }}") -> int:
        """Publish a prompt that takes another one's output."""
        takes = Dependency("consumes", f"{upstream}@production", "given")
        return self.publish(name, text, dependencies=[takes])

    def suite(self, name: str, patterns: str, *, live: bool = True, **more: Any) -> int:
        """Publish a suite that is for something."""
        content = {
            "for": [patterns],
            "dataset": "rows@production",
            "output": {"by": "chain"},
            "scorers": [{"name": "correct", "by": "exact"}],
            "hold": [{"metric": "correct", "at_least": 0.9}],
            **more,
        }
        number = self.publish(name, content, kind="suite")
        if live:
            self.live("suite", name, number)
        return number

    @property
    def worker(self) -> Caller:
        return Caller(WORKER, self.project)

    def start(self) -> int:
        """Have asked for what open changes need."""
        return self.app.write(self.worker, asking.start_missing)

    def take(self, worker: str = "w", lease: int = SECOND) -> Taken | None:
        """Take up the next evaluation."""
        return self.app.write(self.worker, lambda w: runs.take_up(w, worker, lease))

    def end(self, taken: Taken, outcome: Outcome = "passed") -> Evaluation:
        """Bring a result in."""
        return self.app.write(self.worker, lambda w: runs.finish(w, taken, report(outcome)))

    def settle(self, outcomes: Mapping[str, Outcome] | None = None) -> list[str]:
        """End all that waits: by the name of what was evaluated, or else passed."""
        done = []
        while (taken := self.take()) is not None:
            name = split_label(taken.orders.candidate.root)[1]
            self.end(taken, (outcomes or {}).get(name, "passed"))
            done.append(name)
        return done

    def missing(self, number: int, by: str = "rui") -> list[str]:
        """The codes of what a change lacks."""
        from pointsman.app import reviewing

        return [one.code for one in self.sees(by, lambda v: reviewing.show(v, number)).missing]


def names(evaluations: Sequence[Evaluation]) -> list[str]:
    """What was evaluated, by name."""
    return [one.name for one in evaluations]
