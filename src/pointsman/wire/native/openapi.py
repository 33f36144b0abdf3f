"""The OpenAPI 3.1 document, made from the very types that validate and answer."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from pointsman._version import __version__
from pointsman.app.blobs import Stored
from pointsman.core.diff import ContentDiff
from pointsman.core.names import KINDS, MAX_ALIAS, MAX_NAME, MAX_TAG_KEY, MAX_VERSION
from pointsman.core.vocabulary import NewKey
from pointsman.core.webhooks import NewWebhook
from pointsman.wire.native import files, oidc, people, shapes
from pointsman.wire.native.progress import PATH as PROGRESS
from pointsman.wire.native.route import Route
from pointsman.wire.native.routes import RESOLVE, ROUTES

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ANSWERS = {
    400: "The request breaks a rule.",
    401: "There is no valid key.",
    403: "The key's role or a policy does not allow it.",
    404: "There is no such thing.",
    405: "The method is not possible here.",
    409: "The state is not what the request assumes.",
    410: "The content was removed.",
    413: "The request is too large.",
    416: "The range lies behind the end of the file.",
    431: "The address and the header fields are too large.",
    503: "The registry can't answer now; try again.",
}
_TEXT: dict[str, Any] = {"type": "string"}
_PATH: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({**_TEXT, "enum": list(KINDS)}, "The kind of artifact."),
    "name": ({**_TEXT, "minLength": 1, "maxLength": MAX_NAME}, "With each / written as %2F."),
    "alias": ({**_TEXT, "minLength": 1, "maxLength": MAX_ALIAS}, ""),
    "number": ({"type": "integer", "minimum": 1, "maximum": MAX_VERSION}, "Of the version."),
    "release": ({"type": "integer", "minimum": 1, "maximum": 2**53}, "Of the release."),
    "key": ({**_TEXT, "minLength": 1, "maxLength": MAX_TAG_KEY}, "Of the tag."),
    "id": (_TEXT, "Of the key: the part between pm_ and the next underscore."),
    "policy": ({**_TEXT, "minLength": 1, "maxLength": 64}, "Of the policy."),
    "change": ({"type": "integer", "minimum": 1, "maximum": 2**53}, "Of the change."),
    "evaluation": ({"type": "integer", "minimum": 1, "maximum": 2**53}, "Of the evaluation."),
    "webhook": (_TEXT, "Of the webhook: wh_ and ten letters."),
    "delivery": ({"type": "integer", "minimum": 1, "maximum": 2**53}, "Of the delivery."),
    "provider": ({**_TEXT, "minLength": 1, "maxLength": 100}, "Of the provider of models."),
    "sha256": ({**_TEXT, "pattern": "^[0-9a-f]{64}$"}, "Of the file, in hexadecimal."),
    "path": ({**_TEXT, "minLength": 1}, "Of the file, with each / written as %2F."),
    "email": (_TEXT, "Of a person."),
    "who": (_TEXT, "An e-mail address, or group: and the name of a group."),
    "group": (_TEXT, "Of the group."),
    "invitation": (_TEXT, "Of the invitation: the part of its token between the underscores."),
    "selector": (
        {**_TEXT, "minLength": 1},
        "Such as support/reply@production; slashes may stand as they are.",
    ),
}
_ONCE_ONLY = (NewKey, NewWebhook, shapes.Empty)
"""Answers of changes that take no idempotency key: secrets, and what can be repeated anyhow."""


def document() -> dict[str, Any]:
    """The whole document as JSON values."""
    routes = (RESOLVE, *ROUTES)
    types: list[Any] = [shapes.Problem, Stored]
    for route in routes:
        types += [one for one in (route.answer, route.body, route.query) if one is not None]
    types = [one for one in types if one is not ContentDiff]
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    _describe(components, types)
    schemas = dict(zip(map(_key, types), refs, strict=True))
    schemas[_key(ContentDiff)] = {"type": "object"}
    queries = {route.query.__name__ for route in routes} | {shapes.WatchQuery.__name__}
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
        "paths": {**paths, **_others(schemas)},
        "components": {
            "schemas": {name: one for name, one in components.items() if name not in queries},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(route.path)]
    parameters += _query_parameters(route.query)
    changes = route.method != "GET"
    cached = route.etag is not None or route is RESOLVE
    if changes and "alias}" in route.path:
        parameters.append(_header("If-Match", "The alias's revision, in quotes."))
    if route.method == "PUT" and route.path.endswith("alias}"):
        parameters.append(_header("If-None-Match", "`*`: there must be no such alias yet."))
    if cached:
        parameters.append(_header("If-None-Match", "The ETag of the answer at hand."))
    if changes and route.once and route.answer not in _ONCE_ONLY:
        parameters.append(
            _header("Idempotency-Key", "Sent again with the same key, it takes effect once.")
        )
    answer: dict[str, Any] = {
        "description": "Done.",
        "content": {"application/json": {"schema": schemas[_key(route.answer)]}},
    }
    if cached:
        answer["headers"] = {"ETag": {"schema": _TEXT}}
    if route is RESOLVE:
        answer["headers"]["Pointsman-Seq"] = {
            "description": "The last entry of the journal when this was read.",
            "schema": {"type": "integer"},
        }
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", route.summary.lower()).strip("_"),
        "parameters": parameters,
        "responses": {
            **dict.fromkeys(_successes(route), answer),
            **({"304": {"description": "Nothing changed."}} if cached else {}),
            **_problems(schemas, *(status for status in _ANSWERS if status != 416)),
        },
        "x-pointsman-verb": route.verb,
        **({"security": []} if route.open else {}),
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": bool(_required(route.body)),
            "content": {"application/json": {"schema": schemas[_key(route.body)]}},
        }
    return operation


def _others(schemas: dict[str, Any]) -> dict[str, Any]:
    """What is no route of ours: the stream, the probes, the metrics, and this document."""

    def plain(summary: str, media_type: str, *problems: int, **more: Any) -> dict[str, Any]:
        return {
            "get": {
                "summary": summary,
                "operationId": re.sub(r"\W+", "_", summary.lower()),
                "responses": {
                    "200": {"description": "Done.", "content": {media_type: {}}},
                    **_problems(schemas, *problems),
                },
                **more,
            }
        }

    last = _header("Last-Event-ID", "The last entry that was received; counts before `after`.")
    return {
        "/api/v1/watch": plain(
            "Watch what happens",
            "text/event-stream",
            *(400, 401, 403, 405, 503),
            parameters=[*_query_parameters(shapes.WatchQuery), last],
            description="Server-sent events: `hello` with the journal's last entry (`seq`), "
            "then an `entry` for each new one, with its number as the id. `resync` means that "
            "events were left out: read again what you hold. A comment is sent when nothing "
            "has happened for a while.",
        ),
        f"/api/v1{PROGRESS}": plain(
            "Follow an evaluation",
            "text/event-stream",
            *(400, 401, 403, 404, 405, 503),
            parameters=[_path_parameter("evaluation")],
            description="Server-sent events: `progress` with the evaluation, without its report, "
            "whenever something of it has changed, and `ended` with what it came to.",
        ),
        **_files(schemas),
        "/api/openapi.json": plain("Describe the API", "application/json", security=[]),
        "/healthz": plain("Tell whether the process lives", "text/plain", security=[]),
        "/readyz": plain("Tell whether it can answer", "text/plain", 503, security=[]),
        "/metrics": plain("Tell Prometheus how it is doing", "text/plain", 401),
    }


def _files(schemas: dict[str, Any]) -> dict[str, Any]:
    """The operations that carry files, which are streams of bytes."""
    binary: dict[str, Any] = {"application/octet-stream": {}}
    stored = {"application/json": {"schema": schemas[_key(Stored)]}}
    done: dict[str, Any] = {"description": "Done."}
    headers = [
        _header("Range", "Which bytes: one range, such as `bytes=1000-`."),
        _header("If-Range", "The ETag of the file that the range is of."),
        _header("If-None-Match", "The ETag of the file at hand."),
    ]
    found: dict[files.Stream, dict[str, Any]] = {
        files.UPLOAD: {
            "requestBody": {"required": True, "content": binary},
            "responses": {
                "200": {"description": "It was there already.", "content": stored},
                "201": {**done, "content": stored},
                **_problems(schemas, 400, 401, 403, 404, 405, 409, 413, 431, 503),
            },
        },
        files.ASK: {
            "responses": {
                "200": {**done, "content": binary},
                **_problems(schemas, 400, 401, 403, 404, 405, 409, 431, 503),
            },
        },
        files.DOWNLOAD: {
            "more": headers,
            "responses": {
                "200": {**done, "content": binary, "headers": {"ETag": {"schema": _TEXT}}},
                "206": {"description": "A part of it.", "content": binary},
                "304": {"description": "Nothing changed."},
                **_problems(schemas, 400, 401, 403, 404, 405, 409, 410, 416, 431, 503),
            },
        },
    }
    paths: dict[str, dict[str, Any]] = {}
    for stream, told in found.items():
        named = [_path_parameter(name) for name in _PARAMETER.findall(stream.path)]
        paths.setdefault(f"/api/v1{stream.path}", {})[stream.method.lower()] = {
            "summary": stream.summary,
            "operationId": re.sub(r"\W+", "_", stream.summary.lower()),
            "parameters": [*named, *told.pop("more", ())],
            **told,
            "x-pointsman-verb": stream.verb,
        }
    return paths


def _problems(schemas: dict[str, Any], *statuses: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": schemas[_key(shapes.Problem)]}}
    return {
        str(status): {"description": _ANSWERS[status], "content": content} for status in statuses
    }


def _successes(route: Route) -> list[str]:
    if route.path == "/versions":
        return ["200", "201"]
    made = ("/keys", *people.MAKING, *oidc.MAKING)
    return ["201"] if route.path in made and route.method == "POST" else ["200"]


def _path_parameter(name: str) -> dict[str, Any]:
    schema, description = _PATH[name]
    told = {"description": description} if description else {}
    return {"name": name, "in": "path", "required": True, "schema": schema, **told}


def _query_parameters(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([shape], ref_template=_REF)
    _describe(components, [shape])
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


def _describe(components: dict[str, Any], types: list[Any]) -> None:
    """Say which texts are times, which the library leaves out, and straighten descriptions."""
    for cls in _classes(types, set()):
        schema = components.get(cls.__name__)
        if schema is None:
            continue
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
        for name, hint in get_type_hints(cls).items():
            if hint is datetime or datetime in get_args(hint):
                described = schema["properties"][name]
                for one in described.get("anyOf", [described]):
                    if one.get("type") == "string":
                        one["format"] = "date-time"


def _classes(hints: list[Any], seen: set[Any]) -> Iterator[Any]:
    """All classes with fields that these types are made of."""
    for hint in hints:
        cls = get_origin(hint) or hint
        has_fields = is_dataclass(cls) or (
            isinstance(cls, type) and issubclass(cls, msgspec.Struct)
        )
        if has_fields and cls not in seen:
            seen.add(cls)
            yield cls
            yield from _classes(list(get_type_hints(cls).values()), seen)
        yield from _classes(list(get_args(hint)), seen)


def _key(one: Any) -> str:
    return str(one)
