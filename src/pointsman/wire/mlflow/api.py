"""MLflow's protocols as an ASGI application: prompts, models and runs for its own clients."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pointsman._version import __version__
from pointsman.app.application import Application
from pointsman.app.gate import Gate
from pointsman.app.proposing import Withheld
from pointsman.app.tail import Tail
from pointsman.core.access import may
from pointsman.core.names import check_reason
from pointsman.errors import InvalidInput, NotFound, PointsmanError
from pointsman.wire.mlflow.errors import told
from pointsman.wire.mlflow.fields import Call, from_body, from_query
from pointsman.wire.mlflow.following import Follow, followed
from pointsman.wire.mlflow.memory import Memory
from pointsman.wire.mlflow.routes import PREFIXES, ROUTES, Route
from pointsman.wire.mlflow.signing import Signing
from pointsman.wire.mlflow.table import Table
from pointsman.wire.mlflow.tracking import routes as tracking
from pointsman.wire.mlflow.tracking.artifacts import Artifacts
from pointsman.wire.running import Runner, body_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Counting = Callable[[Scope, Send], Send]

SPOKEN: Final = "3.17.2"
"""The version of MLflow whose protocol is spoken, as clients ask for it."""
MAX_BODY: Final = 4 << 20
LARGE_BODY: Final = 64 << 10
REASON: Final = "x-pointsman-reason"
"""The header that says why, percent-encoded: MLflow's requests have no field for it."""

_ABOUT: Final = frozenset({"/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"})
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_FOREIGN: Final = ("/api/2.0/", "/api/3.0/", "/ajax-api/")
_SPANS: Final = "/v1/traces"
_log = logging.getLogger(__name__)


class MlflowApi:
    """Everything at the paths where MLflow's clients expect a server of theirs."""

    def __init__(
        self, app: Application, tail: Tail, gate: Gate, runner: Runner, counting: Counting
    ) -> None:
        """`counting` makes a `send` that counts the answers."""
        self._memory = Memory(tail)
        self._signing = Signing(app, gate, runner)
        self._runner = runner
        self._counting = counting
        self._table = Table()
        self._table.add(ROUTES, PREFIXES)
        self._table.add(tracking.ROUTES, tracking.PREFIXES)
        self._artifacts = Artifacts(app, runner)

    @staticmethod
    def answers(path: str) -> bool:
        """Whether a path is one of MLflow's."""
        return path.startswith(_FOREIGN) or path in ("/health", "/version", _SPANS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error becomes one of MLflow's."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except PointsmanError as error:
            response = _problem(request, error)
        except ClientDisconnect:
            response = Response(status_code=499)
        except Exception as error:
            response = _unexpected(request, error)
        await response(scope, receive, self._counting(scope, send))

    def close(self) -> None:
        """Let the threads go."""
        self._artifacts.close()

    async def _answer(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        if path == "/health":
            return Response("OK", media_type="text/plain")
        if path == "/version":
            return Response(SPOKEN, media_type="text/plain")
        if path in _ABOUT:
            return _json(_INFO)
        if path == _SPANS:
            status, headers, body = told(_no_spans())  # every client asks once: no warning
            return Response(body, status, headers)
        raw = request.scope["raw_path"].decode("latin-1")
        if (place := self._artifacts.place(raw)) is not None:
            caller = await self._signing.caller(request)
            return await self._artifacts.answer(request, caller, place)
        found = self._table.find(path, raw)
        if found is None:
            raise NotFound(
                f"There is nothing at {path}.",
                code="no_such_address",
                hint="Pointsman answers for MLflow's registry, and for as much of its tracking as "
                "logging and loading models takes; for more, set MLFLOW_TRACKING_URI to a "
                "tracking server, and MLFLOW_REGISTRY_URI to this address.",
            )
        methods = found.methods
        route = methods.get(method)
        if route is None:
            raise InvalidInput(
                f"{method} is not possible here.",
                code="method_not_allowed",
                hint=f"Possible: {', '.join(sorted(methods))}.",
                details={"allow": sorted(methods)},
            )
        return await self._run(request, route, found.values)

    async def _run(self, request: Request, route: Route, named: dict[str, str]) -> Response:
        caller = await self._signing.caller(request)
        may(caller.actor, route.verb).enforce()
        path: str = request.scope["path"]
        if route.kept:
            known = self._memory.get(caller, path, request.scope["query_string"])
            if known is not None:
                return _json(msgspec.Raw(known))
        reason = _reason(request)
        if route.method == "GET":
            body, kind = b"", ""
            query = request.scope["query_string"]
        else:
            body, kind = await body_of(request, MAX_BODY), request.headers.get("content-type", "")

        def planned() -> Any:
            if route.method == "GET":
                values = from_query(query)
            else:
                values = {} if named and not body else from_body(body, kind)
            return route.plan(Call(caller, {**values, **named}, reason, _origin(request)))

        # Reading a large body takes a while, in which nobody else would be served.
        large = route.slow or len(body) > LARGE_BODY
        plan = await self._runner.off_loop(planned, slow=True) if large else planned()
        if isinstance(plan, Follow):
            return _json(await followed(self._runner, caller, plan))
        if route.kept:
            plan = self._memory.keeping(caller, path, query, plan)
        answer = await self._runner.run(caller, plan, None)
        if isinstance(answer, Withheld):
            raise answer.refusal
        return _json(answer)


_INFO: Final = {
    "store_type": "pointsman",
    "version": __version__,
    "workspaces_enabled": True,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
    "artifacts_presigned_only": False,
}


def _no_spans() -> InvalidInput:
    """The answer to spans that are sent one by one: in these words, upon which MLflow's client
    puts all spans of a trace into a file, and sends no more."""
    return InvalidInput(
        "REST OTLP span logging is not supported.",
        code="spans_not_supported",
        hint="The spans of a trace are kept as a file; MLflow's client uploads it by itself.",
    )


def _origin(request: Request) -> str:
    """The address that a request came by, as far as it and a proxy before us tell; or nothing."""
    host = request.headers.get("host", "")
    said = request.headers.get("x-forwarded-proto", "").lower()
    scheme = said if said in ("http", "https") else request.scope["scheme"]
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else ""


def _reason(request: Request) -> str:
    """Why the request is made, if it says so. Raises `InvalidInput`."""
    said = request.headers.get(REASON, "")
    try:
        return check_reason(unquote(said, errors="strict"), field=REASON)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "The reason is not UTF-8 in percent-encoding.",
            code="invalid_reason_header",
            hint="Encode it as UTF-8, then percent-encode it.",
            field=REASON,
        ) from error


def _json(value: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), 200, headers, media_type="application/json")


def _problem(request: Request, error: PointsmanError) -> Response:
    status, headers, body = told(error)
    if status >= 500:
        _log.warning("%s: %s", request.scope["path"], error, exc_info=error)
    return Response(body, status, headers)


def _unexpected(request: Request, error: Exception) -> Response:
    """The response to what nobody foresaw: it tells nothing but where to look."""
    request_id = secrets.token_hex(8)
    _log.error("%s %s failed", request_id, request.scope["path"], exc_info=error)
    return _problem(
        request,
        PointsmanError(
            "The server failed on this request.",
            code="internal_error",
            hint=f"The server's log has the cause under {request_id}.",
        ),
    )
