"""Opening: a schema that does not depend on its history, made once, by whoever comes first."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from changes import PROJECT, in_threads, record
from pointsman.compose import Registry, open_store
from pointsman.errors import InvalidInput, Unavailable
from pointsman.storage.dialects import Dialect, migrations
from pointsman.storage.opening import DEFAULT_PROJECT
from scale import SCALE
from stores import Place, PostgresPlace, Raw, SqlitePlace

NODES = 4

# Opens the stores that it is told of, line by line, and says what it finds in each.
_NODE = """
import sys
from pointsman.compose import open_store

print("here", flush=True)
for line in sys.stdin:
    store = open_store(**{sys.argv[1]: line.strip()})
    with store.read() as reader:
        names = [project.name for project in reader.projects()]
        print(reader.meta("store"), reader.heads(), names, flush=True)
    store.close()
"""


def schema(raw: Raw, dialect: Dialect) -> Any:
    """Everything that a schema is made of, in the database's own words."""
    if dialect == "sqlite":
        return raw.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema "
            "WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1, 2"
        )
    return [
        raw.execute(
            "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, "
            "column_default, collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' ORDER BY 1, 3"
        ),
        raw.execute(
            "SELECT tablename, indexname, indexdef FROM pg_indexes "
            "WHERE schemaname = 'public' ORDER BY 1, 2"
        ),
        raw.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
            "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
        ),
        raw.execute(
            "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger "
            "WHERE NOT tgisinternal ORDER BY 1, 2"
        ),
        raw.execute(
            "SELECT proname, pg_get_functiondef(oid) FROM pg_proc "
            "WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        ),
    ]


def apply(raw: Raw, dialect: Dialect, count: int) -> None:
    """Leave the database as a program with `count` migrations left it."""
    raw.execute("""
CREATE TABLE IF NOT EXISTS schema_migration (
    number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, at BIGINT NOT NULL
)
""")
    for step in migrations(dialect)[:count]:
        raw.execute(step.sql)
        raw.execute(f"INSERT INTO schema_migration VALUES ({step.number}, '{step.name}', 1)")


def test_migrations_are_numbered_without_gaps_on_both_databases() -> None:
    sqlite, postgres = migrations("sqlite"), migrations("postgres")
    assert [step.number for step in sqlite] == list(range(1, len(sqlite) + 1))
    assert [(a.number, a.name) for a in sqlite] == [(b.number, b.name) for b in postgres]


def _schema_columns(place: Place) -> dict[str, list[str]]:
    with place.raw() as raw:
        if place.dialect == "sqlite":
            tables = raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            return {
                table: [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
                for (table,) in tables
                if not table.startswith("sqlite_")
            }
        found: dict[str, list[str]] = {}
        for table, column, *_ in schema(raw, "postgres")[0]:
            found.setdefault(table, []).append(column)
        return found


def test_both_databases_have_the_same_tables(tmp_path: Path, postgres_url: str) -> None:
    sqlite, postgres = SqlitePlace(tmp_path), PostgresPlace(postgres_url)
    sqlite.open().close()
    assert _schema_columns(sqlite) == _schema_columns(postgres)


@pytest.mark.parametrize("count", range(len(migrations("sqlite")) + 1))
def test_migrating_equals_the_fresh_schema(empty_place: Place, count: int) -> None:
    dialect = empty_place.dialect
    empty_place.open().close()
    with empty_place.raw() as raw:
        fresh = schema(raw, dialect)
        assert fresh
    _wipe(empty_place)
    with empty_place.raw() as raw:
        apply(raw, dialect, count)
    empty_place.open().close()
    with empty_place.raw() as raw:
        assert schema(raw, dialect) == fresh


def _wipe(place: Place) -> None:
    if isinstance(place, SqlitePlace):
        shutil.rmtree(place.folder)
        place.folder.mkdir()
    else:
        with place.raw() as raw:
            raw.execute("DROP SCHEMA public CASCADE")
            raw.execute("CREATE SCHEMA public")


def test_opening_again_changes_nothing(empty_place: Place) -> None:
    def look() -> tuple[Any, ...]:
        with closing(empty_place.open()) as store, store.read() as reader:
            return (reader.meta("store"), reader.projects(), reader.lines(PROJECT, 0, 9))

    first = look()
    assert look() == look() == first
    with empty_place.raw() as raw:
        done = raw.execute("SELECT number, name FROM schema_migration ORDER BY number")
    assert done == [(step.number, step.name) for step in migrations("sqlite")]


def test_every_store_has_an_identity_of_its_own(tmp_path: Path) -> None:
    seen = set()
    for n in range(3):
        with closing(SqlitePlace(tmp_path / str(n)).open()) as store, store.read() as reader:
            project = reader.project(DEFAULT_PROJECT)
            assert project is not None
            seen |= {reader.meta("store"), project.uid}
    assert len(seen) == 6


def test_nodes_that_start_at_once_migrate_once(empty_place: Place) -> None:
    ((kind, where),) = empty_place.options.items()
    with _nodes(kind) as all_open:
        all_open(str(where))
    with empty_place.raw() as raw:
        done = raw.execute("SELECT number FROM schema_migration ORDER BY number")
    assert done == [(step.number,) for step in migrations("sqlite")]


def test_files_are_made_at_once_time_and_again(tmp_path: Path) -> None:
    """SQLite may refuse one of several that turn a new file to a write-ahead log, not waiting."""
    with _nodes("data") as all_open:
        for n in range(int(60 * SCALE)):
            all_open(str(tmp_path / str(n)))


@contextmanager
def _nodes(kind: str) -> Iterator[Callable[[str], None]]:
    """Processes that all open a place at the same moment, and find the same store there."""
    nodes = [
        subprocess.Popen(
            [sys.executable, "-c", _NODE, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(NODES)
    ]
    for node in nodes:
        assert node.stdout is not None
        assert node.stdout.readline() == "here\n"

    def all_open(where: str) -> None:
        for node in nodes:
            assert node.stdin is not None
            node.stdin.write(f"{where}\n")
            node.stdin.flush()
        said = {node.stdout.readline() for node in nodes if node.stdout is not None}
        assert len(said) == 1, "all found the same store"
        assert said.pop().endswith("{1: 1} ['default']\n")

    try:
        yield all_open
    finally:
        errors = [node.communicate(timeout=60)[1] for node in nodes]
    assert errors == [""] * NODES


def test_stores_that_open_at_once_in_threads_migrate_once(empty_place: Place) -> None:
    def work(_: int) -> str | None:
        with closing(empty_place.open()) as store:
            store.write(PROJECT, record)
            with store.read() as reader:
                return reader.meta("store")

    assert len(set(in_threads(6, work))) == 1
    with closing(empty_place.open()) as store, store.read() as reader:
        assert reader.heads() == {PROJECT: 7}


def test_a_newer_database_is_refused(place: Place) -> None:
    place.open().close()
    with place.raw() as raw:
        raw.execute("INSERT INTO schema_migration VALUES (999, 'of_tomorrow', 1)")
        before = schema(raw, place.dialect)
    with pytest.raises(Unavailable, match="migration 999, which this program") as caught:
        place.open()
    assert caught.value.code == "database_newer"
    assert caught.value.hint
    with place.raw() as raw:
        assert schema(raw, place.dialect) == before
        raw.execute("DELETE FROM schema_migration WHERE number = 999")
    place.open().close()


def test_a_failed_migration_leaves_nothing_half_done(empty_place: Place) -> None:
    """A table in the way: somebody else's database."""
    if isinstance(empty_place, SqlitePlace):
        empty_place.folder.mkdir()
    with empty_place.raw() as raw:
        raw.execute("CREATE TABLE idempotency (something INTEGER)")
        before = schema(raw, empty_place.dialect)
    with pytest.raises(Exception, match="idempotency"):
        empty_place.open()
    with empty_place.raw() as raw:
        assert schema(raw, empty_place.dialect) == before


def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    SqlitePlace(folder).open().close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["not a database\n" * 100, "SQLite format 3\0" + "x" * 5000])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, text: str) -> None:
    place = SqlitePlace(tmp_path)
    place.file.write_text(text)
    with pytest.raises(Unavailable) as caught:
        place.open()
    assert caught.value.code == "database_failed"
    assert str(place.file) in caught.value.message
    assert place.file.read_text() == text


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Unavailable) as caught:
        open_store(tmp_path / "data")
    assert caught.value.code == "database_unusable"


def test_an_unreachable_server_is_refused_soon() -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        open_store(database="postgresql://127.0.0.1:1/nowhere")
    assert caught.value.code == "database_unreachable"
    assert time.monotonic() - started < 30


def test_a_database_that_does_not_exist_is_refused(postgres_url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        open_store(database=postgres_url.replace("/test_", "/missing_"))
    assert caught.value.code == "database_unreachable"
    assert "missing_" in caught.value.message


def test_other_databases_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        open_store(database="mysql://127.0.0.1/x")
    assert caught.value.code == "invalid_database"


def test_the_embedded_registry_opens_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POINTSMAN_DATABASE", raising=False)
    monkeypatch.setenv("POINTSMAN_DATA", str(tmp_path / "here"))
    with Registry.open() as registry:
        registry.publish("a", {"template": "x"})
    with Registry.open(tmp_path / "here") as registry:
        assert registry.artifact("a").newest == 1
