"""MLflow's filters and orders: text of a client as conditions that can be asked one by one.

A filter is comparisons joined by AND, such as::

    name LIKE 'support%' AND tags.`team.name` != "ops" AND version_number > 3

It is read by a parser of its own with limits on everything, and never becomes part of a
statement. As with MLflow itself, ANDs too many or too few don't matter; there is no OR, no
NOT and no nesting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pointsman.core.canonical import quoted
from pointsman.errors import InvalidInput

MAX_FILTER: Final = 20_000
MAX_CONDITIONS: Final = 100
MAX_WILDCARDS: Final = 50
MAX_ORDERS: Final = 20
IS_PROMPT: Final = "mlflow.prompt.is_prompt"

Operator = Literal["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", ">", ">=", "<", "<="]
Value: TypeAlias = "str | int | tuple[str, ...]"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: of an attribute, of a tag, or of a param of a run."""

    of: Literal["attribute", "tag", "param"]
    key: str
    operator: Operator
    value: Value

    def holds(self, found: str | int | None) -> bool:
        """Whether it holds for this value; never for what is not there."""
        if found is None:
            return False
        return _COMPARE[self.operator](found, self.value)


@dataclass(frozen=True, slots=True)
class Sorting:
    """One key that results are ordered by."""

    key: str
    ascending: bool


@dataclass(frozen=True, slots=True)
class Grammar:
    """What may be compared, and how: attribute → operators; and what may be ordered by.

    Where there are `params`, they may be compared as tags are.
    """

    attributes: Mapping[str, Collection[str]]
    orders: Mapping[str, str]
    params: bool = False


_TEXT: Final = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_PLAIN_TEXT: Final = ("=", "!=", "LIKE", "ILIKE")
_NUMBER: Final = ("=", "!=", ">", ">=", "<", "<=")

MODELS: Final = Grammar(
    {"name": _TEXT},
    {"name": "name", "timestamp": "updated", "last_updated_timestamp": "updated"},
)
VERSIONS: Final = Grammar(
    {
        "name": _TEXT,
        "run_id": _TEXT,
        "source_path": _PLAIN_TEXT,
        "version_number": _NUMBER,
    },
    {
        "name": "name",
        "version_number": "number",
        "creation_timestamp": "created",
        "last_updated_timestamp": "updated",
    },
)
EXPERIMENTS: Final = Grammar(
    {"name": _PLAIN_TEXT, "creation_time": _NUMBER, "last_update_time": _NUMBER}, {}
)
RUNS: Final = Grammar(
    {
        "run_id": _TEXT,
        "run_name": _TEXT,
        "status": _TEXT,
        "user_id": _TEXT,
        "artifact_uri": _PLAIN_TEXT,
        "start_time": _NUMBER,
    },
    {},
    params=True,
)
LOGGED_MODELS: Final = Grammar(
    {
        "name": _TEXT,
        "model_id": _TEXT,
        "model_type": _TEXT,
        "status": _TEXT,
        "source_run_id": _TEXT,
        "creation_timestamp": _NUMBER,
        "last_updated_timestamp": _NUMBER,
    },
    {},
    params=True,
)


def parse_filter(text: str, grammar: Grammar) -> tuple[Condition, ...]:
    """The conditions that a filter spells, all of which must hold.

    Raises `InvalidInput` (``invalid_filter``) that says where it stops making sense.
    """
    if len(text) > MAX_FILTER:
        raise _wrong(
            f"The filter has {len(text):,} characters.",
            f"At most {MAX_FILTER:,} are read; ask for less at once.",
        )
    return _Parser(text, grammar).whole()


def parse_orders(texts: Sequence[str], grammar: Grammar) -> tuple[Sorting, ...]:
    """What results are to be ordered by, the most important first. Raises `InvalidInput`."""
    if len(texts) > MAX_ORDERS:
        raise _wrong_order(f"There are {len(texts)} order_by clauses", f"Give {MAX_ORDERS} at most")
    found: list[Sorting] = []
    for text in texts:
        match = _ORDER.fullmatch(text)
        known = ", ".join(grammar.orders)
        if match is None:
            raise _wrong_order(
                f"Invalid order_by clause {quoted(text)}", f"Write one of {known}, and ASC or DESC"
            )
        key = grammar.orders.get(match["key"])
        if key is None:
            raise _wrong_order(f"Invalid order by key {quoted(match['key'])}", f"Use {known}")
        if any(one.key == key for one in found):
            raise _wrong_order(f"{match['key']} is ordered by twice", "Name each key once")
        found.append(Sorting(key, (match["way"] or "asc").lower() == "asc"))
    return tuple(found)


def kind_wanted(conditions: Sequence[Condition]) -> Literal["prompt", "model"] | None:
    """Whether a filter asks for prompts or for models (which it does where it says nothing).

    None if nothing can match. A model has no such tag: it is as if the tag were ``false``.
    """
    asked = [one for one in conditions if one.of == "tag" and one.key == IS_PROMPT]
    if asked and all(one.holds("true") for one in asked):
        return "prompt"
    if all((one.operator, one.value) in (("=", "false"), ("!=", "true")) for one in asked):
        return "model"
    return None


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE: ``%`` is any text, ``_`` any character. Linear but for the few wildcards."""
    first, *rest = pattern.split("%")
    if not rest:
        return len(text) == len(pattern) and _fits(text, pattern, 0)
    *middle, last = rest
    end = len(text) - len(last)
    at = len(first)
    if at > end or not _fits(text, first, 0) or not _fits(text, last, end):
        return False
    for part in middle:
        found = _find(text, part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


def _fits(text: str, part: str, at: int) -> bool:
    if "_" not in part:
        return text.startswith(part, at)
    here = text[at : at + len(part)]
    return all(wanted in ("_", char) for wanted, char in zip(part, here, strict=True))


def _find(text: str, part: str, at: int, end: int) -> int:
    """Where a part begins at the earliest, so that it ends before `end`; or -1."""
    if "_" not in part:
        return text.find(part, at, end)
    shape = re.compile("".join("." if c == "_" else re.escape(c) for c in part), re.DOTALL)
    found = shape.search(text, at, end)
    return found.start() if found else -1


def _compare_text(found: object, value: object, how: Callable[[str, str], bool]) -> bool:
    return isinstance(found, str) and isinstance(value, str) and how(found, value)


def _compare_number(found: object, value: object, how: Callable[[int, int], bool]) -> bool:
    return isinstance(found, int) and isinstance(value, int) and how(found, value)


_COMPARE: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "=": lambda found, value: found == value,
    "!=": lambda found, value: found != value,
    "LIKE": lambda found, value: _compare_text(found, value, like),
    "ILIKE": lambda found, value: _compare_text(
        found, value, lambda one, other: like(one.lower(), other.lower())
    ),
    "IN": lambda found, value: isinstance(value, tuple) and found in value,
    "NOT IN": lambda found, value: isinstance(value, tuple) and found not in value,
    ">": lambda found, value: _compare_number(found, value, lambda a, b: a > b),
    ">=": lambda found, value: _compare_number(found, value, lambda a, b: a >= b),
    "<": lambda found, value: _compare_number(found, value, lambda a, b: a < b),
    "<=": lambda found, value: _compare_number(found, value, lambda a, b: a <= b),
}


# -- reading a filter


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "name", "text", "number", "sign", "word", "end"
    text: str
    at: int


# Each alternative fails within the characters it began with, so scanning takes linear time.
_TOKEN: Final = re.compile(
    r"""
      (?P<text>'(?:[^']|'')*'|"[^"]*")
    | (?P<name>[^\W\d]\w*(?:\.(?:`[^`]*`|"[^"]*"|'[^']*'|\w+))+)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<sign>!=|<>|>=|<=|==|=|>|<|\(|\)|,)
    """,
    re.VERBOSE,
)
_ORDER: Final = re.compile(
    r"\s*(?:attributes?\.)?`?(?P<key>\w+)`?(?:\s+(?P<way>asc|desc))?\s*", re.IGNORECASE
)
_ENTITIES: Final = {
    "tag": "tag",
    "tags": "tag",
    "param": "param",
    "params": "param",
    "parameter": "param",
    "parameters": "param",
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
}
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}")


class _Parser:
    """Reads one comparison after the other."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self._text = text
        self._grammar = grammar
        self._tokens = list(self._scan())
        self._next = 0

    def whole(self) -> tuple[Condition, ...]:
        conditions: list[Condition] = []
        while self._peek().kind != "end":
            if self._is_word("AND"):
                self._next += 1
                continue
            conditions.append(self._condition())
            if len(conditions) > MAX_CONDITIONS:
                raise _wrong(
                    f"The filter has over {MAX_CONDITIONS} conditions.", "Ask for less at once."
                )
        return tuple(conditions)

    def _condition(self) -> Condition:
        token = self._take()
        if token.kind not in ("name", "word") or token.text.upper() in ("OR", "NOT"):
            raise self._invalid(token)
        of, key = self._left(token)
        operator = self._operator()
        if of != "attribute":
            if operator not in _PLAIN_TEXT:
                raise _wrong(
                    f"Invalid comparator for {of}: {operator}.", f"Use {', '.join(_PLAIN_TEXT)}."
                )
            return Condition(of, key, operator, self._string(f"{of} {quoted(key)}", operator))
        allowed = self._grammar.attributes[key]
        if operator not in allowed:
            raise _wrong(
                f"Invalid comparator for attribute {key}: {operator}.",
                f"Use {', '.join(allowed)}.",
            )
        return Condition("attribute", key, operator, self._value(key, operator))

    def _left(self, token: _Token) -> tuple[Literal["attribute", "tag", "param"], str]:
        entity, dot, key = token.text.partition(".")
        if not dot:
            entity, key = "attribute", token.text
        said = _ENTITIES.get(entity, "")
        if said == "tag" or (said == "param" and self._grammar.params):
            quoted_key = len(key) > 1 and key[0] == key[-1] and key[0] in "`\"'"
            return said, key[1:-1] if quoted_key else key  # type: ignore[return-value]  # one of those
        if entity != "attribute" and not (said == "attribute" and self._grammar.params):
            raise _wrong(
                f"Invalid entity type {quoted(entity)} at character {token.at + 1} of the filter.",
                "Write an attribute's name, or tags.`key`.",
            )
        if key not in self._grammar.attributes:
            raise _wrong(
                f"Invalid attribute key {quoted(key)} specified.",
                f"Valid keys are {', '.join(self._grammar.attributes)}, and tags.`key`.",
            )
        return "attribute", key

    def _operator(self) -> Operator:
        token = self._take()
        if token.kind == "word":
            word = token.text.upper()
            if word == "NOT" and self._is_word("IN"):
                self._next += 1
                return "NOT IN"
            if word in ("LIKE", "ILIKE", "IN"):
                return word  # type: ignore[return-value]  # one of those
        elif token.kind == "sign" and token.text in _COMPARE:
            return token.text  # type: ignore[return-value]  # one of those
        raise self._invalid(token)

    def _value(self, key: str, operator: Operator) -> Value:
        if self._grammar.attributes[key] is _NUMBER:
            token = self._take()
            said = _unquoted(token.text) if token.kind == "text" else token.text
            if token.kind not in ("text", "number") or not _WHOLE.fullmatch(said):
                raise _wrong(
                    f"{key} is compared with {quoted(token.text)}, which is no whole number.",
                    f"Write for example {key} = 3.",
                )
            return int(said)
        if operator in ("IN", "NOT IN"):
            return self._list(key)
        return self._string(f"attribute {key}", operator)

    def _string(self, what: str, operator: Operator) -> str:
        token = self._take()
        if token.kind != "text":
            raise _wrong(
                f"Expected a quoted string value for the {what}, got {quoted(token.text)}.",
                "Write it as 'my-value'.",
            )
        value = _unquoted(token.text)
        patterned = operator in ("LIKE", "ILIKE")
        if patterned and value.count("_") + value.count("%") > MAX_WILDCARDS:
            raise _wrong(
                f"The pattern for the {what} has over {MAX_WILDCARDS} of % and _.",
                "Shorten it, or compare with =.",
            )
        return value

    def _list(self, key: str) -> tuple[str, ...]:
        opening = self._take()
        if opening.text != "(" or opening.kind != "sign":
            raise self._invalid(opening)
        values: list[str] = []
        while True:
            token = self._take()
            if token.kind == "sign" and token.text == ")" and values:
                return tuple(values)
            if token.kind != "text":
                raise _wrong(
                    f"The list for {key} has {quoted(token.text)} where a quoted string or its "
                    "end is expected.",
                    "Write it as ('a', 'b').",
                )
            values.append(_unquoted(token.text))
            if self._peek().text == "," and self._peek().kind == "sign":
                self._next += 1

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind == "end":
            raise self._invalid(token)
        self._next += 1
        return token

    def _is_word(self, word: str) -> bool:
        token = self._peek()
        return token.kind == "word" and token.text.upper() == word

    def _invalid(self, token: _Token) -> InvalidInput:
        rest = self._text[token.at :] if token.kind != "end" else "it ends too early"
        return _wrong(
            f"Invalid clause(s) in filter string: {quoted(rest)}, at character {token.at + 1}.",
            "Only comparisons joined by AND are understood, such as name LIKE 'support%' AND "
            "tags.`team` = 'ops'.",
        )

    def _scan(self) -> list[_Token]:
        text, tokens, at = self._text, [], 0
        while True:
            while at < len(text) and text[at].isspace():
                at += 1
            if at == len(text):
                tokens.append(_Token("end", "", at))
                return tokens
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._invalid(_Token("sign", text[at], at))
            tokens.append(_Token(found.lastgroup or "", found[0], at))
            at = found.end()


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return inner.replace("''", "'") if text[0] == "'" else inner


def _wrong(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_filter", hint=hint, field="filter")


def _wrong_order(message: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{message}.", code="invalid_order", hint=f"{hint}.", field="order_by")
