"""The two background threads of a client: one listens to the journal, one asks.

They are daemons and never hold up the end of a program. Whatever goes wrong in them leaves
what is held as it is; they try again later, after pauses that grow and differ from client
to client.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import threading
import time
import weakref
from typing import Any

from pointsman.errors import IntegrityError, PointsmanError, Unavailable
from pointsman.sdk.calls import NOT_A_REGISTRY, Line, Reply, Request, error_of
from pointsman.sdk.knowledge import Fact
from pointsman.sdk.reader import Reader
from pointsman.sdk.sse import EventParser, ServerEvent

SILENCE = 30.0
"""Seconds without a sign of life after which a stream is given up: three heartbeats."""
AT_ONCE = 4
"""Questions that are asked at the same time."""
SAVE_AFTER = 0.5
"""Seconds after a change until the snapshot is written, for others to come along."""
LONGEST_PAUSE = 30.0
_log = logging.getLogger("pointsman")


class Follower:
    """Keeps what a reader holds right until it is stopped."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._stopping = threading.Event()
        self._poked = threading.Event()
        self._reached = threading.Event()
        self._pause = reader.settings.pace.retry
        self._line: Line | None = None
        self._alive_at = time.monotonic()
        self._threads = [_thread(self._ask, "pointsman-refresh")]
        if reader.settings.follow:
            self._threads.append(_thread(self._listen, "pointsman-watch"))
        _followed.add(reader)

    def start(self) -> None:
        """Start the threads. Where there can't be any, what is held just gets old."""
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:
            _log.warning("Nothing will be followed: %s", error)

    def poke(self) -> None:
        """There may be something to do."""
        self._poked.set()

    def listen_now(self) -> None:
        """The registry can be reached again: don't wait any longer to listen."""
        self._reached.set()

    def stop(self, wait: float) -> None:
        """End the threads, and wait for that for `wait` seconds at most."""
        self._stopping.set()
        self._poked.set()
        self._reached.set()
        self._cut()
        deadline = time.monotonic() + wait
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    # The thread that asks

    def _ask(self) -> None:
        reader = self._reader
        while not self._stopping.is_set():
            self._poked.clear()
            try:
                reader.refresh(AT_ONCE)
                reader.tell_changes()
                if self._until_save() <= 0:
                    reader.save()
            except Exception:
                _log.exception("Refreshing failed.")
                self._stopping.wait(1.0)
            if self._line is not None and time.monotonic() - self._alive_at > SILENCE:
                self._cut()
            self._poked.wait(min(reader.next_look(), self._until_save(), SILENCE))

    def _until_save(self) -> float:
        since = self._reader.holding.unsaved_since
        if since is None or self._reader.settings.snapshot is None:
            return float("inf")
        return max(0.0, since + SAVE_AFTER - time.monotonic())

    # The thread that listens

    def _listen(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            error: PointsmanError | None = None
            try:
                self._listen_once()
            except PointsmanError as broken:
                error = broken
            except Exception as unexpected:
                _log.exception("Following the journal failed.")
                error = PointsmanError(f"Following the journal failed: {unexpected!r}.")
            finally:
                self._line = None
            holding = self._reader.holding
            with holding.lock:
                failures = 0 if holding.cache.connected else failures + 1
                holding.cache.hung_up(None if self._stopping.is_set() else error)
            self._poked.set()
            longest = min(self._pause * 2.0 ** min(failures, 10), LONGEST_PAUSE)
            self._reached.clear()
            if not self._stopping.is_set():
                self._reached.wait(longest * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def _listen_once(self) -> None:
        """Follow one stream to its end."""
        reader = self._reader
        with reader.holding.lock:
            after = reader.holding.cache.position
        query = () if after is None else (("after", str(after)),)
        request = Request("GET", "/watch", query, headers={"Accept": "text/event-stream"})
        self._alive_at = time.monotonic()
        line = self._line = Line()
        stream = reader.transport.stream(request, SILENCE, line)
        if isinstance(stream, Reply):
            raise error_of(stream)
        try:
            parser = EventParser()
            while not self._stopping.is_set():
                data = stream.read()
                if not data:
                    raise Unavailable("The stream has ended.", code="stream_ended")
                lines = parser.lines
                events = parser.feed(data)
                if parser.lines > lines:
                    self._alive_at = time.monotonic()
                if events and not self._heed(events, after):
                    return
        finally:
            stream.close()

    def _heed(self, events: list[ServerEvent], after: int | None) -> bool:
        """Pass on what the stream tells. False if another stream is needed."""
        holding = self._reader.holding
        with holding.lock:
            cache = holding.cache
            for event in events:
                if event.type == "hello":
                    seq, epoch = read_hello(event.data)
                    if not cache.hello(seq, epoch, after):
                        return False
                elif event.type == "entry" and cache.connected:
                    cache.heard(read_fact(event.data))
                elif event.type == "resync" and cache.connected:
                    cache.resync(_number(_object(event.data), "seq"))
        self._poked.set()
        return True

    def _cut(self) -> None:
        line = self._line
        if line is not None:
            line.cut()


def read_hello(data: str) -> tuple[int, str]:
    """The journal's head, and which journal it is. Raises `IntegrityError`."""
    hello = _object(data)
    return _number(hello, "seq"), f"{_text(hello, 'store')}.{_text(hello, 'epoch')}"


def read_fact(data: str) -> Fact:
    """A journal entry as the stream tells it. Raises `IntegrityError`."""
    entry = _object(data)
    version = entry.get("version")
    alias = entry.get("alias")
    return Fact(
        seq=_number(entry, "seq"),
        type=_text(entry, "type"),
        kind=_text(entry, "kind"),
        name=_text(entry, "name"),
        alias=alias if isinstance(alias, str) else None,
        version=version if type(version) is int else None,
    )


def _object(data: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _unexpected()
    return value


def _number(source: dict[str, Any], key: str) -> int:
    value = source.get(key)
    if type(value) is not int or not 0 <= value < 2**53:
        raise _unexpected()
    return value


def _text(source: dict[str, Any], key: str) -> str:
    value = source.get(key)
    return value if isinstance(value, str) else ""


def _unexpected() -> IntegrityError:
    return IntegrityError(
        "The stream tells something that is no journal entry.",
        code="unexpected_answer",
        hint=NOT_A_REGISTRY,
    )


def _thread(target: Any, name: str) -> threading.Thread:
    return threading.Thread(target=target, name=name, daemon=True)


# Forking: no lock may be held by a thread that the child does not have. Only readers that
# are followed have other threads.

_followed: weakref.WeakSet[Reader] = weakref.WeakSet()
_forking: list[Reader] = []
_one_fork = threading.Lock()


def _before_fork() -> None:
    _one_fork.acquire()
    _forking[:] = list(_followed)
    for reader in _forking:
        reader.holding.lock.acquire()


def _after_fork_in_parent() -> None:
    for reader in _forking:
        reader.holding.lock.release()
    _forking.clear()
    _one_fork.release()


def _after_fork_in_child() -> None:
    transport = sys.modules.get("pointsman.sdk.transport")
    if transport is not None:  # else there has been no connection yet
        transport.drop_all_connections()
    for reader in _forking:
        reader.begin_anew()
    _forking.clear()
    _one_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
