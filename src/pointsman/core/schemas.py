"""JSON Schemas of variables: are they valid, and does a value fit?

The keywords that most schemas are made of are checked right here, so that an application
needs no further package; the rest is left to `jsonschema_rs` (``pip install
'pointsman[types]'``). Nothing is ever fetched: a ``$ref`` may point into its own schema only.

Source: JSON Schema 2020-12, core and validation vocabularies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from pointsman.core.canonical import JSON, quoted
from pointsman.errors import PointsmanError

MAX_UNFOLDED: Final = 10_000

Check: TypeAlias = Callable[[object], list[str]]
"""Says everything that keeps a value from fitting; an empty list if it fits."""


def check_schema(schema: JSON) -> str:
    """Why `schema` can't be used; empty if it can.

    Where `jsonschema_rs` is absent, schemas beyond the common keywords pass unexamined,
    except that a foreign ``$ref`` is never let through.
    """
    if not isinstance(schema, (dict, bool)):
        return "a JSON Schema is an object, or true or false"
    if _is_common(schema):
        return ""
    foreign = _foreign_reference(schema)
    if foreign:
        return f"{quoted(foreign)} points outside of the schema, and nothing is ever fetched"
    if find_spec("jsonschema_rs") is None:
        return ""
    try:
        _foreign_validator(schema)
    except ValueError as error:
        return _first_line(error)
    return ""


def check_value_schema(schema: JSON) -> str:
    """As `check_schema`, for a schema that values will be checked against.

    What a schema unfolds to when its references are followed can be exponential in its size,
    or endless, and so can be the time that a check takes. Such schemas are refused.
    """
    problem = check_schema(schema)
    if problem or _is_common(schema):
        return problem
    try:
        if _Unfolding(schema).size(schema) > MAX_UNFOLDED:
            return f"with its references followed it has more than {MAX_UNFOLDED:,} parts"
    except RecursionError:
        return "its references form too long a chain"
    except _EndlessError as error:
        return str(error)
    return ""


def compile_schema(schema: JSON) -> Check:
    """A check of values against a valid `schema`.

    Raises:
        PointsmanError: ``missing_extra``: the schema needs `jsonschema_rs`, which is absent.
    """
    if _is_common(schema):
        return partial(_misfits, schema)
    try:
        validator = _foreign_validator(schema)
    except ImportError:
        raise PointsmanError(
            "Checking this JSON Schema needs the package jsonschema-rs, which is not installed.",
            code="missing_extra",
            hint="Run: pip install 'pointsman[types]'",
        ) from None

    def check(value: object) -> list[str]:
        try:
            return [_described(error) for error in validator.iter_errors(value)]
        except ValueError as error:  # the value is no JSON, or a pattern ran out of steps
            return [_first_line(error)]

    return check


def allows_null(schema: JSON) -> bool:
    """Whether a schema that says something about its value lets null through."""
    return schema not in (True, {}) and not compile_schema(schema)(None)


def admits_any_text(schema: JSON) -> bool:
    """Whether every text fits, so that text needs no check."""
    if not isinstance(schema, dict):
        return schema is True
    types = schema.get("type", "string")
    return set(schema) <= _ANNOTATIONS | {"type"} and (
        types == "string" or (isinstance(types, list) and "string" in types)
    )


# -- the common keywords


def _is_common(schema: object) -> bool:
    """Whether a schema is well formed and made of the keywords that `_misfits` knows."""
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    return all(
        keyword in _ANNOTATIONS or (keyword in _FORMS and _FORMS[keyword](value))
        for keyword, value in schema.items()
    )


def _misfits(schema: JSON, value: object) -> list[str]:
    if not isinstance(schema, dict):
        return [] if schema else ["nothing is allowed here"]
    found: list[str] = []
    if "type" in schema:
        types = schema["type"]
        names = [types] if isinstance(types, str) else types
        if not any(_TYPES[str(name)](value) for name in names):  # type: ignore[union-attr]
            wanted = " or ".join(str(name) for name in names)  # type: ignore[union-attr]
            return [f"it must be {wanted}, not {_kind(value)}"]
    for keyword, explain in _EXPLAIN.items():
        if keyword in schema:
            found += explain(schema[keyword], value)
    found += _misfits_inside(schema, value)
    return found


def _misfits_inside(schema: dict[str, JSON], value: object) -> list[str]:
    found: list[str] = []
    if isinstance(value, (list, tuple)) and "items" in schema:
        for index, item in enumerate(value):
            found += [f"item {index}: {what}" for what in _misfits(schema["items"], item)]
    if isinstance(value, Mapping):
        properties: Any = schema.get("properties", {})
        found += [f"the key {key!r} is missing" for key in _missing(schema, value)]
        others = schema.get("additionalProperties", True)
        for key, item in value.items():
            inner = properties.get(key, others)
            if inner is False:
                found.append(f"the key {quoted(str(key))} is not allowed")
            else:
                found += [f"{quoted(str(key))}: {what}" for what in _misfits(inner, item)]
    return found


def _missing(schema: dict[str, JSON], value: Mapping[Any, Any]) -> list[Any]:
    required: Any = schema.get("required", [])
    return [key for key in required if key not in value]


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _integer(value: object) -> bool:
    return _number(value) and (isinstance(value, int) or float(value).is_integer())  # type: ignore[arg-type]


def _sequence(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _same(left: object, right: object) -> bool:
    """Equality as JSON Schema has it: 1 and 1.0 are the same, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def _bound(test: Callable[[Any, Any], bool], what: str) -> Callable[[Any, object], list[str]]:
    def explain(limit: Any, value: object) -> list[str]:
        return [f"it must be {what} {limit}"] if _number(value) and not test(value, limit) else []

    return explain


def _length(
    kinds: type | tuple[type, ...], test: Callable[[int, Any], bool], what: str
) -> Callable[[Any, object], list[str]]:
    def explain(limit: Any, value: object) -> list[str]:
        if isinstance(value, kinds) and not test(len(value), limit):  # type: ignore[arg-type]
            return [f"it must have {what.format(limit)}"]
        return []

    return explain


def _explain_enum(options: Any, value: object) -> list[str]:
    if any(_same(option, value) for option in options):
        return []
    return ["it must be one of " + ", ".join(quoted(str(option)) for option in options[:20])]


def _explain_const(wanted: Any, value: object) -> list[str]:
    return [] if _same(wanted, value) else [f"it must be {quoted(str(wanted))}"]


def _explain_any_of(options: Any, value: object) -> list[str]:
    found = [_misfits(option, value) for option in options]
    return [] if not all(found) else [" or ".join(dict.fromkeys(what[0] for what in found))]


def _kind(value: object) -> str:
    for name, test in _TYPES.items():
        if name != "number" and test(value):
            return name if name in ("null", "object", "array") else f"the {name} {_shown(value)}"
    return "a number" if _number(value) else f"a Python {type(value).__name__}"


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else str(value).lower()


_TYPES: Final[dict[str, Callable[[object], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _integer,
    "number": _number,
    "string": lambda value: isinstance(value, str),
    "array": _sequence,
    "object": lambda value: isinstance(value, Mapping),
}

_EXPLAIN: Final[dict[str, Callable[[Any, object], list[str]]]] = {
    "enum": _explain_enum,
    "const": _explain_const,
    "anyOf": _explain_any_of,
    "minimum": _bound(lambda value, limit: value >= limit, "at least"),
    "maximum": _bound(lambda value, limit: value <= limit, "at most"),
    "exclusiveMinimum": _bound(lambda value, limit: value > limit, "more than"),
    "exclusiveMaximum": _bound(lambda value, limit: value < limit, "less than"),
    "minLength": _length(str, lambda size, limit: size >= limit, "at least {} characters"),
    "maxLength": _length(str, lambda size, limit: size <= limit, "at most {} characters"),
    "minItems": _length((list, tuple), lambda size, limit: size >= limit, "at least {} items"),
    "maxItems": _length((list, tuple), lambda size, limit: size <= limit, "at most {} items"),
}

_ANNOTATIONS: Final = frozenset(
    ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")
)


def _is_type(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(name, str) and name in _TYPES for name in value)
    return isinstance(value, str) and value in _TYPES


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_schemas(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_common, value))


_FORMS: Final[dict[str, Callable[[Any], bool]]] = {
    "type": _is_type,
    "enum": lambda value: isinstance(value, list) and bool(value),
    "const": lambda value: True,
    "anyOf": _is_schemas,
    "items": _is_common,
    "additionalProperties": _is_common,
    "properties": lambda value: isinstance(value, dict) and all(map(_is_common, value.values())),
    "required": lambda value: (
        isinstance(value, list) and all(isinstance(key, str) for key in value)
    ),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
}


# -- all other keywords

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def _foreign_validator(schema: JSON) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(schema, offline=True)  # type: ignore[arg-type]


def _foreign_reference(schema: JSON) -> str:
    """The first reference that doesn't stay within the schema; empty if none."""
    stack: list[object] = [schema]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for keyword in _REFERENCES:
                target = item.get(keyword)
                if isinstance(target, str) and not target.startswith("#"):
                    return target
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return ""


class _EndlessError(Exception):
    """A reference that can't be unfolded."""


class _Unfolding:
    """How many parts a schema has when each reference is replaced by what it refers to."""

    def __init__(self, root: JSON) -> None:
        self._root = root
        self._sizes: dict[str, int] = {}
        self._open: set[str] = set()

    def size(self, node: JSON) -> int:
        if isinstance(node, list):
            return 1 + sum([self.size(item) for item in node])
        if not isinstance(node, dict):
            return 1
        size = 1 + sum([self.size(item) for item in node.values()])
        for keyword in _REFERENCES:
            if isinstance(node.get(keyword), str):
                size += self._size_of_target(str(node[keyword]))
        return size

    def _size_of_target(self, reference: str) -> int:
        if reference in self._open:
            raise _EndlessError(f"{quoted(reference)} refers to what it is a part of")
        if reference not in self._sizes:
            self._open.add(reference)
            self._sizes[reference] = self.size(self._target(reference))
            self._open.remove(reference)
        return self._sizes[reference]

    def _target(self, reference: str) -> JSON:
        node: Any = self._root
        pointer = unquote(reference[1:])
        if pointer and not pointer.startswith("/"):
            raise _EndlessError(f"{quoted(reference)} is not a JSON pointer, as in #/$defs/name")
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(step)] if isinstance(node, list) else node[step]
            except (LookupError, TypeError, ValueError):
                raise _EndlessError(f"{quoted(reference)} refers to nothing") from None
        return node  # type: ignore[no-any-return]


def _described(error: Any) -> str:
    path = "".join(f"[{step!r}]" for step in error.instance_path)
    return f"{path}: {error.message}" if path else str(error.message)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
