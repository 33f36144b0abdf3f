"""Evaluations as people see them: what is asked for, how far it is, what came out.

An evaluation holds one version (the **candidate**) against a suite, and where the suite
compares, against another (the **baseline**: what the alias points to now). Both stand in a
world: which version of everything that an output is made of. What came out is evidence for
exactly that; the digest of all of it is the evaluation's **seal**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Outcome = Literal["passed", "failed", "inconclusive"]
EvaluationState = Literal[
    "queued", "running", "passed", "failed", "inconclusive", "cancelled", "superseded"
]
"""How an evaluation stands. A superseded one was asked for a change that needs another now."""

CHECK: Final = "eval:"
"""Begins the names of the checks that evaluations report; nobody else reports under it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One metric on one side: over `rows` rows that have it, `errors` that should have."""

    rows: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    total: float | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """One criterion held against the scores: what came out, in a sentence, and by which rows.

    `rows` are the places of the rows that decided, the worst first. `lower` and `upper` bound
    the difference to the baseline, and `detectable` is the drop that this many rows would
    have shown four times in five; all None where nothing was compared.
    """

    criterion: str
    outcome: Outcome
    message: str
    candidate: float | None = None
    baseline: float | None = None
    lower: float | None = None
    upper: float | None = None
    detectable: float | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of both sides, over all rows and over each slice (``key=value``)."""

    name: str
    candidate: Figures
    baseline: Figures | None = None
    slices: Mapping[str, tuple[Figures, Figures | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation came to. It passed only if everything that must hold does.

    What is made and reused is counted over both sides together, and what was made only to
    make something else from it counts as well: so `cost` is what the evaluation cost.
    """

    outcome: Outcome
    summary: str
    rows: int
    held: tuple[Held, ...]
    metrics: tuple[Metric, ...]
    problems: tuple[str, ...] = ()
    outputs_made: int = 0
    outputs_reused: int = 0
    scores_made: int = 0
    scores_reused: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run of a suite on a version. `against` is the baseline's version, if there is one.

    `done` of `total` steps (outputs and scores) are finished. `seal` is the digest of all
    that the result depends on; `change` the number of the change that asked for it. Where its
    rows were dropped, `rows_dropped_at` says when and `rows_dropped` why.
    """

    number: int
    suite: str
    kind: str
    name: str
    version: int
    against: int | None
    alias: str
    seal: str
    state: EvaluationState
    by: str
    at: datetime
    change: int | None = None
    fresh: bool = False
    done: int = 0
    total: int = 0
    reused: int = 0
    worker: str = ""
    ended_at: datetime | None = None
    summary: str = ""
    report: Report | None = None
    rows_dropped_at: datetime | None = None
    rows_dropped: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side gave on a row: of several trials the first output, the mean of the scores.

    `via` has the outputs that it was made from, by the versions that made them.
    """

    output: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None
    reused: bool = False
    via: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A row of the dataset with what both sides gave. `change` is how the scores changed.

    `change` is the mean over the scorers of candidate minus baseline; None without baseline.
    """

    row: int
    input: Mapping[str, Any]
    candidate: Side
    baseline: Side | None = None
    expected: Any = None
    tags: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    change: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last evaluation of a live version says today, by one suite.

    `stale` tells what of its making has moved since, in sentences; with nothing in it, the
    result is for exactly what is live. `evaluation` is None where there never was one.
    """

    kind: str
    name: str
    alias: str
    version: int
    suite: str
    evaluation: int | None = None
    state: EvaluationState | None = None
    at: datetime | None = None
    summary: str = ""
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """One evaluation that a policy asks for before an alias moves, and how it stands.

    `suite` is empty where an artifact has none that could tell. `state` is None where it was
    never asked for. `distance` is 0 for what moves, and counts the steps downstream. `failed`
    are the evaluations of exactly this that failed, whatever counts now.
    """

    kind: str
    name: str
    version: int
    suite: str
    seal: str
    state: EvaluationState | None
    alias: str = ""
    evaluation: int | None = None
    summary: str = ""
    distance: int = 0
    blocking: bool = True
    failed: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same as another, whichever move asks for it."""
        return self.label, self.suite, self.seal

    @property
    def label(self) -> str:
        """The version by its full name."""
        start = "" if self.kind == "prompt" else f"{self.kind}:"
        return f"{start}{self.name}:{self.version}"
