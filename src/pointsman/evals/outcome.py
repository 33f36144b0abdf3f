"""What is made of a row, and what that is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

MAX_NOTE: Final = 2_000
"""Characters of a score's note."""


@dataclass(frozen=True, slots=True)
class Output:
    """What was made of one row.

    `text` is what a scorer reads; where the maker gave JSON, it is the text of that, and
    `value` the JSON itself. Figures are None where nobody told them. Half surrogates, which no
    database takes, are replaced.
    """

    text: str
    value: Any = None
    tool_calls: tuple[Any, ...] = ()
    tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("text", "value", "tool_calls"):
            object.__setattr__(self, name, _mended(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Score:
    """What one output is worth, from 0 to 1, and why.

    A `value` of None means that it could not be scored: the note says what went wrong. That is
    an error of the evaluation and never counts as a pass. A number that is no worth (outside
    of 0 to 1, or not a number at all) is no score either.
    """

    value: float | None
    note: str = ""

    def __post_init__(self) -> None:
        note = self.note
        if self.value is not None and not _is_worth(self.value):
            note = f"A score of {self.value!r} is not a number from 0 to 1. {note}".rstrip()
            object.__setattr__(self, "value", None)
        object.__setattr__(self, "note", clip(note))


def clip(text: str, room: int = MAX_NOTE) -> str:
    """The text, with its middle left out where it is longer than `room` characters.

    Half surrogates are replaced.
    """
    text = _mended(text)
    if len(text) <= room:
        return text
    half = (room - 3) // 2
    return f"{text[:half]} … {text[len(text) - half :]}"


def _mended(value: Any) -> Any:
    """A JSON value in which every text can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_mended, value))
    return value


def _is_worth(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= 1  # type: ignore[arg-type,operator]
