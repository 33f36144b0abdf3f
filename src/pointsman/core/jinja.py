"""The ``jinja2`` format: Jinja2's grammar, evaluated under limits.

Jinja2's own parser reads the template, so what is Jinja2 here is Jinja2 elsewhere. What it
means is computed by `core.jinja_compiler` and `core.jinja_runtime` over plain JSON values, as
neither engine at hand can bound a hostile template: Jinja2's sandbox counts nothing, and
minijinja's fuel counts instructions but not what each allocates, so that a dozen templates of
a hundred characters end its process or never end (``{{ 'a\\nb'|indent(10000000000) }}``;
``{% set ns.s = ns.s ~ ns.s %}`` in a loop; ``{{ x.a.a.a… }}``). Here every step and every
character produced is paid for out of one budget, and when that is spent rendering ends with
an error. Values have no attributes and no methods but the listed ones, so there is nothing
behind them to reach; there are no files, no clock and no randomness.

Available: output, comments, raw, if, for (else, if, loop), set, with, macro, filter blocks;
all operators; range, namespace and dict; the filters listed in `core.jinja_filters`, the
tests and methods listed in `core.jinja_methods`. An undefined value is an error wherever it is
used, except in ``is defined`` and the ``default`` filter; a variable that either asks about may
be left out. Unlike in Jinja2, ``tojson`` writes plain JSON (no HTML escapes, keys in order),
and nothing is escaped for HTML unless told so.

``{{> greeting@production }}`` includes another prompt; it is replaced before all else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pointsman.core.jinja_runtime import Run, Stopped
from pointsman.core.tags import (
    Include,
    IncludeTag,
    Lines,
    Notice,
    Position,
    Variable,
    include_at,
    syntax_error,
)
from pointsman.errors import PointsmanError, Reason, RenderError, TooLarge

MAX_TOKENS: Final = 50_000


class JinjaText:
    """One text in the jinja2 format.

    Raises:
        TemplateSyntaxError: the text can't be parsed, or uses what is not available.
        TooLarge: it has more than 50,000 tokens.
        PointsmanError: ``missing_extra``: the package jinja2 is not installed.
    """

    __slots__ = ("_field", "_program", "includes", "notices", "uses")

    def __init__(self, text: str, field: str = "") -> None:
        text = _NEWLINES.sub("\n", text)
        lines = Lines(text, field)
        pieces = scan_includes(text)
        self.includes: tuple[Include, ...] = tuple(
            include_at(piece, lines) for piece in pieces if isinstance(piece, IncludeTag)
        )
        self.notices: tuple[Notice, ...] = ()
        self.uses: dict[str, Variable] = {}
        self._field = field
        # An include stands for text: blanks keep all that follows in its place.
        text = "".join(
            [
                piece if isinstance(piece, str) else _blank(text[piece.start : piece.end])
                for piece in pieces
            ]
        )
        self._program = self._compile(text, lines)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values, which must be plain JSON.

        Raises:
            RenderError: something undefined is used, an operation doesn't suit its values,
                or a limit is exceeded (``render_limit``).
        """
        run = Run(values)
        try:
            self._program(run)
        except Stopped as stop:
            raise self._error(run.line, stop.problem, stop.code) from None
        except RecursionError:
            raise self._error(run.line, "it is nested too deeply", "render_limit") from None
        return "".join(run.out)

    def _compile(self, text: str, lines: Lines) -> Callable[[Run], None]:
        environment = _environment()
        from jinja2.exceptions import TemplateSyntaxError as ParserError
        from jinja2.parser import Parser

        from pointsman.core.jinja_compiler import Compiler

        try:
            names = _name_tokens(environment, text)
            compiler = Compiler(names, lines.position, lambda line: _tag_on(text, line, lines))
            program = compiler.template(Parser(environment, text).parse())
        except ParserError as error:
            raise syntax_error(
                _sentence(error.message or "it can't be parsed"),
                _tag_on(text, error.lineno, lines),
                hint=_HINT,
            ) from None
        except RecursionError:
            raise syntax_error(
                "expressions or blocks are nested too deeply", lines.position(0), hint="Split it."
            ) from None
        except (ValueError, OverflowError) as error:  # a number that Python can't hold
            raise syntax_error(_sentence(str(error)), lines.position(0), hint=_HINT) from None
        self.uses = compiler.uses
        return program

    def _error(self, line: int, problem: str, code: str) -> RenderError:
        where = f"line {line} of {self._field}" if self._field else f"line {line}"
        message = f"At {where}: {problem}."
        return RenderError(
            message,
            code=code,
            field=self._field,
            reasons=[Reason(code, message, "", self._field)],
            details={"line": line},
        )


def scan_includes(text: str) -> list[str | IncludeTag]:
    """The text around include tags, and the tags; those in comments, raw blocks and quotes
    are none. All other syntax is left alone, right or wrong.
    """
    pieces: list[str | IncludeTag] = []
    done = at = 0
    while (match := _OPENING.search(text, at)) is not None:
        start, opening = match.start(), match[0]
        if opening == "{{>":
            end = text.find("}}", start)
            if end < 0:
                break
            if start > done:
                pieces.append(text[done:start])
            pieces.append(IncludeTag(text[start + 3 : end].strip(), start, end + 2))
            at = done = end + 2
            continue
        at = _end_of(text, start, opening)
        if at < 0:  # never closed, which the parser will say
            break
    if done < len(text):
        pieces.append(text[done:])
    return pieces


def write_jinja(pieces: Sequence[str | IncludeTag]) -> str:
    """A text of these pieces, each of which is complete: no tag is formed where they meet."""
    text = ""
    for piece in pieces:
        source = piece if isinstance(piece, str) else f"{{{{> {piece.selector} }}}}"
        if text.endswith("{") and source[:1] in ("{", "%", "#"):
            text = text[:-1] + "{{ '{' }}"
        text += source
    return text


def _end_of(text: str, start: int, opening: str) -> int:
    if opening == "{#":
        end = text.find("#}", start + 2)
        return end + 2 if end >= 0 else -1
    raw = _RAW.match(text, start)
    if raw:
        closing = _END_RAW.search(text, raw.end())
        return closing.end() if closing else -1
    tag = (_BLOCK if opening == "{%" else _OUTPUT).match(text, start)
    return tag.end() if tag else -1


@lru_cache(maxsize=1)
def _environment() -> Any:
    try:
        import jinja2
    except ImportError:
        raise PointsmanError(
            "Templates in the jinja2 format need the package jinja2, which is not installed.",
            code="missing_extra",
            hint="Run: pip install 'pointsman[jinja2]'",
        ) from None
    return jinja2.Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701


def _name_tokens(environment: Any, text: str) -> dict[tuple[int, str], int]:
    """Where each name stands first on each line, attributes and filters not counted."""
    found: dict[tuple[int, str], int] = {}
    at = 0
    before = ""
    for count, (line, kind, value) in enumerate(environment.lexer.tokeniter(text, None)):
        at = text.find(value, at)
        if kind == "name" and before not in (".", "|"):
            found.setdefault((line, value), at)
        if kind not in ("whitespace", "data"):
            before = value
        at += len(value)
        if count >= MAX_TOKENS:
            raise TooLarge(
                f"The template has more than {MAX_TOKENS:,} tokens.",
                code="template_too_large",
                hint="Pass long texts and lists as variables.",
            )
    return found


def _tag_on(text: str, line: int, lines: Lines) -> Position:
    """The first tag on a line; the parser knows no columns."""
    start = lines.start(line)
    tag = _TAG.search(text, start)
    return lines.position(tag.start() if tag and "\n" not in text[start : tag.start()] else start)


def _blank(tag: str) -> str:
    return re.sub(r"[^\n]", " ", tag)


def _sentence(text: str) -> str:
    text = text.rstrip(".").split("\n", 1)[0]
    return text[:1].lower() + text[1:200]


_HINT: Final = (
    "See https://jinja.palletsprojects.com/templates/; to write braces literally, put them "
    "between {% raw %} and {% endraw %}."
)
_NEWLINES: Final = re.compile("\r\n|\r")
_OPENING: Final = re.compile(r"\{#|\{%|\{\{>?")
_TAG: Final = re.compile(r"\{[{%#]")
_RAW: Final = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}")
_END_RAW: Final = re.compile(r"\{%[-+]?\s*+endraw\s*[-+]?%\}")
# A tag up to its end, with quoted text skipped. No group is repeated possessively: before
# 3.11.5, Python may match such a group wrongly (python/cpython#106052). What a group may begin
# with differs, so that there is nothing to try in two ways.
_QUOTED: Final = r""""(?:[^"\\]++|\\.)*"|'(?:[^'\\]++|\\.)*'"""
_OUTPUT: Final = re.compile(rf"\{{\{{(?:[^\"'}}]++|{_QUOTED}|\}}(?!\}}))*\}}\}}", re.DOTALL)
_BLOCK: Final = re.compile(rf"\{{%(?:[^\"'%]++|{_QUOTED}|%(?!\}}))*%\}}", re.DOTALL)

__all__ = ["MAX_TOKENS", "JinjaText", "scan_includes", "write_jinja"]
