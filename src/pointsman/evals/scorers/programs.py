"""What is the output worth by a program of the user's own?

One process scores a whole batch. It is given a line of JSON for each case::

    {"row": 0, "input": {…}, "output": "…", "expected": …, "tags": {…}}

and answers each with a line, in any order::

    {"row": 0, "score": 0.5, "note": "half of it is right"}

``row`` counts from 0 in each batch. ``expected`` is left out where the row has none. A
``score`` of null says that there is none, and the note why. If the program fails, or does not
answer each line exactly once, no case of the batch has a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pointsman.core.suites import Scorer
from pointsman.evals.commands import TIMEOUT, CommandFailure, run_rows
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError, WorthlessError
from pointsman.evals.scorers.tools import Tools


async def command(scorer: Scorer, cases: Sequence[Case], tools: Tools) -> list[Score]:
    """The scores that ``argv`` gives, within ``timeout`` seconds for all of them."""
    if not tools.commands_allowed:
        told = "Commands are not run here; allow them where the worker is started."
        return [Score(None, told) for _ in cases]
    asked = [_asked(case) for case in cases]
    rows = [one for one in asked if not isinstance(one, Score)]
    try:
        answers = iter(
            await run_rows(
                scorer.options["argv"], rows, timeout=scorer.options.get("timeout", TIMEOUT)
            )
            if rows
            else ()
        )
    except CommandFailure as failure:
        told = str(failure)
        return [one if isinstance(one, Score) else Score(None, told) for one in asked]
    return [
        one if isinstance(one, Score) else case.settled(_read(next(answers)))
        for case, one in zip(cases, asked, strict=True)
    ]


def _asked(case: Case) -> dict[str, Any] | Score:
    try:
        asked = {"input": case.row.input, "output": case.text, "tags": case.row.tags}
        if case.has_expected:
            asked["expected"] = case.expected
    except WorthlessError as error:
        return Score(0.0, str(error))
    except UnscorableError as error:
        return Score(None, str(error))
    return asked


def _read(answer: Mapping[str, Any]) -> Score:
    note = answer.get("note", "")
    note = note if isinstance(note, str) else ""
    if "score" not in answer:
        return Score(None, f"The command's answer has no score. {note}".rstrip())
    return Score(answer["score"], note or ("" if answer["score"] is not None else _UNSAID))


_UNSAID = "The command gave no score, and did not say why."
