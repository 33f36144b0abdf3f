"""How far an evaluation is, as server-sent events until it ends.

Progress is no entry of the journal, so no stream of entries tells of it: it is looked at twice
a second for whoever listens, by the listener's key, which may be revoked meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pointsman.app.evaluating import runs
from pointsman.app.gate import Gate
from pointsman.core.evaluation import Evaluation
from pointsman.core.plain import to_plain
from pointsman.errors import PointsmanError, Refused
from pointsman.wire.native.endpoint import admit, problem
from pointsman.wire.native.paths import Paths
from pointsman.wire.native.route import Read, whole
from pointsman.wire.running import Runner

PATH: Final = "/evaluations/{evaluation}/events"
LOOK_EVERY: Final = 0.5
HEARTBEAT: Final = 10.0
"""Seconds without news after which a comment is sent, so that a dead line is noticed."""
MAX_LISTENERS: Final = 200
_GOING_ON: Final = ("queued", "running")
_encode = msgspec.json.encode


class ProgressEndpoint:
    """Answers with the progress of one evaluation."""

    def __init__(self, gate: Gate, runner: Runner) -> None:
        self._gate = gate
        self._runner = runner
        self._listeners = 0

    def add_to(self, paths: Paths) -> None:
        """Have the operation answered at its path."""
        paths.add("GET", f"/api/v1{PATH}", self._answer)

    async def _answer(self, request: Request) -> Response:
        try:
            number = whole(request.scope["path_params"]["evaluation"], "evaluation")
            first = await self._look(request, number)
            if self._listeners >= MAX_LISTENERS:
                raise Refused(
                    f"{MAX_LISTENERS} listen to the progress of evaluations already.",
                    code="too_many_listeners",
                    hint="Ask for the evaluation now and then instead.",
                )
        except PointsmanError as error:
            return problem(request, error)
        return StreamingResponse(
            self._events(request, first),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _events(self, request: Request, evaluation: Evaluation) -> AsyncIterator[bytes]:
        """An event whenever something has changed; the last one is the end."""
        self._listeners += 1
        try:
            told, silent = b"", 0.0
            while True:
                news = _told(evaluation)
                if news != told:
                    yield news
                    told, silent = news, 0.0
                elif silent >= HEARTBEAT:
                    yield b":\n\n"
                    silent = 0.0
                if evaluation.state not in _GOING_ON:
                    return
                await asyncio.sleep(LOOK_EVERY)
                silent += LOOK_EVERY
                try:
                    evaluation = await self._look(request, evaluation.number)
                except PointsmanError:
                    return  # the key was revoked, or the store is away: the listener comes back
        finally:
            self._listeners -= 1

    async def _look(self, request: Request, number: int) -> Evaluation:
        admitted = await admit(request, self._gate, self._runner)
        look = Read(lambda view: runs.show(view, number))
        evaluation: Evaluation = await self._runner.run(admitted.caller, look, None)
        return evaluation


def _told(evaluation: Evaluation) -> bytes:
    facts = to_plain(evaluation)
    del facts["report"]  # a listener that wants it asks for it
    kind = b"progress" if evaluation.state in _GOING_ON else b"ended"
    return b"event: " + kind + b"\ndata: " + _encode(facts) + b"\n\n"
