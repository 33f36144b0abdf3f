"""What a template is made of besides its words: tags, and where they stand.

A text is scanned once into pieces: literal text, slots for variables, and includes of other
prompts. The three formats differ in how a tag is written (`core.curly`, `core.fstring`,
`core.jinja`), not in what it means.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from pointsman.core.selectors import Selector, parse_selector
from pointsman.errors import InvalidName, TemplateSyntaxError

Format = Literal["curly", "f-string", "jinja2"]
FORMATS: Final[tuple[Format, ...]] = ("curly", "f-string", "jinja2")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a template: line and column count from 1, columns in characters.

    `field` is a JSON pointer from the template to the text, as in ``/2/content``; it is empty
    where the template is itself the text.
    """

    line: int
    column: int
    field: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}"
        return f"{where} of {self.field}" if self.field else where


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and its first use. One that isn't `required` may be left out."""

    name: str
    position: Position
    required: bool = True


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A list of messages to be given by name; `field` points to its entry in the template."""

    name: str
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Include:
    """Another prompt composed in: what it selects, the selector as written, and where."""

    selector: Selector
    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class Notice:
    """Something legal that was perhaps not meant."""

    message: str
    hint: str
    position: Position


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a variable's value. `start` and `end` cut its tag out of the text."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class IncludeTag:
    """The place of another prompt's text. `start` and `end` cut its tag out of the text."""

    selector: str
    start: int
    end: int


Piece: TypeAlias = str | Slot | IncludeTag


class Engine(Protocol):
    """One text, understood. `uses` maps each variable to its first use, in order."""

    @property
    def uses(self) -> Mapping[str, Variable]: ...

    @property
    def includes(self) -> tuple[Include, ...]: ...

    @property
    def notices(self) -> tuple[Notice, ...]: ...

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with the values of all variables; they have been found to fit."""
        ...


class Lines:
    """Turns offsets into positions, in logarithmic time."""

    def __init__(self, text: str, field: str = "") -> None:
        self._starts = [0, *[match.end() for match in _NEWLINE.finditer(text)]]
        self._field = field

    def start(self, line: int) -> int:
        """The offset at which a line begins; that of the last line for any beyond it."""
        return self._starts[min(max(line, 1), len(self._starts)) - 1]

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1, self._field)


def include_at(tag: IncludeTag, lines: Lines) -> Include:
    """What an include tag selects.

    Raises:
        TemplateSyntaxError: the selector breaks a rule, or selects something else than a
            prompt.
    """
    position = lines.position(tag.start)
    return Include(prompt_selector(tag.selector, position), tag.selector, position)


def prompt_selector(text: str, position: Position) -> Selector:
    """The prompt that `text` selects; see `include_at` for what is raised."""
    try:
        selector = parse_selector(text)
    except InvalidName as error:
        raise syntax_error(
            error.message[:1].lower() + error.message[1:].rstrip("."),
            position,
            hint=error.hint or "Write name, name:3 or name@alias.",
        ) from None
    if selector.kind != "prompt":
        raise syntax_error(
            f"can't include {text!r}: it selects a {selector.kind}, and only prompts compose",
            position,
            hint="Name a prompt, or delete the tag.",
        )
    return selector


def syntax_error(problem: str, position: Position, *, hint: str) -> TemplateSyntaxError:
    """An error that says what is wrong at which place. `problem` begins in lower case."""
    return TemplateSyntaxError(
        f"At {position}: {problem}.",
        hint=hint,
        field=position.field,
        details={"line": position.line, "column": position.column},
    )


def first_uses(pieces: Sequence[Piece], lines: Lines) -> dict[str, Variable]:
    """Each variable's first slot, in the order of the text."""
    uses: dict[str, Variable] = {}
    for piece in pieces:
        if type(piece) is Slot and piece.name not in uses:
            uses[piece.name] = Variable(piece.name, lines.position(piece.start))
    return uses


_NEWLINE: Final = re.compile("\n")
