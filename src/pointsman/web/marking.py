"""Templates as pages show them: which parts of a text are tags, and what a variable takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from pointsman.core.curly import scan_curly
from pointsman.core.fstring import scan_fstring
from pointsman.core.tags import IncludeTag, Slot
from pointsman.errors import TemplateSyntaxError

Sort = Literal["", "variable", "include", "logic"]
_JINJA: Final = re.compile(
    r"(?P<include>\{\{>.*?\}\})|(?P<variable>\{\{.*?\}\})|(?P<logic>\{%.*?%\}|\{#.*?#\})", re.DOTALL
)


def marked(text: str, form: str) -> list[tuple[Sort, str]]:
    """A text of a template in pieces, each with what it is: plain, a variable, an include…

    A text that can't be parsed is plain as a whole. Joined, the pieces are the text.
    """
    pieces: list[tuple[Sort, str]] = []
    done = 0
    for sort, start, end in _tags(text, form):
        if start > done:
            pieces.append(("", text[done:start]))
        pieces.append((sort, text[start:end]))
        done = end
    if done < len(text):
        pieces.append(("", text[done:]))
    return pieces


def type_of(schema: Any) -> str:
    """What a variable takes, in a word or two: ``string``, ``one of "a", "b"``, or a schema."""
    if schema in (True, None, {}):
        return "anything"
    if isinstance(schema, str):
        return schema
    if isinstance(schema, dict):
        if set(schema) == {"type"} and isinstance(schema["type"], str):
            return str(schema["type"])
        if set(schema) <= {"type", "enum"} and "enum" in schema:
            return "one of " + ", ".join(_written(one) for one in schema["enum"])
    return _written(schema)


def _tags(text: str, form: str) -> Iterator[tuple[Sort, int, int]]:
    if form == "jinja2":
        for match in _JINJA.finditer(text):
            yield match.lastgroup, *match.span()  # type: ignore[misc]
        return
    try:
        pieces = scan_fstring(text) if form == "f-string" else scan_curly(text)
    except TemplateSyntaxError:
        return
    for piece in pieces:
        if isinstance(piece, Slot):
            yield "variable", piece.start, piece.end
        elif isinstance(piece, IncludeTag):
            yield "include", piece.start, piece.end


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
