"""What goes of evaluations: texts with the version that they were made of, rows with time.

What an evaluation came to stays: its figures, its outcome, its seal and the entries of the
journal. Only what people and models wrote is dropped: rows and outputs.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

from pointsman.app.application import Application, Work
from pointsman.app.evaluating.kept import KEPT, orders_of
from pointsman.app.ports import Transaction
from pointsman.app.ports.evaluation import DroppedRow, EvaluationRow
from pointsman.core.evaluation import Held, Report
from pointsman.core.plain import from_plain, to_plain
from pointsman.errors import PointsmanError

_AT_ONCE = 20
"""Evaluations whose rows are dropped in one transaction: others wait for it."""


def erase(work: Work, label: str, at: int) -> None:
    """Erase the texts of all evaluations in which a version takes part.

    A worker that is at one of them loses it, and whoever takes it up finds the content gone.
    """
    project = work.project.id
    # Of what was made before anybody noted for which evaluation, any may be of this version.
    work.tx.forget_made_for(project, 0)
    for row in work.tx.evaluations_naming(project, label):
        if not _takes_part(row, label):
            continue
        work.tx.forget_made_for(project, row.number)
        work.tx.drop_evaluation_cases(project, DroppedRow(row.number, at, label))
        _erase_report(work, row)
        _take_away(work, row)


def drop_old(app: Application) -> None:
    """Drop outputs that would better be made anew, and the rows of evaluations that ended as
    long ago."""
    with app.store.read() as reader:
        projects = [one for one in reader.projects() if reader.any_evaluation(one.id)]
    now = app.clock()
    for project in projects:
        app.store.write(project.id, partial(_forget, project.id, now - KEPT))
        while app.store.write(project.id, partial(_drop_rows, project.id, now)):
            pass


def _takes_part(row: EvaluationRow, label: str) -> bool:
    """Whether it is named as a whole; orders that nobody can read may name anything."""
    try:
        return label in orders_of(row).labels
    except (ValueError, PointsmanError):
        return True


def _erase_report(work: Work, row: EvaluationRow) -> None:
    end = work.tx.evaluation_end(work.project.id, row.number)
    if end is None or end.report is None:
        return
    report = from_plain(Report, json.loads(end.report))
    kept = replace(
        report,
        held=tuple(map(_without_texts, report.held)),
        metrics=tuple(replace(one, slices={}) for one in report.metrics),
        problems=(),
    )
    told = json.dumps(to_plain(kept), ensure_ascii=False)
    work.tx.put_evaluation_report(work.project.id, row.number, told)


def _without_texts(held: Held) -> Held:
    """What did not come to a result quotes the first error; a message of figures stays."""
    if held.outcome != "inconclusive":
        return held
    return replace(held, message="It could not be told; the reason was erased.")


def _take_away(work: Work, row: EvaluationRow) -> None:
    """Let no worker go on with it as if nothing had happened."""
    held = work.tx.evaluation_work(work.project.id, row.number)
    if held is not None and work.tx.evaluation_end(work.project.id, row.number) is None:
        left = held._replace(attempt=held.attempt + 1, lease_until=0)
        work.tx.put_evaluation_work(work.project.id, left)


def _forget(project_id: int, before: int, tx: Transaction) -> None:
    tx.forget_made(project_id, before)


def _drop_rows(project_id: int, now: int, tx: Transaction) -> bool:
    numbers = tx.evaluations_with_old_cases(project_id, now - KEPT, _AT_ONCE)
    for number in numbers:
        tx.drop_evaluation_cases(project_id, DroppedRow(number, now, ""))
    return bool(numbers)
