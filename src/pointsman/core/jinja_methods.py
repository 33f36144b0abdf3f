"""The tests and methods of the jinja2 format, each paid for before it works.

Tests: Jinja2's, without callable, escaped, filter and test.

Methods: of text capitalize, count, endswith, find, join, lower, lstrip, replace, rstrip,
split, splitlines, startswith, strip, title, upper, and is… for alnum, alpha, digit, lower,
space, upper; of objects get, items, keys, values; of loop changed, cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeAlias

from pointsman.core.jinja_runtime import (
    Loop,
    Missing,
    Run,
    Stopped,
    compare,
    kind_of,
    modulo,
    refuse,
)

Function: TypeAlias = Callable[..., Any]

TESTS: Final[dict[str, Function]] = {}


def call_method(run: Run, owner: Any, name: str, given: list[Any], named: dict[str, Any]) -> Any:
    """``owner.name(…)``, for the methods that there are."""
    if isinstance(owner, Missing):
        refuse(owner, "")
    if isinstance(owner, str) and name in _TEXT_METHODS:
        run.spend(len(owner) >> 3)
        return guarded(name, _TEXT_METHODS[name])(run, owner, *given, **named)
    if isinstance(owner, dict) and name in _OBJECT_METHODS:
        run.spend(2 * len(owner))
        return guarded(name, _OBJECT_METHODS[name])(run, owner, *given, **named)
    if isinstance(owner, Loop) and name == "cycle" and given:
        return given[owner.index0 % len(given)]
    if isinstance(owner, Loop) and name == "changed":
        changed = owner.last_seen is owner or not compare(run, "eq", owner.last_seen, given)
        owner.last_seen = given
        return changed
    raise Stopped(f"{kind_of(owner)} has no method {name[:80]!r}")


def guarded(name: str, work: Function) -> Function:
    """The same function, but what doesn't suit it ends rendering with a reason."""

    @wraps(work)
    def guarded(run: Run, value: Any, *given: Any, **named: Any) -> Any:
        run.spend(0)
        if isinstance(value, Missing) and name not in ("default", "d"):
            refuse(value, "")
        try:
            return work(run, value, *given, **named)
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
            raise Stopped(f"{name} can't work on {kind_of(value)} with these arguments") from None

    return guarded


def paid(run: Run, value: Any) -> str:
    """The value as text, paid for once more: what follows goes through all of it."""
    text = run.text(value)
    run.room_for(2 * len(text))
    return text


def replaced(run: Run, text: str, old: str, new: str, count: int | None = -1) -> str:
    run.spend((len(text) + len(old)) >> 4)
    count = -1 if count is None else count
    times = text.count(old)
    times = times if count < 0 else min(times, count)
    run.room_for(len(text) + times * len(new))
    return text.replace(old, new, count)


def joined(run: Run, separator: str, items: list[Any]) -> str:
    texts = [run.text(item) for item in items]
    run.room_for(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


# -- tests


def _test(*names: str) -> Callable[[Function], Function]:
    def register(work: Function) -> Function:
        for name in names:
            TESTS[name] = guarded(name, work)
        return work

    return register


def _is(name: str, test: Callable[[Any], bool]) -> None:
    TESTS[name] = guarded(name, lambda run, value: test(value))


def _compares(operator: str, *names: str) -> None:
    def test(run: Run, value: Any, other: Any) -> bool:
        return compare(run, operator, value, other)

    _test(*names)(test)


_is("none", lambda value: value is None)
_is("boolean", lambda value: isinstance(value, bool))
_is("true", lambda value: value is True)
_is("false", lambda value: value is False)
_is("integer", lambda value: isinstance(value, int) and not isinstance(value, bool))
_is("float", lambda value: isinstance(value, float))
_is("number", lambda value: isinstance(value, (int, float)))
_is("string", lambda value: isinstance(value, str))
_is("mapping", lambda value: isinstance(value, dict))
_is("iterable", lambda value: isinstance(value, (str, list, tuple, dict)))
_is("sequence", lambda value: isinstance(value, (str, list, tuple, dict)))
_is("odd", lambda value: isinstance(value, int) and value % 2 == 1)
_is("even", lambda value: isinstance(value, int) and value % 2 == 0)
_compares("eq", "eq", "equalto", "==")
_compares("ne", "ne", "!=")
_compares("lt", "lt", "lessthan", "<")
_compares("lteq", "le", "<=")
_compares("gt", "gt", "greaterthan", ">")
_compares("gteq", "ge", ">=")
_compares("in", "in")


@_test("divisibleby")
def _divisibleby(run: Run, value: Any, number: Any) -> bool:
    return bool(modulo(run, value, number) == 0)


@_test("sameas")
def _sameas(run: Run, value: Any, other: Any) -> bool:
    return value is other


@_test("lower")
def _is_lower(run: Run, value: Any) -> bool:
    return paid(run, value).islower()


@_test("upper")
def _is_upper(run: Run, value: Any) -> bool:
    return paid(run, value).isupper()


# -- methods


def _plain_method(name: str) -> Function:
    work = getattr(str, name)
    return lambda run, text, *given: work(text, *given)


def _resized(name: str) -> Function:
    """A method whose result may be longer, by no more than three times."""
    work = getattr(str, name)

    def method(run: Run, text: str) -> Any:
        run.room_for(3 * len(text))
        return work(text)

    return method


def _split(run: Run, text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    run.spend(len(text) >> 1)
    return text.split(sep, maxsplit)


def _splitlines(run: Run, text: str, keepends: bool = False) -> list[str]:
    run.spend(len(text) >> 1)
    return text.splitlines(keepends)


_TEXT_METHODS: Final[dict[str, Function]] = {
    **{
        name: _plain_method(name)
        for name in (
            *("startswith", "endswith", "strip", "lstrip", "rstrip", "find", "count"),
            *("isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper"),
        )
    },
    **{name: _resized(name) for name in ("upper", "lower", "title", "capitalize")},
    "replace": replaced,
    "split": _split,
    "splitlines": _splitlines,
    "join": lambda run, text, items: joined(run, text, run.items(items)),
}
_OBJECT_METHODS: Final[dict[str, Function]] = {
    "items": lambda run, value: list(value.items()),
    "keys": lambda run, value: list(value),
    "values": lambda run, value: list(value.values()),
    "get": lambda run, value, key, default=None: value.get(key, default),
}
