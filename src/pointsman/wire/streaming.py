"""Files over HTTP, in either direction and of any size: a piece at a time, off the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from pointsman.app.application import Application, Caller
from pointsman.app.blobs import (
    SMALL,
    STEP,
    File,
    Stored,
    Upload,
    Verified,
    blobs_of,
    read_file,
)
from pointsman.app.ports.blobs import Blobs
from pointsman.errors import InvalidInput, PointsmanError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_THREADS: Final = 4
_RANGE: Final = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")
_log = logging.getLogger(__name__)


class Intake(Protocol[T_co]):
    """What takes bytes in: all of them, or nothing."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> T_co: ...
    def abort(self) -> None: ...


class Part(NamedTuple):
    """Which bytes of a file are asked for, and whether a range was."""

    start: int
    end: int
    ranged: bool


class Carrier:
    """Takes files in and hands them out, on threads of its own: nobody else waits for a disk."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._verified = Verified()
        self._checks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pointsman-files")

    async def take_in(self, request: Request, caller: Caller, sha256: str) -> Stored:
        """Store the body of a request. Raises what `Upload` does, and `ClientDisconnect`."""
        return await self.take(request, lambda size: Upload(self._app, caller, sha256, size))

    async def take(self, request: Request, opening: Callable[[int | None], Intake[T]]) -> T:
        """Have what `opening` gives for the announced size take in the body of a request.

        Raises what that does, and `ClientDisconnect`.
        """
        said = request.headers.get("content-length", "")
        size = int(said) if said.isascii() and said.isdecimal() else None
        upload = await self.off_loop(lambda: opening(size))
        try:
            async for piece in _pieces(request):
                await self.off_loop(lambda piece=piece: upload.write(piece))  # type: ignore[misc]
            return await self.off_loop(upload.finish)
        finally:
            await self.off_loop(upload.abort)

    async def hand_out(self, request: Request, file: File) -> Response:
        """The answer with a file, or with the part of it that is asked for.

        Raises `IntegrityError` if it is known to be damaged before the first byte of it is
        sent, `InvalidInput` for a range that lies outside of it, and `Unavailable`.
        """
        etag = f'"{file.sha256}"'
        headers = {
            "etag": etag,
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-type": "application/octet-stream",
            # Whatever is in it: a browser neither shows nor runs it.
            "content-disposition": "attachment",
            "x-content-type-options": "nosniff",
        }
        if _is_known(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        part = _part(request, etag, file.size)
        headers["content-length"] = str(part.end - part.start)
        if part.ranged:
            headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{file.size}"
        status = 206 if part.ranged else 200
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        blobs = await self.off_loop(lambda: blobs_of(self._app))
        pieces = read_file(blobs, file, self._verified, part.start, part.end)
        left = asyncio.ensure_future(_left(request))
        try:
            if part.ranged and file.size > SMALL:
                await asyncio.wait(
                    {left, check := self._check(blobs, file)},
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if check.done():
                    check.result()
            first: bytes | None = b""
            while first == b"" and not left.done():
                first = await self._next(pieces)
        except BaseException:
            left.cancel()
            raise
        return _Streamed(self._next, first, pieces, left, status, headers)

    def _check(self, blobs: Blobs, file: File) -> asyncio.Task[None]:
        """Sees that the whole of a file is good, once for all who ask for parts of it meanwhile.

        It goes on when they have left: a client that waits less long than it takes finds it
        done when it comes back.
        """
        key = (file.project, file.sha256)
        check = self._checks.get(key)
        if check is None:
            check = self._checks[key] = asyncio.ensure_future(self._read_through(blobs, file))
            check.add_done_callback(lambda done: self._checked(key, done))
        return check

    async def _read_through(self, blobs: Blobs, file: File) -> None:
        pieces = read_file(blobs, file, self._verified, 0, 1)
        while await self._next(pieces) is not None:
            pass

    def _checked(self, key: tuple[str, str], check: asyncio.Task[None]) -> None:
        del self._checks[key]
        if not check.cancelled() and (error := check.exception()) is not None:
            _log.error("A file can't be given in parts: %s", error)

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Run a function that may block on a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, contextvars.copy_context().run, work)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=True)

    async def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        return await self.off_loop(lambda: next(pieces, None))


class _Streamed(Response):
    """An answer in pieces. One that breaks off is seen to: it lacks bytes of its length."""

    def __init__(
        self,
        fetch: Callable[[Iterator[bytes]], Awaitable[bytes | None]],
        first: bytes | None,
        pieces: Iterator[bytes],
        left: asyncio.Future[None],
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._fetch = fetch
        self._piece = first
        self._pieces = pieces
        self._left = left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces as they come, while somebody takes them."""
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            while self._piece is not None and not self._left.done():
                body = {"type": "http.response.body", "body": self._piece, "more_body": True}
                await send(body)
                self._piece = await self._fetch(self._pieces)
            if self._piece is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except PointsmanError as error:
            _log.error("An answer was cut short: %s", error)
        finally:
            self._left.cancel()


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces worth a walk to the disk. Raises `ClientDisconnect`."""
    held: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        held.append(chunk)
        size += len(chunk)
        if size >= STEP:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)


def _is_known(said: str, etag: str) -> bool:
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in said.split(","))


def _part(request: Request, etag: str, size: int) -> Part:
    """The part that is asked for: the whole where the range is of another file, or several."""
    said = request.headers.get("range", "").strip()
    found = _RANGE.fullmatch(said)
    condition = request.headers.get("if-range")
    if found is None or (condition is not None and condition.strip() != etag):
        return Part(0, size, ranged=False)
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return Part(0, size, ranged=False)  # not a range: it is as if it was not there
    if start >= size or start >= end:
        raise InvalidInput(
            f"The file has {size:,} bytes; the range lies behind them.",
            code="range_not_satisfiable",
            hint="Ask for bytes that it has, or leave Range out.",
            field="Range",
            details={"size": size},
        )
    return Part(start, end, ranged=True)
