"""What the reports of an evaluation have in common: its sentences, figures and worst rows.

What users, models and scorers wrote comes out of `clean` alone: text without anything that a
page, a pull request or an XML file could not carry, or that would hide other text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pointsman.core.canonical import canonical_json
from pointsman.core.evaluation import CaseResult, Evaluation, Figures, Report, Side
from pointsman.core.suites import FIGURES

_CONTROLS: Final = {code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)}
"""Control characters by the signs that stand for them."""
_HIDING: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What steers a reader's eye or is not seen: marks of direction, ends of lines, and C1."""
_UNSPEAKABLE: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_UNITS: Final = {"latency": "s", "tokens": "tokens"}
_LEAST: Final = 1e-12
"""What is closer to nothing is told as a power of ten after all: no price is that low."""
_STATES: Final = {
    "passed": "Passed",
    "failed": "Failed",
    "inconclusive": "Inconclusive",
    "queued": "Waiting",
    "running": "Running",
    "cancelled": "Cancelled",
    "superseded": "Superseded",
}


def clean(text: str, room: int | None = None) -> str:
    """The text as every report can carry it; its middle left out where it is too long."""
    if room is not None and len(text) > room:
        half = max(1, room // 2)
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"
    text = text.replace("\r\n", "\n").translate(_CONTROLS)
    text = _HIDING.sub(lambda found: f"⟨{ord(found[0]):04X}⟩", text)
    return _UNSPEAKABLE.sub("\ufffd", text)


def line(text: str, room: int = 300) -> str:
    """The text on one line, clean and shortened."""
    flat = " ".join(clean(text[: 4 * room]).split())
    return flat if len(flat) <= room else f"{flat[: room - 1]}…"


def shown(value: Any, room: int | None = None) -> str:
    """A value of a row as text: a text by itself, other JSON as canonical text."""
    return clean(value if isinstance(value, str) else canonical_json(value), room)


def candidate_of(evaluation: Evaluation) -> str:
    """The version that was held against the suite, by its name."""
    start = "" if evaluation.kind == "prompt" else f"{evaluation.kind}:"
    return f"{start}{evaluation.name}:{evaluation.version}"


def suite_of(evaluation: Evaluation) -> str:
    """The suite, by its name and version."""
    return evaluation.suite.removeprefix("suite:")


def title(evaluation: Evaluation) -> str:
    """What was evaluated, against what, by what: ``classify:2 against version 1, by labels:3``."""
    against = f" against version {evaluation.against}" if evaluation.against is not None else ""
    if evaluation.against == evaluation.version:
        against = ", made of other versions"
    return f"{candidate_of(evaluation)}{against}, by {suite_of(evaluation)}"


def side_names(evaluation: Evaluation) -> tuple[str, str]:
    """What the candidate and the baseline are called; both may be the same version."""
    return f"Candidate, version {evaluation.version}", f"Baseline, version {evaluation.against}"


def state(evaluation: Evaluation) -> str:
    """How it stands, as a word."""
    return _STATES[evaluation.state]


def sentence(evaluation: Evaluation) -> str:
    """What came out, or how far it is."""
    if evaluation.report is not None:
        return evaluation.report.summary
    if evaluation.state == "queued":
        return "It waits for a worker."
    if evaluation.state == "running":
        return f"{evaluation.done:,} of {evaluation.total:,} steps are done."
    return evaluation.summary or "There is no result."


def dropped(evaluation: Evaluation) -> str:
    """That there are no rows any more, and why; empty where they were not dropped."""
    if evaluation.rows_dropped_at is None:
        return ""
    return (
        f"The rows were dropped on {when(evaluation.rows_dropped_at)}: {evaluation.rows_dropped}."
    )


def spent(evaluation: Evaluation) -> str:
    """What was made and reused, and what it cost; empty where there is no result."""
    report = evaluation.report
    if report is None:
        return ""
    outputs = _parts(report.outputs_made, report.outputs_reused, "output")
    scores = _parts(report.scores_made, report.scores_reused, "score")
    return f"{rows(report.rows)}; {outputs}; {scores}; {_cost(report)}."


def rows(count: int) -> str:
    """How many rows."""
    return f"{count:,} row{'s' if count != 1 else ''}"


def amount(metric: str, value: float | None) -> str:
    """A figure of a metric, with its unit; a dash where there is none."""
    if value is None:
        return "–"
    unit = _UNITS.get(metric, "")
    return f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    """Four digits that count, never as a power of ten: what a call costs has many zeros."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    told = f"{value:.4g}"
    return f"{Decimal(told):f}" if "e" in told and abs(value) > _LEAST else told


def difference(metric: str, mine: Figures, theirs: Figures | None) -> tuple[str, str]:
    """By how much the mean differs, and whether that is ``better``, ``worse`` or neither."""
    if theirs is None or mine.mean is None or theirs.mean is None:
        return "–", ""
    change = mine.mean - theirs.mean
    if abs(change) <= 1e-12:
        return "no change", ""
    sign = "+" if change > 0 else "−"
    better = (change < 0) if metric in FIGURES else (change > 0)
    return f"{sign}{amount(metric, abs(change))}", "better" if better else "worse"


def mean_of(metric: str, figures: Figures | None) -> str:
    """A side's mean, and how many rows have none."""
    if figures is None:
        return "–"
    missing = f" ({figures.errors:,} without)" if figures.errors else ""
    return amount(metric, figures.mean) + missing


def when(moment: datetime) -> str:
    """A moment in UTC, for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def worst_first(cases: Sequence[CaseResult]) -> list[CaseResult]:
    """The rows, those that got worse most first; then by what they are worth."""
    return sorted(cases, key=lambda one: (one.change or 0.0, _worth(one.candidate), one.row))


def worse(evaluation: Evaluation, cases: Sequence[CaseResult]) -> list[CaseResult]:
    """The rows to look at, the worst first.

    Those that got worse; without a baseline, those by which criteria failed or could not be
    told. Rows that have no output count as well.
    """
    deciding = set()
    if evaluation.report is not None and evaluation.against is None:
        lacking = [one for one in evaluation.report.held if one.outcome != "passed"]
        deciding = {row for one in lacking for row in one.rows}
    return [
        one
        for one in worst_first(cases)
        if (one.change or 0.0) < 0 or one.candidate.error or one.row in deciding
    ]


def row_title(case: CaseResult) -> str:
    """A row by its place (from 0, as everywhere) and id, and how its scores changed."""
    name = f"Row {case.row}" + (f" ({line(case.id, 80)})" if case.id else "")
    if case.change is None:
        return name
    if abs(case.change) <= 1e-12:
        return f"{name}: the scores are the same"
    word = "better" if case.change > 0 else "worse"
    return f"{name}: {word} by {abs(case.change):.4g}"


def output_of(side: Side) -> str:
    """What a side gave; the error where it gave nothing."""
    return side.output if not side.error or side.output else f"(no output: {side.error})"


def _worth(side: Side) -> float:
    if side.error:
        return -1.0
    values = [value or 0.0 for value in side.scores.values()]
    return sum(values) / len(values) if values else 0.0


def _parts(made: int, reused: int, word: str) -> str:
    plural = "" if made + reused == 1 else "s"
    return f"{made + reused:,} {word}{plural}, {f'{reused:,}' if reused else 'none'} of them reused"


def _cost(report: Report) -> str:
    unpriced = any(one.name == "cost" and one.candidate.errors for one in report.metrics)
    told = f"it cost {amount('cost', report.cost)}"
    if not unpriced:
        return told
    return "its cost is not known" if not report.cost else f"{told} and what has no known price"
