"""Backups: everything a registry has, as files that either database can be restored from.

A backup is a folder with one compressed file of JSON lines a table, and a manifest with the
counts, the columns, the SHA-256 of each file and the heads of the journals. It is read in one
consistent snapshot while others go on writing, and gets its name once it is whole.

A restore goes to an empty place only. In SQLite the file gets its name, and in PostgreSQL the
transaction is committed, when all is there and verified: half of it is never a registry.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import apsw
import msgspec

from pointsman.core.canonical import canonical_json, digest, quoted
from pointsman.core.journal import genesis, spelled
from pointsman.core.verification import Header, verify
from pointsman.errors import Conflict, IntegrityError, NotFound, Unavailable
from pointsman.storage.dialects import Dialect, Migration, migrations
from pointsman.storage.opening import TABLE as MIGRATIONS_TABLE
from pointsman.storage.records import Records
from pointsman.storage.sqlite import FILE
from pointsman.storage.sqlite import explained as sqlite_explained
from pointsman.storage.sqlite import records_of as sqlite_records
from pointsman.storage.statements import Row

FORMAT = "pointsman backup 1"
MANIFEST = "manifest.json"
_CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")
_NAME = re.compile(r"[a-z_]+")
_STEP = 2_000
_LEVEL = 1
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a backup, and the file that it is in."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        return f"{self.name}.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Journal:
    """Where the journal of one project ended."""

    project: str
    uid: str
    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    made_at: str
    store: str
    epoch: str
    migrations: tuple[int, ...]
    tables: tuple[Table, ...]
    journals: tuple[Journal, ...]


class Place(Protocol):
    """A database, as far as backups are concerned."""

    @property
    def dialect(self) -> Dialect: ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """One consistent moment of all that is there. Raises `NotFound` without a registry."""
        ...

    def fill(self) -> AbstractContextManager[Filling]:
        """A new, empty database, which is there for others once the block ends well.

        Raises `Conflict` if there is a registry already.
        """
        ...


class Snapshot(Protocol):
    """Reads all rows as of one moment."""

    @property
    def records(self) -> Records: ...
    def run(self, sql: str) -> list[Row]: ...
    def columns(self, table: str) -> tuple[str, ...]:
        """The table's columns; none if there is no such table."""
        ...

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]: ...


class Filling(Protocol):
    """Fills an empty database."""

    @property
    def records(self) -> Records: ...
    def run(self, sql: str) -> list[Row]: ...
    def columns(self, table: str) -> tuple[str, ...]: ...
    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None: ...


def make(
    place: Place, target: Path, beside: Callable[[Records], Callable[[Path], None]] | None = None
) -> Manifest:
    """Write a backup of all that is there now into the folder `target`, which must be new.

    `beside` looks at the moment that the backup is of, and gives what puts further files into
    the folder, once that moment is no longer held on to.
    Raises `Conflict` if there is something already, `NotFound` if there is no registry, and
    `Unavailable` if it can't be read or written.
    """
    if os.path.lexists(target) and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(
            f"There is something in {str(target)!r} already.",
            code="target_not_empty",
            hint="Choose a new folder for each backup.",
        )
    with _writable(target):
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.absolute().parent))
        try:
            with place.snapshot() as snapshot:
                manifest = _write(snapshot, place.dialect, part)
                write_more = None if beside is None else beside(snapshot.records)
            if write_more is not None:
                write_more(part)
            _write_file(part / MANIFEST, _manifest_text(manifest).encode())
            _sync_folder(part)
            part.rename(target.absolute())
            _sync_folder(target.absolute().parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return manifest


def read_manifest(source: Path) -> Manifest:
    """What a backup says that it holds. Raises `NotFound` or `IntegrityError`."""
    try:
        text = (source / MANIFEST).read_text("utf-8")
    except OSError as error:
        raise NotFound(
            f"There is no backup in {str(source)!r}: {error.strerror or error}.",
            code="no_backup",
            hint=f"Name a folder that `pointsman backup make` wrote; it holds {MANIFEST}.",
            field="source",
        ) from error
    try:
        facts = json.loads(text)
        manifest = Manifest(
            made_at=facts["made_at"],
            store=facts["store"],
            epoch=facts["epoch"],
            migrations=tuple(facts["migrations"]),
            tables=tuple(
                Table(one["name"], tuple(one["columns"]), one["rows"], one["sha256"])
                for one in facts["tables"]
            ),
            journals=tuple(Journal(**one) for one in facts["journals"]),
        )
        whole = _manifest_text(manifest) == text
    except (LookupError, TypeError, ValueError) as error:
        raise _damaged(source / MANIFEST, f"it can't be read: {error!r}") from error
    if not whole:
        raise _damaged(source / MANIFEST, "it was changed")
    return manifest


def restore(
    source: Path, place: Place, settle: Callable[[Records], None] | None = None
) -> Manifest:
    """Put all that a backup holds into an empty place, verified, under a new epoch.

    `settle` may change what was restored before anybody sees it; it finds the present schema.
    Raises `Conflict` if there is a registry already, `NotFound` or `IntegrityError` if the
    backup is none or not whole, and `Unavailable`.
    """
    manifest = read_manifest(source)
    for table in manifest.tables:
        if not _NAME.fullmatch(table.name):
            raise _damaged(source / MANIFEST, f"{quoted(table.name)} is no table")
        if _sum(source / table.file) != table.sha256:
            raise _damaged(source / table.file, "its bytes are not those that were written")
    with place.fill() as filling:
        steps = _steps(place.dialect, manifest)
        filling.run(MIGRATIONS_TABLE)
        for step in steps:
            filling.run(step.sql)
        known = [name for name in _tables(steps) if filling.columns(name)]
        given = {table.name: table for table in manifest.tables}
        if set(known) != set(given):
            raise _damaged(source / MANIFEST, "its tables are not those of its migrations")
        for name in known:
            filling.run(f"DELETE FROM {name}")  # what a migration put there
        for name in known:
            columns = filling.columns(name)
            if set(columns) != set(given[name].columns):
                raise _damaged(source / MANIFEST, f"{name} has other columns")
            filling.insert(name, given[name].columns, _counted(source, given[name]))
        _verify(filling.records, manifest)
        if settle is not None:
            _bring_up_to_date(filling, place.dialect, manifest)
            records = filling.records
            settle(records)
            records.flush()
            records.write_out()
        epoch = f"{manifest.epoch.partition('.')[0]}"
        raised = int(epoch) + 1 if epoch.isdecimal() else 2
        # With a number drawn by lot: two restores of one backup are two different stores.
        filling.run(f"UPDATE meta SET value = '{raised}.{secrets.token_hex(8)}' "
                    "WHERE key = 'epoch'")  # fmt: skip
    return manifest


class SqlitePlace:
    """The registry in a folder."""

    dialect: Dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / FILE

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See `Place.snapshot`."""
        if not self._file.exists():
            raise _no_registry(str(self._folder))
        with sqlite_explained(self._file), closing(apsw.Connection(str(self._file))) as connection:
            connection.set_busy_timeout(10_000)
            connection.pragma("query_only", True)
            connection.execute("BEGIN")
            yield _SqliteRows(connection)

    @contextmanager
    def fill(self) -> Iterator[Filling]:
        """See `Place.fill`."""
        self._check_empty()
        with _writable(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=".restoring-", dir=self._folder))
            try:
                made = part / FILE
                os.close(os.open(made, os.O_RDWR | os.O_CREAT, 0o600))
                with sqlite_explained(made), closing(apsw.Connection(str(made))) as connection:
                    connection.pragma("journal_mode", "off")
                    connection.pragma("synchronous", "off")
                    connection.pragma("cache_size", -65_536)
                    connection.execute("BEGIN")
                    yield _SqliteRows(connection, made)
                    connection.execute("COMMIT")
                with made.open("rb+") as file:
                    os.fsync(file.fileno())
                self._check_empty()
                try:
                    os.link(made, self._file)  # unlike a rename, it replaces nothing
                except FileExistsError:
                    raise _not_empty(str(self._folder)) from None
                _sync_folder(self._folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def _check_empty(self) -> None:
        if any(self._folder.glob(f"{FILE}*")):
            raise _not_empty(str(self._folder))


class _SqliteRows:
    """`Snapshot` and `Filling` on SQLite."""

    def __init__(self, connection: apsw.Connection, file: Path | None = None) -> None:
        self._connection = connection
        self._file = file or Path(connection.filename)

    @property
    def records(self) -> Records:
        return sqlite_records(self._connection, self._file)

    def run(self, sql: str) -> list[Row]:
        return self._connection.execute(sql).fetchall()

    def columns(self, table: str) -> tuple[str, ...]:
        found = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        return tuple(str(name) for (name,) in found)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        yield from self._connection.execute(f"SELECT {', '.join(columns)} FROM {table}")

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        self._connection.executemany(sql, rows)


class PostgresPlace:
    """The registry in a PostgreSQL database."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See `Place.snapshot`."""
        with self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as rows:
            if not rows.columns("journal"):
                raise _no_registry("the database")
            yield rows

    @contextmanager
    def fill(self) -> Iterator[Filling]:
        """See `Place.fill`."""
        from pointsman.storage.postgres import MIGRATION_LOCK

        with self._begun("BEGIN ISOLATION LEVEL READ COMMITTED") as rows:
            rows.run(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            if rows.columns("journal") or rows.columns("schema_migration"):
                raise _not_empty("the database")
            yield rows
            rows.run("COMMIT")

    @contextmanager
    def _begun(self, begin: str) -> Iterator[_PostgresRows]:
        import psycopg

        from pointsman.storage.postgres import explained

        with explained(), psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(begin.encode())
            yield _PostgresRows(connection)


class _PostgresRows:
    """`Snapshot` and `Filling` on PostgreSQL."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def records(self) -> Records:
        from pointsman.storage.postgres import records_of

        return records_of(self._connection)

    def run(self, sql: str) -> list[Row]:
        cursor = self._connection.execute(sql.encode())
        rows: list[Row] = cursor.fetchall() if cursor.description else []
        return rows

    def columns(self, table: str) -> tuple[str, ...]:
        found = self._connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) "
            "AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (table,),
        )
        return tuple(name for (name,) in found)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        with self._connection.cursor(name="pointsman_backup") as cursor:
            cursor.itersize = _STEP
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}".encode())
            yield from cursor

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)


def _write(snapshot: Snapshot, dialect: Dialect, part: Path) -> Manifest:
    done = tuple(row[0] for row in snapshot.run(
        "SELECT number FROM schema_migration ORDER BY number"))  # fmt: skip
    meta: dict[str, str] = dict(snapshot.run("SELECT key, value FROM meta"))
    steps = [step for step in migrations(dialect) if step.number in done]
    if len(steps) != len(done):
        raise _newer(max(done))
    tables = []
    for name in _tables(steps):
        columns = snapshot.columns(name)
        if not columns:
            continue  # a later migration did away with it
        count, total = _write_table(part, name, snapshot.rows(name, columns))
        tables.append(Table(name, columns, count, total))
    return Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        store=str(meta.get("store", "")),
        epoch=str(meta.get("epoch", "")),
        migrations=done,
        tables=tuple(tables),
        journals=tuple(_journals(snapshot)),
    )


def _journals(snapshot: Snapshot) -> Iterator[Journal]:
    for number, name, uid in snapshot.run("SELECT id, name, uid FROM project ORDER BY id"):
        last = snapshot.run(
            "SELECT id & 1099511627775, hash FROM journal "
            f"WHERE id > {number << 40} AND id < {number + 1 << 40} ORDER BY id DESC LIMIT 1"
        )
        seq, head = last[0] if last else (0, genesis(uid).hash)
        yield Journal(name, uid, seq, head)


def _write_table(part: Path, name: str, rows: Iterator[Row]) -> tuple[int, str]:
    count = 0
    with _new_file(part / f"{name}.jsonl.gz") as file:
        summed = _Summed(file)
        with gzip.GzipFile("", "wb", _LEVEL, summed, mtime=0) as packed:
            lines: list[bytes] = []
            for row in rows:
                lines.append(_encode(row))
                if len(lines) == _STEP:
                    packed.write(b"\n".join(lines) + b"\n")
                    count += _STEP
                    lines.clear()
            count += len(lines)
            packed.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    return count, summed.sum.hexdigest()


class _Summed:
    """Passes bytes on to a file and sums them up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _counted(source: Path, table: Table) -> Iterator[Row]:
    """The rows of a table. Raises `IntegrityError` if they are not as many as they should be."""
    count, width = 0, len(table.columns)
    decode = msgspec.json.Decoder(list[str | int | float | None]).decode
    try:
        with gzip.open(source / table.file) as lines:
            for line in lines:
                row = decode(line)
                if len(row) != width:
                    raise _damaged(source / table.file, f"row {count + 1} has {len(row)} columns")
                count += 1
                yield tuple(row)
    except (OSError, EOFError, msgspec.DecodeError) as error:
        raise _damaged(source / table.file, f"it can't be read: {error}") from error
    if count != table.rows:
        raise _damaged(source / table.file, f"it has {count} rows, not {table.rows}")


def _verify(records: Records, manifest: Manifest) -> None:
    """Raise `IntegrityError` unless each journal is whole and ends where it ended."""
    told = {one.uid: one for one in manifest.journals}
    for project in records.projects():
        journal = told.pop(project.uid, None)
        if journal is None:
            raise _damaged(Path(MANIFEST), f"it knows nothing of the project {project.name!r}")
        header = Header(
            project.name, project.uid, manifest.store, manifest.epoch,
            journal.entries, journal.head,
        )  # fmt: skip
        report = verify(header, _lines(records, project.id, project.uid))
        if report.findings:
            first = report.findings[0]
            where = f"entry {first.seq}: {first.message}"
            raise _damaged(Path(f"journal of {project.name}"), where)
    if told:
        raise _damaged(Path(MANIFEST), f"it tells of projects that are not there: {len(told)}")


def _lines(records: Records, project_id: int, uid: str) -> Iterator[bytes]:
    previous, after = genesis(uid).hash, 0
    while lines := records.lines(project_id, after, _STEP):
        for text in spelled(previous, lines):
            yield f"{text}\n".encode()
        previous, after = lines[-1].hash, lines[-1].seq


def _steps(dialect: Dialect, manifest: Manifest) -> list[Migration]:
    known = {step.number: step for step in migrations(dialect)}
    unknown = set(manifest.migrations) - known.keys()
    if unknown:
        raise _newer(max(unknown))
    return [known[number] for number in sorted(manifest.migrations)]


def _bring_up_to_date(filling: Filling, dialect: Dialect, manifest: Manifest) -> None:
    """Run the migrations that came after the backup, as the next opening would."""
    now = time.time_ns() // 1000
    for step in migrations(dialect):
        if step.number not in manifest.migrations:
            filling.run(step.sql)
            filling.run(
                "INSERT INTO schema_migration (number, name, at) "
                f"VALUES ({step.number}, '{step.name}', {now})"
            )


def _tables(steps: Iterable[Migration]) -> list[str]:
    """The tables that migrations make, in that order."""
    made = [name for step in steps for name in _CREATED.findall(step.sql)]
    return list(dict.fromkeys(["schema_migration", *made]))


def _manifest_text(manifest: Manifest) -> str:
    facts: Mapping[str, Any] = {
        "format": FORMAT,
        "made_at": manifest.made_at,
        "store": manifest.store,
        "epoch": manifest.epoch,
        "migrations": list(manifest.migrations),
        "tables": [
            {
                "name": one.name,
                "columns": list(one.columns),
                "rows": one.rows,
                "sha256": one.sha256,
            }
            for one in manifest.tables
        ],
        "journals": [
            {"project": one.project, "uid": one.uid, "entries": one.entries, "head": one.head}
            for one in manifest.journals
        ],
    }
    whole = {**facts, "sum": digest(canonical_json(facts))}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _sum(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(file, f"it can't be read: {error.strerror or error}") from error


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write_file(path: Path, data: bytes) -> None:
    with _new_file(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{str(folder)!r} can't be written: {error.strerror or error}.",
            code="unwritable_folder",
            hint="Check its owner, its permissions, and the space left on the disk.",
        ) from error


def _damaged(file: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"The backup is damaged: {file.name}: {why}.",
        code="damaged_backup",
        hint="Nothing was restored; take another backup.",
    )


def _newer(number: int) -> Unavailable:
    return Unavailable(
        f"The backup has the migration {number}, which this program does not know.",
        code="database_newer",
        hint="Run the version of Pointsman that made it, or a later one.",
    )


def _not_empty(where: str) -> Conflict:
    return Conflict(
        f"There is a registry in {where} already.",
        code="place_not_empty",
        hint="Restore to an empty folder or database; nothing is ever overwritten.",
    )


def _no_registry(where: str) -> NotFound:
    return NotFound(
        f"There is no registry in {where}.",
        code="no_registry",
        hint="Name the folder or database that a registry is in.",
    )
