"""Evaluations as reports for other places, and how a metric went over versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.connect import Registry, with_registry
from pointsman.cli.evaluating import cases_of
from pointsman.cli.moving import place_of, read_artifact
from pointsman.cli.output import Output
from pointsman.cli.times import when
from pointsman.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from pointsman.core.evaluation import CaseResult, Evaluation
    from pointsman.core.evaluation_history import Series

CASES = 200
"""Rows that a report shows unless told otherwise: those that got worse most."""


def check_place(file: str) -> None:
    """See that a report can go there, before anything is asked for.

    Raises `click.UsageError` if it is a folder, or in none that there is.
    """
    path = Path(file)
    if file == "-":
        return
    if path.is_dir():
        raise click.UsageError(f"--output {file} is a folder. Name a file in it.")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(
            f"--output {file}: there is no folder {path.parent}. Make it, or name another file."
        )


def write_report(
    registry: Registry, out: Output, one: Evaluation, form: str, file: str, cases: int | None
) -> None:
    """Write an evaluation in a format of `core.evaluation_reports`.

    Raises `Unavailable` if the file can't be written.
    """
    from pointsman.core.evaluation_reports import FORMATS, report

    (known,) = [each for each in FORMATS if each == form]
    text = report(known, one, _cases(registry, one, cases or CASES))
    if file == "-":
        out.raw(text if text.endswith("\n") else f"{text}\n")
        return
    try:
        Path(file).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise Unavailable(
            f"{file} can't be written: {error.strerror or error}.", code="unwritable_file"
        ) from error
    out.note(f"{file} holds evaluation {one.number}.")


def _cases(registry: Registry, one: Evaluation, most: int) -> Sequence[CaseResult]:
    """The rows that got worse most, and those by which criteria were decided."""
    if one.report is None or one.rows_dropped_at is not None:
        return ()
    found = {case.row: case for case in registry.evaluation_cases(one.number, limit=most).items}
    deciding = {
        row for held in one.report.held if held.outcome != "passed" for row in held.rows
    } - found.keys()
    return [*found.values(), *cases_of(registry, one, sorted(deciding))]


@click.command("history")
@click.argument("name")
@click.option("--metric", default="", help="Only this metric.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=50, show_default=True,
    help="How many of the newest evaluations are looked at.",
)  # fmt: skip
@with_registry()
def history_command(*, registry: Registry, out: Output, name: str, metric: str, limit: int) -> None:
    """Show how the metrics of an artifact went from version to version, the oldest first.

    Each suite and metric has a list of its own: what two suites call by one name may be two
    things.

    \b
    Example:
      pointsman eval history support/reply --metric correct
    """
    from pointsman.core.evaluation_history import history

    read_artifact(name)
    listed = registry.evaluations(name, limit=limit).items
    ended = [registry.evaluation(one.number) for one in listed if one.ended_at is not None]
    found = history(ended, metric)
    if metric and ended and not found:
        known = sorted({series.metric for series in history(ended)})
        raise NotFound(
            f"No evaluation of {name} has the metric {metric!r}.",
            code="metric_not_found",
            hint=f"There are {', '.join(known)}." if known else "None has a result.",
        )
    if out.as_json:
        out.data({"series": found})
        return
    if not found:
        out.line(f"No evaluation of {name} has a result.")
    for series in found:
        _tell(out, series)


def _tell(out: Output, series: Series) -> None:
    from pointsman.core.evaluation_words import amount

    name = place_of(series.kind, series.name)
    out.line(f"{series.metric} of {name} by suite:{series.suite}", bold=True)
    rows = [
        (
            str(point.number),
            str(point.version),
            amount(series.metric, point.mean),
            "" if point.against is None else amount(series.metric, point.before),
            "" if point.against is None else str(point.against),
            str(point.rows),
            point.outcome,
            when(point.at, out),
        )
        for point in series.points
    ]
    head = ("NO.", "VERSION", "MEAN", "BEFORE", "AGAINST", "ROWS", "OUTCOME", "ENDED")
    out.table(head, rows)
    out.line()
