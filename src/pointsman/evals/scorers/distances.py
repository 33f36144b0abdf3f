"""How many characters must change to make the expected text of the output?

Source: G. Myers, A fast bit-vector algorithm for approximate string matching (1999), in the
form for texts of any length by H. Hyyrö (2003): a column of the table of distances is kept as
the differences between its neighbours, one bit each, and a whole column is worked out with a
handful of operations on integers. Python's integers are as long as one likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError
from pointsman.evals.scorers.tools import Each, Tools

MAX_TEXT: Final = 100_000
"""Characters that are compared; two such texts that have nothing in common take seconds."""
_LONG: Final = 4_000_000
"""Pairs of characters from which a comparison has a thread of its own."""
_BLOCK: Final = 16_384
"""Bits of a column that are worked out at once. It bounds what the table of characters takes:
each character of a block may be a different one, and has a mask as long as the block."""


def edit_distance(scorer: Scorer, tools: Tools) -> Each:
    """1 less the edits needed (insert, delete, replace) as a part of the longer text's length."""
    fold = scorer.options.get("ignore_case", False)

    async def score(case: Case) -> Score:
        got, wanted = case.text, case.expected_text
        if fold:
            got, wanted = got.casefold(), wanted.casefold()
        longer = max(len(got), len(wanted))
        if longer > MAX_TEXT:
            raise UnscorableError(
                f"A text has {longer:,} characters; at most {MAX_TEXT:,} are compared."
            )
        if len(got) * len(wanted) < _LONG:
            edits = distance(got, wanted)
        else:
            edits = await asyncio.to_thread(distance, got, wanted)
        told = f"{edits:,} edits, the longer text has {longer:,} characters."
        return Score(1 - edits / longer if longer else 1.0, told)

    return score


def distance(left: str, right: str) -> int:
    """The Levenshtein distance: how many characters to insert, delete or replace, at least."""
    left, right = _unlike(left, right)
    if len(left) > len(right):
        left, right = right, left
    if not left:
        return len(right)
    # How the distance changes from each column to the next, along the top row and then along
    # the last row of each block.
    steps: Iterable[int] = [1] * len(right)
    for start in range(0, len(left), _BLOCK):
        steps = _along(left[start : start + _BLOCK], right, steps)
    return len(left) + sum(steps)


def _along(block: str, text: str, above: Iterable[int]) -> list[int]:
    """The changes along the last row of a block, from those along the row above it."""
    masks = _masks(block)
    ones = (1 << len(block)) - 1
    last = 1 << (len(block) - 1)
    more, less = ones, 0  # by one more or one less than in the row above
    below = []
    for character, step in zip(text, above, strict=True):
        equal = masks.get(character, 0)
        either = equal | less
        if step < 0:
            equal |= 1
        same = (((equal & more) + more) ^ more) | equal
        up = (less | ~(same | more)) & ones
        down = more & same
        below.append((1 if up & last else 0) - (1 if down & last else 0))
        up, down = up << 1, down << 1
        if step < 0:
            down |= 1
        elif step > 0:
            up |= 1
        more = (down | ~(either | up)) & ones
        less = up & either & ones
    return below


def _masks(block: str) -> dict[str, int]:
    """For each character, the places where the block has it."""
    places: dict[str, list[int]] = {}
    for place, character in enumerate(block):
        places.setdefault(character, []).append(place)
    masks = {}
    for character, found in places.items():
        bits = bytearray(found[-1] // 8 + 1)
        for place in found:
            bits[place // 8] |= 1 << place % 8
        masks[character] = int.from_bytes(bits, "little")
    return masks


def _unlike(left: str, right: str) -> tuple[str, str]:
    """Both texts without what they begin and end with alike."""
    shorter = min(len(left), len(right))
    start = 0
    while start < shorter and left[start] == right[start]:
        start += 1
    end = 0
    while end < shorter - start and left[-1 - end] == right[-1 - end]:
        end += 1
    return left[start : len(left) - end], right[start : len(right) - end]
