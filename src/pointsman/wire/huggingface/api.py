"""Downloads as from a Hugging Face Hub, as an ASGI application: models for its own clients.

Clients ask what a revision means, list the files of that commit, and fetch each of them. What
a revision means is looked up with each request, so a moved alias is seen by the next one; what
was looked up stays: a file asked for by an alias is a redirect to the file of the commit, so
that bytes come from the version whose digest was told, whatever moves meanwhile.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pointsman.app.application import Application, Caller, View
from pointsman.app.blobs import File
from pointsman.app.gate import Gate
from pointsman.core.access import may
from pointsman.errors import (
    InvalidInput,
    NotFound,
    PointsmanError,
    Unauthenticated,
)
from pointsman.wire.huggingface import lookups, routes, shapes
from pointsman.wire.huggingface.errors import told
from pointsman.wire.huggingface.lookups import MAIN, Found
from pointsman.wire.huggingface.routes import Matched
from pointsman.wire.running import Runner, admit_secret, body_of
from pointsman.wire.streaming import Carrier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Counting = Callable[[Scope, Send], Send]

MAX_BODY: Final = 1 << 20
MAX_PATHS: Final = 1_000
_HINT: Final = "Set HF_TOKEN to a key of the registry, which begins with pm_."
_OTHERS: Final = ("/api/datasets/", "/api/spaces/", "/api/kernels/")
_log = logging.getLogger(__name__)


class HuggingFaceApi:
    """Everything at the paths where clients expect a Hub of models."""

    def __init__(
        self, app: Application, gate: Gate, runner: Runner, carrier: Carrier, counting: Counting
    ) -> None:
        """`counting` makes a `send` that counts the answers."""
        self._app = app
        self._gate = gate
        self._runner = runner
        self._carrier = carrier
        self._counting = counting

    @staticmethod
    def answers(path: bytes) -> bool:
        """Whether a path, as it was sent, is one of a Hub."""
        return routes.answers(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every error becomes one of a Hub."""
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

    async def _answer(self, request: Request) -> Response:
        matched = _matched(request)
        caller = await self._caller(request)
        may(caller.actor, matched.route.verb).enforce()
        parts = {"revision": MAIN, "path": "", **matched.parts}
        if matched.route.does == "file":
            return await self._file(request, caller, parts)
        if matched.route.does == "paths":
            asked = _pairs(await body_of(request, MAX_BODY))
            wanted = [value for name, value in asked if name == "paths"]
            return await self._read(caller, lambda view: _paths(view, parts, wanted, dict(asked)))
        query = dict(_pairs(request.scope["query_string"]))
        if matched.route.does == "tree":
            return await self._read(caller, lambda view: _tree(view, parts, query))
        return await self._read(caller, lambda view: _info(view, parts, query))

    async def _read(self, caller: Caller, use_case: Callable[[View], Any]) -> Response:
        """The answer of a use case that reads, as JSON."""

        def answered() -> bytes:
            return msgspec.json.encode(self._app.read(caller, use_case))

        headers = {"cache-control": "no-store"}
        body = await self._runner.off_loop(answered)
        return Response(body, 200, headers, media_type="application/json")

    async def _file(self, request: Request, caller: Caller, parts: Mapping[str, str]) -> Response:
        """A file of a commit, or where it is if the revision is none."""

        def look(view: View) -> tuple[Found, File | NotFound]:
            found = lookups.find(view, parts["repo"], parts["revision"])
            try:
                return found, lookups.file(view, found, parts["path"])
            except NotFound as error:
                return found, error

        found, file = await self._runner.off_loop(lambda: self._app.read(caller, look))
        if isinstance(file, NotFound):
            response = _problem(request, file)
        elif lookups.is_commit(parts["revision"]):
            response = await self._carrier.hand_out(request, file)
        else:
            place = routes.file_path(found.artifact.name, found.commit, parts["path"])
            headers = {"location": place, "cache-control": "no-store"}
            response = Response(status_code=307, headers=headers)
        # Clients remember by the commit that a file is not there, too.
        response.headers["x-repo-commit"] = found.commit
        if isinstance(file, File):
            response.headers["x-linked-etag"] = f'"{file.sha256}"'
            response.headers["x-linked-size"] = str(file.size)
        return response

    async def _caller(self, request: Request) -> Caller:
        """Who asks. Raises `Unauthenticated`, or `Refused` for a project that is not theirs."""
        said = request.headers.get("authorization", "")
        scheme, _, secret = said.partition(" ")
        if not said:
            raise Unauthenticated("The request has no key.", code="no_key", hint=_HINT)
        if scheme.lower() != "bearer" or not secret.isascii():
            raise Unauthenticated(
                "The Authorization header is not a bearer key.",
                code="invalid_authorization",
                hint=_HINT,
            )
        project = request.headers.get("pointsman-project", "")
        admitted = await admit_secret(secret.strip(), project, self._gate, self._runner)
        return admitted.caller


def _info(view: View, parts: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    found = lookups.find(view, parts["repo"], parts["revision"])
    files = lookups.known_files(view, found)
    content = lookups.content(view, found)
    sizes = _is_set(query, "blobs")
    return shapes.model_info(found.artifact, found.row, content, files, sizes=sizes)


def _tree(view: View, parts: Mapping[str, str], query: Mapping[str, str]) -> list[dict[str, Any]]:
    found = lookups.find(view, parts["repo"], parts["revision"])
    folder = parts["path"]
    listed = shapes.tree(
        lookups.files(view, found),
        found.row,
        folder=folder,
        recursive=_is_set(query, "recursive"),
        expand=_is_set(query, "expand"),
    )
    if not listed:
        lookups.file(view, found, folder)  # raises, unless it is a file
        raise NotFound(
            f"{folder} is a file of {found.artifact.name}:{found.row.number}, not a folder.",
            code="file_not_found",
            hint="Name a folder, or ask for the file.",
            field="path",
        )
    return listed


def _paths(
    view: View, parts: Mapping[str, str], wanted: list[str], asked: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What is known of some paths; those that are not there are left out, as a Hub does."""
    if len(wanted) > MAX_PATHS:
        raise InvalidInput(
            f"{len(wanted):,} paths are asked for.",
            code="too_many_paths",
            hint=f"Ask for at most {MAX_PATHS:,} at a time.",
            field="paths",
        )
    found = lookups.find(view, parts["repo"], parts["revision"])
    files = lookups.files(view, found)
    expand = _is_set(asked, "expand")
    told_of = (shapes.entry(files, found.row, path, expand=expand) for path in wanted)
    return [one for one in told_of if one is not None]


def _matched(request: Request) -> Matched:
    """The operation that is asked for. Raises `NotFound` and `InvalidInput`."""
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    allowed: set[str] = set()
    for matched in routes.matching(path):
        if request.method in matched.route.methods:
            return matched
        allowed |= set(matched.route.methods)
    if allowed:
        raise InvalidInput(
            f"{request.method} is not possible here.",
            code="method_not_allowed",
            hint=f"Possible: {', '.join(sorted(allowed))}.",
            details={"allow": sorted(allowed)},
        )
    if path.startswith(_OTHERS):
        raise NotFound(
            "Clients of a Hugging Face Hub find models here, and nothing else.",
            code="artifact_not_found",
            hint="Leave out repo_type.",
        )
    raise NotFound(
        "There is nothing at this address.",
        code="no_such_address",
        hint="Pointsman answers clients of a Hugging Face Hub for downloads of models; "
        "publish with `pointsman push`.",
    )


def _pairs(text: bytes) -> list[tuple[str, str]]:
    """The fields of a query or a form. Raises `InvalidInput`."""
    try:
        return parse_qsl(
            text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=2_000
        )
    except ValueError as error:
        raise InvalidInput(
            "The parameters are not UTF-8 in percent-encoding, or too many.",
            code="invalid_query",
            hint="Percent-encode each value as UTF-8, and ask for less at once.",
        ) from error


def _is_set(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "").lower() in ("true", "1")


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
