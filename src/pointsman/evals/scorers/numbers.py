"""Is the output the expected number, as nearly as is asked for?

The whole text must be one number, white space around it aside: ``12``, ``-0.5``, ``1.5e3``. No
digits are looked for within a sentence, and there are no separators of thousands, no units and
no per cent, as what is meant by these can be guessed wrong. NaN and infinity are no numbers.
Numbers are compared as decimals, so 1.1 is within 0.1 of 1.0.
"""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal
from typing import Any, Final

from pointsman.core.canonical import quoted
from pointsman.core.suites import Scorer
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case, UnscorableError, WorthlessError, as_text
from pointsman.evals.scorers.tools import Each, Tools

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_MAX_DIGITS: Final = 1_000
_EXACT: Final = Context(prec=2 * _MAX_DIGITS)


def numeric(scorer: Scorer, tools: Tools) -> Each:
    """1 where the output is no further from the expected number than ``tolerance`` (0).

    With ``relative``, the tolerance is a part of the expected number: 0.05 is five per cent.
    """
    tolerance = Decimal(repr(float(scorer.options.get("tolerance", 0))))
    relative = scorer.options.get("relative", False)

    def score(case: Case) -> Score:
        got, wanted = number_of(_read(case)), number_of(case.expected)
        if wanted is None:
            told = quoted(as_text(case.expected))
            raise UnscorableError(f"What the row expects is not a number: {told}.")
        if got is None:
            raise WorthlessError(f"The output is not a number: {quoted(as_text(_read(case)))}.")
        allowed = _EXACT.multiply(tolerance, abs(wanted)) if relative else tolerance
        apart = abs(_EXACT.subtract(got, wanted))
        return Score(
            1.0 if apart <= allowed else 0.0, f"{got:.6g} is {apart:.6g} from {wanted:.6g}."
        )

    return score


def number_of(value: Any) -> Decimal | None:
    """The number that a value of JSON is, or that its text is; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text) if math.isfinite(float(text)) else None


def _read(case: Case) -> Any:
    """The part that is asked for as it is, so that true doesn't pass for a number."""
    return case.value if case.scorer.options.get("path") else case.text
