"""What is kept of an evaluation: its orders, and for how long the rows that it shows."""

from __future__ import annotations

import json
from typing import Final

from pointsman.app.application import View
from pointsman.app.ports.evaluation import DroppedRow, EvaluationRow
from pointsman.core.making import Orders
from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import moment
from pointsman.errors import Gone

KEPT: Final = 90 * 24 * 3600 * 1_000_000
"""Microseconds for which outputs are kept to be used again, and rows to be looked at."""


def orders_of(row: EvaluationRow) -> Orders:
    """What an evaluation is of, as it was asked for."""
    return from_plain(Orders, json.loads(row.orders))


def check_kept(view: View, number: int) -> None:
    """Raise `Gone` if the rows of an evaluation were dropped."""
    dropped = view.reader.evaluation_dropped(view.project.id, number)
    if dropped is not None:
        raise Gone(
            f"The rows of evaluation {number} were dropped on {moment(dropped.at):%Y-%m-%d}: "
            f"{why(dropped)}.",
            code="rows_dropped",
            hint="Its figures are kept. To see rows, have it evaluated again.",
        )


def why(dropped: DroppedRow) -> str:
    """Why rows were dropped, as the end of a sentence."""
    if dropped.label:
        return f"the content of {dropped.label} was removed"
    return f"rows are kept for {KEPT // 86_400_000_000} days"
