"""What was made once is kept: outputs and scores, by the digest of everything that made them.

Writing waits for the disk, so what comes in while a write is under way goes with the next one:
however many calls finish at once, the disk is asked as often as it can answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from pointsman.app.application import Application, Caller, Work


class Memory:
    """Outputs and scores of a project. Belongs to one event loop.

    What was made before `since` (microseconds) is not looked at.
    """

    def __init__(self, app: Application, caller: Caller, since: int = 0) -> None:
        self._app = app
        self._caller = caller
        self._since = since
        self._pending: list[tuple[str, str, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def recall(self, key: str) -> str | None:
        """What was made under this key; None if nothing was."""
        return await asyncio.to_thread(self._look_up, key)

    async def keep(self, key: str, body: str) -> None:
        """Keep it; returns when it is durable."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        self._pending.append((key, body, kept))
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write())
        await kept

    def _look_up(self, key: str) -> str | None:
        with self._app.store.read() as reader:
            return reader.made(self._caller.project.id, key, self._since)

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            rows = [(key, body) for key, body, _ in batch]
            try:
                await commit(self._app, self._caller, partial(_keep, rows))
            except Exception as error:
                for _, _, kept in batch:
                    if not kept.done():
                        kept.set_exception(error)
            else:
                for _, _, kept in batch:
                    if not kept.done():
                        kept.set_result(None)


async def commit(app: Application, caller: Caller, change: Callable[[Work], None]) -> None:
    """Make a change without holding the event loop up; returns when it is durable."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def told(_: None, error: BaseException | None) -> None:
        loop.call_soon_threadsafe(_settle, done, error)

    app.submit(caller, change, told)
    await done


def _keep(rows: Sequence[tuple[str, str]], work: Work) -> None:
    work.tx.keep_made(work.project.id, rows, work.clock_now)


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
