"""The default format: text with ``{{ name }}`` in it, and nothing else that is special.

Prompts are full of braces that mean nothing to us: code, JSON, JSX, LaTeX, other people's
placeholders. So every text has a meaning, and exactly four forms are tags:

==================================  =====================================================
``{{ name }}``                      the value of a variable
``{{> greeting@production }}``      the text of another prompt
``{{ "{{ name }}" }}``              the text between the quotes, as it is: the way to write
                                    a tag that is none (single quotes do as well; the text
                                    begins with ``{{`` and has no quote of that sort in it)
``{{> … }}`` with a bad selector    an error: nobody means that literally
==================================  =====================================================

A name begins with a letter or an underscore, goes on with letters, digits and ``_ . -``, and
is a plain key: dots don't reach into values. White space inside the braces doesn't count.
Everything else stays as it is, and what looks as if a tag was meant is noted; only a tag
that was begun and not ended (`unclosed_tags`) is refused when it is published.

Of ``{{{ x }}}`` the inner braces are the tag, as LaTeX and JSON want it. Values are never
scanned.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pointsman.core.canonical import quoted
from pointsman.core.tags import IncludeTag, Lines, Notice, Piece, Slot, syntax_error
from pointsman.errors import TemplateSyntaxError

MAX_NOTICES: Final = 20


def scan_curly(text: str) -> list[Piece]:
    """The pieces of a text, in order; joining literals and tags gives the text's meaning."""
    pieces: list[Piece] = []
    done = 0
    for match in _TAG.finditer(text):
        start, end = match.span()
        if start > done:
            pieces.append(text[done:start])
        done = end
        kind = match.lastgroup
        if kind == "name":
            pieces.append(Slot(match["name"], start, end))
        elif kind == "include":
            pieces.append(IncludeTag(match["include"].strip(), start, end))
        else:
            pieces.append(match[kind or 0])
    if done < len(text):
        pieces.append(text[done:])
    return pieces


def unclosed_tags(text: str, field: str = "") -> list[TemplateSyntaxError]:
    """The tags that were begun and not ended, which nobody publishes on purpose.

    Those are ``{{ name }`` with one brace too few, and ``{{`` before a word with no ``}}``
    after it in the whole text. Texts that are composed or read again are not asked: there, it
    stays as it is.
    """
    last = text.rfind("}}")
    if text.rfind("{{") < last and _HALF.search(text) is None:
        return []  # as nearly always
    found: list[TemplateSyntaxError] = []
    for match in _BEGUN.finditer(text):
        if match["half"] is None and (match["open"] is None or match.start() < last):
            continue
        shown = quoted(text[match.start() : match.end() + 20].split("\n")[0])[1:-1]
        found.append(
            syntax_error(
                f"“{shown}” has no closing braces",
                Lines(text, field).position(match.start()),
                hint='Write {{ name }} for a variable, or {{ "{{" }} for the braces themselves.',
            )
        )
        if len(found) == MAX_NOTICES:
            break
    return found


def write_curly(pieces: Sequence[Piece | str]) -> str:
    """A text whose pieces are these, with neighbouring literals as one.

    Literals that stand apart form no tag; side by side they could (``{{ na`` and ``me }}``),
    and then their braces are written as escapes.
    """
    plain = "".join([_source(piece, escape=False) for piece in pieces])
    if _meaning(scan_curly(plain)) == _meaning(pieces):
        return plain
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return "".join([_source(piece, escape=True) for piece in merged])


def notices_in(text: str, lines: Lines) -> tuple[Notice, ...]:
    """Braces that stay as they are, though a tag was perhaps meant; the first few."""
    notices: list[Notice] = []
    for match in _DOUBTFUL.finditer(text):
        inner = match["inner"]
        if inner is None:  # one of our own tags
            continue
        if match["close"]:
            message = f"{{{{{quoted(inner.strip())[1:-1]}}}}} is not a variable; it stays as it is"
            hint = (
                "A name has letters, digits, “_”, “-” and “.”, and begins with a letter. "
                "Nothing is to be done if the braces are meant literally."
            )
        elif text.startswith("{", match.end()):
            continue  # nested braces: code, by all appearances
        else:
            message = f"“{{{{{quoted(inner)[1:-1]}” has no closing braces; it stays as it is"
            hint = "Write {{ name }} if a variable is meant."
        notices.append(Notice(message, hint, lines.position(match.start("open"))))
        if len(notices) == MAX_NOTICES:
            break
    return tuple(notices)


def _source(piece: Piece, *, escape: bool) -> str:
    if isinstance(piece, Slot):
        return f"{{{{{piece.name}}}}}"
    if isinstance(piece, IncludeTag):
        return f"{{{{> {piece.selector} }}}}"
    return piece.replace("{{", '{{ "{{" }}') if escape else piece


def _meaning(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    meaning: list[tuple[str, str]] = []
    for piece in pieces:
        if isinstance(piece, Slot):
            meaning.append(("name", piece.name))
        elif isinstance(piece, IncludeTag):
            meaning.append(("include", piece.selector))
        elif meaning and meaning[-1][0] == "text":
            meaning[-1] = ("text", meaning[-1][1] + piece)
        else:
            meaning.append(("text", piece))
    return meaning


# Each alternative fails within the braces it began in, so scanning takes linear time.
_FORMS: Final = (
    r"\{\{(?:\s*(?P<name>[^\W\d][\w.-]*)\s*"
    r"|>(?P<include>[^{}]*)"
    r'|\s*"(?P<double>\{\{[^"]*)"\s*'
    r"|\s*'(?P<single>\{\{[^']*)'\s*"
    r")\}\}"
)
_TAG: Final = re.compile(_FORMS)
_HALF: Final = re.compile(r"\{\{[ \t]+[^\W\d][\w.-]*[ \t]*\}(?!\})")
_BEGUN: Final = re.compile(
    f"{_FORMS}|(?P<half>{_HALF.pattern})" + r"|(?P<open>\{\{>?[ \t]*[^\W\d])"
)
_DOUBTFUL: Final = re.compile(_FORMS + r"|(?P<open>\{\{)(?P<inner>[^{}\n]{0,80})(?P<close>\}\})?")
