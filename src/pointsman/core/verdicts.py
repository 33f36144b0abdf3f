"""Holding a suite's criteria against the scores: passed, failed or inconclusive, and by what.

A row counts by the mean of its trials. A row without a score is not left out, as that would
be a way to pass: a criterion passes only if it would with the missing scores at their worst,
and fails only if it would with them at their best. In between it is inconclusive, and so is
whatever is inconclusive in any part. Inconclusive never passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.core.evaluation import Figures, Held, Metric, Outcome
from pointsman.core.statistics import Comparison, Pairs, compare, mean, percentile
from pointsman.core.suites import FIGURES, Criterion, SuiteContent

DECIDING: Final = 20
"""Rows, at most, that a criterion names as those that decided."""
MAX_SLICES: Final = 50
_ENDS: Final = (0.0, 1.0)
"""The worst and the best score."""

Scores = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A row with what both sides are worth; None where a score is missing.

    `baseline` is None where there is nothing to compare with. `problem` is what went wrong.
    """

    row: int
    candidate: Scores
    baseline: Scores | None = None
    tags: Mapping[str, str] | None = None
    problem: str = ""

    def lies_in(self, part: Mapping[str, str]) -> bool:
        """Whether the row has all of these tags."""
        tags = self.tags or {}
        return all(tags.get(key) == value for key, value in part.items())


def hold(suite: SuiteContent, measured: Sequence[Measured], seed: bytes) -> tuple[Held, ...]:
    """Each criterion of a suite, held against the scores. The same seed gives the same answer."""
    family = max(1, sum(one.test == "not_worse_by" for one in suite.hold))
    return tuple(_held(suite, one, measured, family, seed) for one in suite.hold)


def outcome_of(held: Sequence[Held]) -> tuple[Outcome, str]:
    """What the criteria come to together, and the sentence of those that decided."""
    for outcome in ("failed", "inconclusive"):
        deciding = [one for one in held if one.outcome == outcome]
        if deciding:
            return outcome, " ".join(one.message for one in deciding[:3])
    return "passed", " ".join(one.message for one in held[:3])


def metrics_of(suite: SuiteContent, measured: Sequence[Measured]) -> tuple[Metric, ...]:
    """Every metric of both sides, over all rows and over each slice that the tags make."""
    names = [one.name for one in suite.scorers] + list(FIGURES)
    parts: dict[str, list[Measured]] = {}
    for one in measured:
        for key, value in (one.tags or {}).items():
            parts.setdefault(f"{key}={value}", []).append(one)
    most = dict(sorted(parts.items(), key=lambda part: (-len(part[1]), part[0]))[:MAX_SLICES])
    return tuple(_metric(suite, name, measured, most) for name in names)


def _metric(
    suite: SuiteContent,
    name: str,
    measured: Sequence[Measured],
    parts: Mapping[str, Sequence[Measured]],
) -> Metric:
    """A metric over the rows that have it, and over each part of them."""
    meant = suite.slice_of(name)

    def both(rows: Sequence[Measured]) -> tuple[Figures, Figures | None]:
        return _both(name, [one for one in rows if one.lies_in(meant)])

    return Metric(name, *both(measured), {part: both(parts[part]) for part in sorted(parts)})


def _held(
    suite: SuiteContent,
    criterion: Criterion,
    measured: Sequence[Measured],
    family: int,
    seed: bytes,
) -> Held:
    meant = suite.slice_of(criterion.metric)
    rows = [one for one in measured if one.lies_in(criterion.slice) and one.lies_in(meant)]
    told = str(criterion)
    if not rows:
        message = f"No row lies in the slice of “{told}”."
        return Held(told, "inconclusive", message)
    if criterion.test == "not_worse_by":
        return _compared(suite, criterion, rows, family, seed)
    if criterion.test == "each_at_least":
        return _each(criterion, rows)
    return _overall(criterion, rows)


def _overall(criterion: Criterion, rows: Sequence[Measured]) -> Held:
    """A figure of all rows against a bound."""
    told, metric = str(criterion), criterion.metric
    values = [one.candidate.get(metric) for one in rows]
    known = [value for value in values if value is not None]
    baseline = [
        value
        for one in rows
        if one.baseline is not None and (value := one.baseline.get(metric)) is not None
    ]
    figure = _figure(criterion, known) if known else None
    before = _figure(criterion, baseline) if baseline else None
    reached = [_reached(criterion, _filled(values, end)) for end in _ends(metric, values)]
    if not known or None in reached or len(set(reached)) > 1:
        return Held(
            told,
            "inconclusive",
            f"“{told}” can't be told: {_missing(rows, metric)}.",
            figure,
            before,
            rows=_without(rows, metric),
        )
    shown = _shown(figure)
    if reached[0]:
        return Held(told, "passed", f"“{told}” holds with {shown}.", figure, before)
    message = f"“{told}” does not hold: it is {shown}{_before(before)}."
    return Held(told, "failed", message, figure, before, rows=_extreme(criterion, rows))


def _each(criterion: Criterion, rows: Sequence[Measured]) -> Held:
    """Every single row against a bound."""
    told, metric = str(criterion), criterion.metric
    low = [
        (value, one.row)
        for one in rows
        if (value := one.candidate.get(metric)) is not None and value < criterion.bound
    ]
    worst = tuple(row for _, row in sorted(low)[:DECIDING])
    known = [value for one in rows if (value := one.candidate.get(metric)) is not None]
    least = min(known, default=None)
    if low:
        message = f"“{told}” does not hold for {_rows(len(low))} of {len(rows)}."
        return Held(told, "failed", message, least, rows=worst)
    if len(known) < len(rows):
        message = f"“{told}” can't be told: {_missing(rows, metric)}."
        return Held(told, "inconclusive", message, least, rows=_without(rows, metric))
    return Held(told, "passed", f"“{told}” holds for all {_rows(len(rows))}.", least)


def _compared(
    suite: SuiteContent,
    criterion: Criterion,
    rows: Sequence[Measured],
    family: int,
    seed: bytes,
) -> Held:
    """The candidate against the baseline, on the same rows."""
    told, metric = str(criterion), criterion.metric
    if all(one.baseline is None for one in rows):
        message = f"“{told}” has nothing to be held against: nothing was live before."
        return Held(told, "passed", message)
    pairs = [(one.candidate.get(metric), (one.baseline or {}).get(metric)) for one in rows]
    known = [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    ours = mean([mine for mine, _ in known]) if known else None
    before = mean([theirs for _, theirs in known]) if known else None
    whole = _comparison(suite, criterion, known, family, seed) if known else None
    lost = len(pairs) - len(known)
    verdicts = {whole.outcome if whole else "inconclusive"}
    if lost and metric not in FIGURES:
        for candidate, baseline in ((0.0, 1.0), (1.0, 0.0)):
            filled = known + [(candidate, baseline)] * lost
            verdicts.add(_comparison(suite, criterion, filled, family, seed).outcome)
    elif lost:
        verdicts.add("inconclusive")
    outcome = verdicts.pop() if len(verdicts) == 1 else "inconclusive"
    bounds = whole.bounds if whole else None
    return Held(
        told,
        outcome,
        _comparing(told, whole, outcome, ours, before, rows, metric, lost),
        ours,
        before,
        bounds.lower if bounds else None,
        bounds.upper if bounds else None,
        whole.smallest_detectable if whole else None,
        _worse(criterion, rows) if outcome != "passed" else (),
    )


def _comparison(
    suite: SuiteContent,
    criterion: Criterion,
    known: Sequence[tuple[float, float]],
    family: int,
    seed: bytes,
) -> Comparison:
    sign = -1.0 if criterion.metric in FIGURES else 1.0
    paired: Sequence[float] | Pairs = [sign * (mine - theirs) for mine, theirs in known]
    if criterion.metric not in FIGURES and all(
        mine in _ENDS and theirs in _ENDS for mine, theirs in known
    ):
        counts = [0, 0, 0, 0]
        for mine, theirs in known:
            counts[(mine == 0.0) * 2 + (theirs == 0.0)] += 1
        both, better, worse, neither = counts
        paired = Pairs(both, better, worse, neither)
    return compare(
        paired,
        margin=criterion.bound,
        confidence=criterion.confidence,
        family=family,
        seed=seed,
        minimum=suite.minimum,
    )


def _comparing(
    told: str,
    whole: Comparison | None,
    outcome: Outcome,
    ours: float | None,
    before: float | None,
    rows: Sequence[Measured],
    metric: str,
    lost: int,
) -> str:
    if whole is None:
        return f"“{told}” can't be told: {_missing(rows, metric)}."
    change = f"{_shown(ours)} against {_shown(before)} before"
    if outcome == "passed":
        return f"“{told}” holds: {change}, on {_rows(whole.rows)}."
    if outcome == "failed":
        return f"“{told}” does not hold: {change}; {_rows(whole.worse)} of {whole.rows} got worse."
    if lost:
        return f"“{told}” can't be told: {_missing(rows, metric)}; {change} on the others."
    least = f"{_rows(whole.rows)} are too few to tell"
    sure = (
        f", a drop of {whole.smallest_detectable:.3g} would have shown"
        if whole.smallest_detectable is not None
        else ""
    )
    return f"“{told}” can't be told: {change}; {least}{sure}."


def _reached(criterion: Criterion, values: Sequence[float] | None) -> bool | None:
    if not values:
        return None
    figure = _figure(criterion, values)
    # A bound of 0.9 is reached by nine of ten, whatever the last digit of their mean.
    slack = 1e-12 * max(1.0, abs(criterion.bound))
    if criterion.test == "at_least":
        return figure >= criterion.bound - slack
    return figure <= criterion.bound + slack


def _figure(criterion: Criterion, values: Sequence[float]) -> float:
    return _OF[criterion.of](values)


_OF: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "mean": mean,
    "p50": lambda values: percentile(values, 50),
    "p90": lambda values: percentile(values, 90),
    "p95": lambda values: percentile(values, 95),
    "p99": lambda values: percentile(values, 99),
    "max": max,
    "total": sum,
}


def _ends(metric: str, values: Sequence[float | None]) -> Sequence[float | None]:
    """What the missing values may be at their worst and best; None where nobody knows."""
    if None not in values:
        return (0.0,)
    return (None,) if metric in FIGURES else _ENDS


def _filled(values: Sequence[float | None], end: float | None) -> list[float] | None:
    filled = [end if value is None else value for value in values]
    return None if None in filled else [value for value in filled if value is not None]


def _both(name: str, rows: Sequence[Measured]) -> tuple[Figures, Figures | None]:
    candidate = _figures([one.candidate.get(name) for one in rows])
    before = [one.baseline.get(name) for one in rows if one.baseline is not None]
    return candidate, _figures(before) if before else None


def _figures(values: Sequence[float | None]) -> Figures:
    known = [value for value in values if value is not None]
    errors = len(values) - len(known)
    if not known:
        return Figures(0, errors=errors)
    quantiles = {name: percentile(known, int(name[1:])) for name in ("p50", "p90", "p95", "p99")}
    return Figures(
        rows=len(known),
        mean=mean(known),
        max=max(known),
        total=sum(known),
        errors=errors,
        **quantiles,
    )


def _extreme(criterion: Criterion, rows: Sequence[Measured]) -> tuple[int, ...]:
    """The rows that pulled a figure to the wrong side, the worst first.

    To a total every row adds, however little; to the others only those beyond the bound.
    """
    sign = 1 if criterion.test == "at_least" else -1
    end = math.inf if criterion.of == "total" else sign * criterion.bound
    found = [
        (sign * value, one.row)
        for one in rows
        if (value := one.candidate.get(criterion.metric)) is not None and sign * value < end
    ]
    return tuple(row for _, row in sorted(found)[:DECIDING])


def _worse(criterion: Criterion, rows: Sequence[Measured]) -> tuple[int, ...]:
    """The rows that got worse against the baseline, the worst first, then those unknown."""
    sign = -1 if criterion.metric in FIGURES else 1
    found = []
    for one in rows:
        mine = one.candidate.get(criterion.metric)
        theirs = (one.baseline or {}).get(criterion.metric)
        if mine is not None and theirs is not None and sign * (mine - theirs) < 0:
            found.append((sign * (mine - theirs), one.row))
    worst = tuple(row for _, row in sorted(found)[:DECIDING])
    return worst or _without(rows, criterion.metric)


def _without(rows: Sequence[Measured], metric: str) -> tuple[int, ...]:
    missing = [
        one.row
        for one in rows
        if one.candidate.get(metric) is None
        or (one.baseline is not None and one.baseline.get(metric) is None)
    ]
    return tuple(missing[:DECIDING])


def _missing(rows: Sequence[Measured], metric: str) -> str:
    """How many rows have no such score, and what the first one's problem was."""
    without = [
        one
        for one in rows
        if one.candidate.get(metric) is None
        or (one.baseline is not None and one.baseline.get(metric) is None)
    ]
    first = next((one.problem for one in without if one.problem), "")
    because = f" ({first[:300]})" if first else ""
    return f"{_rows(len(without))} of {len(rows)} have no {metric}{because}"


def _before(before: float | None) -> str:
    return "" if before is None else f", and was {_shown(before)} before"


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


def _rows(count: int) -> str:
    return f"{count} row{'s' if count != 1 else ''}"
