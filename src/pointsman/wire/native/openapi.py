"""The OpenAPI 3.1 document, made from the very types that validate and answer."""

from __future__ import annotations

import re
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from pointsman._version import __version__
from pointsman.core.diff import ContentDiff
from pointsman.wire.native import shapes
from pointsman.wire.native.routes import RESOLVE, ROUTES, Route

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ANSWERS = {
    400: "The request breaks a rule.",
    401: "There is no valid key.",
    403: "The key's role or a policy does not allow it.",
    404: "There is no such thing.",
    409: "The state is not what the request assumes.",
    410: "The content was removed.",
    413: "The request is too large.",
    503: "The registry can't answer now; try again.",
}
_PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "kind": {"type": "string", "enum": ["prompt", "model", "suite", "dataset"]},
    "number": {"type": "integer", "minimum": 1},
    "release": {"type": "integer", "minimum": 1},
}


def document() -> dict[str, Any]:
    """The whole document as JSON values."""
    routes = (RESOLVE, *ROUTES)
    types: list[Any] = [shapes.Problem]
    for route in routes:
        types += [one for one in (route.answer, route.body, route.query) if one is not None]
    types = [one for one in types if one is not ContentDiff]
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(map(_key, types), refs, strict=True))
    schemas[_key(ContentDiff)] = {"type": "object"}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = f"/api/v1{route.path}"
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman",
            "version": __version__,
            "summary": "Immutable versions, movable aliases, a record of every move.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _PATH_SCHEMAS.get(name, {"type": "string"}),
        }
        for name in _PARAMETER.findall(route.path)
    ]
    parameters += _query_parameters(route.query)
    if route.method != "GET" and "alias}" in route.path:
        parameters.append(_header("If-Match", "The alias's revision, in quotes."))
    if route.method != "GET":
        parameters.append(_header("Idempotency-Key", "Repeat a request with the same key."))
    answer = {
        "description": "Done.",
        "content": {"application/json": {"schema": schemas[_key(route.answer)]}},
    }
    problem = {"application/problem+json": {"schema": schemas[_key(shapes.Problem)]}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", route.summary.lower()).strip("_"),
        "parameters": parameters,
        "responses": {
            **dict.fromkeys(_successes(route), answer),
            **{
                str(status): {"description": text, "content": problem}
                for status, text in _ANSWERS.items()
            },
        },
        "x-pointsman-verb": route.verb,
    }
    if route.etag is not None or route is RESOLVE:
        operation["responses"]["304"] = {"description": "Nothing changed."}
    if route.body is not None:
        operation["requestBody"] = {
            "required": bool(_required(route.body)),
            "content": {"application/json": {"schema": schemas[_key(route.body)]}},
        }
    return operation


def _successes(route: Route) -> list[str]:
    if route.path == "/versions":
        return ["200", "201"]
    return ["201"] if route.path == "/keys" and route.method == "POST" else ["200"]


def _query_parameters(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([shape], ref_template=_REF)
    schema = components[shape.__name__]
    required = set(schema.get("required", ()))
    hints = get_type_hints(shape)
    parameters = []
    for name, described in schema.get("properties", {}).items():
        optional = get_origin(hints[name]) is Union or type(None) in get_args(hints[name])
        plain = {k: v for k, v in described.items() if k not in ("default", "description")}
        if optional and "anyOf" in plain:
            (plain,) = [one for one in plain["anyOf"] if one.get("type") != "null"]
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "schema": plain,
                **({"description": described["description"]} if "description" in described else {}),
            }
        )
    return parameters


def _header(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }


def _required(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(f.name for f in msgspec.structs.fields(shape) if f.required)


def _key(one: Any) -> str:
    return str(one)
