"""The ``f-string`` format: ``{name}``, with ``{{`` and ``}}`` for literal braces.

Only names stand between braces. What Python's own formatting would do further there
(attributes, indexes, conversions, format specifications) is refused with a reason: it lets
the author of a text read any attribute of the values, so `str.format` is never used.
``{> greeting@production }`` includes another prompt.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from pointsman.core.canonical import quoted
from pointsman.core.tags import IncludeTag, Lines, Piece, Slot, syntax_error


def scan_fstring(text: str, field: str = "") -> list[Piece]:
    """The pieces of a text, in order.

    Raises:
        TemplateSyntaxError: a lone brace, or something else than a name between braces.
    """
    pieces: list[Piece] = []
    done = 0
    for match in _BRACE.finditer(text):
        start, end = match.span()
        if start > done:
            pieces.append(text[done:start])
        done = end
        kind = match.lastgroup
        if kind == "escape":
            pieces.append(match["escape"][0])
        elif kind == "name":
            pieces.append(Slot(match["name"], start, end))
        elif kind == "include":
            pieces.append(IncludeTag(match["include"].strip(), start, end))
        else:
            _refuse(text, start, field)
    if done < len(text):
        pieces.append(text[done:])
    return pieces


def write_fstring(pieces: list[Piece]) -> str:
    """A text whose pieces are these."""
    return "".join([_source(piece) for piece in pieces])


def _source(piece: Piece) -> str:
    if isinstance(piece, Slot):
        return f"{{{piece.name}}}"
    if isinstance(piece, IncludeTag):
        return f"{{> {piece.selector} }}"
    return piece.replace("{", "{{").replace("}", "}}")


def _refuse(text: str, start: int, field: str) -> NoReturn:
    position = Lines(text, field).position(start)
    if text[start] == "}":
        raise syntax_error("a single “}” closes nothing", position, hint="Write }} for a brace.")
    end = text.find("}", start)
    if end < 0:
        raise syntax_error(
            "“{” is never closed", position, hint="Close it with “}”, or write {{ for a brace."
        )
    inner = text[start + 1 : end]
    name = re.match(r"\s*[^\W\d]\w*", inner)
    rest = inner[name.end() :].lstrip()[:1] if name else ""
    what = {
        ".": "attributes can't be read",
        "[": "items can't be read",
        "!": "conversions aren't available",
        ":": "format specifications aren't available",
    }.get(rest, "that is not a name" if inner.strip() else "there is no name")
    raise syntax_error(
        f"between the braces of {quoted('{' + inner + '}')} {what}",
        position,
        hint=(
            "Give the finished value in a variable of its own, or use the jinja2 format."
            if rest
            else "Write {name} for a variable, or {{ and }} for literal braces."
        ),
    )


_BRACE: Final = re.compile(
    r"(?P<escape>\{\{|\}\})"
    r"|\{\s*(?P<name>[^\W\d]\w*)\s*\}"
    r"|\{>(?P<include>[^{}]*)\}"
    r"|(?P<stray>[{}])"
)
