"""The operations that carry files: they stream, where all others speak JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pointsman.app.application import Application, Caller
from pointsman.app.blobs import find_blob, find_file
from pointsman.app.gate import Gate
from pointsman.core.access import may
from pointsman.core.names import check_name, check_version_number
from pointsman.core.vocabulary import Verb
from pointsman.errors import NotFound, PointsmanError
from pointsman.wire.native import shapes
from pointsman.wire.native.endpoint import QueryReader, admit, problem, unquoted
from pointsman.wire.native.paths import Paths
from pointsman.wire.native.route import whole
from pointsman.wire.running import Runner
from pointsman.wire.streaming import Carrier

_no_query = QueryReader(shapes.NoQuery)


@dataclass(frozen=True, slots=True)
class Stream:
    """An operation that carries a file; see `route.Route`."""

    method: Literal["GET", "PUT", "HEAD"]
    path: str
    verb: Verb
    summary: str


STREAMS: tuple[Stream, ...] = (
    Stream("PUT", "/blobs/{sha256}", "write", "Upload a file"),
    Stream("HEAD", "/blobs/{sha256}", "write", "Ask whether a file is there"),
    Stream(
        "GET",
        "/artifacts/model/{name}/versions/{number}/files/{path}",
        "read",
        "Download a file of a version",
    ),
)
UPLOAD, ASK, DOWNLOAD = STREAMS


class FileEndpoints:
    """Uploads and downloads over HTTP."""

    def __init__(self, app: Application, gate: Gate, runner: Runner) -> None:
        self._app = app
        self._gate = gate
        self._runner = runner
        self.carrier = Carrier(app)

    def add_to(self, paths: Paths) -> None:
        """Have the operations answered at their paths."""
        answerers = {UPLOAD: self._upload, ASK: self._ask, DOWNLOAD: self._download}
        for stream, answerer in answerers.items():
            paths.add(stream.method, f"/api/v1{stream.path}", answerer)

    def close(self) -> None:
        """Let the threads go."""
        self.carrier.close()

    async def _upload(self, request: Request) -> Response:
        try:
            caller, path = await self._admit(request, UPLOAD)
            stored = await self.carrier.take_in(request, caller, path["sha256"])
        except PointsmanError as error:
            return problem(request, error)
        except ClientDisconnect:
            return Response(status_code=499)
        status = 201 if stored.created else 200
        return Response(msgspec.json.encode(stored), status, media_type="application/json")

    async def _ask(self, request: Request) -> Response:
        try:
            caller, path = await self._admit(request, ASK)
            found = await self.carrier.off_loop(
                lambda: find_blob(self._app, caller, path["sha256"])
            )
            if found is None:
                raise NotFound(
                    "The file is not in the registry.",
                    code="blob_not_found",
                    hint="Upload it: PUT /api/v1/blobs/{sha256}.",
                    field="sha256",
                )
        except PointsmanError as error:
            return problem(request, error)
        headers = {"content-length": str(found.size), "cache-control": "no-store"}
        return Response(status_code=200, headers=headers, media_type="application/octet-stream")

    async def _download(self, request: Request) -> Response:
        try:
            caller, path = await self._admit(request, DOWNLOAD)
            name = check_name(path["name"])
            number = check_version_number(whole(path["number"], "version"))
            file = await self._runner.off_loop(
                lambda: self._app.read(
                    caller, lambda view: find_file(view, name, number, path["path"])
                )
            )
            return await self.carrier.hand_out(request, file)
        except PointsmanError as error:
            return problem(request, error)

    async def _admit(self, request: Request, stream: Stream) -> tuple[Caller, dict[str, str]]:
        """Who asks, and the variable parts of the path."""
        admitted = await admit(request, self._gate, self._runner)
        may(admitted.caller.actor, stream.verb).enforce()
        _no_query.read(request.scope["query_string"])
        return admitted.caller, {k: unquoted(v) for k, v in request.path_params.items()}
