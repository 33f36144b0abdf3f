"""The files of models in backups: copied and verified, or left out on purpose."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from cli.commands import Cli
from pointsman.compose import Registry
from pointsman.embedded.record import files_in, make_backup, restore_backup
from pointsman.errors import Conflict, IntegrityError
from stores import Place, SqlitePlace


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/kept")
    return tmp_path / "kept"


@pytest.fixture
def filled(place: Place, tmp_path: Path) -> Place:
    """A registry with two versions of a model, one of which has no content any more."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "a").write_bytes(b"a" * 3_000_000)
    (model / "b").write_bytes(b"b")
    with closing(Registry(place.open())) as registry:
        registry.publish_model("churn", model)
        registry.publish_model("again", model / "b")
        (model / "c").write_bytes(b"removed")
        registry.publish_model("churn", model)
        registry.tombstone("model:churn:2", reason="not ours")
    return place


def where(place: Place) -> tuple[str, str]:
    return str(place.options.get("data", "")), str(place.options.get("database", ""))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


WANTED = {sha(b"a" * 3_000_000), sha(b"b")}


def test_files_come_along_and_come_back(
    filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup"
    make_backup(*where(filled), str(backup))
    assert names(backup / "blobs") == WANTED
    told = files_in(str(backup))
    assert told is not None
    assert (told.files, told.size, told.missing) == (2, 3_000_001, ())
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/elsewhere")
    done = restore_backup(str(backup), str(tmp_path / "copy"), "")
    assert done.files == told
    assert names(tmp_path / "elsewhere") == WANTED
    with closing(Registry(SqlitePlace(tmp_path / "copy").open())) as registry:
        out = registry.pull("model:churn:1", tmp_path / "out", cache=False)
    assert (out / "a").read_bytes() == b"a" * 3_000_000


def test_without_them(filled: Place, tmp_path: Path, kept: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(*where(filled), str(backup), blobs=False)
    assert files_in(str(backup)) is None
    assert not (backup / "blobs").exists()
    before = names(kept)
    done = restore_backup(str(backup), str(tmp_path / "copy"), "")
    assert done.files is not None
    assert (done.files.files, done.files.missing) == (2, ()), "they are where they were"
    assert names(kept) == before


def test_what_is_damaged_is_told_and_is_not_copied(
    filled: Place, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bad,) = kept.rglob(sha(b"b"))
    bad.write_bytes(b"B")
    backup = tmp_path / "backup"
    make_backup(*where(filled), str(backup))
    told = files_in(str(backup))
    assert told is not None
    assert told.missing == (sha(b"b"),)
    (good,) = (backup / "blobs").rglob(sha(b"a" * 3_000_000))
    good.write_bytes(b"X" * 3_000_000)
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/elsewhere")
    done = restore_backup(str(backup), str(tmp_path / "copy"), "")
    assert done.files is not None
    assert set(done.files.missing) == WANTED
    assert names(tmp_path / "elsewhere") == set(), "damaged bytes get no name"


def test_a_list_that_can_not_be_read(filled: Place, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(*where(filled), str(backup))
    (backup / "blobs.json").write_text("{")
    with pytest.raises(IntegrityError) as caught:
        restore_backup(str(backup), str(tmp_path / "copy"), "")
    assert caught.value.code == "damaged_backup"
    assert not (tmp_path / "copy" / "registry.db").exists()


def test_a_registry_without_models_needs_no_place_for_files(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_BLOBS")
    with closing(Registry(place.open())) as registry:
        registry.publish("a", "x")
        registry.publish("m", {"uri": "s3://x"}, kind="model")
    make_backup(*where(place), str(tmp_path / "backup"))
    done = restore_backup(str(tmp_path / "backup"), str(tmp_path / "copy"), "")
    assert done.files is None


def test_a_database_needs_a_place_for_files(
    filled: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_postgres_url: str
) -> None:
    make_backup(*where(filled), str(tmp_path / "backup"))
    monkeypatch.delenv("POINTSMAN_BLOBS")
    with pytest.raises(Conflict) as caught:
        restore_backup(str(tmp_path / "backup"), "", empty_postgres_url)
    assert caught.value.code == "no_blob_store"
    restore_backup(str(tmp_path / "backup"), "", empty_postgres_url, blobs=False)


def test_a_copy_does_not_clear_away_what_its_original_names(
    filled: Place, tmp_path: Path, kept: Path
) -> None:
    make_backup(*where(filled), str(tmp_path / "backup"))
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "copy"), POINTSMAN_BLOBS=f"file://{kept}")
    cli("backup", "restore", tmp_path / "backup")
    ran = cli.run("blobs", "gc", "--json")
    assert (ran.code, ran.error["code"]) == (3, "place_may_be_shared")
    assert cli.json("blobs", "gc", "--dry-run")["dry_run"]
    assert cli.json("blobs", "gc", "--alone")["projects"][0]["kept"] == 3


def test_on_the_command_line(filled: Place, tmp_path: Path, kept: Path) -> None:
    data, database = where(filled)
    given = {"POINTSMAN_DATA": data} if data else {"POINTSMAN_DATABASE": database}
    cli = Cli(POINTSMAN_BLOBS=f"file://{kept}", **given)
    assert "With 2 files of models, 3.0 MB." in cli("backup", "make", tmp_path / "one").out
    told = cli("backup", "make", tmp_path / "two", "--without-blobs").out
    assert "Files of models are not in it" in told
    there = Cli(POINTSMAN_DATA=str(tmp_path / "copy"))
    assert there.json("backup", "restore", tmp_path / "one")["files"]["files"] == 2
    assert names(tmp_path / "copy" / "blobs") == WANTED
    assert "3 files good, 0 bad." in there("blobs", "check").out
    (bad,) = kept.rglob(sha(b"b"))
    bad.unlink()
    warned = cli("backup", "make", tmp_path / "three")
    assert "1 file can't be read" in warned.err
