"""One writer for a database: whatever waits shares one durable commit.

A durable commit costs the disk a flush however many changes it holds, so changes that arrive
while one is under way are gathered and committed together, each in a savepoint of its own.

There is no thread between a caller and its commit when nobody else is writing: whoever finds
the writer free leads, carries out all that waits, its own change included, and then hands
the lead to one of those who came meanwhile. Changes submitted without waiting are led by a
thread of the writer's own.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NoReturn, Protocol, TypeVar

from pointsman.app.ports import Transaction
from pointsman.core.journal import Line
from pointsman.errors import Unavailable
from pointsman.storage.records import Records

T = TypeVar("T")
Change = Callable[[Transaction], T]
Done = Callable[[Any, BaseException | None], None]
Listener = Callable[[Sequence[tuple[int, Line]]], None]

MAX_BATCH = 256
_log = logging.getLogger(__name__)


class Batch(Protocol):
    """A transaction of a database, open from `Database.begin` to `commit` or `rollback`."""

    records: Records

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what the body did if it raises."""
        ...

    def usable(self) -> bool:
        """Whether the transaction is still open: some failures end it on their own."""
        ...

    def commit(self) -> None:
        """Make it durable. Raises `Unavailable` (it was not) or `OutcomeUnknown`."""
        ...

    def rollback(self) -> None: ...


class Writer:
    """Gathers changes and commits them through `begin`, which opens a transaction."""

    def __init__(self, begin: Callable[[], Batch]) -> None:
        self._begin = begin
        self._waiting: deque[_Job] = deque()
        self._lead = threading.Lock()
        self._listeners: list[Listener] = []
        self._submitted = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._ended = False

    def on_commit(self, listener: Listener) -> None:
        """Call `listener` with what each commit appended, before its writers are answered."""
        self._listeners.append(listener)

    def write(self, project_id: int, change: Change[T]) -> T:
        """Carry out `change`; return its result once it is durable, or raise its error."""
        self._refuse_if_closed()
        job = _Job(project_id, change, None)
        self._waiting.append(job)
        # If the lead is taken, whoever holds it looks at the queue again after letting go.
        while not job.done:
            if self._lead.acquire(blocking=False):
                self._carry_out_own(job)
            else:
                job.answered.acquire()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def submit(self, project_id: int, change: Change[T], done: Done) -> None:
        """`write` without waiting; `done(result, error)` is called on the writer's thread."""
        self._refuse_if_closed()
        if self._thread is None:
            self._start()
        self._waiting.append(_Job(project_id, change, done))
        self._submitted.set()

    def close(self) -> None:
        """Carry out what was accepted, then refuse everything."""
        self._closed = True
        if self._thread is not None:
            self._submitted.set()
            self._thread.join()
        with self._lead:
            while self._waiting:
                self._carry_out_batch()
            self._ended = True

    def _refuse_if_closed(self) -> None:
        if self._closed:
            _refuse()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="pointsman-writer", daemon=True
                )
                self._thread.start()

    def _serve(self) -> None:
        while True:
            self._submitted.wait()
            self._submitted.clear()
            with self._lead:
                while self._waiting:
                    self._carry_out_batch()
            self._pass_on()
            if self._closed:
                return

    def _carry_out_own(self, job: _Job) -> None:
        """Lead until one's own change is done, then let another lead."""
        try:
            while not job.done and self._waiting:
                self._carry_out_batch()
        finally:
            self._lead.release()
        self._pass_on()

    def _pass_on(self) -> None:
        """Wake one of those who came while the lead was held; it finds the lead free."""
        try:
            first = self._waiting[0]
        except IndexError:
            return
        if first.callback is not None:
            self._submitted.set()
        else:
            first.wake()

    def _carry_out_batch(self) -> None:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < MAX_BATCH:
            jobs.append(self._waiting.popleft())
        # Projects are locked in the same order by every node, so that no two wait for each
        # other; among changes to one project, first come is first served.
        jobs.sort(key=lambda job: job.project_id)
        try:
            # Some may have come while the writer was closing.
            batch = self._begin() if not self._ended else _refuse()
        except BaseException as error:
            for job in jobs:
                job.finish(None, error)
            return
        try:
            self._carry_out(batch, jobs)
        except BaseException as error:
            batch.rollback()
            for job in jobs:
                if job.error is None:
                    job.result, job.error = None, error
        for job in jobs:
            job.finish(job.result, job.error)

    def _carry_out(self, batch: Batch, jobs: list[_Job]) -> None:
        records = batch.records
        alone = len(jobs) == 1
        for job in jobs:
            mark = records.mark()
            try:
                if alone:
                    records.enter(job.project_id)
                    job.result = job.change(records)
                else:
                    # The lock on the project outlives a failed change on purpose.
                    records.enter(job.project_id)
                    mark = records.mark()
                    with batch.savepoint():
                        job.result = job.change(records)
            except BaseException as error:
                job.error = error
                if alone or not batch.usable():
                    raise
                records.reset(mark)
        if all(job.error is not None for job in jobs):
            batch.rollback()
            return
        records.flush()
        batch.commit()
        if records.appended:
            for listener in self._listeners:
                try:
                    listener(records.appended)
                except Exception:
                    # It is durable: whoever waits for it must not be told otherwise.
                    _log.exception("A listener failed to take in a commit")


class _Job:
    """A change, who waits for it, and how it ended."""

    __slots__ = ("answered", "callback", "change", "done", "error", "project_id", "result")

    def __init__(self, project_id: int, change: Change[Any], callback: Done | None) -> None:
        self.project_id = project_id
        self.change = change
        self.callback = callback
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        # A lock held from the start: acquiring it means to wait until somebody wakes us. A
        # bare lock is handed over several times faster than an Event or a Future.
        self.answered = threading.Lock()
        self.answered.acquire()

    def finish(self, result: Any, error: BaseException | None) -> None:
        self.result, self.error, self.done = result, error, True
        if self.callback is None:
            self.wake()
            return
        try:
            self.callback(result, error)
        except Exception:
            # Others of the same commit still wait for their answers.
            _log.exception("The callback of a change failed")

    def wake(self) -> None:
        # Two wakers may come (the answer, and the offer to lead): one wake-up serves both,
        # as whoever wakes looks at everything again.
        with suppress(RuntimeError):
            self.answered.release()


def _refuse() -> NoReturn:
    raise Unavailable("The registry is closed.", code="closed")
