"""What a suite says that only other packages can check: its regular expressions.

The engine is RE2, whose time grows with the length of the text, always. What it can't do in
linear time it doesn't have: no look-around, no back-references.
"""

from __future__ import annotations

from typing import Any

import re2  # type: ignore[import-untyped]

from pointsman.core.suites import SuiteContent
from pointsman.errors import InvalidContent, Reason


def check_patterns(content: SuiteContent) -> None:
    """Raise `InvalidContent` for a pattern of a scorer that can't be used."""
    reasons = []
    for place, scorer in enumerate(content.scorers):
        made = compile_pattern(scorer.options["pattern"]) if scorer.by == "regex" else None
        if isinstance(made, str):
            field = f"/scorers/{place}/pattern"
            reasons.append(
                Reason("invalid_pattern", f"{field} can't be used: {made}.", _HINT, field)
            )
    if reasons:
        raise InvalidContent(
            reasons[0].message, code="invalid_pattern", hint=_HINT, reasons=reasons
        )


def compile_pattern(pattern: str) -> Any | str:
    """The pattern, ready to search; a text says why there is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0] if error.args else b""
        told = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        return f"{told} (RE2 has no look-around and no back-references)"
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair"


_HINT = "Flags stand in the pattern: (?i) ignores case."
