"""SQLite when things go wrong: another process in the way, a full disk."""

from __future__ import annotations

import functools
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from changes import PROJECT, Answers, add, add_version, held, record
from pointsman.app.ports import Transaction
from pointsman.errors import Unavailable
from pointsman.storage.sqlite import SqliteStore
from stores import SqlitePlace

PATIENCE = 0.2


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(tmp_path / "data")


@pytest.fixture
def store(place: SqlitePlace) -> Iterator[SqliteStore]:
    with closing(place.open(patience=PATIENCE)) as opened:
        yield opened


def large(tx: Transaction, name: str = "large") -> None:
    """A change that needs a few hundred pages."""
    add_version(tx, add(tx, name).id, 1, '"' + "x" * 1_000_000 + '"')


def count(store: SqliteStore) -> int:
    with store.read() as reader:
        return reader.heads()[PROJECT]


def test_a_locked_database_is_said_to_be_locked(place: SqlitePlace, store: SqliteStore) -> None:
    with place.raw() as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            store.write(PROJECT, record)
        assert caught.value.code == "database_locked"
        assert str(place.file) in caught.value.message
        assert caught.value.hint
        answers = Answers()
        for _ in range(3):
            store.submit(PROJECT, record, answers)
        answers.wait(3)
        assert [error.code for error in answers.errors] == ["database_locked"] * 3  # type: ignore[attr-defined]
        assert count(store) == 1, "reads go on"
        raw.execute("ROLLBACK")
    assert store.write(PROJECT, record).seq == 2


def test_a_locked_database_cannot_be_opened_and_says_why(place: SqlitePlace) -> None:
    place.open().close()
    with place.raw() as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as caught:
            place.open(patience=PATIENCE)
        assert caught.value.code == "database_locked"
        raw.execute("ROLLBACK")
    place.open(patience=PATIENCE).close()


def test_a_writer_waits_for_another_process(place: SqlitePlace) -> None:
    """Patience is not only a time after which to give up: turns are taken within it."""
    with closing(place.open(patience=20)) as store, place.raw() as raw:
        raw.execute("BEGIN IMMEDIATE")
        wrote = threading.Event()

        def write() -> None:
            store.write(PROJECT, record)
            wrote.set()

        writing = threading.Thread(target=write)
        writing.start()
        assert not wrote.wait(0.3)
        raw.execute("ROLLBACK")
        assert wrote.wait(20)
        writing.join()


def test_a_full_database_refuses_writes_and_nothing_else(store: SqliteStore) -> None:
    """As when the disk is full, at the statement that needs one page too many."""
    connection = store._connection
    store.write(PROJECT, lambda tx: add(tx, "first"))
    pages = connection.pragma("page_count")
    assert isinstance(pages, int)
    connection.pragma("max_page_count", pages + 5)
    with pytest.raises(Unavailable) as caught:
        store.write(PROJECT, large)
    assert caught.value.code == "disk_full"
    assert caught.value.hint
    with store.read() as reader:
        assert [row.name for row in reader.artifacts_after(PROJECT, 0, 9)] == ["first"]
    assert store.write(PROJECT, record).seq == 2, "what still fits is written"
    connection.pragma("max_page_count", 1 << 30)
    store.write(PROJECT, large)
    assert count(store) == 3


def test_a_full_database_takes_what_fits_of_a_batch_or_nothing(store: SqliteStore) -> None:
    connection = store._connection
    store.write(PROJECT, record)
    pages = connection.pragma("page_count")
    assert isinstance(pages, int)
    connection.pragma("max_page_count", pages + 5)
    with held(store) as answers:
        store.submit(PROJECT, record, answers)
        store.submit(PROJECT, large, answers)
        store.submit(PROJECT, record, answers)
    answers.wait(3)
    assert {type(error) for error in answers.errors} == {Unavailable}
    assert len(answers.errors) in (1, 3), "either only the large one failed, or all together"
    assert count(store) == 2 + len(answers.results)
    connection.pragma("max_page_count", 1 << 30)
    store.write(PROJECT, large)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("a small file system can't be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_writes_and_nothing_else(small_disk: Path) -> None:
    with closing(SqlitePlace(small_disk / "data").open()) as store:
        store.write(PROJECT, lambda tx: add(tx, "first"))
        ballast = small_disk / "ballast"
        _fill(ballast)
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                store.write(PROJECT, large)
            assert caught.value.code == "disk_full", caught.value
        with store.read() as reader:
            assert [row.name for row in reader.artifacts_after(PROJECT, 0, 9)] == ["first"]
        ballast.unlink()
        store.write(PROJECT, large)
        assert count(store) == 2
        with store.read() as reader:
            assert [row.name for row in reader.artifacts_after(PROJECT, 0, 9)] == ["first", "large"]


def test_a_disk_that_fills_up_keeps_all_that_was_acknowledged(small_disk: Path) -> None:
    place = SqlitePlace(small_disk / "data")
    with closing(place.open()) as store:
        written = 0
        refusal = ""
        while not refusal:
            try:
                store.write(PROJECT, functools.partial(large, name=f"large {written}"))
                written += 1
            except Unavailable as error:
                refusal = error.code
        assert refusal == "disk_full"
        assert written > 1
        assert count(store) == 1 + written
    with closing(apsw.Connection(str(place.file))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(place.open()) as store:
        assert count(store) == 1 + written


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        chunk = 1 << 16
        while chunk:
            try:
                file.write(b"x" * chunk)
            except OSError:
                chunk //= 2
