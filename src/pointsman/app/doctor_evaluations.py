"""The evaluations of a project against its journal: what was asked for, and how it ended.

What the journal leaves out is held against what it tells: the orders against their digest, the
seal, and a report against the outcome that was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Told
from pointsman.app.evaluating.kept import orders_of
from pointsman.app.ports.evaluation import EvaluationEndRow, EvaluationRow
from pointsman.core.journal import Line
from pointsman.core.making import label_of
from pointsman.errors import PointsmanError

TYPES = ("evaluation.requested", "evaluation.finished", "evaluation.cancelled")
_STEP = 500


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    if line.type == "evaluation.requested":
        told[f"evaluation {line.seq}"] = {
            "artifact": line.artifact,
            "version": label_of(fact["kind"], fact["name"], fact["version"]),
            "against": fact["against"],
            "suite": fact["suite"],
            "alias": fact["alias"],
            "change": fact["change"],
            "seal": fact["seal"],
            "orders": fact["seal"],
            "time": line.at,
            "actor": line.actor,
            "actor's name": line.by,
        }
        return
    is_finished = line.type == "evaluation.finished"
    state = fact["outcome"] if is_finished else fact["state"]
    told[f"end of evaluation {fact['evaluation']}"] = {
        "state": state,
        "report": state if is_finished else None,
        "summary": fact["summary"],
        "time": line.at,
        "actor's name": line.by,
    }


def stored(view: View) -> Told:
    """The evaluations as they stand in the store, in the same words."""
    told: Told = {}
    for row in _rows(view):
        told[f"evaluation {row.number}"] = _evaluation(view, row)
        end = view.reader.evaluation_end(view.project.id, row.number)
        if end is not None:
            told[f"end of evaluation {row.number}"] = _end(end)
    return told


def _rows(view: View) -> Iterator[EvaluationRow]:
    before: int | None = None
    while rows := view.reader.evaluations(view.project.id, before, _STEP):
        yield from rows
        before = rows[-1].number


def _evaluation(view: View, row: EvaluationRow) -> Facts:
    return {
        "artifact": row.artifact_id,
        "version": _label(view, row.artifact_id, row.version),
        "against": row.against,
        "suite": _label(view, row.suite_id, row.suite_version),
        "alias": row.alias,
        "change": row.change_number,
        "seal": row.seal,
        "orders": _sealed(row),
        "time": row.at,
        "actor": row.subject,
        "actor's name": row.by_name,
    }


def _end(row: EvaluationEndRow) -> Facts:
    return {
        "state": row.state,
        "report": _outcome(row),
        "summary": row.summary,
        "time": row.at,
        "actor's name": row.by_name,
    }


def _label(view: View, artifact_id: int, version: int) -> str:
    artifact = view.reader.artifact_by_id(artifact_id)
    if artifact is None:
        return f"version {version} of an artifact that is not there"
    return label_of(artifact.kind, artifact.name, version)


def _sealed(row: EvaluationRow) -> str:
    """The digest of the orders, which is the seal if nobody changed them."""
    try:
        return orders_of(row).seal
    except (PointsmanError, ValueError):
        return "unreadable"


def _outcome(row: EvaluationEndRow) -> Any:
    """What the report says it came to; None if there is no report."""
    if row.report is None:
        return None
    try:
        return json.loads(row.report)["outcome"]
    except (LookupError, TypeError, ValueError):
        return "unreadable"
