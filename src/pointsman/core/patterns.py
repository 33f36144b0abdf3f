"""Patterns of names and aliases: plain text in which ``*`` stands for any characters.

``support/*`` means everything below that folder, ``prod-*`` every alias that begins so, and
``*`` everything. Nothing else has a meaning of its own.
"""

from __future__ import annotations

from pointsman.core.canonical import check_text, quoted
from pointsman.core.names import MAX_NAME
from pointsman.errors import InvalidInput

ANY = "*"
MAX_STARS = 8


def check_pattern(text: str, *, field: str) -> str:
    """The pattern. Raises `InvalidInput` for one that is empty, too long or not printable."""
    check_text(text, field=field, max_chars=MAX_NAME)
    tidy = text.strip() == text and text.isprintable() and "**" not in text
    if not text or not tidy or text.count(ANY) > MAX_STARS:
        raise InvalidInput(
            f"{quoted(text)} is not a pattern.",
            code="invalid_pattern",
            hint="Write a name with * for any characters, at most 8 times: support/*, or * alone.",
            field=field,
        )
    return text


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern means this text. Takes time in proportion to their lengths."""
    if pattern == ANY:
        return True
    first, *middle = pattern.split(ANY)
    if not middle:
        return pattern == text
    last = middle.pop()
    if not text.startswith(first):
        return False
    # What is left of each part is taken as early as it is found: that leaves most for the rest.
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)


def specificity(pattern: str) -> tuple[int, int]:
    """How much a pattern says: exact ones most, then those with more characters of their own."""
    return int(ANY not in pattern), len(pattern.replace(ANY, ""))
