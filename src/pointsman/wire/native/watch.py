"""Live push: the tail of the journal as server-sent events.

Each entry is encoded once, whoever listens. A listener that does not keep up is not waited
for: its queue is dropped and it is told to read again what it holds (`resync`).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from pointsman.app.application import Application, Caller
from pointsman.app.gate import CHANGING, Gate
from pointsman.app.tail import Tail
from pointsman.core.access import Actor, may
from pointsman.core.journal import Line
from pointsman.core.vocabulary import moment
from pointsman.wire.running import Runner

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

HEARTBEAT = 10.0
"""Seconds of silence after which a comment is sent, so that a dead line is noticed."""
MAX_WAITING = 1_000
"""Events that wait for one slow listener before it is told to start over."""
AT_ONCE = 100
"""Listeners that are told of an entry before the event loop does something else."""
MAX_REPLAY = 10_000
"""Entries that are replayed to a listener that comes back; beyond that it starts over."""
_TELLS = (
    *("kind", "name", "version", "digest", "key", "alias", "to", "revision"),
    *("evaluation", "outcome"),
)


class Hub:
    """All listeners of this node. Fed by the tail, drained by the event loop."""

    def __init__(
        self, app: Application, tail: Tail, gate: Gate, runner: Runner, store: str, epoch: str
    ) -> None:
        self._app = app
        self._tail = tail
        self._gate = gate
        self._runner = runner
        self._listeners: dict[int, set[_Listener]] = {}
        self._arrived: deque[tuple[int, _Said]] = deque()
        self._telling = _Said(b"", 0)
        self._round: list[_Listener] = []
        self._spreading = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beat: asyncio.Task[None] | None = None
        self._store = store
        self._epoch = epoch
        tail.listen(self._heard)

    @property
    def count(self) -> int:
        """How many listen now."""
        return sum(len(some) for some in self._listeners.values())

    def close(self) -> None:
        """End every stream."""
        if self._beat is not None:
            self._beat.cancel()
        for some in list(self._listeners.values()):
            for listener in list(some):
                listener.end()

    async def stream(
        self, caller: Caller, fingerprint: bytes, after: int | None, receive: Receive, send: Send
    ) -> None:
        """Send events until the listener goes away or its key is revoked.

        Raises `Unavailable`, before anything is sent, if what it missed can't be read.
        """
        self._loop = asyncio.get_running_loop()
        if self._beat is None:
            self._beat = self._loop.create_task(self._beats())
        listener = _Listener(fingerprint, caller.actor)
        project_id = caller.project.id
        # Listen first and read what was before second: an entry in between comes twice to
        # the queue at worst, and is left out by its number.
        self._listeners.setdefault(project_id, set()).add(listener)
        leaving = self._loop.create_task(_left(receive, listener))
        started = False
        try:
            seen = self._tail.seen(project_id)
            hello = {"seq": seen, "epoch": self._epoch, "store": self._store}
            first = _event("hello", hello)
            if after is not None and after < seen:
                first += await self._replay(caller, after, seen)
            elif after is not None and after > seen:
                # The listener knows more than this store: it was restored, or is another one.
                first += _event("resync", {"seq": seen})
            started = True
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"text/event-stream"),
                        (b"cache-control", b"no-store"),
                        (b"x-accel-buffering", b"no"),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": first, "more_body": True})
            await self._feed(listener, seen, send)
        finally:
            leaving.cancel()
            some = self._listeners.get(project_id, set())
            some.discard(listener)
            if started:
                with suppress(OSError):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _feed(self, listener: _Listener, seen: int, send: Send) -> None:
        while True:
            if not listener.waiting and not listener.lost:
                await listener.wait()
            if listener.ended:
                return
            if listener.lost:
                listener.lost = False
                listener.waiting.clear()
                # What arrives later but came before the resync is part of it.
                seen = self._tail_of(listener)
                body = _event("resync", {"seq": seen})
            else:
                parts = []
                while listener.waiting:
                    seq, text = listener.waiting.popleft()
                    if seq > seen or seq == 0:
                        parts.append(text)
                body = b"".join(parts)
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": True})

    def _tail_of(self, listener: _Listener) -> int:
        for project_id, some in self._listeners.items():
            if listener in some:
                return self._tail.seen(project_id)
        return 0

    async def _replay(self, caller: Caller, after: int, until: int) -> bytes:
        if until - after > MAX_REPLAY:
            return _event("resync", {"seq": until})

        def read() -> bytes:
            with self._app.store.read() as reader:
                lines = reader.lines(caller.project.id, after, until - after)
            said = (_said(line) for line in lines)
            return b"".join(one.text for one in said if _for(caller.actor, one))

        return await self._runner.off_loop(read)

    def _heard(self, project_id: int, lines: Sequence[Line]) -> None:
        """Called by the tail on the committing thread: encode once, wake the loop once."""
        loop = self._loop
        if loop is None:
            return
        if any(line.type in CHANGING for line in lines):
            # People are of the whole installation: they may be listening to any project.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._turn_away)
        if not self._listeners.get(project_id):
            return
        for line in lines:
            self._arrived.append((project_id, _said(line)))
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(self._spread)

    def _turn_away(self) -> None:
        """End the streams whose keys the gate no longer knows; others may come again."""
        for some in self._listeners.values():
            for listener in list(some):
                if self._gate.remembered(listener.fingerprint) is None:
                    listener.end()

    def _spread(self) -> None:
        """Go on telling, unless that is under way."""
        if not self._spreading:
            self._tell_some()

    def _tell_some(self) -> None:
        """Tell so many listeners, then let others have a turn: who moved the alias first."""
        for _ in range(AT_ONCE):
            while not self._round and self._arrived:
                project_id, self._telling = self._arrived.popleft()
                self._round = list(self._listeners.get(project_id, ()))
            if not self._round:
                break
            listener, said = self._round.pop(), self._telling
            if not listener.narrow or _for(listener.actor, said):
                listener.put(said.seq, said.text)
        self._spreading = bool(self._round or self._arrived)
        if self._spreading:
            asyncio.get_running_loop().call_soon(self._tell_some)

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            for some in self._listeners.values():
                for listener in list(some):
                    if self._gate.remembered(listener.fingerprint) is None:
                        listener.end()  # revoked, expired, or forgotten: it may come again
                    elif not listener.waiting:
                        listener.put(0, b": \n\n")


class _Listener:
    """One stream's queue, and the future that its task waits on."""

    __slots__ = ("_wake", "actor", "ended", "fingerprint", "lost", "narrow", "waiting")

    def __init__(self, fingerprint: bytes, actor: Actor) -> None:
        self.fingerprint = fingerprint
        self.actor = actor
        self.narrow = actor.narrow
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.lost = False
        self.ended = False
        self._wake: asyncio.Future[None] | None = None

    def put(self, seq: int, text: bytes) -> None:
        if len(self.waiting) >= MAX_WAITING:
            self.lost = True
        else:
            self.waiting.append((seq, text))
        self._stir()

    def end(self) -> None:
        self.ended = True
        self._stir()

    async def wait(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


async def _left(receive: Receive, listener: _Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


class _Said(NamedTuple):
    """An entry as it is told, and the artifact that it is about."""

    text: bytes
    seq: int
    kind: str = ""
    name: str = ""


def _for(actor: Actor, said: _Said) -> bool:
    """Whether a listener may hear this: who sees a part only hears of artifacts in it."""
    if not actor.narrow:
        return True
    return bool(said.name) and may(actor, "read", said.kind, said.name).allowed


def _said(line: Line) -> _Said:
    fact = json.loads(line.data)
    event: dict[str, Any] = {"seq": line.seq, "at": moment(line.at), "type": line.type}
    for name in _TELLS:
        if name in fact:
            event[name] = fact[name]
    text = b"id: %d\nevent: entry\ndata: %b\n\n" % (line.seq, msgspec.json.encode(event))
    if line.artifact is None:
        return _Said(text, line.seq)
    return _Said(text, line.seq, fact.get("kind", ""), fact.get("name", ""))


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
