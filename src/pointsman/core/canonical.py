"""JSON with one spelling: what is accepted, how it is written, what its digest is.

A version's digest commits to bytes, so each value must have exactly one text. Values are
read strictly (nothing that two readers could understand differently gets in) and written
by RFC 8785, the JSON Canonicalization Scheme. Together they promise that for every
accepted value ``parse_json(canonical_json(value)) == value``.

Sources: RFC 8785 (canonical form), RFC 7493 (I-JSON: which values travel safely),
RFC 6901 (JSON pointers), ECMA-262 §6.1.6.1.20 (how a number is written).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from hashlib import sha256
from math import isfinite
from typing import Any, Final, NoReturn, TypeAlias, cast

from pointsman.errors import InvalidInput, TooLarge

__all__ = [
    "JSON",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INTEGER",
    "canonical_json",
    "check_json",
    "check_text",
    "digest",
    "json_pointer",
    "parse_json",
    "quoted",
]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

MAX_DEPTH: Final = 64
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_INTEGER: Final = 2**53 - 1  # the largest whole number that every JSON reader keeps exactly


def parse_json(
    text: str | bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES
) -> JSON:
    """Read one JSON document, refusing everything that readers disagree about.

    Raises:
        TooLarge: ``too_large`` (more than ``max_bytes`` of UTF-8), ``too_deep``.
        InvalidInput: ``malformed_json`` (with ``line`` and ``column`` in ``details``),
            ``invalid_utf8``, ``duplicate_key``, ``not_finite``, ``integer_out_of_range``,
            ``nul_character``, ``lone_surrogate``; ``field`` points to the place.
    """
    text = _decoded(text, max_bytes)
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        _refuse_malformed(text, error)
    except _FlawError:
        _locate(text)
    except RecursionError:
        raise _too_deep(max_depth) from None
    # The decoder has seen all but three things. Depth can't exceed the number of opening
    # brackets, and in valid UTF-8 only an escape can make a NUL or half a surrogate pair,
    # so almost every document is spared the walk.
    if text.count("{") + text.count("[") > max_depth or (
        "\\u" in text and _SUSPICIOUS_ESCAPE.search(text)
    ):
        check_json(value, max_depth=max_depth, max_bytes=max_bytes)
    return cast("JSON", value)


def check_json(value: object, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES) -> JSON:
    """Return ``value`` itself if it is plain JSON by the rules of `parse_json`.

    For values that never were text. Only ``None``, ``bool``, ``int``, ``float``, ``str``,
    ``list`` and ``dict`` with text keys are JSON; subclasses and look-alikes (tuples, enums)
    are refused, as they would not come back the same. A value that contains itself is
    refused for its depth.

    Raises:
        TooLarge: ``too_deep``, ``too_large`` (its text must exceed ``max_bytes``).
        InvalidInput: ``not_json`` or a code of `parse_json`; ``field`` points to the place.
    """
    room = max_bytes
    stack: list[tuple[object, _Path, int]] = [(value, None, 0)]
    while stack:
        item, path, depth = stack.pop()
        try:
            _check_scalar(item)
            if isinstance(item, str):
                room -= len(item)
            elif isinstance(item, (dict, list)):
                if depth >= max_depth:
                    raise _too_deep(max_depth, _pointer(path))
                room -= len(item)
                if isinstance(item, dict):
                    for key in item:
                        room -= len(_checked_key(key))
                steps = _children(item)
                stack.extend((child, (path, step), depth + 1) for step, child in reversed(steps))
        except _FlawError as flaw:
            raise flaw.at(_pointer(path)) from None
        if room < 0:
            raise _too_large(max_bytes)
    return cast("JSON", value)


def canonical_json(value: object) -> str:
    """Write ``value``, which `parse_json` or `check_json` has accepted, by RFC 8785.

    Keys are sorted by UTF-16 code units, numbers written as ECMAScript does, nothing is
    escaped without need, and no white space is added. Equal values give equal texts, and
    ``1.0`` is ``1``.

    Raises:
        InvalidInput: the value is not JSON after all. (Text is not examined again; a lone
            surrogate is refused by `digest`.)
    """
    try:
        if _is_plain(value):
            return _encode_plain(value)
        return _encode(value)
    except (_FlawError, RecursionError):
        check_json(value)  # names the place
        raise _too_deep(MAX_DEPTH) from None


def digest(text: str | bytes) -> str:
    """The SHA-256 of ``text`` (as UTF-8) in 64 lowercase hexadecimal digits.

    Raises:
        InvalidInput: ``lone_surrogate``: the text has no UTF-8 form.
    """
    if isinstance(text, str):
        try:
            text = text.encode()
        except UnicodeEncodeError:
            raise _lone_surrogate().at("") from None
    return sha256(text).hexdigest()


def check_text(text: object, *, field: str = "", max_chars: int | None = None) -> str:
    """Return ``text`` itself if it is text that every surface and database can carry.

    Raises:
        TooLarge: ``too_long``: more than ``max_chars`` characters.
        InvalidInput: ``not_text``, ``nul_character``, ``lone_surrogate``.
    """
    if not isinstance(text, str):
        raise InvalidInput(
            f"{field or 'The value'} must be text, not {type(text).__name__}.",
            code="not_text",
            hint="Pass a string.",
            field=field,
        )
    if max_chars is not None and len(text) > max_chars:
        raise TooLarge(
            f"{field or 'The text'} has {len(text):,} characters; at most {max_chars:,} fit.",
            code="too_long",
            hint="Shorten it, or link to the long form.",
            field=field,
        )
    try:
        _check_string(text)
    except _FlawError as flaw:
        raise flaw.at(field) from None
    return text


def json_pointer(steps: Iterable[str | int]) -> str:
    """The JSON pointer (RFC 6901) that takes these steps from the root: ``/tools/0/name``."""
    return "".join([f"/{_escaped(step)}" for step in steps])


def quoted(text: str, *, max_chars: int = 48) -> str:
    """``text`` in quotes for a message: shortened, and with nothing invisible left in it."""
    if len(text) > max_chars:
        keep = max_chars - 8
        text = f"{text[:keep]}…{text[-6:]}"
    return repr(text)


# -- reading


def _decoded(text: str | bytes, max_bytes: int) -> str:
    if isinstance(text, bytes):
        if len(text) > max_bytes:
            raise _too_large(max_bytes)
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"The text is not UTF-8: byte {error.start} (0x{text[error.start]:02x}) "
                "does not belong there.",
                code="invalid_utf8",
                hint="Save or send it in UTF-8.",
                details={"byte": error.start},
            ) from None
    if len(text) > max_bytes:
        raise _too_large(max_bytes)
    if not text.isascii():
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise _lone_surrogate().at("") from None
        if size > max_bytes:
            raise _too_large(max_bytes)
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _FlawError(
            "duplicate_key",
            f"the key {quoted(key)} occurs twice in one object",
            "Keep one of the two; readers disagree about which one counts.",
            key,
        )
    return result


def _integer(text: str) -> int:
    if len(text) < 16:  # fifteen digits always fit
        return int(text)
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise _integer_out_of_range(text)
    return int(text)


def _real(text: str) -> float:
    number = float(text)
    _check_float(number, text)
    return number


def _constant(text: str) -> NoReturn:
    raise _not_finite(text)


def _kept(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same hook, but a flaw takes the place of the value instead of ending the reading."""

    def keeping(argument: Any) -> Any:
        try:
            return hook(argument)
        except _FlawError as flaw:
            return flaw

    return keeping


def _locate(text: str) -> NoReturn:
    """Read a text known to have a flaw a second time, and say where the flaw is."""
    try:
        value = _locator.decode(text)
    except json.JSONDecodeError as error:
        _refuse_malformed(text, error)
    stack: list[tuple[object, _Path]] = [(value, None)]
    while stack:
        item, path = stack.pop()
        if isinstance(item, _FlawError):
            raise item.at(_pointer(path))
        if isinstance(item, (dict, list)):
            stack.extend((child, (path, step)) for step, child in reversed(_children(item)))
    raise AssertionError("a flaw was seen at first reading")  # pragma: no cover


def _refuse_malformed(text: str, error: json.JSONDecodeError) -> NoReturn:
    what = error.msg[:1].lower() + error.msg[1:]
    hint = "Look just before that place: a missing or extra comma, quote or bracket."
    if text.startswith("\ufeff"):
        what, hint = "it begins with a byte order mark", "Save it as UTF-8 without a mark."
    elif not text.strip():
        what, hint = "it is empty", "Send a JSON document."
    raise InvalidInput(
        f"Not JSON, at line {error.lineno}, column {error.colno}: {what}.",
        code="malformed_json",
        hint=hint,
        details={"line": error.lineno, "column": error.colno},
    ) from None


# -- the rules, for parsed and given values alike


def _check_scalar(value: object) -> None:
    kind = type(value)
    if kind is str:
        _check_string(cast("str", value))
    elif kind is int:
        if not -MAX_INTEGER <= cast("int", value) <= MAX_INTEGER:
            raise _integer_out_of_range(_digits(cast("int", value)))
    elif kind is float:
        _check_float(cast("float", value), repr(value))
    elif value is not None and kind not in (bool, dict, list):
        hint = "Pass a list." if isinstance(value, (tuple, set, frozenset)) else ""
        raise _FlawError(
            "not_json",
            f"a value of type {kind.__name__} is not JSON",
            hint or "Pass text, a number, True, False, None, a list or a dict.",
        )


def _checked_key(key: object) -> str:
    if type(key) is not str:
        raise _FlawError(
            "not_json",
            f"a key of type {type(key).__name__} is not JSON",
            "Keys of a JSON object are strings.",
        )
    _check_string(key)
    return key


def _check_string(text: str) -> None:
    if "\0" in text:
        raise _FlawError(
            "nul_character",
            "the character U+0000 can't be stored",
            "Remove it; databases and C programs end the text there.",
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _lone_surrogate() from None


def _check_float(number: float, text: str) -> None:
    if -MAX_INTEGER <= number <= MAX_INTEGER:
        return
    if not isfinite(number):
        raise _not_finite(text)
    # Its canonical text would have no point and no exponent: an integer out of range.
    if abs(number) < 1e21:
        raise _integer_out_of_range(text)


class _FlawError(Exception):
    """One broken rule, before it is known where; `at` makes it an error."""

    def __init__(self, code: str, what: str, hint: str, key: str | None = None) -> None:
        super().__init__(what)
        self.code, self.what, self.hint, self.key = code, what, hint, key

    def at(self, place: str) -> InvalidInput:
        if self.key is not None:
            place += json_pointer((self.key,))
        # The way to the place may lead through a key that is itself not fit for an answer.
        place = place.encode("utf-8", "backslashreplace").decode()
        message = f"{self.what[0].upper()}{self.what[1:]}"
        if place:
            message += f", at {quoted(place, max_chars=200)}"
        return InvalidInput(f"{message}.", code=self.code, hint=self.hint, field=place)


def _lone_surrogate() -> _FlawError:
    return _FlawError(
        "lone_surrogate",
        "the text holds half of a surrogate pair, which has no UTF-8 form",
        "Escape characters beyond U+FFFF as a pair (\\ud83d\\ude00) or write them as they are.",
    )


def _not_finite(text: str) -> _FlawError:
    return _FlawError(
        "not_finite",
        f"{_short(text)} is not a number that JSON can hold",
        "Use null, or write it as text.",
    )


def _integer_out_of_range(text: str) -> _FlawError:
    return _FlawError(
        "integer_out_of_range",
        f"the whole number {_short(text)} is beyond ±(2^53 − 1), where readers begin to round",
        'Write it as text: "…".',
    )


def _too_deep(max_depth: int, place: str = "") -> TooLarge:
    return TooLarge(
        f"Lists and objects are nested more than {max_depth} deep.",
        code="too_deep",
        hint="Flatten the value; if it was built in Python, check that it does not hold itself.",
        field=place,
    )


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"The document is larger than {max_bytes:,} bytes.",
        code="too_large",
        hint="Keep large data elsewhere and refer to it by URI and digest.",
    )


# -- places

_Path: TypeAlias = "tuple[_Path, str | int] | None"  # linked from the leaf to the root


def _pointer(path: _Path) -> str:
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return json_pointer(reversed(steps))


def _children(container: dict[str, Any] | list[Any]) -> list[tuple[str | int, Any]]:
    return list(container.items() if isinstance(container, dict) else enumerate(container))


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:16]}… ({len(text)} characters)"


def _digits(number: int) -> str:
    """The number as text; Python refuses to write out very long ones."""
    return str(number) if number.bit_length() < 1000 else f"of {number.bit_length()} bits"


# -- writing


def _is_plain(value: object) -> bool:
    """Whether json's C encoder writes this value just as RFC 8785 asks.

    It does unless a key is not ASCII (UTF-16 order may differ from Python's) or a float's
    `repr` differs from ECMAScript's.
    """
    kind = type(value)
    if kind is dict:
        items = cast("dict[str, object]", value)
        for key in items:
            if type(key) is not str or not key.isascii():
                return False
        children: Iterable[object] = items.values()
    elif kind is list:
        children = cast("list[object]", value)
    else:
        children = (value,)
    for child in children:
        kind = type(child)
        if kind is str or kind is bool or child is None:
            continue
        if kind is int:
            if not -MAX_INTEGER <= cast("int", child) <= MAX_INTEGER:
                return False
        elif kind is float:
            number = cast("float", child)
            if not 1e-4 <= abs(number) < 1e15 or number.is_integer():
                return False
        elif not (kind is dict or kind is list) or not _is_plain(child):
            return False
    return True


def _encode(value: object) -> str:
    kind = type(value)
    if kind is str:
        return _quote(cast("str", value))
    if kind is dict:
        items = cast("dict[str, object]", value)
        for key in items:
            _checked_key(key)
        ordered = sorted(items.items(), key=_utf16)
        return "{" + ",".join([f"{_quote(key)}:{_encode(child)}" for key, child in ordered]) + "}"
    if kind is list:
        return "[" + ",".join([_encode(child) for child in cast("list[object]", value)]) + "]"
    if kind is float:
        return _number(cast("float", value))
    _check_scalar(value)
    if value is None:
        return "null"
    return str(value).lower()  # a whole number, True or False


def _number(number: float) -> str:
    """A float as ECMAScript's Number::toString writes it.

    Python's `repr` finds the same digits (the fewest that read back the same) but chooses
    another notation for them.
    """
    if not isfinite(number):
        raise _not_finite(repr(number))
    if number == 0:
        return "0"  # also for −0
    mantissa, _, power = repr(number).partition("e")
    if not power:
        return mantissa.removesuffix(".0")
    sign = "-" if number < 0 else ""
    digits = mantissa.lstrip("-").replace(".", "")
    exponent = int(power)
    if 0 < exponent < 21:
        return sign + digits.ljust(exponent + 1, "0")
    if -7 < exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    return f"{mantissa}e{exponent:+d}"


def _utf16(item: tuple[str, object]) -> bytes:
    return item[0].encode("utf-16-be")


_quote: Final = json.encoder.encode_basestring
_encode_plain: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode

# After the hooks they are made of.
_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
_locator: Final = json.JSONDecoder(
    object_pairs_hook=_kept(_object),
    parse_int=_kept(_integer),
    parse_float=_kept(_real),
    parse_constant=_kept(_constant),
)
_SUSPICIOUS_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
