"""The store in one SQLite file: the default, for one machine.

Write-ahead log, full synchronisation (an acknowledged change survives a power cut), one
writing connection a process, `BEGIN IMMEDIATE` so that several processes take turns. SQLite
is the one inside apsw's wheel: versions before 3.51.3 can corrupt a log that two connections
write to or checkpoint at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from pointsman.app.ports import Reader, Transaction
from pointsman.core.journal import Line
from pointsman.errors import OutcomeUnknown, PointsmanError, Unavailable
from pointsman.storage import opening
from pointsman.storage.records import Records
from pointsman.storage.statements import Connected, Row
from pointsman.storage.writer import Writer

T = TypeVar("T")

FILE = "registry.db"
BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that is writing."""
_POLL = 0.1
_FIXED_SINCE = (3, 51, 3)


class SqliteStore:
    """A registry kept in `folder/registry.db`; the folder is made if it does not exist.

    `durable=False` leaves out the flush to disk at commit: for measuring what it costs and
    for showing that the crash tests notice. `patience` is how many seconds to wait for another
    process that is writing. Raises `Unavailable` if the file can't be opened.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        durable: bool = True,
        patience: float = BUSY_TIMEOUT,
    ) -> None:
        self._path = Path(folder) / FILE
        self._durable = durable
        self._patience = patience
        self._idle: deque[apsw.Connection] = deque()
        self._closed = threading.Event()
        self._given_up = False
        with explained(self._path):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here so that it is for its owner alone; the log takes over its permissions.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = self._connect()
            self._watch = self._connect()
            self._watching = threading.Lock()
            self._seen = self._data_version()
            _prepare(self._connection, self._path)
        self._kept: Records | None = None
        self._kept_at: object = None
        self._writer = Writer(self._begin)
        self._writer.on_commit(self._scrub)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A consistent view; see `app.ports.Store.read`."""
        if self._closed.is_set():
            raise Unavailable("The registry is closed.", code="closed")
        with explained(self._path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
                connection.pragma("query_only", True)
            connection.execute("BEGIN")
        try:
            yield records_of(connection, self._path)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._closed.is_set():
                connection.close()
            else:
                self._idle.append(connection)

    def write(self, project_id: int, change: Callable[[Transaction], T]) -> T:
        """See `app.ports.Store.write`."""
        return self._writer.write(project_id, change)

    def submit(
        self,
        project_id: int,
        change: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
    ) -> None:
        """See `app.ports.Store.submit`."""
        self._writer.submit(project_id, change, done)

    def on_commit(self, listener: Callable[[Sequence[tuple[int, Line]]], None]) -> None:
        """See `app.ports.Store.on_commit`."""
        self._writer.on_commit(listener)

    def wait_for_change(self, timeout: float) -> bool:
        """Watch the file's change counter, which other processes' commits move."""
        deadline = time.monotonic() + timeout
        while not self._closed.is_set():
            with self._watching:
                if self._closed.is_set():
                    return False
                version = self._data_version()
            if version != self._seen:
                self._seen = version
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL, left))
        return False

    def close(self) -> None:
        """See `app.ports.Store.close`."""
        if self._closed.is_set():
            return
        self._writer.close()
        self._closed.set()
        while self._idle:
            self._idle.pop().close()
        with self._watching:
            self._watch.close()
        self._connection.close()

    def _begin(self) -> _SqliteBatch:
        try:
            if self._given_up:
                self._connection = self._connect()
                self._kept = None
                self._given_up = False
            execute = self._connection.execute
            execute("BEGIN IMMEDIATE")
            version = execute("PRAGMA data_version").get
        except apsw.Error:
            with explained(self._path):
                raise
        # What was known is known no more if this transaction fails, or somebody else has written.
        kept, self._kept = self._kept, None
        if kept is not None and self._kept_at == version:
            records = kept
            records.carry_on()
        else:
            records = records_of(self._connection, self._path)
        self._kept_at = version
        return _SqliteBatch(self._connection, self._path, records, self._keep, self._give_up)

    def _keep(self, records: Records) -> None:
        """What a transaction knew when it was committed, for the next one."""
        self._kept = records

    def _scrub(self, appended: Sequence[tuple[int, Line]]) -> None:
        """After a removal, empty the log too: it may still have what was removed."""
        for _, line in appended:
            if line.type == "version.tombstoned":
                with suppress(apsw.BusyError):  # a reader is at it; a later checkpoint will do
                    self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                return

    def _give_up(self) -> None:
        """Let go of a connection that can't even roll back; the next change gets a new one."""
        self._given_up = True
        with suppress(apsw.Error):
            self._connection.close(True)

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_timeout(int(self._patience * 1000))
        _keep_log(connection, self._patience)
        connection.pragma("synchronous", "full" if self._durable else "off")
        connection.pragma("recursive_triggers", True)
        connection.pragma("trusted_schema", False)
        # What a tombstone removes is overwritten, not only forgotten.
        connection.pragma("secure_delete", True)
        connection.pragma("temp_store", "memory")
        # No memory map: through it, a bad disk would end the process instead of a request.
        connection.pragma("mmap_size", 0)
        connection.pragma("cache_size", -32_768)
        # Checkpoints rewrite whole pages: fewer, larger ones touch each page less often.
        connection.pragma("wal_autocheckpoint", 4_000)
        return connection

    def _data_version(self) -> int:
        with explained(self._path):
            version = self._watch.pragma("data_version")
        assert isinstance(version, int)
        return version


class _SqliteBatch:
    """An open transaction on the writing connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        records: Records,
        keep: Callable[[Records], None],
        give_up: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self.records = records
        self._keep = keep
        self._give_up = give_up

    def savepoint(self) -> AbstractContextManager[None]:
        return self._connection  # type: ignore[return-value]  # apsw: with opens a savepoint

    def usable(self) -> bool:
        return self._connection.in_transaction

    def commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except apsw.IOError as error:
            # The log may hold the whole commit although flushing it failed: a later start
            # could find it there.
            self.rollback()
            raise OutcomeUnknown(
                f"The disk failed while {self._path} was written: {error}.",
                hint="The change may have taken effect; send it again with the same "
                "idempotency key to learn which.",
            ) from error
        except BaseException:
            self.rollback()
            with explained(self._path):
                raise
        self._keep(self.records)

    def rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            self._give_up()


def _keep_log(connection: apsw.Connection, patience: float) -> None:
    """Have the database use a write-ahead log, which it does for good once it did.

    Of several that make this change to a new file at once, SQLite refuses some on the spot,
    whatever their busy timeout: they must ask again.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def records_of(connection: apsw.Connection, path: Path) -> Records:
    execute = connection.execute

    def run(sql: str, parameters: Mapping[str, object]) -> list[Row]:
        try:
            return execute(sql, parameters).fetchall()
        except apsw.Error:
            # A full disk and the like may show at any statement, not only at the commit.
            with explained(path):
                raise

    def run_many(sql: str, rows: Sequence[Mapping[str, object]]) -> None:
        with explained(path):
            connection.executemany(sql, rows)

    return Records(Connected("sqlite", run, run_many))


def _prepare(connection: apsw.Connection, path: Path) -> None:
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < _FIXED_SINCE:
        raise Unavailable(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a write-ahead log.",
            code="sqlite_too_old",
            hint="Install apsw from its wheel, which brings a newer SQLite.",
        )
    with connection:  # a savepoint starts a deferred transaction; the first write takes the lock
        pass
    connection.execute("BEGIN IMMEDIATE")
    try:
        records = records_of(connection, path)
        opening.prepare("sqlite", connection.execute, records)
        records.write_out()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the database's failures into `Unavailable` with what can be done about them."""
    try:
        yield
    except PointsmanError:
        raise
    except apsw.BusyError as error:
        raise Unavailable(
            f"Another process has been writing to {path} for a long time.",
            code="database_locked",
            hint="Try again; if it lasts, look for a process that holds the file.",
        ) from error
    except apsw.FullError as error:
        raise Unavailable(
            f"The disk that holds {path} is full.",
            code="disk_full",
            hint="Nothing was written; free some space and try again.",
        ) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError, OSError) as error:
        raise Unavailable(
            f"{path} can't be opened for writing: {error}.",
            code="database_unusable",
            hint="Check the folder's owner and permissions.",
        ) from error
    except (apsw.IOError, apsw.NotADBError, apsw.CorruptError, apsw.NoMemError) as error:
        raise Unavailable(
            f"The database {path} failed: {error}.",
            code="database_failed",
            hint="Check the disk, then run `pointsman doctor`.",
        ) from error
