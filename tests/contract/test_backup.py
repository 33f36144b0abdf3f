"""Backups: of one moment, whole or not there, and good for either database."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from conftest import RunningServer, Serve
from pointsman.compose import Registry
from pointsman.core.journal import genesis
from pointsman.embedded.record import Manifest, make_backup, restore_backup
from pointsman.errors import Conflict, IntegrityError, NotFound, PointsmanError, Unavailable
from pointsman.sdk.client import Client
from pointsman.storage.backup import _tables
from pointsman.storage.dialects import migrations
from pointsman.storage.opening import TABLE as MIGRATIONS_TABLE
from pointsman.storage.sqlite import FILE
from stores import Place, PostgresPlace, SqlitePlace


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where nothing is yet: tests with a `place` as well run on all four pairs."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "elsewhere")
    return PostgresPlace(request.getfixturevalue("empty_postgres_url"))


def make(place: Place, target: Path) -> Manifest:
    options = place.options
    return make_backup(str(options.get("data", "")), options.get("database", ""), str(target))


def restore(source: Path, place: Place) -> Manifest:
    options = place.options
    data, database = str(options.get("data", "")), options.get("database", "")
    return restore_backup(str(source), data, database).manifest


def fill(registry: Registry) -> None:
    """A bit of everything, with texts that are hard to carry."""
    text = 'quotes " and \\ and\nlines\t\u2028 ünïcode \N{PILE OF POO} \\N \\. {{ who }}'
    registry.publish("a/b", {"template": text}, message="first", tags={"k": "v\\N"})
    registry.publish("a/b", {"template": "second"}, aliases=["deployment"], reason="because\n")
    registry.publish("c", {"template": "{{> a/b@deployment }}"})
    registry.publish("c", {"template": "gone"})
    registry.tombstone("c:2", reason="leaked")
    registry.split("a/b", "canary", {1: 90, 2: 10})
    registry.promote("a/b:1", "deployment", reason="back")
    registry.delete_alias("a/b@canary", reason="done")
    registry.create_key("app", "viewer")
    registry.set_tag("a/b", "owner", "ana")


def contents(place: Place, manifest: Manifest) -> dict[str, Any]:
    """All rows, but for what a restore and an opening change."""
    found: dict[str, Any] = {}
    with place.raw() as raw:
        for table in manifest.tables:
            rows = raw.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")
            found[table.name] = sorted(
                (tuple(row) for row in rows if row[0] != "epoch"), key=lambda row: repr(row)
            )
    return found


def test_a_backup_is_restored_to_either_database(
    place: Place, elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Registry(place.open())) as registry:
        fill(registry)
        head = registry.journal_head()
    manifest = make(place, tmp_path / "backup")
    assert [(one.entries, one.head) for one in manifest.journals] == [(head.seq, head.hash)]
    assert restore(tmp_path / "backup", elsewhere) == manifest
    assert contents(elsewhere, manifest) == contents(place, manifest)
    with closing(Registry(elsewhere.open())) as restored:
        again = restored.journal_head()
        assert (again.seq, again.hash, again.store) == (head.seq, head.hash, head.store)
        assert (head.epoch, again.epoch.partition(".")[0]) == ("1", "2")
        assert restored.doctor().findings == ()
        restored.publish("new", {"template": "x"}, aliases=["deployment"])
        restored.rollback("a/b@deployment", reason="still works")
        assert restored.doctor().findings == ()


def test_each_restore_is_a_store_of_its_own(place: Place, tmp_path: Path) -> None:
    place.open().close()
    make(place, tmp_path / "backup")
    epochs = set()
    for number in range(2):
        there = SqlitePlace(tmp_path / f"restored-{number}")
        restore(tmp_path / "backup", there)
        with closing(Registry(there.open())) as registry:
            epochs.add(registry.journal_head().epoch)
    assert len(epochs) == 2


def test_nothing_is_overwritten(place: Place, tmp_path: Path) -> None:
    place.open().close()
    target = tmp_path / "backup"
    make(place, target)
    with pytest.raises(Conflict, match="something in"):
        make(place, target)
    with pytest.raises(Conflict, match="There is a registry"):
        restore(target, place)
    with pytest.raises(NotFound, match="no backup"):
        restore(tmp_path / "nothing", SqlitePlace(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_where_no_registry_is_none_is_backed_up(elsewhere: Place, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no registry"):
        make(elsewhere, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    assert not list(tmp_path.glob(".backup*"))


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


@pytest.mark.parametrize("damage", [_flip, _shorten, Path.unlink])
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    damage: Callable[[Path], None], elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Registry.open(tmp_path / "data")) as registry:
        fill(registry)
    names = [file.name for file in _backup(tmp_path, "sample").iterdir()]
    assert "journal.jsonl.gz" in names
    for name in ("manifest.json", "journal.jsonl.gz", "content.jsonl.gz", "tag.jsonl.gz"):
        source = _backup(tmp_path, f"of-{name}")
        damage(source / name)
        with pytest.raises((IntegrityError, NotFound)):
            restore(source, elsewhere)
        _assert_nothing(elsewhere)


def test_a_file_that_is_whole_but_another_is_refused(elsewhere: Place, tmp_path: Path) -> None:
    with closing(Registry.open(tmp_path / "data")) as registry:
        fill(registry)
    source = _backup(tmp_path, "backup")
    file = source / "tag.jsonl.gz"
    rows = gzip.decompress(file.read_bytes())
    assert b"ana" in rows
    file.write_bytes(gzip.compress(rows.replace(b"ana", b"bob")))
    with pytest.raises(IntegrityError, match="not those that were written"):
        restore(source, elsewhere)
    _assert_nothing(elsewhere)


def test_what_another_store_left_behind_is_not_mixed_in(tmp_path: Path) -> None:
    """A log without its database would be played back into the restored one."""
    Registry.open(tmp_path / "data").close()
    source, there = _backup(tmp_path, "backup"), tmp_path / "there"
    there.mkdir()
    (there / "registry.db-wal").write_bytes(b"x")
    with pytest.raises(Conflict, match="There is a registry"):
        restore(source, SqlitePlace(there))
    assert [file.name for file in there.iterdir()] == ["registry.db-wal"]


def _backup(tmp_path: Path, name: str) -> Path:
    make(SqlitePlace(tmp_path / "data"), tmp_path / name)
    return tmp_path / name


def _assert_nothing(place: Place) -> None:
    if isinstance(place, SqlitePlace):
        assert not place.folder.exists() or not any(place.folder.iterdir())
    else:
        with place.raw() as raw:
            assert raw.execute("SELECT to_regclass('journal')") == [(None,)]


def test_a_forged_backup_with_sums_made_anew_is_still_refused(
    elsewhere: Place, tmp_path: Path
) -> None:
    """The sums guard against disks; the chain guards against people."""
    with closing(Registry.open(tmp_path / "data")) as registry:
        fill(registry)
    with SqlitePlace(tmp_path / "data").raw(guarded=False) as raw:
        raw.execute("UPDATE journal SET by_name = 'nobody' WHERE type = 'alias.moved'")
    source = _backup(tmp_path, "forged")
    with pytest.raises(IntegrityError, match=r"does not follow|hash"):
        restore(source, elsewhere)
    _assert_nothing(elsewhere)


def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    Registry.open(tmp_path / "data").close()
    with SqlitePlace(tmp_path / "data").raw() as raw:
        raw.execute("INSERT INTO schema_migration (number, name, at) VALUES (9999, 'x', 1)")
    with pytest.raises(Unavailable, match="9999"):
        _backup(tmp_path, "backup")


def _as_of_migration(number: int, source: Path, target: Path) -> SqlitePlace:
    """The registry of a folder as a program wrote it that knew the migrations up to a number."""
    target.mkdir()
    with closing(apsw.Connection(str(target / FILE))) as old:
        old.execute(MIGRATIONS_TABLE)
        for step in migrations("sqlite")[:number]:
            old.execute(step.sql)
        old.execute("ATTACH ? AS new", (str(source / FILE),))
        for table in _tables_of(number):
            rows = old.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
            columns = ", ".join(str(name) for (name,) in rows)
            old.execute(f"DELETE FROM {table}")
            old.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}")
        old.execute("DELETE FROM schema_migration WHERE number > ?", (number,))
    return SqlitePlace(target)


def _tables_of(number: int) -> list[str]:
    return _tables(migrations("sqlite")[:number])


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_backup_of_an_older_program_is_brought_up_to_date(
    number: int, elsewhere: Place, tmp_path: Path
) -> None:
    with closing(Registry.open(tmp_path / "data")) as registry:
        fill(registry)
    older = _as_of_migration(number, tmp_path / "data", tmp_path / "older")
    manifest = make(older, tmp_path / "backup")
    assert manifest.migrations == tuple(range(1, number + 1))
    assert [one.name for one in manifest.tables] == _tables_of(number)
    restore(tmp_path / "backup", elsewhere)
    with closing(Registry(elsewhere.open())) as registry:
        assert registry.checkpoints().items == ()
        assert registry.doctor().findings == ()


def test_a_backup_under_load_is_of_one_moment(
    place: Place, serve: Serve, elsewhere: Place, tmp_path: Path
) -> None:
    server = serve(**place.options)
    client = Client(server.url, server.key, snapshot=False, follow=False)
    for number in range(3):
        client.publish("busy", {"template": f"version {number}"}, aliases=["a", "b"])
    acknowledged = [0]
    stopped = threading.Event()

    def move() -> None:
        with closing(Client(server.url, server.key, snapshot=False, follow=False)) as mover:
            turn = 0
            while not stopped.is_set():
                turn += 1
                # Two moves in one release: a torn backup would have one of them.
                moves = [
                    {"name": "busy", "alias": one, "version": turn % 3 + 1} for one in ("a", "b")
                ]
                release = mover.release(moves, reason=f"turn {turn}")
                if release is not None:
                    acknowledged[0] = max(acknowledged[0], release.number + 1)

    threads = [threading.Thread(target=move) for _ in range(2)]
    for thread in threads:
        thread.start()
    backups = []
    try:
        for run in range(3):
            while acknowledged[0] < 20 * (run + 1):
                stopped.wait(0.001)
            before = acknowledged[0]
            backups.append(tmp_path / f"backup-{run}")
            manifest = make(place, backups[-1])
            assert manifest.journals[0].entries >= before
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
        client.close()
    restore(backups[-1], elsewhere)
    with closing(Registry(elsewhere.open())) as registry:
        assert registry.doctor().findings == ()
        one, other = registry.alias("busy@a"), registry.alias("busy@b")
        assert (one.target, one.release) == (other.target, other.release)


def test_clients_follow_a_restored_store(
    serve: Serve, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    server: RunningServer = serve(data=tmp_path / "data")
    client = Client(server.url, server.key, snapshot=False, refresh=0.2)
    with closing(client):
        client.publish("reply", {"template": "one"}, aliases=["deployment"])
        make(SqlitePlace(tmp_path / "data"), tmp_path / "backup")
        for text in ("two", "three"):
            client.publish("reply", {"template": text}, aliases=["deployment"])
        eventually(lambda: client.get("reply@deployment").version == 3)
        eventually(lambda: client.status().connected)
        server.stop()
        restore(tmp_path / "backup", SqlitePlace(tmp_path / "restored"))
        server.environment["POINTSMAN_DATA"] = str(tmp_path / "restored")
        assert client.get("reply@deployment").version == 3, "no server: what is held is read"
        server.restart()
        # It holds newer knowledge than the restored store, and must take that store's word.
        eventually(lambda: client.get("reply@deployment").version == 1)
        client.publish("reply", {"template": "another two"}, aliases=["deployment"])
        eventually(lambda: client.get("reply@deployment").render() == "another two")


def test_what_is_in_the_files_is_plain(tmp_path: Path) -> None:
    """Whoever has lost the program still has the data."""
    with closing(Registry.open(tmp_path / "data")) as registry:
        fill(registry)
    source = _backup(tmp_path, "backup")
    manifest = json.loads((source / "manifest.json").read_text("utf-8"))
    columns = {one["name"]: one["columns"] for one in manifest["tables"]}
    with gzip.open(source / "journal.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [dict(zip(columns["journal"], json.loads(line), strict=True)) for line in lines]
    assert [row["id"] & (1 << 40) - 1 for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["hash"] == manifest["journals"][0]["head"]
    assert genesis(manifest["journals"][0]["uid"]).hash != rows[0]["hash"]
    for file in source.iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_errors_are_ours(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "registry.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(PointsmanError):
        _backup(tmp_path, "backup")
    with pytest.raises(PointsmanError):
        make_backup("", "mysql://nowhere/x", str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()
