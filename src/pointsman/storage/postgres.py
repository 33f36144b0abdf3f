"""The store in PostgreSQL: for many nodes over one database.

Writers to one project take turns on its row (`FOR UPDATE`), so that its journal never forks.
Commits announce themselves with `NOTIFY`; as a notification can be lost with its connection,
whoever waits for one also looks by itself from time to time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg

from pointsman.app.ports import Reader, Transaction
from pointsman.core.journal import Line
from pointsman.errors import InvalidInput, OutcomeUnknown, PointsmanError, Unavailable
from pointsman.storage import opening
from pointsman.storage.records import Records
from pointsman.storage.statements import Connected, Row
from pointsman.storage.writer import Writer

T = TypeVar("T")
Connection = psycopg.Connection[Row]

CHANNEL = "pointsman_journal"
LOCK_TIMEOUT = 10.0
"""Seconds to wait for another node that is writing."""
LOOK_ANYWAY = 1.0
"""Seconds after which a waiter looks by itself, in case a notification was lost."""
MIGRATION_LOCK = 0x506F696E74736D61  # "Pointsma"
_MAX_IDLE = 16
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Said in full: with another level, who waited for the lock would read the head before it."""
_ALIVE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A host that vanished without a word is given up after about ten seconds."""


class PostgresStore:
    """A registry kept in the PostgreSQL database at `url`.

    `durable=False` turns synchronous commit off: for measuring what it costs. `patience` is
    how many seconds to wait for another node that is writing to the same project. Raises
    `Unavailable` if the database can't be reached.
    """

    def __init__(self, url: str, *, durable: bool = True, patience: float = LOCK_TIMEOUT) -> None:
        self._url = url
        self._durable = durable
        self._patience = patience
        self._idle: deque[Connection] = deque()
        self._closed = threading.Event()
        self._writing: Connection | None = None
        self._listening: Connection | None = None
        self._listen_lock = threading.Lock()
        with explained():
            connection = self._connect()
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._writing = connection
        self._writer = Writer(self._begin)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A consistent view; see `app.ports.Store.read`."""
        if self._closed.is_set():
            raise Unavailable("The registry is closed.", code="closed")
        with explained():
            connection = self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield records_of(connection)
            except psycopg.Error:
                connection.close()
                raise
            finally:
                self._give_back(connection)

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
        """Wait for a notification; say True as well when it is time to look anyway."""
        waiting = min(timeout, LOOK_ANYWAY)
        with self._listen_lock:
            if self._closed.is_set():
                return False
            try:
                if self._listening is None or self._listening.closed:
                    self._listening = self._connect()
                    self._listening.execute(f"LISTEN {CHANNEL}")
                    return True
                for _ in self._listening.notifies(timeout=waiting, stop_after=1):
                    pass
            except psycopg.Error:
                if self._listening is not None:
                    self._listening.close()
                time.sleep(waiting)
        return not self._closed.is_set()

    def close(self) -> None:
        """See `app.ports.Store.close`."""
        if self._closed.is_set():
            return
        self._writer.close()
        self._closed.set()
        while self._idle:
            self._idle.pop().close()
        with self._listen_lock:
            if self._listening is not None:
                self._listening.close()
        if self._writing is not None:
            self._writing.close()

    def _begin(self) -> _PostgresBatch:
        with explained():
            if self._writing is None or self._writing.closed:
                self._writing = self._connect()
            try:
                self._writing.execute(_BEGIN)
            except psycopg.OperationalError:
                # The server may have closed an idle connection; a new one tells if it is up.
                self._writing.close()
                self._writing = self._connect()
                self._writing.execute(_BEGIN)
            return _PostgresBatch(self._writing)

    def _begun(self, begin: str) -> Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
                connection.execute(begin)
                return connection
            try:
                connection.execute(begin)
            except psycopg.OperationalError:
                connection.close()
                continue
            return connection

    def _give_back(self, connection: Connection) -> None:
        if not connection.closed:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:
                connection.close()
        if self._closed.is_set() or len(self._idle) >= _MAX_IDLE:
            connection.close()
        elif not connection.closed:
            self._idle.append(connection)

    def _connect(self) -> Connection:
        connection: Connection = psycopg.connect(
            self._url,
            autocommit=True,
            application_name="pointsman",
            **{key: value for key, value in _ALIVE.items() if key not in self._url},
        )
        connection.prepare_threshold = 2
        connection.execute(f"SET synchronous_commit = {'on' if self._durable else 'off'}")
        connection.execute(f"SET lock_timeout = {int(self._patience * 1000)}")
        return connection


class _PostgresBatch:
    """An open transaction on the writing connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.records = records_of(connection)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._say("SAVEPOINT change")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self._say("ROLLBACK TO SAVEPOINT change")
            raise
        self._say("RELEASE SAVEPOINT change")

    def savepoint(self) -> AbstractContextManager[None]:
        return self._savepoint()

    def usable(self) -> bool:
        status = psycopg.pq.TransactionStatus.INTRANS
        return not self._connection.closed and self._connection.info.transaction_status == status

    def commit(self) -> None:
        if self.records.appended:
            self._say(f"NOTIFY {CHANNEL}")
        try:
            self._connection.execute("COMMIT")
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._connection.close()
            raise OutcomeUnknown(
                "The connection to the database broke during the commit.",
                hint="The change may have taken effect; send it again with the same "
                "idempotency key to learn which.",
            ) from error
        except psycopg.Error as error:
            self.rollback()
            raise Unavailable(f"The database refused the commit: {error}.") from error

    def rollback(self) -> None:
        if not self._connection.closed:
            try:
                self._connection.execute("ROLLBACK")
                # After a failover, the next change had better ask anew who is the primary.
                if self._connection.info.parameter_status("in_hot_standby") == "on":
                    self._connection.close()
            except psycopg.Error:
                self._connection.close()

    def _say(self, sql: str) -> None:
        with explained():
            self._connection.execute(sql)


def records_of(connection: Connection) -> Records:
    def run(sql: str, parameters: Mapping[str, object]) -> list[Row]:
        with explained():
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def run_many(sql: str, rows: Sequence[Mapping[str, object]]) -> None:
        with explained(), connection.cursor() as cursor:
            cursor.executemany(sql, rows)

    return Records(Connected("postgres", run, run_many))


def _prepare(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])

        def execute(sql: str) -> Any:
            return connection.execute(sql)

        records = records_of(connection)
        opening.prepare("postgres", execute, records)
        records.write_out()


@contextmanager
def explained() -> Iterator[None]:
    """Turn the database's failures into `Unavailable` with what can be done about them."""
    try:
        yield
    except PointsmanError:
        raise
    except pg.LockNotAvailable as error:
        raise Unavailable(
            "Another node has been writing to the project for a long time.",
            code="database_locked",
            hint="Try again; if it lasts, look for a stuck transaction in the database.",
        ) from error
    except pg.DiskFull as error:
        raise Unavailable(
            "The database's disk is full.",
            code="disk_full",
            hint="Nothing was written; free some space and try again.",
        ) from error
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"The database can't be reached: {str(error).strip()}.",
            code="database_unreachable",
            hint="Check that it runs and that --database is right.",
        ) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        raise InvalidInput(
            f"The database's URL can't be read: {str(error).strip()}.",
            code="invalid_database",
            hint="Write it as postgresql://user@host:5432/name.",
            field="database",
        ) from error
    except (pg.ReadOnlySqlTransaction, pg.InsufficientPrivilege, psycopg.InterfaceError) as error:
        raise Unavailable(
            f"The database does not let us write: {str(error).strip()}.",
            code="database_unusable",
            hint="Check that --database names the primary and that the user may write.",
        ) from error
