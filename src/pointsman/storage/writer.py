"""One writer for a database: whatever waits shares one durable commit.

A durable commit costs the disk a flush however many changes it holds, so changes that arrive
while one is under way are gathered and committed together, each in a savepoint of its own.

There is no thread between a caller and its commit when nobody else is writing: whoever finds
the writer free leads, carries out all that waits, its own change included, and then hands
the lead to one of those who came meanwhile. Changes submitted without waiting are led by a
thread of the writer's own.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NoReturn, Protocol, TypeVar

from pointsman.app.ports import Transaction
from pointsman.core.journal import Line
from pointsman.errors import OutcomeUnknown, PointsmanError, Unavailable
from pointsman.storage.records import Records

T = TypeVar("T")
Change = Callable[[Transaction], T]
Done = Callable[[Any, BaseException | None], None]
Listener = Callable[[Sequence[tuple[int, Line]]], None]

MAX_BATCH = 256
MAX_WAITING = 10_000
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

    def rollback(self) -> None:
        """Undo all of it. Never raises: a transaction that can't be undone is given up."""
        ...


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
        job = _Job(project_id, change, None)
        self._accept(job)
        try:
            # If the lead is taken, whoever holds it looks at the queue again after letting go.
            while not job.done:
                if self._lead.acquire(blocking=False):
                    self._carry_out_own(job)
                else:
                    job.answered.acquire()
        except BaseException:
            # Interrupted (Ctrl-C). Nobody waits for this change any more, and the offer to
            # lead may have been made to it: pass that on.
            with suppress(ValueError):
                self._waiting.remove(job)
            self._pass_on()
            raise
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def submit(self, project_id: int, change: Change[T], done: Done) -> None:
        """`write` without waiting; `done(result, error)` is called on the writer's thread."""
        if self._thread is None:
            self._start()
        self._accept(_Job(project_id, change, done))
        self._submitted.set()
        if self._ended:  # it came while the writer was closing
            with self._lead:
                while self._waiting:
                    self._carry_out_batch()

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

    def _accept(self, job: _Job) -> None:
        if self._closed:
            _refuse()
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable(
                f"{MAX_WAITING} changes are waiting to be written.",
                code="overloaded",
                hint="Nothing was written; try again later.",
            )
        self._waiting.append(job)

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
        if not self._waiting:
            return
        try:
            first = self._waiting[0]
        except IndexError:
            return  # another thread has taken it
        if first.callback is not None:
            self._submitted.set()
        else:
            first.wake()

    def _carry_out_batch(self) -> None:
        """Carry out what waits and answer it. Raises nothing but an interrupt of this thread."""
        jobs: list[_Job] = []
        try:
            self._take(jobs)
            self._carry_out(jobs)
        finally:
            for job in jobs:
                job.finish()

    def _take(self, jobs: list[_Job]) -> list[_Job]:
        """Add what waits to `jobs`; return what was added.

        Projects are locked in the same order by every node, so that no two wait for each
        other: a change to a project that should have been locked earlier waits for the next
        batch. Among changes to one project, first come is first served.
        """
        if not self._waiting:
            return []
        known = len(jobs)
        highest = jobs[-1].project_id if jobs else 0
        left: list[_Job] = []
        try:
            while self._waiting and len(jobs) < MAX_BATCH:
                job = self._waiting.popleft()
                (jobs if job.project_id >= highest else left).append(job)
        finally:
            self._waiting.extendleft(reversed(left))
        jobs[known:] = sorted(jobs[known:], key=_by_project)
        return jobs[known:]

    def _carry_out(self, jobs: list[_Job]) -> None:
        batch: Batch | None = None
        stage = "changing"
        try:
            batch = self._begin() if not self._ended else _refuse()
            more = jobs
            while more:
                _change(batch, more, alone=len(jobs) == 1)
                if jobs[0].error is not None and len(jobs) == 1:
                    break  # without a savepoint, only the whole transaction can be undone
                # Who came while these were made shares their commit.
                more = self._take(jobs)
            if all(job.error is not None for job in jobs):
                batch.rollback()
                return
            batch.records.flush()
            stage = "committing"
            batch.commit()
            stage = "committed"
            self._tell(batch.records.appended)
        except BaseException as error:
            if stage == "committed":  # it is durable, whatever interrupts us
                raise
            if batch is not None:
                batch.rollback()
            unknown = stage == "committing" and not isinstance(error, Exception)
            for job in jobs:
                if job.error is None:
                    job.result, job.error = None, _shared(error, unknown=unknown)
            if not isinstance(error, Exception):
                raise

    def _tell(self, appended: Sequence[tuple[int, Line]]) -> None:
        if not appended:
            return
        for listener in self._listeners:
            try:
                listener(appended)
            except Exception:
                # It is durable: whoever waits for it must not be told otherwise.
                _log.exception("A listener failed to take in a commit")


def _change(batch: Batch, jobs: Sequence[_Job], *, alone: bool) -> None:
    """Make all the changes. One that fails leaves nothing behind, and the others whole.

    The first change of a transaction may be made without a savepoint, `alone`.
    """
    records = batch.records
    for job in jobs:
        try:
            # The lock on the project outlives a failed change on purpose.
            records.enter(job.project_id)
            if alone:
                job.result = job.change(records)
                records.write_out()
                continue
            mark = records.mark()
            try:
                with batch.savepoint():
                    job.result = job.change(records)
                    records.write_out()
            except Exception:
                records.reset(mark)
                raise
        except Exception as error:
            job.error = error
            if not alone and not batch.usable():
                raise


def _shared(error: BaseException, *, unknown: bool) -> PointsmanError:
    """What to tell one of several whose transaction failed: an error of its own."""
    if unknown:
        return OutcomeUnknown(
            "The commit was interrupted.",
            hint="Send the change again with the same idempotency key to learn if it was made.",
        )
    if isinstance(error, Unavailable):
        return copy.copy(error)
    return Unavailable(
        "The transaction that this change shared with others failed.",
        code="shared_transaction_failed",
        hint="Nothing was written; try again.",
    )


class _Job:
    """A change, who waits for it, and how it ended."""

    __slots__ = (
        "answered",
        "callback",
        "change",
        "done",
        "error",
        "project_id",
        "result",
        "thread",
    )

    def __init__(self, project_id: int, change: Change[Any], callback: Done | None) -> None:
        self.project_id = project_id
        self.change = change
        self.callback = callback
        self.thread = threading.get_ident()
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False
        # A lock held from the start: acquiring it means to wait until somebody wakes us. A
        # bare lock is handed over several times faster than an Event or a Future.
        self.answered = threading.Lock()
        self.answered.acquire()

    def finish(self) -> None:
        """Answer whoever waits, with the result or the error."""
        self.done = True
        if self.callback is None:
            if self.thread != threading.get_ident():  # who leads is awake
                self.wake()
            return
        try:
            self.callback(self.result, self.error)
        except Exception:
            # Others of the same commit still wait for their answers.
            _log.exception("The callback of a change failed")

    def wake(self) -> None:
        # Two wakers may come (the answer, and the offer to lead): one wake-up serves both,
        # as whoever wakes looks at everything again.
        with suppress(RuntimeError):
            self.answered.release()


def _by_project(job: _Job) -> int:
    return job.project_id


def _refuse() -> NoReturn:
    raise Unavailable("The registry is closed.", code="closed")
