"""How a metric went from version to version: a series for each suite and metric."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pointsman.core.evaluation import Evaluation, Outcome
from pointsman.core.making import split_label


@dataclass(frozen=True, slots=True)
class Point:
    """A metric's mean of one version, in one evaluation by one version of the suite.

    `before` is the mean of what it was compared with, version `against`.
    """

    number: int
    version: int
    at: datetime
    outcome: Outcome
    suite_version: int
    rows: int
    mean: float | None
    against: int | None = None
    before: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The means of one metric of an artifact, by one suite, in the order they were found."""

    kind: str
    name: str
    suite: str
    metric: str
    points: tuple[Point, ...]


def history(evaluations: Iterable[Evaluation], metric: str = "") -> tuple[Series, ...]:
    """A series for each artifact, suite and metric, or for one metric alone.

    Evaluations without a report are left out: they measured nothing. What two suites call by
    one name may be two things, so they have a series each.
    """
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    for one in sorted(evaluations, key=lambda one: one.number):
        if one.report is None:
            continue
        _, suite, suite_version = split_label(one.suite)
        for measured in one.report.metrics:
            if metric and measured.name != metric:
                continue
            point = Point(
                number=one.number,
                version=one.version,
                at=one.ended_at or one.at,
                outcome=one.report.outcome,
                suite_version=suite_version,
                rows=measured.candidate.rows,
                mean=measured.candidate.mean,
                against=one.against,
                before=measured.baseline.mean if measured.baseline else None,
            )
            found.setdefault((one.kind, one.name, suite, measured.name), []).append(point)
    return tuple(Series(*key, tuple(points)) for key, points in sorted(found.items()))
