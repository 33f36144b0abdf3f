"""Is the output the expected JSON, or JSON of the right form?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from pointsman.core.canonical import json_pointer, quoted
from pointsman.core.schemas import check_value_schema, compile_schema
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.tools import Each, Tools

_SHOWN: Final = 10
"""Faults of one output that are told."""
_LONG: Final = 20_000
"""Characters from which a check has a thread of its own."""


def json_equal(scorer: Scorer, tools: Tools) -> Each:
    """1 where the output is the expected JSON; the note says where they first differ.

    Keys may stand in any order. Numbers are compared by what they are worth: 1 is 1.0. A
    number is never true or false.
    """

    def score(case: Case) -> Score:
        found = difference(case.value, case.expected)
        return Score(0.0, found) if found else Score(1.0)

    return score


def json_schema(scorer: Scorer, tools: Tools) -> Each:
    """1 where the output is JSON that fits ``schema``; the note says what doesn't."""
    schema = scorer.options["schema"]
    problem = check_value_schema(schema)
    if problem:
        raise UnscorableError(f"The schema can't be used: {problem}.")
    check = compile_schema(schema)

    async def score(case: Case) -> Score:
        value = case.value
        short = len(case.output.text) < _LONG
        faults = check(value) if short else await asyncio.to_thread(check, value)
        if not faults:
            return Score(1.0)
        more = f" And {len(faults) - _SHOWN} more." if len(faults) > _SHOWN else ""
        return Score(0.0, "; ".join(faults[:_SHOWN]) + "." + more)

    return score


def difference(got: Any, wanted: Any, steps: tuple[str | int, ...] = ()) -> str:
    """Where two values of JSON first differ, as a sentence; empty if they are equal."""
    if isinstance(got, Mapping) and isinstance(wanted, Mapping):
        for key in sorted(got.keys() | wanted.keys()):
            if key not in got:
                return f"{_place((*steps, key))} is missing."
            if key not in wanted:
                return f"{_place((*steps, key))} is not expected."
            found = difference(got[key], wanted[key], (*steps, key))
            if found:
                return found
        return ""
    if isinstance(got, list) and isinstance(wanted, list):
        for index, (left, right) in enumerate(zip(got, wanted, strict=False)):
            found = difference(left, right, (*steps, index))
            if found:
                return found
        if len(got) != len(wanted):
            return f"{_place(steps)} has {len(got)} items, not {len(wanted)}."
        return ""
    if _same(got, wanted):
        return ""
    return f"{_place(steps)} is {_shown(got)}, not {_shown(wanted)}."


def _same(left: object, right: object) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def _place(steps: tuple[str | int, ...]) -> str:
    return quoted(json_pointer(steps), max_chars=200) if steps else "The output"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return quoted(value)
    return "null" if value is None else str(value).lower()
