"""`kill -9` amid a backup and amid a restore: half of either is never taken for the whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from faults.damage import RUNS
from pointsman.compose import Registry
from pointsman.embedded.record import make_backup, restore_backup
from stores import Databases, Place, PostgresPlace, SqlitePlace

_GO = "from pointsman.embedded import record as c; print('go', flush=True); c."


@pytest.fixture
def filled(place: Place) -> Place:
    """A registry that takes a while to copy."""
    with closing(Registry(place.open())) as registry:
        for folder in range(2):
            items = [
                {
                    "name": f"f{folder}/p{number}",
                    "content": {"template": f"{number} " + random.randbytes(15_000).hex()},
                    "aliases": ["live"],
                }
                for number in range(100)
            ]
            registry.publish_many(items)
    return place


def test_a_backup_is_there_whole_or_not_at_all(filled: Place, tmp_path: Path) -> None:
    seconds = _run("make_backup", [*_where(filled), str(tmp_path / "measured")])
    outcomes = set()
    for run in range(RUNS * 2):
        target = tmp_path / f"backup-{run}"
        _kill("make_backup", [*_where(filled), str(target)], random.uniform(0, seconds))
        outcomes.add(target.exists())
        if target.exists():
            with SqlitePlaceOf(tmp_path / f"there-{run}", target) as registry:
                assert registry.artifact("f1/p99").newest == 1
    assert False in outcomes


def test_a_store_is_restored_whole_or_not_at_all(
    filled: Place, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = tmp_path / "backup"
    make_backup(*_where(filled), str(source))
    seconds = _run("restore_backup", [str(source), *_where(_fresh(filled, tmp_path, request, 0))])
    outcomes = set()
    for run in range(1, RUNS + 1):
        place = _fresh(filled, tmp_path, request, run)
        _kill("restore_backup", [str(source), *_where(place)], random.uniform(0, seconds / run))
        there = _is_there(place)
        outcomes.add(there)
        if not there:
            restore_backup(str(source), *_where(place))  # what is left over is in nobody's way
        with closing(Registry(place.open())) as registry:
            assert registry.doctor().findings == ()
            assert registry.artifact("f1/p99").newest == 1
    assert False in outcomes


class SqlitePlaceOf:
    """A backup restored into a folder, opened."""

    def __init__(self, folder: Path, source: Path) -> None:
        restore_backup(str(source), str(folder), "")
        self._registry = Registry.open(folder)

    def __enter__(self) -> Registry:
        assert self._registry.doctor().findings == ()
        return self._registry

    def __exit__(self, *_: object) -> None:
        self._registry.close()


def _where(place: Place) -> tuple[str, str]:
    return str(place.options.get("data", "")), str(place.options.get("database", ""))


def _fresh(like: Place, folder: Path, request: pytest.FixtureRequest, number: int) -> Place:
    """An empty place on the same database."""
    if like.dialect == "sqlite":
        return SqlitePlace(folder / f"restored-{number}")
    databases: Databases = request.getfixturevalue("databases")
    name = databases.empty()
    request.addfinalizer(lambda: databases.drop(name))
    return PostgresPlace(databases.url(name))


def _is_there(place: Place) -> bool:
    if isinstance(place, SqlitePlace):
        return place.file.exists()
    with place.raw() as raw:
        found: list[tuple[str | None]] = raw.execute("SELECT to_regclass('journal')")
        return found != [(None,)]


def _start(function: str, arguments: list[str]) -> subprocess.Popen[str]:
    code = f"{_GO}{function}(*{arguments!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "go\n"
    return process


def _run(function: str, arguments: list[str]) -> float:
    """How many seconds it takes when nobody disturbs it."""
    process = _start(function, arguments)
    began = time.monotonic()
    assert process.wait() == 0
    return time.monotonic() - began


def _kill(function: str, arguments: list[str], after: float) -> None:
    process = _start(function, arguments)
    time.sleep(after)
    process.kill()
    process.wait()
