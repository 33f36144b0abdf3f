"""What every protocol shares: who asks, reading a body, and running use cases.

Use cases that read run on a small pool of threads; those that write are handed to the
store's writer, whose answers come back to the event loop a batch at a time.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from pointsman.app.application import Application, Caller, Once, View, Work
from pointsman.app.gate import Admitted, Gate, fingerprint_of
from pointsman.app.ports import ProjectRow
from pointsman.app.sessions import NOBODY as _NOBODY
from pointsman.errors import InvalidInput, TooLarge

T = TypeVar("T")

NOBODY = Caller(_NOBODY, ProjectRow(0, "", "", 0))
"""Who asks where no key is needed: of no project."""
_READERS = 4
_SLOW = 2


@dataclass(frozen=True, slots=True)
class Read:
    """A use case that only reads."""

    use_case: Callable[[View], Any]


@dataclass(frozen=True, slots=True)
class Write:
    """A use case that writes, and the type of its answer if repeating it can be remembered."""

    use_case: Callable[[Work], Any]
    answer: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What takes its time, or more than one transaction: run on a thread for such work."""

    task: Callable[[Application, Caller], Any]


class Runner:
    """Runs use cases for an event loop without blocking it."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="pointsman-read")
        # Of its own: who tries passwords must not hold up who reads.
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="pointsman-slow")
        self._answered: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._delivering = False

    async def off_loop(self, work: Callable[[], T], *, slow: bool = False) -> T:
        """Run a function that may block on a thread, one of those for what is `slow` perhaps."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        return await loop.run_in_executor(self._slow if slow else self._pool, context.run, work)

    async def run(self, caller: Caller, plan: Any, once: Once | None) -> Any:
        """Run what a route planned and return the use case's answer."""
        if isinstance(plan, Read):
            return await self.off_loop(lambda: self.app.read(caller, plan.use_case))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            # Many writers share one commit, and so one wake-up of the loop.
            self._answered.append((future, result, error))
            if not self._delivering:
                self._delivering = True
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._deliver)

        if once is not None and (isinstance(plan, Run) or plan.answer is None):
            raise InvalidInput(
                "This request can't be repeated by idempotency key.",
                code="idempotency_not_supported",
                hint="Leave out Idempotency-Key.",
                field="Idempotency-Key",
            )
        if isinstance(plan, Run):
            return await loop.run_in_executor(self._slow, lambda: plan.task(self.app, caller))
        self.app.submit(caller, plan.use_case, done, once, plan.answer)
        return await future

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=True)
        self._slow.shutdown(wait=True)

    def _deliver(self) -> None:
        self._delivering = False  # first: what is added from here on wakes the loop again
        while self._answered:
            future, result, error = self._answered.popleft()
            if future.cancelled():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)


async def admit_secret(secret: str, project: str, gate: Gate, runner: Runner) -> Admitted:
    """Who presents this key or session's token, in the project that is named, if any.

    Raises `Unauthenticated`, or `Refused` for a project that is not the caller's.
    """
    known = gate.remembered(fingerprint_of(secret, project))
    if known is not None:
        return known
    return await runner.off_loop(lambda: gate.admit(secret, project=project))


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request of at most so many bytes. Raises `TooLarge`."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
    return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {most >> 20} MB.",
        code="body_too_large",
        hint="Send less at once; large files do not belong into a prompt.",
    )
