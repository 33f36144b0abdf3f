"""Running a route: decode, admit, run the use case, encode, tell of errors."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pointsman.app.application import Once
from pointsman.app.gate import Admitted, Gate
from pointsman.core.access import may
from pointsman.core.canonical import parse_json, quoted
from pointsman.errors import (
    InvalidInput,
    PointsmanError,
    TooLarge,
    Unauthenticated,
)
from pointsman.wire.native.errors import problem_of
from pointsman.wire.native.route import Call, Read, Route, Run, Write
from pointsman.wire.native.routes import plain
from pointsman.wire.running import NOBODY, Runner, admit_secret, body_of

MAX_BODY = 4 << 20
MAX_VERSION_BODY = 16 << 20
MAX_BULK_BODY = 64 << 20
_LARGER = {("POST", "/versions/bulk"): MAX_BULK_BODY, ("POST", "/versions"): MAX_VERSION_BODY}
"""The bodies of operations that take more: versions, of which datasets are the largest."""
LARGE_BODY = 64 << 10
MAX_QUERY = 8_192
_log = logging.getLogger(__name__)


class Endpoint:
    """One route as a Starlette endpoint."""

    def __init__(self, route: Route, runner: Runner, gate: Gate) -> None:
        self.route = route
        self._runner = runner
        self._gate = gate
        self._query = QueryReader(route.query)
        self._max_body = _LARGER.get((route.method, route.path), MAX_BODY)

    async def __call__(self, request: Request) -> Response:
        """Answer the request; every error becomes a problem document."""
        route = self.route
        try:
            caller, session_id = NOBODY, ""
            if not route.open:
                admitted = await admit(request, self._gate, self._runner)
                caller, session_id = admitted.caller, admitted.session_id
                may(caller.actor, route.verb).enforce()
            query = self._query.read(request.scope["query_string"])
            body_bytes = await body_of(request, self._max_body) if route.body else b""
            path = {key: unquoted(value) for key, value in request.path_params.items()}
            if_revision = _if_revision(request.headers) if route.method != "GET" else None
            once = _once(request, body_bytes) if route.method != "GET" else None

            def planned() -> Read | Write | Run:
                body = _decoded(body_bytes, route.body) if route.body else None
                address = request.client.host if request.client else ""
                return route.plan(Call(caller, path, body, query, if_revision, session_id, address))

            # Reading a large body takes a while, in which nobody else would be served.
            large = route.slow or len(body_bytes) > LARGE_BODY
            plan = await self._runner.off_loop(planned, slow=route.slow) if large else planned()
            answer = await self._runner.run(caller, plan, once)
            headers = {"cache-control": "no-store"}
            if route.etag is not None:
                headers["etag"] = route.etag(answer)
                if lists(_if_none_match(request), headers["etag"].encode()):
                    return Response(status_code=304, headers=headers)
            return Response(
                plain(answer), route.status(answer), headers, media_type="application/json"
            )
        except PointsmanError as error:
            return problem(request, error)
        except ClientDisconnect:
            return Response(status_code=499)


class QueryReader:
    """Reads a query string into a type: numbers, times, and lists as repeated parameters."""

    def __init__(self, shape: type[msgspec.Struct]) -> None:
        self._shape = shape
        hints = get_type_hints(shape)
        self._lists = {name for name, hint in hints.items() if get_origin(hint) is list}
        self._times = {name for name, hint in hints.items() if _holds(hint, datetime)}
        self._numbers = {name for name, hint in hints.items() if _holds(hint, int)}

    def read(self, query: bytes) -> Any:
        """The query as the type. Raises `InvalidInput` naming the parameter."""
        if not query:
            return _converted({}, self._shape, strict=False)
        if len(query) > MAX_QUERY:
            raise TooLarge(
                f"The query string has {len(query):,} bytes.",
                code="query_too_large",
                hint=f"At most {MAX_QUERY:,} are read.",
            )
        values: dict[str, Any] = {}
        try:
            pairs = parse_qsl(
                query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
            )
        except ValueError as error:
            raise InvalidInput(
                "The query string is not UTF-8 in percent-encoding, or has over 100 parameters.",
                code="invalid_query",
                hint="Percent-encode each value as UTF-8, and ask for less at once.",
            ) from error
        for name, value in pairs:
            if "\0" in value:
                raise InvalidInput(
                    f"The parameter {quoted(name)} contains a NUL character.",
                    code="nul_character",
                    hint="Remove it.",
                    field=name,
                )
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise InvalidInput(
                    f"The parameter {quoted(name)} is given twice.",
                    code="duplicate_key",
                    hint="Give it once.",
                    field=name[:100],
                )
            else:
                values[name] = self._plain(name, value)
        return _converted(values, self._shape, strict=False)

    def _plain(self, name: str, value: str) -> str:
        """The value, unless it is one that the conversion would be too generous about."""
        if name in self._times:
            if _DATE.match(value) is None:  # seconds since 1970, or the word null
                raise _misfit(f"Invalid RFC3339 encoded datetime - at `$.{name}`")
            # "+" in a query string means a space; in a time it can only have been "+".
            return value.replace(" ", "+")
        if name in self._numbers and not (value.isascii() and value.isdecimal()):
            raise _misfit(f"Expected digits - at `$.{name}`")
        return value


_DATE = re.compile(r"[0-9]{4}-")


def _holds(hint: Any, wanted: type) -> bool:
    return hint is wanted or wanted in get_args(hint)


async def admit(request: Request, gate: Gate, runner: Runner) -> Admitted:
    """Who sends the request. Raises `Unauthenticated`."""
    header = request.headers.get("authorization", "")
    scheme, _, secret = header.partition(" ")
    if not header:
        raise Unauthenticated(
            "The request has no key.",
            hint="Send it as `Authorization: Bearer pm_…`.",
            code="no_key",
        )
    if scheme.lower() != "bearer" or not secret.isascii():
        raise Unauthenticated(
            "The Authorization header is not a bearer key.",
            hint="Send it as `Authorization: Bearer pm_…`.",
            code="invalid_authorization",
        )
    project = request.headers.get("pointsman-project", "")
    return await admit_secret(secret.strip(), project, gate, runner)


def problem(request: Request, error: PointsmanError) -> Response:
    """The response that tells of an error."""
    request_id = request.scope.setdefault("pointsman.request_id", secrets.token_hex(8))
    status, headers, body = problem_of(error, request_id)
    if status >= 500:
        _log.warning("%s %s: %s", request_id, request.scope["path"], error, exc_info=error)
    return Response(body, status, {**headers, "cache-control": "no-store"})


def unexpected(request: Request, error: Exception) -> Response:
    """The response to what nobody foresaw: it tells nothing but where to look."""
    request_id = request.scope.setdefault("pointsman.request_id", secrets.token_hex(8))
    _log.error("%s %s failed", request_id, request.scope["path"], exc_info=error)
    return problem(
        request,
        PointsmanError(
            "The server failed on this request.",
            code="internal_error",
            hint=f"The server's log has the cause under {request_id}.",
        ),
    )


def unquoted(text: str) -> str:
    """A part of a path, percent-decoded. Raises `InvalidInput` unless it is UTF-8."""
    try:
        plain_text = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "The path is not UTF-8 in percent-encoding.",
            code="invalid_path",
            hint="Encode each name as UTF-8, then percent-encode it.",
        ) from error
    if "\0" in plain_text:
        raise InvalidInput(
            "The path contains a NUL character.", code="nul_character", hint="Remove it."
        )
    return plain_text


def lists(said: bytes, etag: bytes) -> bool:
    """Whether an If-None-Match that says this has the ETag in it, strong or weak."""
    if said == etag or not said:
        return said == etag
    return any(one.strip().removeprefix(b"W/") in (etag, b"*") for one in said.split(b","))


def _if_none_match(request: Request) -> bytes:
    return ",".join(request.headers.getlist("if-none-match")).encode("latin-1")


def _decoded(body: bytes, shape: type[msgspec.Struct]) -> Any:
    value = parse_json(body, max_bytes=MAX_BULK_BODY) if body.strip() else {}
    return _converted(value, shape)


def _converted(value: Any, shape: type[msgspec.Struct], *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from error


def _misfit(told: str) -> InvalidInput:
    """What the library tells in one sentence, with the place as a field of its own."""
    code = "invalid_field"
    steps: list[str] = []
    if place := _PLACE.search(told):
        told = told[: place.start()]
        steps = _STEP.findall(place[1])
    if named := _NAMED.fullmatch(told):
        code = "missing_field" if named[1] == "missing required" else "unknown_field"
        verb = "lacks the required" if code == "missing_field" else "has the unknown"
        told = f"The object {verb} field {quoted(named[2])}"
        steps.append(named[2][:100])
    return InvalidInput(
        f"{told}.",
        code=code,
        hint="The OpenAPI document at /api/openapi.json says what is accepted.",
        field="/".join(steps),
    )


_PLACE = re.compile(r" - at `(?:key` in `)?\$([^`]*)`\Z")
_STEP = re.compile(r"[^.\[\]]+")
_NAMED = re.compile(r"Object (?:contains )?(unknown|missing required) field `(.*)`", re.DOTALL)


def _if_revision(headers: Mapping[str, str]) -> int | None:
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and (none_match != "*" or match is not None):
        raise InvalidInput(
            f"If-None-Match is {none_match[:40]!r}"
            + (" together with an If-Match." if match is not None else "."),
            code="invalid_if_none_match",
            hint="A change takes If-None-Match: * for an alias that must not exist yet, or "
            "If-Match with its revision.",
            field="If-None-Match",
        )
    if match is None:
        return None if none_match is None else 0
    if match == "*":
        return None
    text = match.strip().removeprefix('"').removesuffix('"')
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInput(
            f"If-Match is {match[:40]!r}.",
            code="invalid_if_match",
            hint='Send the alias\'s revision in quotes, for example If-Match: "4".',
            field="If-Match",
        )
    return int(text)


def _once(request: Request, body: bytes) -> Once | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    asked = hashlib.sha256()
    for part in (
        request.method.encode(),
        request.scope["raw_path"],
        request.scope["query_string"],
        request.headers.get("if-match", "").encode(),
        request.headers.get("if-none-match", "").encode(),
        body,
    ):
        asked.update(len(part).to_bytes(8, "big"))
        asked.update(part)
    return Once(key, asked.hexdigest())
