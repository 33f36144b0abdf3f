"""What an output is worth: scorers, each of which gives a number from 0 to 1.

`score_all` is the way in: some scorers work on many outputs at once. Nothing that an output, a
row or an answer holds makes it raise; what can't be scored has a score without a value, whose
note says why, and never counts as a pass.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from pointsman.core.datasets import Row
from pointsman.core.suites import Scorer, ScorerName
from pointsman.errors import PointsmanError, Unavailable
from pointsman.evals.budget import BudgetExceeded
from pointsman.evals.outcome import Output, Score
from pointsman.evals.scorers.cases import Case, UnscorableError, WorthlessError
from pointsman.evals.scorers.distances import edit_distance
from pointsman.evals.scorers.documents import json_equal, json_schema
from pointsman.evals.scorers.embeddings import embedding
from pointsman.evals.scorers.foreign import autoevals
from pointsman.evals.scorers.judges import judge
from pointsman.evals.scorers.numbers import numeric
from pointsman.evals.scorers.patterns import check_pattern_text, regex
from pointsman.evals.scorers.plain import contains, exact
from pointsman.evals.scorers.programs import command
from pointsman.evals.scorers.tools import Answered, Asks, Each, Tools

__all__ = ["Answered", "Asks", "Tools", "check_pattern_text", "score", "score_all"]

AT_ONCE: Final = 32
"""Cases that one scorer works on at once. How many calls a provider gets is its own limit."""

_EACH: Final[Mapping[ScorerName, Callable[[Scorer, Tools], Each]]] = {
    "exact": exact,
    "contains": contains,
    "regex": regex,
    "json_equal": json_equal,
    "json_schema": json_schema,
    "numeric": numeric,
    "edit_distance": edit_distance,
    "judge": judge,
    "autoevals": autoevals,
}
_TOGETHER: Final[
    Mapping[ScorerName, Callable[[Scorer, Sequence[Case], Tools], Awaitable[list[Score]]]]
] = {"embedding": embedding, "command": command}


async def score(scorer: Scorer, output: Output, row: Row, tools: Tools) -> Score:
    """What one output is worth; as `score_all`.

    Raises:
        BudgetExceeded: a cap of the run leaves no room for a call.
        Unavailable: the registry can't keep what a judge said.
    """
    (found,) = await score_all(scorer, [(output, row)], tools)
    return found


async def score_all(
    scorer: Scorer, cases: Sequence[tuple[Output, Row]], tools: Tools
) -> list[Score]:
    """What each output is worth, in their order.

    Raises:
        BudgetExceeded: a cap of the run leaves no room for a call.
        Unavailable: the registry can't keep what a judge said.
    """
    made = [Case(scorer, output, row) for output, row in cases]
    try:
        if scorer.by in _TOGETHER:
            return await _TOGETHER[scorer.by](scorer, made, tools)
        each = _EACH[scorer.by](scorer, tools)
    except (BudgetExceeded, Unavailable):
        raise
    except Exception as error:
        return [_failed(scorer, error)] * len(made)
    return await _each(each, made, tools.patience)


async def _each(each: Each, cases: Sequence[Case], patience: float) -> list[Score]:
    """The scores of all cases, some of them at once."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> Score:
        async with room:
            return await _one(each, case, patience)

    tasks = [asyncio.create_task(one(case)) for case in cases]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _one(each: Each, case: Case, patience: float) -> Score:
    try:
        async with asyncio.timeout(patience) as limit:
            found = each(case)
            return case.settled(await found if inspect.isawaitable(found) else found)
    except (BudgetExceeded, Unavailable):
        raise
    except Exception as error:
        if limit.expired():
            return Score(None, f"Scoring took longer than {patience:g} seconds.")
        return _failed(case.scorer, error)


def _failed(scorer: Scorer, error: Exception) -> Score:
    """What an error of a scorer means for an output."""
    if isinstance(error, WorthlessError):
        return Score(0.0, str(error))
    if isinstance(error, UnscorableError | PointsmanError):
        return Score(None, str(error))
    return Score(None, f"The scorer {scorer.by} failed: {type(error).__name__}: {error}")
