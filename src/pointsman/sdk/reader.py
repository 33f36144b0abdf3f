"""How an application reads: what `Client` and `AsyncClient` have in common.

A `Reader` joins the cache, which decides, to what the cache must not know: the network, the
file system, locks. Each question to the registry is a `Flight` on a thread of its own, of
which there is one at most for each selector, so that whoever waits for it can stop waiting
when its time is up, whatever the network does.
"""

from __future__ import annotations

import copy
import logging
import os
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.errors import InvalidInput, NotFound, PointsmanError, Unavailable
from pointsman.sdk import snapshot
from pointsman.sdk.answers import Ready, RefusedError, ask, fallback_prompt, prompt_selector, ready
from pointsman.sdk.cache import Answer, Cache, Pace, Replaced, Status, Subject
from pointsman.sdk.calls import Reply, Request, drive

if TYPE_CHECKING:
    from pointsman.sdk.follow import Follower
    from pointsman.sdk.transport import Line, Transport

T = TypeVar("T")

ATTEMPTS = 3
"""Flights that one read waits for at most, if the first brings nothing that can be used."""
MAX_FALLBACKS = 1_000
_log = logging.getLogger("pointsman")


@dataclass(frozen=True, slots=True)
class Change:
    """A selector means something else now. `after` is None if it means nothing any more.

    For a split, both are what a reader without a key gets.
    """

    selector: str
    before: Prompt | None
    after: Prompt | None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was told; see `Client`."""

    url: str
    key: str
    timeout: float
    pace: Pace
    snapshot: Path | None
    bundle: Path | None
    preload: tuple[str, ...]
    follow: bool


class Flight:
    """A question on its way, and the future that is done when it is over."""

    def __init__(self, name: str, line: Line, deadline: float) -> None:
        self.name = name
        self.line = line
        self.deadline = deadline
        self.done: Future[PointsmanError | None] = Future()
        self.done.set_running_or_notify_cancel()


Wait: TypeAlias = "tuple[Flight, float]"
"""A flight, and for how many seconds to wait for it at most."""


class Reader:
    """See the head of this file. `held` is what can be handed out without a thought."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.held: dict[str, Prompt] = {}
        self.lock = threading.Lock()
        self.cache = Cache(time.monotonic, random.random, settings.pace)
        self.changes: deque[Replaced] = deque()
        self.closed = False
        self.unsaved = False
        self.anyone = secrets.token_hex(8)
        """Stands for the readers without a key: one process is one of them."""
        self._ready: dict[str, Ready] = {}
        self._spellings: dict[str, set[str]] = {}
        self._flights: dict[str, Flight] = {}
        self._fallbacks: dict[tuple[str, str], Prompt] = {}
        self._shelf = self._read_files()
        self._callbacks: list[tuple[str | None, Callable[[Change], object]]] = []
        self._transport: Transport | None = None
        self._follower: Follower | None = None
        self._preloaded = [prompt_selector(text) for text in settings.preload]
        _readers.add(self)
        if self._preloaded:
            self.start()

    # Reading

    def asking(
        self, text: str, key: str | None, fallback: Any
    ) -> Generator[Wait, None, Prompt]:
        """The prompt for a selector: the rest of `get`, for what is not simply at hand.

        Yields what to wait for. Raises what `Client.get` says.
        """
        selector = prompt_selector(text)
        try:
            found = yield from self._asking(text, selector, patient=fallback is None)
        except InvalidInput:
            raise
        except PointsmanError as error:
            if fallback is None:
                raise
            return self._fallback(selector, fallback, error)
        return found.pick(key if key is not None else self.anyone)

    def resolved(self, texts: Iterable[str]) -> Generator[Wait, None, dict[str, Answer]]:
        """What is held for these selectors, asking for what isn't."""
        found = {}
        for text in texts:
            selector = prompt_selector(text)
            ready = yield from self._asking(text, selector, patient=True)
            found[str(selector)] = ready.answer
        return found

    def wait_until_ready(self, timeout: float) -> Generator[Wait, None, bool]:
        """Wait for one round of questions about what is preloaded; see `Client.wait_ready`."""
        deadline = time.monotonic() + timeout
        self.start()
        with self.lock:
            flights = [
                self._fly(str(one))
                for one in self._preloaded
                if self.cache.status(str(one)).source != "network"
            ]
        self._take_off(flights)
        for flight in flights:
            yield flight, max(0.0, deadline - time.monotonic())
        with self.lock:
            return all(str(one) in self._ready for one in self._preloaded)

    def status(self, text: str | None) -> Status:
        """See `Client.status`."""
        name = None if text is None else str(prompt_selector(text))
        with self.lock:
            return self.cache.status(name)

    def on_change(
        self, callback: Callable[[Change], object], text: str | None
    ) -> Callable[[], None]:
        """See `Client.on_change`."""
        entry = (None if text is None else str(prompt_selector(text)), callback)
        with self.lock:
            self._callbacks.append(entry)
        self.start()

        def stop() -> None:
            with self.lock, suppress(ValueError):
                self._callbacks.remove(entry)

        return stop

    def doubt(self, subjects: Iterable[Subject]) -> None:
        """The application has changed these artifacts itself: its next read must show it."""
        with self.lock:
            for name in self.cache.doubt(subjects):
                for spelling in self._spellings.get(name, ()):
                    self.held.pop(spelling, None)

    # Talking to the registry

    def send(self, request: Request, timeout: float, line: Line | None = None) -> Reply:
        """Send one request. Raises `Unavailable`, also if the client has been closed."""
        if self.closed:
            raise _closed()
        return self.transport.send(request, timeout, line)

    @property
    def transport(self) -> Transport:
        """Made when it is first needed: loading what it needs takes longer than a request."""
        transport = self._transport
        if transport is None:
            from pointsman.sdk.transport import Transport  # noqa: PLC0415

            transport = self._transport = Transport(self.settings.url, self.settings.key)
        return transport

    def refresh(self, limit: int) -> None:
        """Ask what is due, with at most `limit` questions at a time; cut those overdue."""
        with self.lock:
            now = time.monotonic()
            for flight in self._flights.values():
                if now > flight.deadline:
                    flight.line.cut()
            room = limit - len(self._flights)
            due = self.cache.due(self._flights)[: max(0, room)]
            flights = [self._fly(name) for name in due]
        self._take_off(flights)

    def next_look(self) -> float | None:
        """Seconds until `refresh` has something to do."""
        with self.lock:
            times = [flight.deadline for flight in self._flights.values()]
            due = self.cache.next_due(self._flights)
            if due is not None:
                times.append(due)
        return max(0.0, min(times) - time.monotonic()) if times else None

    # Living

    def start(self) -> None:
        """Have what is held followed, on threads that are started at the first use."""
        if self._follower is not None or self.closed:
            return
        from pointsman.sdk.follow import Follower  # noqa: PLC0415

        with self.lock:
            if self._follower is not None or self.closed:
                return
            for selector in self._preloaded:
                self._track(selector)
            follower = self._follower = Follower(self)
        follower.start()

    def poke(self) -> None:
        """Have the follower look at what there is to do."""
        follower = self._follower
        if follower is not None:
            follower.poke()

    def tell_changes(self) -> None:
        """Call back for what has changed. What a callback raises is logged."""
        while self.changes:
            replaced = self.changes.popleft()
            change = Change(
                replaced.selector, self._shown(replaced.before), self._shown(replaced.after)
            )
            with self.lock:
                callbacks = list(self._callbacks)
            for selector, callback in callbacks:
                if selector in (None, change.selector):
                    try:
                        callback(change)
                    except Exception:
                        _log.exception("A callback for %s failed.", change.selector)

    def save(self) -> None:
        """Write the snapshot, if there is something new. Failing to is logged."""
        path = self.settings.snapshot
        if path is None or not self.unsaved:
            return
        wall = time.time() - time.monotonic()
        with self.lock:
            self.unsaved = False
            held = self.cache.answers()
            removed = self.cache.removed()
        answers = {
            name: replace(answer, asked_at=answer.asked_at + wall)
            for name, answer in held.items()
            if answer.source == "network"
        }
        try:
            snapshot.merge(path, answers, removed, time.time())
        except OSError as error:
            _log.warning("The snapshot %s can't be written: %s", path, error)

    def close(self, wait: float = 0.0) -> None:
        """Stop following, write the snapshot, let go of connections."""
        with self.lock:
            if self.closed:
                return
            self.closed = True
            follower, self._follower = self._follower, None
            flights = list(self._flights.values())
        for flight in flights:
            flight.line.cut()
        if follower is not None:
            follower.stop(wait)
        deadline = time.monotonic() + wait
        for flight in flights:
            with suppress(TimeoutError):
                flight.done.result(max(0.0, deadline - time.monotonic()))
        self.save()
        if self._transport is not None:
            self._transport.close()

    def begin_anew(self) -> None:
        """In a forked child: nothing of the parent's threads, locks and sockets is of use."""
        self.lock = threading.Lock()
        self._transport = self._follower = None
        self._flights = {}
        self.changes.clear()
        self.anyone = secrets.token_hex(8)
        self.cache.hung_up()
        self.cache.position = None
        # The next read of each selector takes the long way, which starts the threads again.
        self.held.clear()

    # How it is done

    def _asking(
        self, text: str, selector: Selector, *, patient: bool
    ) -> Generator[Wait, None, Ready]:
        name = str(selector)
        deadline = time.monotonic() + self.settings.timeout
        error: PointsmanError | None = None
        self.start()
        for _ in range(ATTEMPTS):
            with self.lock:
                tracked = self._track(selector)
                found = self._ready.get(name)
                if found is not None and not self.cache.must_ask(name):
                    self._spell(text, name, found)
                    return found
                missing = self.cache.missing(name)
                if missing is not None:
                    raise _fresh_copy(missing)
                if error is None and not patient and self.cache.paused():
                    error = self.cache.last_error
                    break
                flight = self._fly(name) if tracked and not self.closed else None
            if flight is None:
                if self.closed:
                    error = _closed()
                    break
                return self._ask_once(selector, deadline)
            self._take_off([flight])
            yield flight, max(0.0, deadline - time.monotonic())
            if not flight.done.done():
                error = Unavailable(
                    f"There was no answer to {name} within {self.settings.timeout:g} seconds.",
                    code="timeout",
                    hint="Give a fallback, or ship a bundle, to be independent of the network.",
                )
                break
            error = flight.done.result()
            if isinstance(error, Unavailable):
                break
        with self.lock:
            found = self._ready.get(name)
            if found is not None:  # better what was right a moment ago than nothing
                self._spell(text, name, found)
                return found
        if error is None:
            error = Unavailable(f"No answer to {name} could be used.", code="unexpected_answer")
        raise _fresh_copy(error)

    def _ask_once(self, selector: Selector, deadline: float) -> Ready:
        """Ask without holding the answer, for want of room."""

        def send(request: Request) -> Reply:
            return self.send(request, max(0.001, deadline - time.monotonic()))

        try:
            answer = drive_raw(ask(selector, None, time.monotonic()), send)
        except RefusedError as refused:
            raise refused.error from None
        return ready(answer)

    def _track(self, selector: Selector) -> bool:
        """Hold a selector from now on, beginning with what the files have for it."""
        name = str(selector)
        restored = self._shelf.pop(name, None)
        if restored is not None:
            try:
                self._ready[name] = ready(restored)
            except PointsmanError as error:
                _log.warning("What was stored for %s can't be used: %s", name, error)
                restored = None
        return self.cache.track(selector, restored)

    def _spell(self, text: str, name: str, found: Ready) -> None:
        """Have the next read of `text` answered by the mere lookup, unless it needs a key."""
        self._spellings.setdefault(name, {name}).add(text)
        if found.only is not None:
            self.held[text] = found.only

    def _fly(self, name: str) -> Flight:
        """The flight for a selector: the one on its way, or a new one (to be taken off)."""
        flight = self._flights.get(name)
        if flight is None:
            from pointsman.sdk.transport import Line  # noqa: PLC0415

            deadline = time.monotonic() + self.settings.timeout
            flight = self._flights[name] = Flight(name, Line(), deadline)
        return flight

    def _take_off(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            with self.lock:
                if getattr(flight, "_off", False):
                    continue
