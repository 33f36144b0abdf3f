"""Running one evaluation: outputs of both sides for every row, their scores, the verdict.

Rows are worked through in parts, two of them at a time, so that memory is bounded and models
are never idle. What a row came to is written when its part is done; of all rows only the
figures are kept in memory, for the verdict in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.core.datasets import Row
from pointsman.core.evaluation import CaseResult, Report, Side
from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.core.statistics import mean
from pointsman.core.suites import FIGURES
from pointsman.core.verdicts import Measured, hold, metrics_of, outcome_of
from pointsman.errors import NotFound, PointsmanError, Unavailable
from pointsman.evals.budget import BudgetExceeded
from pointsman.evals.outcome import Output, Score, clip
from pointsman.evals.outputs import Asked, Calls, Made, Prompted
from pointsman.evals.preparing import Prepared
from pointsman.evals.programs import run_program
from pointsman.evals.providers import ModelFailure
from pointsman.evals.scorers import Tools, score_all
from pointsman.evals.services import Services

PART: Final = 200
"""Rows that are scored and written together."""
PARTS_AT_ONCE: Final = 2
GIVES_UP: Final = 50
"""Failures of models in a row after which the evaluation ends: the provider is down."""
MAX_TEXT: Final = 20_000
"""Characters of an output, and of an input's text, that a report keeps."""
MAX_VIA: Final = 2_000
"""Characters of an output that another was made from, which a report keeps."""
MAX_PROBLEMS: Final = 20
_DOWN: Final = frozenset({"unavailable", "timeout", "rate_limited", "no_provider", "no_package"})


class GaveUp(Exception):
    """There is no point in going on; the message says why."""


@dataclass(slots=True)
class Progress:
    """How far an evaluation is. One step is a row of one side."""

    total: int = 0
    done: int = 0
    reused: int = 0


@dataclass(slots=True)
class Tally:
    """What was made and reused, and what went wrong, over all rows."""

    outputs_made: int = 0
    scores_made: int = 0
    cost: float = 0.0
    in_a_row: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    def failed(self, problem: str) -> None:
        """Note a problem, each sentence once."""
        if problem in self.problems or len(self.problems) < MAX_PROBLEMS:
            self.problems[problem] = self.problems.get(problem, 0) + 1

    def told(self) -> tuple[str, ...]:
        """The problems, the most frequent first."""
        ranked = sorted(self.problems.items(), key=lambda one: -one[1])
        return tuple(text if count == 1 else f"{text} ({count} times)" for text, count in ranked)


@dataclass(frozen=True, slots=True)
class Means:
    """What an evaluation may use. `keep` writes the results of some rows down."""

    calls: Calls
    asked: Asked
    services: Services
    scoring: Tools
    keep: Callable[[Sequence[CaseResult]], Any]
    commands_allowed: bool
    contents: Mapping[str, Any]


class Run:
    """One evaluation, from its orders to its report. Belongs to one event loop."""

    def __init__(self, prepared: Prepared, means: Means) -> None:
        self.progress = Progress()
        self._prepared = prepared
        self._suite = prepared.suite
        self._means = means
        self._tally = Tally()
        self._measured: list[Measured] = []
        self._programs: dict[tuple[bool, int], list[Made]] = {}
        maker = prepared.suite.maker
        self._prompted = Prompted(means.calls, maker, prepared.suite.inputs)
        sides = 2 if prepared.baseline is not None else 1
        self.progress.total = len(prepared.rows) * sides

    async def report(self) -> Report:
        """Evaluate every row, and hold the suite's criteria against what came out.

        For what the outside does, the report is inconclusive. Raises `Unavailable` while the
        registry itself can't keep what is made: then it can be run again, and finds the rest.
        """
        stopped = self._unfit()
        if not stopped:
            try:
                await self._everything()
            except Unavailable:
                raise
            except (BudgetExceeded, GaveUp, PointsmanError) as error:
                stopped = str(error)
        # On a thread: many rows take seconds, in which signs of life must be given.
        return await asyncio.to_thread(self._reported, stopped)

    def _unfit(self) -> str:
        """Why this can't be evaluated at all; empty if it can."""
        for side in (self._prepared.candidate, self._prepared.baseline):
            if side is None:
                continue
            if side.making.dead_ends:
                return f"{side.making.dead_ends[0]}."
            cycle = side.making.cycle
            if cycle and "depth" not in self._suite.maker.options and self._suite.maker.depth:
                told = " → ".join(cycle)
                return f"The chain never ends ({told}): say how deep to go with depth."
        by_command = [one for one in self._suite.scorers if one.by == "command"]
        if (self._suite.maker.by == "command" or by_command) and not self._means.commands_allowed:
            return (
                "The suite runs a command, and that is not allowed here: whoever runs the "
                "evaluation has to say --allow-commands."
            )
        return ""

    async def _everything(self) -> None:
        if self._suite.maker.by == "command":
            await self._run_programs()
        parts = iter(list(_parts(self._prepared.rows)))
        lanes = [asyncio.create_task(self._lane(parts)) for _ in range(PARTS_AT_ONCE)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _lane(self, parts: Iterator[tuple[int, Sequence[Row]]]) -> None:
        """Work through parts, the next one when one is done."""
        for first, rows in parts:
            cases = await self._part(first, rows)
            await self._means.keep(cases)

    async def _part(self, first: int, rows: Sequence[Row]) -> list[CaseResult]:
        """Some rows: their outputs, then the scores of these."""
        candidate = await self._side(first, rows, is_baseline=False)
        baseline = None
        if self._prepared.baseline is not None:
            baseline = await self._side(first, rows, is_baseline=True)
        cases = []
        for place, row in enumerate(rows):
            before = None if baseline is None else baseline[place]
            cases.append(self._case(first + place, row, candidate[place], before))
        return cases

    async def _side(
        self, first: int, rows: Sequence[Row], *, is_baseline: bool
    ) -> list[tuple[Side, dict[str, float | None]]]:
        """What one side gives for some rows."""
        tasks = [
            asyncio.create_task(self._trials(first + place, row, is_baseline=is_baseline))
            for place, row in enumerate(rows)
        ]
        try:
            trials = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        scores = await self._scores(rows, trials)
        return [_summed(made, worth) for made, worth in zip(trials, scores, strict=True)]

    async def _trials(self, place: int, row: Row, *, is_baseline: bool) -> list[Made]:
        made = [
            await self._output(place, row, trial, is_baseline=is_baseline)
            for trial in range(self._suite.trials)
        ]
        self.progress.done += 1
        self.progress.reused += all(one.reused for one in made)
        return made

    async def _output(self, place: int, row: Row, trial: int, *, is_baseline: bool) -> Made:
        side = self._prepared.baseline if is_baseline else self._prepared.candidate
        assert side is not None, "a side that is not there is not asked for"
        try:
            if self._suite.maker.by == "command":
                made = self._programs[is_baseline, trial][place]
            elif self._suite.maker.by == "http":
                made = await self._means.services.make(side, row, trial)
            else:
                made = await self._prompted.make(side, row, trial)
        except ModelFailure as failure:
            made = Made(None, error=str(failure))
            self._count_down(failure)
        else:
            self._tally.in_a_row = 0
        self._count(made)
        return made

    def _count(self, made: Made) -> None:
        tally = self._tally
        if made.output is None:
            tally.failed(clip(made.error, 500))
        elif self._suite.maker.by in ("command", "http"):
            tally.outputs_made += 1
            tally.cost += made.output.cost or 0.0

    def _count_down(self, failure: ModelFailure) -> None:
        self._tally.in_a_row += failure.kind in _DOWN
        if self._tally.in_a_row >= GIVES_UP:
            raise GaveUp(f"{GIVES_UP} calls in a row failed: {failure.message}")

    async def _run_programs(self) -> None:
        """Start the suite's program for each side and trial; it answers all rows at once."""
        for is_baseline in (False, True):
            side = self._prepared.baseline if is_baseline else self._prepared.candidate
            for trial in range(self._suite.trials if side is not None else 0):
                assert side is not None
                self._programs[is_baseline, trial] = await run_program(
                    self._suite.maker, side, self._prepared.rows, trial, self._means.contents
                )

    async def _scores(
        self, rows: Sequence[Row], trials: Sequence[list[Made]]
    ) -> list[list[dict[str, Score]]]:
        """The scores of each trial of each row, by the scorers' names."""
        cases: list[tuple[Output, Row]] = []
        places: list[tuple[int, int]] = []
        for place, made in enumerate(trials):
            for trial, one in enumerate(made):
                if one.output is not None:
                    cases.append((one.output, rows[place]))
                    places.append((place, trial))
        found: list[list[dict[str, Score]]] = [[{} for _ in made] for made in trials]
        for scorer in self._suite.scorers:
            meant = [n for n, (_, row) in enumerate(cases) if row.lies_in(scorer.slice)]
            worths = await score_all(scorer, [cases[n] for n in meant], self._means.scoring)
            self._tally.scores_made += len(worths)
            for (place, trial), worth in zip((places[n] for n in meant), worths, strict=True):
                found[place][trial][scorer.name] = worth
                if worth.value is None:
                    self._tally.failed(f"{scorer.name}: {clip(worth.note, 400)}")
        return found

    def _case(
        self,
        place: int,
        row: Row,
        candidate: tuple[Side, dict[str, float | None]],
        baseline: tuple[Side, dict[str, float | None]] | None,
    ) -> CaseResult:
        ours, metrics = candidate
        theirs = baseline[0] if baseline else None
        problem = ours.error or (theirs.error if theirs else "")
        unscored = (name for name, value in ours.scores.items() if value is None)
        problem = problem or next((ours.notes.get(name, "") for name in unscored), "")
        before = None if baseline is None else baseline[1]
        self._measured.append(Measured(place, metrics, before, row.tags, clip(problem, 300)))
        return CaseResult(
            row=place,
            input={key: _kept(value) for key, value in row.input.items()},
            candidate=ours,
            baseline=theirs,
            expected=_kept(row.expected),
            tags=row.tags,
            id=row.id,
            change=_change(ours, theirs),
        )

    def _reported(self, stopped: str) -> Report:
        """The report of what there is; if it was stopped, of a part, and inconclusive."""
        suite, tally = self._suite, self._tally
        made, asked = self._prompted.bill, self._means.asked.bill
        self._measured.sort(key=lambda one: one.row)
        problems = tally.told()
        if made.stood_in:
            problems = (*problems, f"{made.stood_in} answers are those of a fallback model.")
        held = () if stopped else hold(suite, self._measured, self._seed)
        outcome, summary = outcome_of(held)
        if stopped:
            outcome, summary = "inconclusive", stopped
            problems = (stopped, *problems)
        return Report(
            outcome=outcome,
            summary=clip(summary, 1_500),
            rows=len(self._measured),
            held=held,
            metrics=metrics_of(suite, self._measured),
            problems=problems,
            outputs_made=tally.outputs_made + made.made,
            outputs_reused=made.reused,
            scores_made=tally.scores_made - asked.reused,
            scores_reused=asked.reused,
            cost=tally.cost + made.cost + asked.cost,
        )

    @property
    def _seed(self) -> bytes:
        return bytes.fromhex(self._prepared.orders.seal)


def judge_of(prepared: Prepared) -> Callable[[Selector], Prompt]:
    """The prompts that judges go by, as the orders resolved them."""

    def find(selector: Selector) -> Prompt:
        side = prepared.judges.get(str(selector))
        if side is None or side.making.root not in side.prompts:
            because = "" if side is None else side.unfit.get(side.making.root, "")
            raise NotFound(f"The judge {selector} can't be used. {because}".rstrip())
        return side.prompts[side.making.root]

    return find


def _parts(rows: Sequence[Row]) -> Iterator[tuple[int, Sequence[Row]]]:
    for first in range(0, len(rows), PART):
        yield first, rows[first : first + PART]


def _summed(
    made: Sequence[Made], worths: Sequence[Mapping[str, Score]]
) -> tuple[Side, dict[str, float | None]]:
    """What the trials of a row come to: means of what all of them have."""
    outputs = [one.output for one in made]
    there = [one for one in outputs if one is not None]
    names = list(dict.fromkeys(name for one in worths for name in one))
    scores: dict[str, float | None] = {}
    notes: dict[str, str] = {}
    for name in names:
        values = [one[name].value if name in one else None for one in worths]
        scores[name] = _mean(values)
        note = next((one[name].note for one in worths if name in one and one[name].note), "")
        if note:
            notes[name] = note
    costs = [None if one is None else one.cost for one in outputs]
    figures: dict[str, float | None] = {
        "cost": _mean(costs),
        "latency": _mean([None if one is None else one.seconds for one in outputs]),
        "tokens": _mean([None if one is None else one.tokens for one in outputs]),
    }
    assert figures.keys() == set(FIGURES)
    side = Side(
        output=clip(there[0].text, MAX_TEXT) if there else "",
        scores=scores,
        notes=notes,
        error=next((one.error for one in made if one.error), ""),
        seconds=sum(one.seconds or 0.0 for one in there),
        tokens=sum(one.tokens or 0 for one in there),
        cost=None if None in costs else sum(one for one in costs if one is not None),
        reused=all(one.reused for one in made),
        via={label: clip(text, MAX_VIA) for label, text in made[0].via.items()},
    )
    return side, {**scores, **figures}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def _change(ours: Side, theirs: Side | None) -> float | None:
    if theirs is None:
        return None
    pairs = [(ours.scores.get(name), value) for name, value in theirs.scores.items()]
    known = [mine - before for mine, before in pairs if mine is not None and before is not None]
    return mean(known) if known else None


def _kept(value: Any) -> Any:
    """A value as a report keeps it: long texts are cut in their middle."""
    return clip(value, MAX_TEXT) if isinstance(value, str) else value
