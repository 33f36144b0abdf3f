"""The native API as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from pointsman.app.application import Application
from pointsman.app.gate import Gate, fingerprint_of
from pointsman.app.table import Table
from pointsman.app.tail import Tail
from pointsman.core.policy import may
from pointsman.errors import InvalidInput, NotFound, PointsmanError
from pointsman.wire.native import openapi, shapes
from pointsman.wire.native.endpoint import (
    Endpoint,
    QueryReader,
    Runner,
    admit,
    problem,
    unexpected,
    unquoted,
)
from pointsman.wire.native.hot import PREFIX, Reads, Ready
from pointsman.wire.native.metrics import Metrics
from pointsman.wire.native.routes import ROUTES, Call
from pointsman.wire.native.watch import Hub

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_PATH = 16_384
_WATCH = b"/api/v1/watch"
_resolve_query = QueryReader(shapes.ResolveQuery)
_watch_query = QueryReader(shapes.WatchQuery)


class NativeApi:
    """Everything under `/api` and the probes. Owns the threads that run use cases."""

    def __init__(self, app: Application, tail: Tail, gate: Gate) -> None:
        self.app = app
        self.gate = gate
        self.runner = Runner(app)
        with app.store.read() as reader:
            store, epoch = reader.meta("store") or "", reader.meta("epoch") or ""
        self.reads = Reads(gate, Table[Ready](tail), self.runner, f"{store}.{epoch}")
        self.hub = Hub(app, tail, gate, self.runner, store, epoch)
        self._tail = tail
        self.metrics = Metrics(app, self.reads, self.hub)
        self._document: bytes | None = None
        self._starlette = self._routed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        if raw_path.startswith(PREFIX) and scope["method"] in ("GET", "HEAD"):
            found = self.reads.from_memory(scope)
            if found is not None:
                await self.reads.answer(*found, send)
            else:
                await self._resolve(scope, raw_path, receive, send)
        elif raw_path == _WATCH and scope["method"] == "GET":
            await self._watch(scope, receive, send)
        elif raw_path == _WATCH or raw_path.startswith(PREFIX):
            allowed = ["GET"] if raw_path == _WATCH else ["GET", "HEAD"]
            answer = _not_possible(Request(scope, receive), allowed)
            await answer(scope, receive, self.metrics.counting(scope, send))
        else:
            # Names hold "%2F": routes match the path as it was sent, and decode its parts.
            scope["path"] = raw_path.decode("latin-1")
            await self._starlette(scope, receive, self.metrics.counting(scope, send))

    def close(self) -> None:
        """End the streams and let the threads go."""
        self.hub.close()
        self.runner.close()

    async def _resolve(self, scope: Scope, raw_path: bytes, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        seq = 0
        try:
            _check_length(raw_path)
            admitted = await admit(request, self.gate, self.runner)
            may(admitted.caller.actor, "read").enforce()
            selector = unquoted(raw_path[len(PREFIX) :].decode("latin-1"))
            query = _resolve_query.read(scope["query_string"])
            call = Call(admitted.caller, {"selector": selector}, None, query, None)
            plain = not scope["query_string"]
            seq = self._tail.seen(admitted.caller.project.id)
            ready = await self.reads.prepare(call, raw_path, keep=plain)
        except PointsmanError as error:
            response = problem(request, error)
            if isinstance(error, NotFound):  # clients ask as of when it is not there
                response.headers["pointsman-seq"] = str(seq)
                response.headers["pointsman-epoch"] = self.reads.epoch
            await response(scope, receive, self.metrics.counting(scope, send))
            return
        except Exception as error:
            await unexpected(request, error)(scope, receive, self.metrics.counting(scope, send))
            return
        etag = ",".join(request.headers.getlist("if-none-match")).encode("latin-1")
        await self.reads.answer(ready, etag, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            admitted = await admit(request, self.gate, self.runner)
            may(admitted.caller.actor, "read").enforce()
            after = _watch_query.read(scope["query_string"]).after
            last = request.headers.get("last-event-id")
            if last is not None:
                after = _event_id(last)
            secret = request.headers["authorization"].partition(" ")[2].strip()
            await self.hub.stream(admitted.caller, fingerprint_of(secret), after, receive, send)
        except PointsmanError as error:
            await problem(request, error)(scope, receive, self.metrics.counting(scope, send))

    def _routed(self) -> Starlette:
        routes = [
            StarletteRoute(
                f"/api/v1{route.path}",
                Endpoint(route, self.runner, self.gate),
                methods=[route.method],
            )
            for route in ROUTES
        ]
        starlette = Starlette(
            routes=[
                *_merged(routes),
                StarletteRoute("/api/openapi.json", self._openapi),
                StarletteRoute("/healthz", _healthy),
                StarletteRoute("/readyz", self._ready),
                StarletteRoute("/metrics", self._metrics),
            ],
            exception_handlers={HTTPException: _no_route, Exception: unexpected},  # type: ignore[dict-item]
        )
        # A redirect would send the key to whatever host the request named.
        starlette.router.redirect_slashes = False
        return starlette

    async def _openapi(self, request: Request) -> Response:
        if self._document is None:
            self._document = msgspec.json.encode(openapi.document())
        return Response(self._document, media_type="application/json")

    async def _ready(self, request: Request) -> Response:
        def look() -> None:
            with self.app.store.read() as reader:
                reader.meta("epoch")

        try:
            await self.runner.off_loop(look)
        except PointsmanError as error:
            return problem(request, error)
        return Response("ready\n", media_type="text/plain")

    async def _metrics(self, request: Request) -> Response:
        try:
            await admit(request, self.gate, self.runner)
        except PointsmanError as error:
            return problem(request, error)
        return Response(self.metrics.text(), media_type=self.metrics.media_type)


async def _healthy(request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


async def _no_route(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return _not_possible(request, sorted(one.strip() for one in allowed.split(",")))
    return problem(
        request,
        NotFound(
            "There is nothing at this address.",
            code="no_such_address",
            hint="The OpenAPI document at /api/openapi.json lists all; in a path, "
            "write the / of a name as %2F.",
        ),
    )


def _not_possible(request: Request, allowed: list[str]) -> Response:
    return problem(
        request,
        InvalidInput(
            f"{request.method} is not possible here.",
            code="method_not_allowed",
            hint=f"Possible: {', '.join(allowed)}.",
            details={"allow": allowed},
        ),
    )


def _merged(routes: list[StarletteRoute]) -> list[StarletteRoute]:
    """One Starlette route for each path, so that a wrong method is told all the right ones."""
    by_path: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in route.methods or ():
            by_path.setdefault(route.path, {})[method] = route.endpoint

    def choose(methods: dict[str, Any]) -> Any:
        async def answer(request: Request) -> Response:
            response: Response = await methods[request.method](request)
            return response

        return answer

    return [
        StarletteRoute(path, choose(methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


def _check_length(raw_path: bytes) -> None:
    if len(raw_path) > _MAX_PATH:
        raise InvalidInput(
            f"The path has {len(raw_path)} bytes.",
            code="path_too_long",
            hint=f"At most {_MAX_PATH} are read; a selector is far shorter.",
        )


def _event_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidInput(
            f"Last-Event-ID is {text[:40]!r}.",
            code="invalid_event_id",
            hint="Send the id of the last event received, or none.",
            field="Last-Event-ID",
        )
    return int(text)
