"""Does a pattern match within the output? In time that grows with the output's length, always.

The engine is RE2. What it can't do in linear time it doesn't have: no look-around, no
back-references. Flags stand in the pattern: ``(?i)`` ignores case, ``(?s)`` lets a dot match
the end of a line.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pointsman.app.evaluating.patterns import compile_pattern
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.tools import Each, Tools

MAX_TEXT: Final = 200_000
"""Characters that are searched."""
_LONG: Final = 2_000
"""Characters from which a search has a thread of its own."""


def check_pattern_text(pattern: str) -> str:
    """Why `pattern` can't be used; empty if it can."""
    compiled = compile_pattern(pattern)
    return compiled if isinstance(compiled, str) else ""


def regex(scorer: Scorer, tools: Tools) -> Each:
    """1 where ``pattern`` matches anywhere in the output; ``^`` and ``$`` tie it to the ends."""
    pattern = compile_pattern(scorer.options["pattern"])
    if isinstance(pattern, str):
        raise UnscorableError(f"The pattern can't be used: {pattern}.")

    def search(text: str) -> Score:
        found = pattern.search(text) is not None
        return Score(
            1.0 if found else 0.0, f"The pattern {'matches' if found else 'is not found'}."
        )

    async def score(case: Case) -> Score:
        text = case.text.encode("utf-8", "replace").decode()  # no half surrogates
        if len(text) > MAX_TEXT:
            raise UnscorableError(
                f"The output has {len(text):,} characters; patterns are looked for in at most "
                f"{MAX_TEXT:,}."
            )
        return search(text) if len(text) < _LONG else await asyncio.to_thread(search, text)

    return score
