"""What must never be rewritten refuses to be, whoever asks: raw SQL on a raw connection."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import psycopg
import pytest

from changes import PROJECT, add, add_version, include
from pointsman.app.ports import Store, TombstoneRow, Transaction
from stores import Place, PostgresPlace, Raw, Rows, SqlitePlace

GUARDED = {
    "journal": ("id", "at", "type", "data", "hash", "by_name", "artifact_id"),
    "version": ("artifact_id", "number", "digest", "message", "author", "created_at", "entry_id"),
    "content": ("entry_id", "body"),
    "tombstone": ("artifact_id", "number", "entry_id", "at", "by_name", "reason"),
    "dependency": ("artifact_id", "selector", "target_id", "target_alias"),
}
"""Tables whose rows are there for good, and columns that somebody might wish to change."""
REFUSALS = (apsw.Error, psycopg.Error)


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with a row in every guarded table."""
    fill(store)
    return store


def fill(store: Store) -> None:
    def change(tx: Transaction) -> None:
        first, second = add(tx, "x").id, add(tx, "y").id
        for number in (1, 2, 3):
            add_version(tx, first, number)
            add_version(tx, second, number)
        tx.add_dependencies([include(first, 1, second, alias="prod")])
        tx.add_tombstone(TombstoneRow(first, 1, 5, "Ana", "a secret"))

    store.write(PROJECT, change)


def dump(raw: Raw) -> dict[str, Rows]:
    return {table: sorted(raw.execute(f"SELECT * FROM {table}"), key=repr) for table in GUARDED}


def refused(place: Place, sql: str) -> None:
    """Find that the statement fails and changes nothing."""
    with place.raw() as raw:
        before = dump(raw)
        assert all(before.values())
    with place.raw() as raw, pytest.raises(REFUSALS, match=r"immutable|append-only|tombstone only"):
        raw.execute(sql)
    with place.raw() as raw:
        assert dump(raw) == before


def test_update_is_refused(filled: Store, place: Place) -> None:
    for table, columns in GUARDED.items():
        for column in columns:
            refused(place, f"UPDATE {table} SET {column} = {column}")


def test_delete_is_refused(filled: Store, place: Place) -> None:
    for table in GUARDED:
        refused(place, f"DELETE FROM {table}")


def test_truncate_is_refused(postgres_url: str) -> None:
    """SQLite has no such statement."""
    place = PostgresPlace(postgres_url)
    with closing(place.open()) as store:
        fill(store)
        for table in GUARDED:
            refused(place, f"TRUNCATE {table}")
            refused(place, f"TRUNCATE project, {table} CASCADE")


def test_replacing_a_row_is_refused(filled: Store, place: Place) -> None:
    for table in GUARDED:
        _find_replacing_refused(place, table)


def _find_replacing_refused(place: Place, table: str) -> None:
    with place.raw() as raw:
        columns = GUARDED[table]
        (row,) = raw.execute(f"SELECT {', '.join(columns)} FROM {table} LIMIT 1")
        known = dict(zip(columns, row, strict=True))
    keys = {"journal": "id", "content": "entry_id", "dependency": "artifact_id, number, position"}
    key = keys.get(table, "artifact_id, number")
    replace = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
    if place.dialect == "postgres":
        column = next(iter(known))
        replace = (
            f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) "
            f"DO UPDATE SET {column} = excluded.{column}"
        )
    refused(place, replace)


def test_a_tombstone_cannot_be_replaced_by_that_of_another_version(tmp_path: Path) -> None:
    """SQLite would delete the row whose `entry_id` is taken, and not ask its delete trigger."""
    place = SqlitePlace(tmp_path)
    replace = (
        "INSERT OR REPLACE INTO tombstone (artifact_id, number, entry_id, at, by_name, reason) "
        "SELECT artifact_id, 99, entry_id, 1, 'x', 'x' FROM tombstone"
    )
    with closing(place.open()) as store:
        fill(store)
        refused(place, replace)


def test_content_goes_with_a_tombstone_and_only_its_own(filled: Store, place: Place) -> None:
    others = "DELETE FROM content WHERE entry_id NOT IN (SELECT entry_id FROM tombstone)"
    refused(place, others)
    with filled.read() as reader:
        (first, second) = reader.artifacts_after(PROJECT, 0, 9)
        present = [
            reader.content(row.id, number) is not None
            for row in (first, second)
            for number in (1, 2, 3)
        ]
    assert present == [False, True, True, True, True, True]


def test_what_is_mutable_still_moves(filled: Store, place: Place) -> None:
    """The guards stand where they should and nowhere else."""
    with place.raw() as raw:
        for table in ("artifact", "alias", "tag", "api_key", "idempotency", "meta", "project"):
            raw.execute(f"DELETE FROM {table}")
