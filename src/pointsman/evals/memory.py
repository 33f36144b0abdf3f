"""What was made once is kept: outputs and scores, by the digest of everything that made them.

Writing waits for the disk, and looking up for another thread. So what comes in while either is
under way goes with the next turn, all of it at once: however many calls finish together, the
disk is asked as often as it can answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from pointsman.app.application import Application, Caller, Work
from pointsman.app.evaluating import runs

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")


class Memory:
    """Outputs and scores of a project. Belongs to one event loop; `close` it in the end.

    What was made before `since` (microseconds) is not looked at. What is kept was made for the
    evaluation `number`.
    """

    def __init__(self, app: Application, caller: Caller, number: int, since: int = 0) -> None:
        self._app = app
        self._caller = caller
        self._number = number
        self._since = since
        # A thread of its own: others may be held up for long by what they wait for.
        self._thread = ThreadPoolExecutor(1, "pointsman-memory")
        self._recalling = _Turns(self._look_up)
        self._keeping = _Turns(self._write)

    async def recall(self, key: str) -> str | None:
        """What was made under this key; None if nothing was."""
        return await self._recalling.join(key)

    async def keep(self, key: str, body: str) -> None:
        """Keep it; returns when it is durable."""
        await self._keeping.join((key, body))

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False)

    async def _look_up(self, keys: Sequence[str]) -> Sequence[str | None]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._found, keys)

    def _found(self, keys: Sequence[str]) -> list[str | None]:
        with self._app.store.read() as reader:
            return [reader.made(self._caller.project.id, key, self._since) for key in keys]

    async def _write(self, rows: Sequence[tuple[str, str]]) -> Sequence[None]:
        await commit(self._app, self._caller, partial(_keep, self._number, rows, self._since))
        return [None] * len(rows)


class _Turns(Generic[Wish, Answer]):
    """Fulfils the wishes that come in during one turn together, in the next one."""

    def __init__(self, fulfil: Callable[[Sequence[Wish]], Awaitable[Sequence[Answer]]]) -> None:
        self._fulfil = fulfil
        self._waiting: list[tuple[Wish, asyncio.Future[Answer]]] = []
        self._going: asyncio.Task[None] | None = None

    async def join(self, wish: Wish) -> Answer:
        """The answer to a wish; raises what its turn raised."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((wish, answer))
        if self._going is None or self._going.done():
            self._going = loop.create_task(self._go())
        return await answer

    async def _go(self) -> None:
        while self._waiting:
            turn, self._waiting = self._waiting, []
            try:
                answers = await self._fulfil([wish for wish, _ in turn])
            except Exception as error:
                for _, waiting in turn:
                    if not waiting.done():
                        waiting.set_exception(error)
            else:
                for (_, waiting), answer in zip(turn, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(answer)


async def commit(app: Application, caller: Caller, change: Callable[[Work], None]) -> None:
    """Make a change without holding the event loop up; returns when it is durable."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def told(_: None, error: BaseException | None) -> None:
        loop.call_soon_threadsafe(_settle, done, error)

    app.submit(caller, change, told)
    await done


def _keep(number: int, rows: Sequence[tuple[str, str]], since: int, work: Work) -> None:
    runs.keep_made(work, number, rows, since)


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
