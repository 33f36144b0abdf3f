"""The vocabulary's types as plain JSON values, and back.

`from_plain` ignores fields it does not know, so that an old client understands a newer
server, and fills those that are missing with their defaults.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pointsman.errors import IntegrityError

T = TypeVar("T")
Read = Callable[[Any], Any]


def to_plain(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers, booleans and None.

    Dataclasses become objects of their fields, times become RFC 3339 text in UTC.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}


def from_plain(cls: type[T], value: Any) -> T:
    """The inverse of `to_plain` for a dataclass of the vocabulary.

    Raises `IntegrityError` if the value does not have the shape of `cls`.
    """
    try:
        read: Callable[[Any], T] = _reader(cls)  # type: ignore[arg-type]  # a type is hashable
        return read(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(
            f"The answer is not a {getattr(cls, '__name__', cls)}: {error!r}.",
            code="unexpected_answer",
            hint="Check that the address is that of a Pointsman registry.",
        ) from error


@cache
def _reader(hint: Any) -> Read:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return _same
    if origin is Literal:
        return _only(arguments, str(hint))
    if hint is datetime:
        return datetime.fromisoformat
    if hint in (str, int, bool):
        return _only_type(hint)
    if hint is float:
        return _number
    if origin in (Union, types.UnionType):
        (inner,) = [_reader(one) for one in arguments if one is not type(None)]
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        if arguments[-1] is not Ellipsis:
            each = [_reader(one) for one in arguments]
            return lambda value: tuple([read(one) for read, one in zip(each, value, strict=True)])
        item = _reader(arguments[0])
        return lambda value: tuple([item(one) for one in value])
    if origin is not None and issubclass(origin, Mapping):
        item = _reader(arguments[1])
        return lambda value: {key: item(one) for key, one in value.items()}
    return _object_reader(hint)


def _object_reader(hint: Any) -> Read:
    cls = get_origin(hint) or hint
    if not is_dataclass(cls):
        raise TypeError(f"{hint} is not part of the vocabulary")
    make: Any = cls
    hints = get_type_hints(cls)
    bound = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    readers = {}
    required = set()
    for field in fields(cls):
        readers[field.name] = _reader(_substitute(hints[field.name], bound))
        if field.default is MISSING and field.default_factory is MISSING:
            required.add(field.name)

    def read(value: Any) -> Any:
        missing = required - value.keys()
        if missing:
            raise KeyError(*sorted(missing))
        return make(**{name: read(value[name]) for name, read in readers.items() if name in value})

    return read


def _substitute(hint: Any, bound: Mapping[Any, Any]) -> Any:
    if hint in bound:
        return bound[hint]
    if get_origin(hint) is tuple and get_args(hint)[0] in bound:
        return types.GenericAlias(tuple, (bound[get_args(hint)[0]], ...))
    return hint


def _same(value: Any) -> Any:
    return value


def _number(value: Any) -> float:
    """A number; JSON writes those without a fraction as integers."""
    if type(value) not in (int, float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def _only(allowed: tuple[Any, ...], name: str) -> Read:
    def read(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"{value!r} is not one of {name}")
        return value

    return read


def _only_type(wanted: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not wanted:
            raise TypeError(f"{value!r} is not {wanted.__name__}")
        return value

    return read
