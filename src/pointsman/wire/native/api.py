"""The native API as an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pointsman.app.application import Application
from pointsman.app.gate import Gate, fingerprint_of
from pointsman.app.table import Table
from pointsman.app.tail import Tail
from pointsman.core.access import may
from pointsman.errors import InvalidInput, NotFound, PointsmanError
from pointsman.wire.native import oidc, openapi, shapes
from pointsman.wire.native.endpoint import (
    Endpoint,
    QueryReader,
    admit,
    problem,
    unexpected,
    unquoted,
)
from pointsman.wire.native.files import FileEndpoints
from pointsman.wire.native.hot import PREFIX, Reads, Ready
from pointsman.wire.native.metrics import Metrics
from pointsman.wire.native.paths import Paths
from pointsman.wire.native.progress import ProgressEndpoint
from pointsman.wire.native.route import Call, Run
from pointsman.wire.native.routes import ROUTES
from pointsman.wire.native.watch import Hub
from pointsman.wire.running import NOBODY, Runner
from pointsman.wire.streaming import Carrier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_PATH = 16_384
_WATCH = b"/api/v1/watch"
_resolve_query = QueryReader(shapes.ResolveQuery)
_watch_query = QueryReader(shapes.WatchQuery)
_login_query = QueryReader(oidc.LoginQuery)


class NativeApi:
    """Everything under `/api` and the probes. Owns the threads that run use cases."""

    def __init__(self, app: Application, tail: Tail, gate: Gate) -> None:
        self.app = app
        self.gate = gate
        self._sign_on = oidc.SignOnPages(app)
        self.runner = Runner(app)
        with app.store.read() as reader:
            store, epoch = reader.meta("store") or "", reader.meta("epoch") or ""
        self.reads = Reads(gate, Table[Ready](tail), self.runner, f"{store}.{epoch}")
        self.hub = Hub(app, tail, gate, self.runner, store, epoch)
        self._tail = tail
        self.metrics = Metrics(app, self.reads, self.hub)
        self._document: bytes | None = None
        self._files = FileEndpoints(app, gate, self.runner)
        self._paths = self._all_paths()

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
            await self._at_path(raw_path.decode("latin-1"), Request(scope, receive), send)

    @property
    def carrier(self) -> Carrier:
        """What carries files, for every protocol: what it has verified need not be read twice."""
        return self._files.carrier

    def close(self) -> None:
        """End the streams and let the threads go."""
        self.hub.close()
        self.runner.close()
        self._files.close()

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
            ready = await self.reads.prepare(call, admitted, raw_path, keep=plain)
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
            print_ = fingerprint_of(secret, request.headers.get("pointsman-project", ""))
            await self.hub.stream(admitted.caller, print_, after, receive, send)
        except PointsmanError as error:
            await problem(request, error)(scope, receive, self.metrics.counting(scope, send))

    async def _at_path(self, path: str, request: Request, send: Send) -> None:
        scope = request.scope
        found = self._paths.find(path)
        try:
            if found is None:
                response = _no_such_address(request)
            elif (answerer := found.methods.get(request.method)) is None:
                response = _not_possible(request, sorted(found.methods))
            else:
                scope["path_params"] = found.parameters
                response = await answerer(request)
        except Exception as error:
            response = unexpected(request, error)
        await response(scope, request.receive, self.metrics.counting(scope, send))

    def _all_paths(self) -> Paths:
        paths = Paths()
        for route in ROUTES:
            endpoint = Endpoint(route, self.runner, self.gate)
            paths.add(route.method, f"/api/v1{route.path}", endpoint)
        self._files.add_to(paths)
        ProgressEndpoint(self.gate, self.runner).add_to(paths)
        paths.add("GET", "/api/openapi.json", self._openapi)
        paths.add("GET", "/healthz", _healthy)
        paths.add("GET", "/readyz", self._ready)
        paths.add("GET", "/metrics", self._metrics)
        paths.add("GET", "/auth/oidc/login", self._sign_on_begins)
        paths.add("GET", "/auth/oidc/callback", self._sign_on_ends)
        return paths

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

    async def _sign_on_begins(self, request: Request) -> Response:
        def begin() -> Response:
            return self._sign_on.begin(_login_query.read(request.scope["query_string"]))

        return await self._sign_on_step(request, begin)

    async def _sign_on_ends(self, request: Request) -> Response:
        cookie = request.cookies.get(oidc.SIGN_IN_COOKIE, "")
        answer = dict(request.query_params)
        return await self._sign_on_step(request, lambda: self._sign_on.finish(answer, cookie))

    async def _sign_on_step(self, request: Request, step: Callable[[], Response]) -> Response:
        """A step of single sign-on, which asks the provider and so takes its time."""
        try:
            response: Response = await self.runner.run(NOBODY, Run(lambda *_: step()), None)
        except PointsmanError as error:
            plain = problem(request, error)
            return oidc.told_as_page(request, error, plain.status_code) or plain
        return response


async def _healthy(request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


def _no_such_address(request: Request) -> Response:
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
