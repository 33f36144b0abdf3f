"""How an application reads: what `Client` and `AsyncClient` have in common.

Each question to the registry is a `Flight` on a thread of its own, of which there is one at
most for each selector, so that whoever waits for it can stop waiting when its time is up,
whatever the network does. Waiting itself is left to the clients: the generators here say
what for, and for how long.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.errors import PointsmanError, Unavailable
from pointsman.sdk import snapshot
from pointsman.sdk.answers import Ready, RefusedError, ask, fallback_prompt, prompt_selector, ready
from pointsman.sdk.calls import Line, Reply, Request, drive
from pointsman.sdk.holding import Holding
from pointsman.sdk.knowledge import Answer, Pace, Source, Status

if TYPE_CHECKING:
    from pointsman.sdk.follow import Follower
    from pointsman.sdk.transport import Transport

T = TypeVar("T")

ATTEMPTS = 3
"""Flights that one read waits for at most, if the first brings nothing that can be used."""
MAX_FALLBACKS = 1_000
log = logging.getLogger("pointsman")


@dataclass(frozen=True, slots=True)
class Change:
    """A selector means something else now. `after` is None if it means nothing any more.

    Where an alias is a split, they are what a reader without a key gets.
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
    preload: tuple[Selector, ...]
    follow: bool
    project: str = ""


class Flight:
    """A question on its way. `done` has the error it ended with, if any."""

    def __init__(self, selector: Selector, deadline: float) -> None:
        self.selector = selector
        self.deadline = deadline
        self.line = Line()
        self.done: Future[PointsmanError | None] = Future()
        self.done.set_running_or_notify_cancel()

    def wait(self, seconds: float) -> None:
        """Wait until it is over, or for so many seconds."""
        with suppress(TimeoutError):
            self.done.result(seconds)

    def start(self, run: Callable[[Flight], None]) -> None:
        """Run on a thread of its own; here and now if there can't be another."""
        thread = threading.Thread(target=run, args=(self,), name="pointsman-ask", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            run(self)


Waits: TypeAlias = "Generator[tuple[Flight, float], None, T]"
"""Yields flights, each with the seconds to wait for it at most; returns the result."""


class Reader:
    """See the head of this file."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.holding = Holding(settings.pace, _stored(settings))
        self.closed = False
        self.anyone = os.urandom(8).hex()
        """Stands for the readers without a key: one process is one of them."""
        self._flights: dict[str, Flight] = {}
        self._fallbacks: dict[tuple[str, str], Prompt] = {}
        self._callbacks: list[tuple[str | None, Callable[[Change], object]]] = []
        self._transport: Transport | None = None
        self._follower: Follower | None = None
        if settings.preload:
            self.start()

    # Reading

    def get(self, text: str, key: str | None, fallback: Any) -> Waits[Prompt]:
        """The prompt for a selector, where it is not simply at hand; see `Client.get`."""
        selector = prompt_selector(text)
        try:
            found = yield from self._get(text, selector, patient=fallback is None)
        except PointsmanError as error:
            if fallback is None:
                raise
            return self._fallback(selector, fallback, error)
        return found.pick(self.anyone if key is None else key)

    def answers(self, texts: Iterable[str]) -> Waits[dict[str, Answer]]:
        """What is held for these selectors. Asks for what isn't; raises where there is none."""
        found = {}
        for text in texts:
            selector = prompt_selector(text)
            one = yield from self._get(text, selector, patient=True)
            found[str(selector)] = one.answer
        return found

    def ready(self, timeout: float) -> Waits[bool]:
        """Wait until what is preloaded has been asked for once; see `Client.wait_ready`."""
        deadline = time.monotonic() + timeout
        self.start()
        for selector in self.settings.preload:
            if self.status(str(selector)).source != "network":
                flight = self._flight(selector)
                if flight is not None:
                    yield flight, max(0.0, deadline - time.monotonic())
        names = {str(selector) for selector in self.settings.preload}
        with self.holding.lock:
            return names <= self.holding.cache.answers().keys()

    def status(self, text: str | None) -> Status:
        """See `Client.status`."""
        name = None if text is None else str(prompt_selector(text))
        with self.holding.lock:
            return self.holding.cache.status(name)

    def on_change(
        self, callback: Callable[[Change], object], text: str | None
    ) -> Callable[[], None]:
        """See `Client.on_change`."""
        entry = (None if text is None else str(prompt_selector(text)), callback)
        self._callbacks.append(entry)

        def stop() -> None:
            with suppress(ValueError):
                self._callbacks.remove(entry)

        return stop

    # What the follower does, on its threads

    def refresh(self, limit: int) -> None:
        """Ask what is due, with at most `limit` questions at a time; give up those overdue."""
        now = time.monotonic()
        with self.holding.lock:
            late = [one for one in self._flights.values() if now >= one.deadline]
        for flight in late:
            flight.line.cut()
            self._fail(flight, self._too_late(str(flight.selector)))
        with self.holding.lock:
            room = limit - len(self._flights)
            due = self.holding.cache.due(self._flights)
        for name in due[: max(0, room)]:
            self._flight(prompt_selector(name))

    def next_look(self) -> float:
        """Seconds until `refresh` may have something to do."""
        with self.holding.lock:
            times = [flight.deadline for flight in self._flights.values()]
            due = self.holding.cache.next_due(self._flights)
        if due is not None:
            times.append(due)
        return max(0.0, min(times, default=float("inf")) - time.monotonic())

    def tell_changes(self) -> None:
        """Call back for what has changed. What a callback raises is logged."""
        changes = self.holding.changes
        while changes:
            changed = changes.popleft()
            before, after = changed.before, changed.after
            change = Change(
                changed.selector,
                before.pick(self.anyone) if before else None,
                after.pick(self.anyone) if after else None,
            )
            for selector, callback in list(self._callbacks):
                if selector in (None, change.selector):
                    try:
                        callback(change)
                    except Exception:
                        log.exception("A callback for %s failed.", change.selector)

    def save(self) -> None:
        """Write the snapshot, if there is anything new. Failing to is logged."""
        path = self.settings.snapshot
        if path is None or self.holding.unsaved_since is None:
            return
        answers, removed = self.holding.to_store()
        try:
            snapshot.merge(path, answers, removed, time.time())
        except OSError as error:
            log.warning("The snapshot %s can't be written: %s", path, error)

    # Living

    @property
    def transport(self) -> Transport:
        """Made when it is first needed: loading its modules takes longer than a request."""
        transport = self._transport
        if transport is None:
            from pointsman.sdk.transport import Transport

            transport = self._transport = Transport(
                self.settings.url, self.settings.key, self.settings.project
            )
        return transport

    def send(self, request: Request, timeout: float, line: Line | None = None) -> Reply:
        """Send one request. Raises `Unavailable`, also if the client has been closed."""
        if self.closed:
            raise closed_error()
        return self.transport.send(request, timeout, line)

    def start(self) -> None:
        """Have what is held kept right, by threads that are started at the first use."""
        if self._follower is not None or self.closed:
            return
        from pointsman.sdk.follow import Follower

        for selector in self.settings.preload:
            self.holding.track(selector)
        follower = Follower(self)
        with self.holding.lock:
            if self._follower is None and not self.closed:
                self._follower = follower
        if self._follower is follower:
            follower.start()

    def poke(self, *, reached: bool = False) -> None:
        """Have the follower look at what there is to do."""
        follower = self._follower
        if follower is not None:
            follower.poke()
            if reached:
                follower.listen_now()

    def close(self, wait: float = 0.0) -> None:
        """Stop following, write the snapshot, let go of connections; what is held stays."""
        with self.holding.lock:
            self.closed = True
            follower, self._follower = self._follower, None
            flights = list(self._flights.values())
        for flight in flights:
            flight.line.cut()
        if follower is not None:
            follower.stop(wait)
        deadline = time.monotonic() + wait
        for flight in flights:
            flight.wait(max(0.0, deadline - time.monotonic()))
        self.save()
        if self._transport is not None:
            self._transport.close()

    def begin_anew(self) -> None:
        """In a forked child: nothing of the parent's threads, locks and sockets is of use."""
        self._transport = self._follower = None
        self._flights = {}
        self.anyone = os.urandom(8).hex()
        self.holding.begin_anew()

    # How it is done

    def _get(self, text: str, selector: Selector, *, patient: bool) -> Waits[Ready]:
        """What is held, or else what a flight brings. Not `patient`: not if one has just failed."""
        name, cache = str(selector), self.holding.cache
        deadline = time.monotonic() + self.settings.timeout
        error: PointsmanError | None = None
        self.start()
        for _ in range(ATTEMPTS):
            try:
                found = self.holding.find(text, selector)
            except PointsmanError as missing:
                raise copy.copy(missing) from None
            if found is not None:
                return found
            if self.closed:
                error = closed_error()
                break
            if not patient and error is None and cache.paused():
                error = cache.last_error
                break
            if not self.holding.track(selector):
                return self._ask_aside(selector, deadline)
            flight = self._flight(selector, if_needed=True)
            if flight is None:
                continue
            yield flight, max(0.0, deadline - time.monotonic())
            error = flight.done.result() if flight.done.done() else self._too_late(name)
            if error is not None:
                break
        found = self.holding.find_stale(text, name)
        if found is not None:
            return found
        raise copy.copy(error) if error else Unavailable(f"No answer to {name} could be used.")

    def _flight(self, selector: Selector, *, if_needed: bool = False) -> Flight | None:
        """The flight for a selector: the one on its way, or a new one.

        None `if_needed` and an answer has arrived since it was looked for.
        """
        name, cache = str(selector), self.holding.cache
        with self.holding.lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight
            if if_needed and cache.answer(name) is not None and not cache.must_ask(name):
                return None
            deadline = time.monotonic() + self.settings.timeout
            flight = self._flights[name] = Flight(selector, deadline)
        flight.start(self._fly)
        self.poke()  # somebody must see to it that it ends in time
        return flight

    def _fly(self, flight: Flight) -> None:
        name, asked_at = str(flight.selector), time.monotonic()
        error: PointsmanError | None = None
        failed_before = self.holding.cache.failing()
        try:
            self.holding.settle(name, self._ask(flight, self.holding.known(name), asked_at))
        except RefusedError as refused:
            error, reply = refused.error, refused.reply
            self.holding.refuse(name, error, reply.seq, reply.epoch, asked_at)
        except PointsmanError as failed:
            error = failed
            self._fail(flight, error)
        except Exception as failed:
            log.exception("Asking for %s failed.", name)
            error = PointsmanError(f"Asking for {name} failed: {failed!r}.", code="internal")
            self._fail(flight, error)
        finally:
            self._land(flight)
            flight.done.set_result(error)
            self.poke(reached=failed_before and not self.holding.cache.failing())

    def _fail(self, flight: Flight, error: PointsmanError) -> None:
        if self._land(flight):  # else it was given up before
            self.holding.fail(str(flight.selector), error)

    def _land(self, flight: Flight) -> bool:
        """Make room for another flight. False if that was done before."""
        name = str(flight.selector)
        with self.holding.lock:
            return self._flights.get(name) is flight and self._flights.pop(name) is flight

    def _ask(self, flight: Flight, known: Answer | None, asked_at: float) -> Answer:
        def send(request: Request) -> Reply:
            return self.send(request, flight.deadline - time.monotonic(), flight.line)

        return drive(ask(flight.selector, known, asked_at), send)

    def _ask_aside(self, selector: Selector, deadline: float) -> Ready:
        """Ask without holding the answer: too many are held already."""
        try:
            return ready(self._ask(Flight(selector, deadline), None, time.monotonic()))
        except RefusedError as refused:
            raise refused.error from None

    def _too_late(self, name: str) -> Unavailable:
        return Unavailable(
            f"There was no answer to {name} within {self.settings.timeout:g} seconds.",
            code="timeout",
            hint="Give a fallback, or ship a bundle, so as not to depend on the network.",
        )

    def _fallback(self, selector: Selector, fallback: Any, error: PointsmanError) -> Prompt:
        name = str(selector)
        content = fallback() if callable(fallback) else fallback
        if isinstance(content, Prompt):
            return content
        memo = (name, content) if isinstance(content, str) else None
        if memo is not None and memo in self._fallbacks:
            return self._fallbacks[memo]
        prompt = fallback_prompt(selector, content)
        log.warning("The fallback for %s is used: %s", name, error)
        if memo is not None and len(self._fallbacks) < MAX_FALLBACKS:
            self._fallbacks[memo] = prompt
        return prompt


def closed_error() -> Unavailable:
    """What to raise for a request of a client that has been closed."""
    return Unavailable("The client has been closed.", code="closed", hint="Make a new one.")


def _stored(settings: Settings) -> dict[str, Answer]:
    """What the bundle and the snapshot have, the newer of two answers, on our own clock."""
    wall, now = time.time() - time.monotonic(), time.monotonic()
    found: dict[str, Answer] = {}
    sources: list[tuple[Path | None, Source]] = [
        (settings.bundle, "bundle"),
        (settings.snapshot, "disk"),
    ]
    for path, source in sources:
        if path is None:
            continue
        try:
            loaded = snapshot.load(path, source)
        except OSError as error:
            log.warning("The %s file %s can't be read: %s", source, path, error)
            continue
        if loaded.damaged:
            log.warning("The %s file %s is damaged: what is whole is used.", source, path)
        for name, answer in loaded.answers.items():
            if name not in found or snapshot.is_newer(answer, found[name]):
                found[name] = answer
    return {
        name: replace(answer, asked_at=min(answer.asked_at - wall, now))
        for name, answer in found.items()
    }
