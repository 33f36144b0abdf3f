"""Picoschema, dotprompt's short way of writing a JSON Schema, read; and written where it is short.

::

    name: string, what to call them      a type and a description
    age?: integer                        may be left out
    tags(array, what it is about): string
    mood(enum): [calm, angry]
    address(object):                     or simply  address:
      street: string
    (*): number                          whatever else there is

What looks like a JSON Schema (has a ``type`` or ``properties``) is one.

Source: dotprompt's reference, "Picoschema".
"""

from __future__ import annotations

import re
from typing import Any, Final

from pointsman.core.canonical import JSON

_SCALARS: Final = ("string", "number", "integer", "boolean", "null")
_TYPES: Final = (*_SCALARS, "object", "array")
_KEY: Final = re.compile(r"([^()?]+)(\?)?(?:\((array|object|enum)(?:\s*,([^()]*))?\))?")
_REST: Final = "(*)"


class NotUnderstoodError(Exception):
    """A schema that says what can't be told here, such as the name of a registered one."""


def read_schema(value: JSON) -> JSON:
    """The JSON Schema that a picoschema, or a JSON Schema, means.

    Raises `NotUnderstoodError`.
    """
    if isinstance(value, str):
        return _scalar(value)
    if not isinstance(value, dict):
        raise NotUnderstoodError("a schema is a word or an object")
    if is_json_schema(value):
        return value
    return _object(value)


def is_json_schema(value: dict[str, JSON]) -> bool:
    """Whether this is a JSON Schema, and not names with their types."""
    kind = value.get("type")
    listed = isinstance(kind, list) and bool(kind) and all(one in _TYPES for one in kind)
    return kind in _TYPES or listed or isinstance(value.get("properties"), dict)


def read_variables(value: JSON) -> dict[str, dict[str, JSON]]:
    """The declarations of variables that the schema of a prompt's input means.

    Raises `NotUnderstoodError`.
    """
    if not isinstance(value, dict):
        raise NotUnderstoodError("the schema of the input is not an object")
    if is_json_schema(value):
        return _from_json_schema(value)
    declared: dict[str, dict[str, JSON]] = {}
    for key, item in value.items():
        name, optional, schema = _property(key, item, may_be_null=False)
        if name in declared:
            raise NotUnderstoodError(f"{name} is there twice")
        declared[name] = _declaration(schema, required=not optional)
    return declared


def write_variables(declared: dict[str, Any]) -> dict[str, JSON] | None:
    """These declarations, without their defaults, as picoschema; None where it has no words."""
    schema: dict[str, JSON] = {}
    for name, declaration in declared.items():
        wanted = {key: value for key, value in declaration.items() if key != "default"}
        kind = wanted.get("schema", {"type": "any"})
        word = kind.get("type") if isinstance(kind, dict) and len(kind) == 1 else None
        if not isinstance(word, str):
            return None
        description = wanted.get("description", "")
        key = f"{name}?" if wanted.get("required") is False else name
        schema[key] = f"{word}, {description}" if description else word
        try:
            if read_variables({key: schema[key]}) != {name: wanted}:
                return None
        except NotUnderstoodError:
            return None
    return schema


def _from_json_schema(schema: dict[str, JSON]) -> dict[str, dict[str, JSON]]:
    if set(schema) - {"type", "properties", "required", "additionalProperties", "$schema"}:
        raise NotUnderstoodError("the schema of the input says more than which variables there are")
    properties, required = schema.get("properties"), schema.get("required", [])
    if schema.get("type", "object") != "object" or not isinstance(properties, dict):
        raise NotUnderstoodError("the schema of the input does not tell its properties")
    if not isinstance(required, list):
        raise NotUnderstoodError("“required” is not a list")
    declared = {}
    for name, inner in properties.items():
        if not isinstance(inner, (dict, bool)):
            raise NotUnderstoodError(f"the schema of {name} is not an object")
        declared[name] = _declaration(inner, required=name in required)
    return declared


def _declaration(schema: JSON, *, required: bool) -> dict[str, JSON]:
    """A variable's declaration. What is required is so without a word."""
    declaration: dict[str, JSON] = {}
    if isinstance(schema, dict):
        description = schema.get("description")
        if isinstance(description, str):
            schema = {key: value for key, value in schema.items() if key != "description"}
            if description:
                declaration["description"] = description
        if schema:
            declaration = {"schema": schema, **declaration}
    elif schema is not True:
        declaration["schema"] = schema
    if not required:
        declaration["required"] = False
    return declaration


def _scalar(text: str) -> dict[str, JSON]:
    word, _, description = (part.strip() for part in text.partition(","))
    if word not in (*_SCALARS, "any"):
        raise NotUnderstoodError(f"{word!r} is not a type")
    schema: dict[str, JSON] = {} if word == "any" else {"type": word}
    return {**schema, "description": description} if description else schema


def _object(value: dict[str, JSON]) -> dict[str, JSON]:
    properties: dict[str, JSON] = {}
    required: list[JSON] = []
    rest: JSON = False
    for key, item in value.items():
        if key == _REST:
            rest = read_schema(item)
            continue
        name, optional, schema = _property(key, item, may_be_null=True)
        if name in properties:
            raise NotUnderstoodError(f"{name} is there twice")
        properties[name] = schema
        if not optional:
            required.append(name)
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": rest}


def _property(key: str, value: JSON, *, may_be_null: bool) -> tuple[str, bool, JSON]:
    """The name, whether it may be left out, and the schema of one line."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise NotUnderstoodError(f"{key!r} is not a name with its type")
    name, mark, kind, description = found.groups()
    optional = mark is not None
    nullable = optional and may_be_null
    schema: dict[str, JSON]
    if kind == "enum":
        if not isinstance(value, list):
            raise NotUnderstoodError(f"the values of {name} are not a list")
        schema = {"enum": [*value, None] if nullable and None not in value else value}
    elif kind == "array":
        schema = {"type": "array", "items": read_schema(value)}
    elif kind == "object":
        if not isinstance(value, dict):
            raise NotUnderstoodError(f"the properties of {name} are missing")
        schema = _object(value)
    else:
        read = read_schema(value)
        assert isinstance(read, dict), "a schema that is read is an object"
        schema = dict(read)
    if nullable and isinstance(schema.get("type"), str) and schema["type"] != "null":
        schema["type"] = [schema["type"], "null"]
    if description and description.strip():
        schema["description"] = description.strip()
    return name.strip(), optional, schema
