"""Reads by selector, answered from memory: ready bytes, checked key, nothing else.

`Reads` answers `GET /api/v1/resolve/…` for any ASGI server. `hot_protocol` goes one step
further for uvicorn: a request whose exact bytes were understood before is answered as it
comes off the socket, before it is parsed again. Both look the key and the answer up anew each
time, so that a revocation or a move is seen by the very next request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from pointsman.app import reading
from pointsman.app.gate import Admitted, Gate, fingerprint_of
from pointsman.app.table import Table
from pointsman.wire.native.endpoint import lists
from pointsman.wire.native.protocol import CarefulProtocol, Teller, tell
from pointsman.wire.native.route import Call
from pointsman.wire.native.routes import RESOLVE
from pointsman.wire.running import Runner

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = b"/api/v1/resolve/"
MAX_MEMO = 16_384
MAX_REQUEST = 2_048
_CACHE_CONTROL = b"private, max-age=0, must-revalidate, stale-while-revalidate=86400"
_SAID = {b"accept", b"accept-encoding", b"host", b"user-agent", b"connection", b"authorization"}


class Ready:
    """An answer as bytes: its body, its headers, and both as one HTTP/1.1 response."""

    __slots__ = ("body", "etag", "headers", "not_modified", "response", "size")

    def __init__(self, body: bytes, seq: int, epoch: str) -> None:
        self.body = body
        self.etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        self.headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"etag", self.etag),
            (b"cache-control", _CACHE_CONTROL),
            (b"pointsman-seq", str(seq).encode()),
            (b"pointsman-epoch", epoch.encode()),
        ]
        head = b"".join(b"%b: %b\r\n" % pair for pair in self.headers)
        self.response = b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (head, body)
        kept = b"".join(
            b"%b: %b\r\n" % pair for pair in self.headers if not pair[0].startswith(b"content-")
        )
        self.not_modified = b"HTTP/1.1 304 Not Modified\r\n%b\r\n" % kept
        self.size = 2 * len(body) + 1_500


class Reads:
    """The read path: from the table where it can, from the store where it must."""

    def __init__(self, gate: Gate, table: Table[Ready], runner: Runner, epoch: str) -> None:
        self.gate = gate
        self.table = table
        self.epoch = epoch
        """Which journal the answers are by: the store's id, and how often it was restored."""
        self.served = 0
        self._runner = runner

    def from_memory(self, scope: Scope) -> tuple[Ready, bytes] | None:
        """The ready answer to a plain read and the ETag its sender has, if all is at hand."""
        if scope["query_string"] or scope["method"] != "GET":
            return None
        secret: bytes | None = None
        project = etag = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                if secret is not None:
                    return None
                secret = value
            elif name == b"if-none-match":
                etag = b"%b,%b" % (etag, value) if etag else value
            elif name == b"pointsman-project":
                if project:
                    return None
                project = value
        if secret is None:
            return None
        admitted = self.gate.remembered(fingerprint_of(secret[7:], project))
        if admitted is None or secret[:7].lower() != b"bearer ":
            return None
        path = scope["raw_path"]
        ready = self.table.get((admitted.caller.project.id, path))
        if ready is None or (admitted.narrow and admitted.readable.get(path) is not ready):
            return None
        return ready, etag

    async def answer(self, ready: Ready, etag: bytes, send: Send) -> None:
        """Send a ready answer through ASGI."""
        self.served += 1
        same = lists(etag, ready.etag)
        headers = ready.headers[2:] if same else ready.headers
        await send(
            {"type": "http.response.start", "status": 304 if same else 200, "headers": headers}
        )
        await send({"type": "http.response.body", "body": b"" if same else ready.body})

    async def prepare(
        self, call: Call, admitted: Admitted, raw_path: bytes, *, keep: bool
    ) -> Ready:
        """Read the answer from the store, and keep it for the next reader.

        Who sees a part of the project only is asked about here, by the use case, and then
        gets the same answer from memory for as long as it is the same.
        """
        caller = call.caller

        def read() -> tuple[Ready, frozenset[int]]:
            plan = RESOLVE.plan(call)
            resolved = self._runner.app.read(caller, plan.use_case)  # type: ignore[arg-type, union-attr]
            assert isinstance(resolved, reading.Resolved)
            body = msgspec.json.encode(resolved.resolution)
            return Ready(body, resolved.seq, self.epoch), resolved.artifacts

        generation = self.table.generation
        ready, artifacts = await self._runner.off_loop(read)
        if keep:
            place = (caller.project.id, raw_path)
            held = self.table.get(place) if admitted.narrow else None
            if held is not None and held.etag == ready.etag:
                ready = held  # others may be noted to be allowed this very one
            else:
                self.table.put(place, ready, artifacts, generation)
            if admitted.narrow:
                admitted.may_have(raw_path, ready)
        return ready


def hot_protocol(reads: Reads, tell: Teller = tell) -> type[CarefulProtocol]:
    """A protocol for uvicorn that answers repeated reads without parsing them again.

    What it can't parse is told by `tell`.

    A request is remembered (by the SHA-256 of its bytes, which hold a key) once uvicorn's
    parser has accepted it as one plain GET without a body. The next one with the same bytes,
    at a moment when a new message begins and nothing is being answered, means the same.
    """
    gate, table = reads.gate, reads.table
    # Request bytes → path, key's fingerprint, ETag that the sender has.
    memo: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    remembered, look_up, sha256 = gate.remembered, table.get, hashlib.sha256

    class HotProtocol(CarefulProtocol):
        teller = staticmethod(tell)
        _inside = False
        _candidate: bytes | None = None
        _last = 0.0

        def data_received(self, data: bytes) -> None:
            if self._inside or len(data) > MAX_REQUEST or not data.startswith(b"GET /api/v1/res"):
                super().data_received(data)
                return
            print_ = sha256(data).digest()
            known = memo.get(print_)
            if known is not None:
                path, key, etag = known
                cycle = self.cycle
                admitted = remembered(key)
                if (
                    admitted is not None
                    and (cycle is None or cycle.response_complete)
                    and not self.flow.write_paused
                ):
                    ready = look_up((admitted.caller.project.id, path))
                    if ready is not None and (
                        not admitted.narrow or admitted.readable.get(path) is ready
                    ):
                        reads.served += 1
                        self._last = self.loop.time()
                        if self.timeout_keep_alive_task is None:
                            # uvicorn starts the timer after an answer of its own.
                            self.timeout_keep_alive_task = self.loop.call_later(
                                self.timeout_keep_alive, self.timeout_keep_alive_handler
                            )
                        self.transport.write(
                            ready.not_modified if lists(etag, ready.etag) else ready.response
                        )
                        return
            elif data.endswith(b"\r\n\r\n") and data.count(b"\r\n\r\n") == 1:
                self._candidate = print_
            super().data_received(data)
            self._candidate = None

        def on_message_begin(self) -> None:
            self._inside = True
            super().on_message_begin()

        def on_message_complete(self) -> None:
            self._inside = False
            super().on_message_complete()

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            if self._candidate is not None:
                self._remember(self._candidate)

        def timeout_keep_alive_handler(self) -> None:
            # Requests answered above did not restart the timer: see if it is really idle.
            left = self._last + self.timeout_keep_alive - self.loop.time()
            if left > 0.01:
                self.timeout_keep_alive_task = self.loop.call_later(
                    left, self.timeout_keep_alive_handler
                )
            else:
                super().timeout_keep_alive_handler()

        def _remember(self, print_: bytes) -> None:
            if self.expect_100_continue or not self.parser.should_keep_alive():
                return
            meant = _plain_read(self.scope)
            if meant is None or remembered(meant[1]) is None:
                return
            if len(memo) >= MAX_MEMO:
                memo.clear()
            memo[print_] = meant

    return HotProtocol


def _plain_read(scope: Any) -> tuple[bytes, bytes, bytes] | None:
    """Path, key's fingerprint and ETag of a request that asks for nothing else but to read."""
    if scope["method"] != "GET" or scope["http_version"] != "1.1" or scope["query_string"]:
        return None
    secrets, project, etag = [], b"", b""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            etag = b"%b,%b" % (etag, value) if etag else value
        elif name == b"authorization":
            secrets.append(value)
        elif name == b"pointsman-project" and not project:
            project = value
        elif name not in _SAID:
            return None
    if len(secrets) != 1 or secrets[0][:7].lower() != b"bearer ":
        return None
    return scope["raw_path"], fingerprint_of(secrets[0][7:], project), etag
