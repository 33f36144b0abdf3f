"""Patterns of names and aliases: plain text in which ``*`` stands for any characters.

``support/*`` means everything below that folder, ``prod-*`` every alias that begins so, and
``*`` everything. Nothing else has a meaning of its own.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pointsman.core.canonical import check_text, quoted
from pointsman.core.names import MAX_NAME
from pointsman.errors import InvalidInput

ANY = "*"


def check_pattern(text: str, *, field: str) -> str:
    """The pattern. Raises `InvalidInput` for one that is empty, too long or not printable."""
    check_text(text, field=field, max_chars=MAX_NAME)
    if not text or text != text.strip() or not text.isprintable() or "**" in text:
        raise InvalidInput(
            f"{quoted(text)} is not a pattern.",
            code="invalid_pattern",
            hint="Write a name, with * for any characters: support/*, prod-*, or * for all.",
            field=field,
        )
    return text


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern means this text."""
    return pattern == ANY or _compiled(pattern).fullmatch(text) is not None


def specificity(pattern: str) -> tuple[int, int]:
    """How much a pattern says: exact ones most, then those with more characters of their own."""
    return int(ANY not in pattern), len(pattern.replace(ANY, ""))


@lru_cache(4_096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Lazy runs of any characters between literals match in one pass per star.
    return re.compile(".*?".join(map(re.escape, pattern.split(ANY))), re.DOTALL)
