"""Files of runs, logged models and versions: `mlflow-artifacts/artifacts/…`, which streams."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pointsman.app.application import Application, Caller
from pointsman.app.tracking import files
from pointsman.core.access import may
from pointsman.core.vocabulary import Verb
from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.fields import from_query
from pointsman.wire.running import Runner, Write
from pointsman.wire.streaming import Carrier

PREFIXES: Final = (
    "/api/2.0/mlflow-artifacts/artifacts",
    "/ajax-api/2.0/mlflow-artifacts/artifacts",
)
VERBS: Final[dict[str, Verb]] = {"GET": "read", "HEAD": "read", "PUT": "write", "DELETE": "write"}
"""What a caller must be allowed at least, by method."""


class Artifacts:
    """Answers for files; a path is decoded once, and then has to be one of ours as it is."""

    def __init__(self, app: Application, runner: Runner) -> None:
        self._app = app
        self._runner = runner
        self._carrier = Carrier(app)

    @staticmethod
    def place(raw: str) -> str | None:
        """What follows the prefix in a path as it was sent; None if it isn't one for files."""
        for prefix in PREFIXES:
            if raw == prefix or raw.startswith(f"{prefix}/"):
                return raw[len(prefix) + 1 :]
        return None

    async def answer(self, request: Request, caller: Caller, place: str) -> Response:
        """Answer a request about files. Raises what the use cases do."""
        verb = VERBS.get(request.method)
        if verb is None:
            raise InvalidInput(
                f"{request.method} is not possible here.",
                code="method_not_allowed",
                hint=f"Possible: {', '.join(sorted(VERBS))}.",
                details={"allow": sorted(VERBS)},
            )
        may(caller.actor, verb).enforce()
        if not place and request.method == "GET":
            return _json(await self._listed(request, caller))
        path = _decoded(place)
        if request.method == "PUT":
            await self._carrier.take(
                request, lambda size: files.Intake(self._app, caller, path, size)
            )
            return _json({})
        if request.method == "DELETE":
            await self._runner.run(
                caller, Write(lambda work: files.remove(work, path.rstrip("/"))), None
            )
            return _json({})
        file = await self._runner.off_loop(
            lambda: self._app.read(caller, lambda view: files.find(view, path))
        )
        return await self._carrier.hand_out(request, file)

    def close(self) -> None:
        """Let the threads go."""
        self._carrier.close()

    async def _listed(self, request: Request, caller: Caller) -> dict[str, Any]:
        said = from_query(request.scope["query_string"]).get("path", "")
        folder = str(said).rstrip("/")
        if not folder:
            return {}
        entries = await self._runner.off_loop(
            lambda: self._app.read(caller, lambda view: files.listed(view, folder))
        )
        told = [
            {"path": one.name, "is_dir": True}
            if one.size is None
            else {"path": one.name, "is_dir": False, "file_size": one.size}
            for one in entries
        ]
        return {"files": told} if told else {}


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "The path is not UTF-8 in percent-encoding.",
            code="invalid_path",
            hint="Encode each name as UTF-8, then percent-encode it.",
            field="path",
        ) from error


def _json(value: object) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(msgspec.json.encode(value), 200, headers, media_type="application/json")
