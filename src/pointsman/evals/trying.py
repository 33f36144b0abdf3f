"""Asking models for somebody who waits at a page: at once, each question once, a few at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pointsman.app.application import Application
from pointsman.app.ports import ProjectRow
from pointsman.app.ports.trying import Tried
from pointsman.core.providers import Call
from pointsman.errors import PointsmanError
from pointsman.evals.models import Models, Patience
from pointsman.evals.providers import Answer
from pointsman.evals.worker import providers_of

AT_ONCE: Final = 4
"""People who try something at the same time; others wait for their turn."""
PATIENCE: Final = Patience(attempts=2, most_asked=10.0, deadline=120.0)
_ENDED: Final = Tried(error="The server is stopping, so nothing was waited for.", hint="Try again.")


class Trials:
    """Models, as `app.ports.trying` wants them, on threads of its own.

    The event loop that serves pages does none of the work, and neither do its threads.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pointsman-try")
        self._lock = threading.Lock()
        self._running: dict[asyncio.AbstractEventLoop, asyncio.Task[tuple[Tried, ...]]] = {}
        self._closed = False

    async def ask(self, project: ProjectRow, calls: Sequence[Call]) -> tuple[Tried, ...]:
        """What each of these calls is answered."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._asked, project, tuple(calls))

    def close(self) -> None:
        """End what is under way, and let the threads go."""
        with self._lock:
            self._closed = True
            for loop, task in self._running.items():
                loop.call_soon_threadsafe(task.cancel)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _asked(self, project: ProjectRow, calls: Sequence[Call]) -> tuple[Tried, ...]:
        try:
            return asyncio.run(self._all(project, calls))
        except asyncio.CancelledError:
            return tuple(_ENDED for _ in calls)

    async def _all(self, project: ProjectRow, calls: Sequence[Call]) -> tuple[Tried, ...]:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._closed:
                return tuple(_ENDED for _ in calls)
            self._running[loop] = task
        try:
            providers = await asyncio.to_thread(providers_of, self._app, project)
            async with Models(providers, patience=PATIENCE) as models:
                return tuple(await asyncio.gather(*(_one(models, call) for call in calls)))
        except PointsmanError as error:  # of the providers as such, such as a key
            return tuple(Tried(error=error.message, hint=error.hint) for _ in calls)
        finally:
            with self._lock:
                self._running.pop(loop, None)


async def _one(models: Models, call: Call) -> Tried:
    try:
        return _told(await models.ask(call))
    except PointsmanError as error:
        return Tried(error=error.message, hint=error.hint)


def _told(answer: Answer) -> Tried:
    return Tried(
        text=answer.text,
        tool_calls=answer.tool_calls,
        finish=answer.finish,
        model=f"{answer.provider}/{answer.model}",
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        seconds=answer.seconds,
        cost=answer.cost,
    )
