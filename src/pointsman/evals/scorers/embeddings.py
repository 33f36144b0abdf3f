"""How near is the output's meaning to the expected one, by a model of embeddings?

The worth is the cosine of the two vectors. What is below 0 counts as 0: texts that point away
from each other are not less alike than texts that have nothing to do with each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from pointsman.core.suites import Scorer
from pointsman.errors import PointsmanError
from pointsman.evals.budget import BudgetExceeded
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError, WorthlessError
from pointsman.evals.scorers.tools import Tools

AT_ONCE: Final = 256
"""Texts that are asked for together; if that fails, their cases have no score."""


async def embedding(scorer: Scorer, cases: Sequence[Case], tools: Tools) -> list[Score]:
    """The cosine of each output and what its row expects."""
    pairs = [_pair(case) for case in cases]
    texts = [text for pair in pairs if isinstance(pair, tuple) for text in pair]
    vectors = await _vectors(scorer, list(dict.fromkeys(texts)), tools)
    return [
        case.settled(_score(vectors[pair[0]], vectors[pair[1]]))
        if isinstance(pair, tuple)
        else pair
        for case, pair in zip(cases, pairs, strict=True)
    ]


def cosine(left: Sequence[float], right: Sequence[float]) -> float | None:
    """The cosine of the angle between two vectors; None if they have none."""
    if len(left) != len(right):
        return None
    size = math.hypot(*left) * math.hypot(*right)
    if not size or not math.isfinite(size):
        return None
    return math.fsum(a * b for a, b in zip(left, right, strict=True)) / size


def _pair(case: Case) -> tuple[str, str] | Score:
    """The two texts to compare, or the score of a case where there is nothing to ask."""
    try:
        got, wanted = case.text, case.expected_text
    except WorthlessError as error:
        return Score(0.0, str(error))
    except UnscorableError as error:
        return Score(None, str(error))
    if not wanted.strip():
        return Score(None, "The row expects an empty text, which means nothing.")
    if not got.strip():
        return Score(0.0, "The output is empty.")
    return got, wanted


async def _vectors(
    scorer: Scorer, texts: Sequence[str], tools: Tools
) -> dict[str, list[float] | str]:
    """Each text's vector, or the sentence that says why it has none."""
    provider: Any = scorer.options.get("provider")  # may be left out where there is but one
    found: dict[str, list[float] | str] = {}
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        try:
            vectors = await tools.models.embed(provider, scorer.options["model"], part)
        except BudgetExceeded:
            raise
        except PointsmanError as error:
            found.update(dict.fromkeys(part, str(error)))
        else:
            found.update(zip(part, vectors, strict=True))
    return found


def _score(got: list[float] | str, wanted: list[float] | str) -> Score:
    for vector in (got, wanted):
        if isinstance(vector, str):
            return Score(None, vector)
    near = cosine(got, wanted)  # type: ignore[arg-type]
    if near is None:
        return Score(None, "The model gave vectors that can't be compared.")
    return Score(min(max(near, 0.0), 1.0), f"The cosine is {near:.4f}.")
