"""What a search asks for: a query of plain conditions, and the tag expression language.

A tag expression is made of conditions on tag keys, joined by ``and``, ``or``, ``not`` and
parentheses::

    team = support and not status = "on hold"
    (language in (de, fr) or region) and owner != ana

``key`` alone asks whether the tag is there, ``=`` and ``in`` compare its value, ``!=`` also
wants it there (like SQL, unlike ``not key = value``), ``~`` asks whether the value contains a
text. Values and keys that are not plain words are quoted with ``"`` or ``'``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pointsman.errors import InvalidInput

MAX_EXPRESSION = 2_000
MAX_CONDITIONS = 50
MAX_NESTING = 20

Order = Literal["name", "created", "updated"]


@dataclass(frozen=True, slots=True)
class TagIs:
    """The tag `key` has one of `values` (or, negated, is there with another value)."""

    key: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TagContains:
    """The tag `key` is there and its value contains `text`."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class TagExists:
    """The tag `key` is there."""

    key: str


@dataclass(frozen=True, slots=True)
class Not:
    """The operand does not hold."""

    operand: TagExpression


@dataclass(frozen=True, slots=True)
class Both:
    """Both operands hold."""

    left: TagExpression
    right: TagExpression


@dataclass(frozen=True, slots=True)
class Either:
    """One of the operands holds, or both do."""

    left: TagExpression
    right: TagExpression


TagExpression: TypeAlias = TagIs | TagContains | TagExists | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Query:
    """Which artifacts are wanted; all conditions given must hold.

    `name` and `text` are looked for anywhere, without regard to case, in the name and in the
    newest version's content. `folder` matches it and all below it, or with `direct` only what
    lies in that very folder (in none, without one). Times are microseconds; `since` and `until`
    bound the last update. Archived artifacts are left out unless `archived` is True (only
    those) or None (all).
    """

    kind: str | None = None
    folder: str = ""
    name: str = ""
    text: str = ""
    tags: TagExpression | None = None
    with_aliases: tuple[str, ...] = ()
    without_aliases: tuple[str, ...] = ()
    author: str = ""
    since: int | None = None
    until: int | None = None
    archived: bool | None = False
    order: Order = "name"
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that artifacts lie in, at any depth, and how many: of those not archived."""

    path: str
    artifacts: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


def parse_tags(text: str) -> TagExpression:
    """The tag expression that `text` spells.

    Raises `InvalidInput` (code `invalid_tag_expression`) that says where it stops making sense.
    """
    if len(text) > MAX_EXPRESSION:
        raise InvalidInput(
            f"The tag expression has {len(text)} characters.",
            code="invalid_tag_expression",
            hint=f"At most {MAX_EXPRESSION} are read.",
            field="tags",
        )
    return _Parser(text).whole()


def matches(expression: TagExpression, tags: dict[str, str]) -> bool:
    """Whether an artifact with these tags matches: the meaning of the language."""
    match expression:
        case TagExists(key):
            return key in tags
        case TagIs(key, values, negated):
            return key in tags and (tags[key] in values) != negated
        case TagContains(key, part):
            return key in tags and part in tags[key]
        case Not(operand):
            return not matches(operand, tags)
        case Both(left, right):
            return matches(left, tags) and matches(right, tags)
        case Either(left, right):
            return matches(left, tags) or matches(right, tags)


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<symbol>!=|=|~|\(|\)|,)
      | (?P<word>[^\s"'=!~(),]+)
    )""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEYWORDS = {"and", "or", "not", "in"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "value", "symbol", "keyword", "end"
    text: str
    at: int


class _Parser:
    """Recursive descent over the tokens; `or` binds weaker than `and`, `and` than `not`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._scan(text))
        self._next = 0
        self._conditions = 0
        self._depth = 0

    def whole(self) -> TagExpression:
        expression = self._either()
        if self._peek().kind != "end":
            raise self._wrong("an `and`, an `or` or the end")
        return expression

    def _either(self) -> TagExpression:
        left = self._both()
        while self._accept("keyword", "or"):
            left = Either(left, self._both())
        return left

    def _both(self) -> TagExpression:
        left = self._operand()
        while self._accept("keyword", "and"):
            left = Both(left, self._operand())
        return left

    def _operand(self) -> TagExpression:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._wrong(f"at most {MAX_NESTING} levels of nesting")
        try:
            if self._accept("keyword", "not"):
                return Not(self._operand())
            if self._accept("symbol", "("):
                inner = self._either()
                self._expect("symbol", ")")
                return inner
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> TagExpression:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._wrong(f"at most {MAX_CONDITIONS} conditions")
        key = self._expect("value", what="a tag's key")
        if self._accept("symbol", "="):
            return TagIs(key, (self._value(),))
        if self._accept("symbol", "!="):
            return TagIs(key, (self._value(),), negated=True)
        if self._accept("symbol", "~"):
            return TagContains(key, self._value())
        if self._accept("keyword", "in"):
            self._expect("symbol", "(")
            values = [self._value()]
            while self._accept("symbol", ","):
                values.append(self._value())
            self._expect("symbol", ")")
            return TagIs(key, tuple(values))
        return TagExists(key)

    def _value(self) -> str:
        return self._expect("value", what="a value")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, kind: str, text: str) -> bool:
        token = self._peek()
        if token.kind == kind and token.text == text:
            self._next += 1
            return True
        return False

    def _expect(self, kind: str, text: str = "", what: str = "") -> str:
        token = self._peek()
        if token.kind != kind or (text and token.text != text):
            raise self._wrong(what or f"`{text}`")
        self._next += 1
        return token.text

    def _wrong(self, wanted: str) -> InvalidInput:
        token = self._peek()
        found = f"`{token.text[:40]}`" if token.kind != "end" else "the end"
        return InvalidInput(
            f"The tag expression has {found} at character {token.at + 1}, not {wanted}.",
            code="invalid_tag_expression",
            hint='Write for example: team = support and not status = "on hold".',
            field="tags",
            details={"position": token.at},
        )

    def _scan(self, text: str) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                if text[at:].isspace():
                    break
                start = at + len(text[at:]) - len(text[at:].lstrip())
                raise InvalidInput(
                    f"The tag expression can't be read from character {start + 1} on.",
                    code="invalid_tag_expression",
                    hint="Close every quote; write != for unequal.",
                    field="tags",
                    details={"position": start},
                )
            start = found.start(found.lastgroup or 0)
            if found["quoted"] is not None:
                tokens.append(_Token("value", _ESCAPED.sub(r"\1", found["quoted"][1:-1]), start))
            elif found["symbol"] is not None:
                tokens.append(_Token("symbol", found["symbol"], start))
            elif found["word"].lower() in _KEYWORDS:
                tokens.append(_Token("keyword", found["word"].lower(), start))
            else:
                tokens.append(_Token("value", found["word"], start))
            at = found.end()
        tokens.append(_Token("end", "", len(text)))
        return tokens
