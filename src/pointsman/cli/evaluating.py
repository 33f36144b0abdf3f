"""How the command line tells of evaluations: what came out, by which criteria and rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pointsman.cli.connect import Registry
from pointsman.cli.failing import FAILED, INCONCLUSIVE
from pointsman.cli.moving import place_of, short_label
from pointsman.cli.output import Output
from pointsman.cli.times import exactly, said

if TYPE_CHECKING:
    from pointsman.core.evaluation import (
        CaseResult,
        Evaluation,
        Figures,
        Metric,
        Report,
        Requirement,
        Side,
        Standing,
    )

DECIDING = 3
"""Rows that decided, as many as are shown of each evaluation."""
_PAGE = 200
_TEXT = 160
_COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow", "cancelled": "yellow"}


def label_of(one: Evaluation | Standing) -> str:
    """The evaluated version, such as ``support/reply:8``."""
    return f"{place_of(one.kind, one.name)}:{one.version}"


def status_of(evaluations: Sequence[Evaluation], gaps: Sequence[Requirement] = ()) -> int:
    """The exit status that evaluations come to; `gaps` are what could not be evaluated."""
    states = {one.state for one in evaluations}
    if "failed" in states:
        return FAILED
    return INCONCLUSIVE if gaps or states - {"passed"} else 0


def told_outcome(status: int) -> str:
    """An exit status as the outcome that it stands for."""
    return {0: "passed", FAILED: "failed"}.get(status, "inconclusive")


def tell_result(out: Output, registry: Registry, one: Evaluation) -> None:
    """What came out, what decided, and by which rows."""
    against = f" against version {one.against}" if one.against is not None else ""
    head = f"{label_of(one)} with {short_label(one.suite)}{against}: {one.state}"
    out.line(head, bold=True, fg=_COLOURS.get(one.state))
    if one.report is None:
        out.line(f"Evaluation {one.number}. {one.summary}".rstrip())
        return
    ended = f", {said(one.ended_at)}" if one.ended_at else ""
    out.line(f"Evaluation {one.number}{ended}: {_told_work(one.report)}", dim=True)
    tell_criteria(out, one.report)
    rows = deciding_rows(one.report)
    if rows and one.rows_dropped_at is not None:
        out.line(told_dropped(one), dim=True)
    elif rows:
        out.line("Rows that decided:")
        for case in cases_of(registry, one, rows[:DECIDING]):
            tell_case(out, case)
        if len(rows) > DECIDING and one.against is not None:
            more = f"pointsman eval show {one.number} --cases {len(rows)}"
            out.line(f"{len(rows) - DECIDING} more decided: {more}", dim=True)


def tell_criteria(out: Output, report: Report) -> None:
    """Everything that must hold, and whether it does."""
    for held in report.held:
        out.line(f"  {held.outcome}  {held.message}", fg=_COLOURS.get(held.outcome))
    if not report.held and report.summary not in report.problems:
        out.line(f"  {report.summary}")
    for problem in report.problems:
        out.line(f"  problem  {problem}", fg="yellow")


def deciding_rows(report: Report) -> list[int]:
    """The rows by which an evaluation did not pass, the worst of each criterion first."""
    rows = [
        row
        for held in report.held
        if held.outcome == report.outcome and held.outcome != "passed"
        for row in held.rows
    ]
    return list(dict.fromkeys(rows))


def told_dropped(one: Evaluation) -> str:
    """That the rows of an evaluation are no more, since when and why."""
    assert one.rows_dropped_at is not None, "of rows that were dropped only"
    return f"Its rows were dropped {said(one.rows_dropped_at)}: {one.rows_dropped}."


def cases_of(registry: Registry, one: Evaluation, rows: Sequence[int]) -> list[CaseResult]:
    """These rows of an evaluation, in this order; none if they were dropped.

    What got worse comes first as a rule; where nothing is compared, they are looked for in
    the dataset's order.
    """
    if one.rows_dropped_at is not None:
        return []
    number = one.number
    wanted, found = set(rows), dict[int, Any]()
    page = registry.evaluation_cases(number, limit=_PAGE)
    found |= {case.row: case for case in page.items if case.row in wanted}
    if len(found) < len(wanted) and page.cursor is not None:
        cursor: str | None = ""
        while cursor is not None and len(found) < len(wanted):
            page = registry.evaluation_cases(
                number, worst_first=False, limit=_PAGE, cursor=cursor or None
            )
            found |= {case.row: case for case in page.items if case.row in wanted}
            cursor = page.cursor
    return [found[row] for row in rows if row in found]


def tell_case(out: Output, case: CaseResult) -> None:
    """A row: what went in, what was expected, and what both sides gave."""
    name = f"row {case.row}" + (f" ({case.id})" if case.id else "")
    change = f", {case.change:+.3g}" if case.change is not None else ""
    tags = "".join(f", {key} {value}" for key, value in case.tags.items())
    out.line(f"  {name}{change}{tags}")
    lines = [(name, value) for name, value in case.input.items()]
    if case.expected is not None:
        lines.append(("expected", case.expected))
    sides = [("now", case.candidate)]
    if case.baseline is not None:
        sides.insert(0, ("before", case.baseline))
    width = max(len(label) for label, _ in [*lines, *sides])
    for label, value in lines:
        out.line(f"    {label.ljust(width)}  {_clipped(value)}", dim=True)
    for label, side in sides:
        out.line(f"    {label.ljust(width)}  {_told_side(side)}")
    for scorer, note in case.candidate.notes.items():
        out.line(f"    {' ' * width}  {scorer}: {_clipped(note)}", dim=True)


def tell_evaluation(out: Output, one: Evaluation) -> None:
    """The facts about an evaluation, wherever it stands."""
    out.line(f"Evaluation {one.number}: {one.state}", bold=True, fg=_COLOURS.get(one.state))
    progress = f"{one.done} of {one.total} steps" if one.total else ""
    out.fields(
        (
            ("version", label_of(one)),
            ("against", f"version {one.against}" if one.against is not None else ""),
            ("suite", short_label(one.suite)),
            ("alias", one.alias),
            ("change", str(one.change or "")),
            ("asked", f"by {one.by}, {exactly(one.at)}" + (", all anew" if one.fresh else "")),
            ("progress", progress if one.state in ("queued", "running") else ""),
            ("worker", one.worker if one.state == "running" else ""),
            ("ended", exactly(one.ended_at) if one.ended_at else ""),
            ("summary", one.summary if one.report is None else ""),
            ("work", _told_work(one.report) if one.report else ""),
            ("seal", one.seal),
        )
    )


def tell_metrics(out: Output, metrics: Sequence[Metric], *, slices: bool) -> None:
    """The figures of both sides; with `slices`, those of each part of the rows as well."""
    rows = []
    for one in metrics:
        rows.append(_figures(one.name, one.candidate, one.baseline))
        parts = one.slices.items() if slices else ()
        rows += [_figures(f"{one.name}, {part}", *both) for part, both in parts]
    head = ("METRIC", "NOW", "BEFORE", "P50", "P95", "TOTAL", "ROWS", "MISSING")
    out.table(head, rows)


def tell_requirements(out: Output, found: Sequence[Requirement]) -> None:
    """What is to be evaluated, and how each stands."""
    rows = [
        (
            one.label,
            short_label(one.suite) or "none",
            told_state(one),
            str(one.distance),
            str(one.evaluation or ""),
            _clipped(one.summary),
        )
        for one in found
    ]
    out.table(("VERSION", "SUITE", "STATE", "DISTANCE", "EVALUATION", "SUMMARY"), rows)


def told_requirement(one: Requirement) -> str:
    """A line about it: ``failed: classify:1 with suite:labels:1, evaluation 21``."""
    suite = f" with {short_label(one.suite)}" if one.suite else ""
    number = f", evaluation {one.evaluation}" if one.evaluation is not None else ""
    away = f", {one.distance} downstream" if one.distance else ""
    return f"{told_state(one)}: {one.label}{suite}{number}{away}"


def told_state(one: Requirement) -> str:
    """How a requirement stands, in a word or two."""
    if not one.suite:
        return "no suite" if one.blocking else "no suite (allowed)"
    return one.state or "not run"


def gaps_of(requirements: Sequence[Requirement]) -> list[Requirement]:
    """What can't be evaluated: without a suite, or with one that can't be used."""
    return [
        one
        for one in requirements
        if not one.suite or (one.evaluation is None and one.state == "inconclusive")
    ]


def note_gaps(out: Output, gaps: Sequence[Requirement]) -> None:
    """Say what nothing can be told of, and why."""
    for one in gaps:
        if one.suite:
            suite = short_label(one.suite)
            out.note(f"{one.label} can't be evaluated with {suite}: {one.summary}")
        else:
            out.note(f"{one.label} is not evaluated: no suite is for it.")


def _told_work(report: Report) -> str:
    made, reused = report.outputs_made, report.outputs_reused
    cost = f", cost {report.cost:g}" if report.cost else ""
    return f"{report.rows} rows; outputs: {made} made, {reused} from memory{cost}"


def _told_side(side: Side) -> str:
    if side.error:
        return f"error: {_clipped(side.error)}"
    scores = ", ".join(
        f"{name} {'none' if value is None else format(value, '.3g')}"
        for name, value in side.scores.items()
    )
    return _clipped(side.output) + (f"  [{scores}]" if scores else "")


def _figures(name: str, now: Figures, before: Figures | None) -> tuple[str, ...]:
    return (
        name,
        _number(now.mean),
        _number(before.mean) if before else "",
        _number(now.p50),
        _number(now.p95),
        _number(now.total),
        str(now.rows),
        str(now.errors or ""),
    )


def _number(value: float | None) -> str:
    return "" if value is None else format(value, ".4g")


def _clipped(value: Any) -> str:
    """A value in one line that is not too long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"
