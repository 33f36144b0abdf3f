"""One case to be scored: an output, its row, and the parts of both that count.

Two things keep a case from being measured, and they are told apart. What the output lacks is
the output's fault: it isn't JSON though a part of it is asked for, say. Such an output is worth
0, inverted or not. What the row or the scorer lacks is the evaluation's fault: no score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pointsman.core.canonical import canonical_json, parse_json, quoted
from pointsman.core.datasets import Row
from pointsman.core.suites import Scorer
from pointsman.errors import PointsmanError
from pointsman.evals.outcome import Output, Score

_NOTHING: Final = object()
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class UnscorableError(Exception):
    """The evaluation lacks something: there is no score, and this sentence says why."""


class WorthlessError(Exception):
    """The output lacks what is to be measured: it is worth 0, and this sentence says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """An output and its row, as a scorer's ``path`` and ``expected`` see them."""

    scorer: Scorer
    output: Output
    row: Row

    @property
    def text(self) -> str:
        """The output, or its part, as text: a JSON text by itself, other JSON as written.

        Raises:
            WorthlessError: there is no such part.
        """
        if not self.scorer.options.get("path"):
            value = self.output.value
            return value if isinstance(value, str) else self.output.text
        return as_text(self.value)

    @property
    def value(self) -> Any:
        """The output, or its part, as JSON.

        Raises:
            WorthlessError: the output is not JSON, or has no such part.
        """
        value = self.output.value
        if value is None:
            try:
                value = parse_json(self.output.text.strip())
            except PointsmanError as error:
                raise WorthlessError(f"The output is not JSON. {error.message}") from None
        path = self.scorer.options.get("path", "")
        value = _at(value, path)
        if value is _NOTHING:
            raise WorthlessError(f"The output has nothing at {quoted(path, max_chars=200)}.")
        return value

    @property
    def has_expected(self) -> bool:
        """Whether the row expects anything."""
        return self.row.has_expected

    @property
    def expected(self) -> Any:
        """What the row expects, or the part of it that counts.

        Raises:
            UnscorableError: there is none.
        """
        if not self.row.has_expected:
            raise UnscorableError(
                f"The row has no expected value, and {self.scorer.by} compares with one."
            )
        path = self.scorer.options.get("expected", "")
        value = _at(self.row.expected, path)
        if value is _NOTHING:
            where = quoted(path, max_chars=200)
            raise UnscorableError(f"What the row expects has nothing at {where}.")
        return value

    @property
    def expected_text(self) -> str:
        """What the row expects as text: a JSON text by itself, other JSON as canonical text.

        Raises:
            UnscorableError: there is none.
        """
        return as_text(self.expected)

    def settled(self, score: Score) -> Score:
        """The score, turned round if the scorer says ``invert``."""
        if score.value is None or not self.scorer.options.get("invert"):
            return score
        return Score(1 - score.value, score.note)


def as_text(value: Any) -> str:
    """A text by itself, and other JSON as its canonical text."""
    return value if isinstance(value, str) else canonical_json(value)


def _at(value: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; `_NOTHING` if it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name, _NOTHING)
        elif isinstance(value, list) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            return _NOTHING
    return value
