"""The files of models in use cases, on both databases, in a folder and in an object store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from buckets import BUCKET, SECRET, ObjectStore
from pointsman.app.application import Application, Caller
from pointsman.app.blobs import (
    SMALL,
    STEP,
    File,
    Upload,
    Verified,
    blobs_of,
    find_blob,
    find_file,
    read_file,
)
from pointsman.app.collecting import YOUNG, Flaw, check, collect
from pointsman.app.ports import ProjectRow
from pointsman.app.ports.blobs import Blobs
from pointsman.compose import Registry
from pointsman.core.access import Actor, Grant
from pointsman.core.canonical import JSON
from pointsman.errors import (
    Conflict,
    Gone,
    IntegrityError,
    InvalidContent,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    TooLarge,
    Unavailable,
)
from pointsman.storage import blobs as storage
from pointsman.storage.blobs import Bucket, Folder, open_blobs
from stores import Place, SqlitePlace

LATER = 10 * YOUNG
"""Microseconds after which nothing is young any more."""


@pytest.fixture(autouse=True)
def _where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder for blobs, which a registry in PostgreSQL has not by itself."""
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/kept")


@pytest.fixture(params=["folder", "bucket"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    """A place for blobs of each kind."""
    if request.param == "folder":
        yield Folder(tmp_path / "blobs")
    else:
        yield Bucket(MemoryStore(), "memory://")


@pytest.fixture
def project(app: Application) -> ProjectRow:
    return app.project("default")


@pytest.fixture
def admin(project: ProjectRow) -> Caller:
    return Caller(Actor("test:ana", "ana", "admin", "test"), project)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upload(app: Application, caller: Caller, data: bytes) -> str:
    taking = Upload(app, caller, sha(data), len(data))
    try:
        taking.write(data)
        taking.finish()
    finally:
        taking.abort()
    return sha(data)


def content(**files: bytes) -> dict[str, JSON]:
    return {
        "files": {name: {"size": len(data), "sha256": sha(data)} for name, data in files.items()}
    }


def everything(tmp_path: Path) -> set[str]:
    """All files that are in the folder of blobs, whatever they are called."""
    return {file.name for file in (tmp_path / "kept").rglob("*") if file.is_file()}


# The place itself


def test_a_place_keeps_what_it_was_given(kept: Blobs) -> None:
    small, large = b"small", os.urandom(3 * STEP + 1)
    for data in (b"", small, large):
        taking = kept.receive("p", sha(data))
        for start in range(0, len(data), 100_000):
            taking.write(data[start : start + 100_000])
        assert kept.find("p", sha(data)) is None
        taking.keep()
        taking.drop()
        found = kept.find("p", sha(data))
        assert found is not None
        assert (found.sha256, found.size) == (sha(data), len(data))
        assert kept.read("p", sha(data), 0, len(data) + 5) == data if data else True
    assert kept.read("p", sha(large), STEP, 10) == large[STEP : STEP + 10]
    assert kept.read("p", "0" * 64, 0, 10) == b""
    assert kept.find("q", sha(small)) is None
    names = {sha(data) for data in (b"", small, large)}
    assert kept.find_all("p", [*names, "0" * 64]).keys() == names
    assert {one.sha256 for one in kept.all("p")} == names
    assert list(kept.all("q")) == []
    kept.remove("p", [sha(small), "0" * 64])
    assert kept.find("p", sha(small)) is None


def test_what_is_dropped_was_never_there(kept: Blobs, tmp_path: Path) -> None:
    taking = kept.receive("p", sha(b"x"))
    taking.write(b"x")
    taking.drop()
    taking.drop()
    assert kept.find("p", sha(b"x")) is None
    assert not list(tmp_path.rglob("*.part"))


def test_leftovers_are_swept(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    taking = folder.receive("p", sha(b"x"))
    taking.write(b"half")  # and no more comes: as if the process was killed
    (part,) = tmp_path.rglob("*.part")
    at = part.stat().st_mtime_ns // 1000
    assert folder.sweep("p", at - 1) == 0
    assert folder.sweep("p", at + 1) == 1
    assert not part.exists()
    with pytest.raises(Unavailable):
        taking.keep()
    taking.drop()
    assert folder.find("p", sha(b"x")) is None


def test_a_folder_that_can_not_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(Unavailable) as caught:
        Folder(tmp_path / "file").receive("p", sha(b"x"))
    assert caught.value.code == "blobs_unavailable"


def test_where_blobs_are(tmp_path: Path) -> None:
    assert isinstance(open_blobs(str(tmp_path), {}), Folder)
    assert isinstance(open_blobs(None, {"POINTSMAN_BLOBS": f"file://{tmp_path}"}), Folder)
    with pytest.raises(Conflict) as nowhere:
        open_blobs(None, {})
    assert nowhere.value.code == "no_blob_store"
    for url in ("ftp://x/y", "s3://", "s3://key:secret@x/y", "file://host/x"):
        with pytest.raises(InvalidInput) as caught:
            open_blobs(None, {"POINTSMAN_BLOBS": url})
        assert caught.value.code == "invalid_setting"
        assert "secret" not in str(caught.value)
    given = {"POINTSMAN_BLOBS": "s3://bucket/folder"}
    assert isinstance(open_blobs(None, given), Bucket)
    assert open_blobs(None, given) is open_blobs(None, given)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store that speaks S3, which the files are kept in."""
    storage._opened.cache_clear()
    with ObjectStore() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("POINTSMAN_BLOBS", f"s3://{BUCKET}/models")
        yield there
    storage._opened.cache_clear()


def test_an_object_store_over_http(
    registry: Registry, app: Application, project: ProjectRow, s3: ObjectStore, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    large = os.urandom(storage._PART + 5)
    (model / "large").write_bytes(large)
    (model / "small").write_bytes(b"small")
    registry.publish_model("churn", model)
    kept = {f"models/{project.uid}/{sha(one)[:2]}/{sha(one)}": one for one in (large, b"small")}
    assert s3.objects == kept
    assert s3.uploads == {}
    out = registry.pull("model:churn:1", tmp_path / "out", cache=False)
    assert (out / "large").read_bytes() == large
    (model / "orphan").write_bytes(b"orphan")
    registry.publish_model("churn", model)
    registry.tombstone("model:churn:2", reason="not ours")
    assert len(s3.objects) == 3
    assert collect(app.store, project, app.clock()).removed == 0
    assert collect(app.store, project, app.clock() + LATER).removed == 1
    assert s3.objects == kept


def test_lies_reach_no_object_store(app: Application, admin: Caller, s3: ObjectStore) -> None:
    data = os.urandom(storage._PART + 5)
    for announced in (sha(b"other"), sha(data)):
        taking = Upload(app, admin, announced, len(data) + 1)
        taking.write(data)
        with pytest.raises(InvalidInput):
            taking.finish()
        taking.abort()
    assert s3.objects == {}


def test_an_object_store_that_is_gone(
    registry: Registry, app: Application, admin: Caller, s3: ObjectStore
) -> None:
    s3.status = 403
    for attempt in (
        lambda: Upload(app, admin, sha(b"x"), 1),
        lambda: registry.publish("churn", content(a=b"x"), kind="model"),
    ):
        with pytest.raises(Unavailable) as caught:
            attempt()
        assert caught.value.code == "blobs_unavailable"
        assert SECRET not in str(caught.value)


def test_nobody_waits_long_for_an_object_store(
    app: Application, project: ProjectRow, s3: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction may be waiting: what is not known soon is not waited for."""
    with app.store.read() as reader:
        kept = reader.blobs()
    asked = {sha(bytes([number])) for number in range(100)}
    assert kept.find_all(project.uid, asked) == {}
    monkeypatch.setattr(storage, "_SOON", 0)
    with pytest.raises(Unavailable) as caught:
        kept.find_all(project.uid, asked)
    assert "too long" in caught.value.message


# Taking in


def test_lies_leave_nothing_behind(app: Application, admin: Caller, tmp_path: Path) -> None:
    for data, size, announced, code in (
        (b"other", None, sha(b"x"), "wrong_sha256"),
        (b"x", 2, sha(b"x"), "wrong_size"),
        (b"xx", 1, sha(b"x"), "wrong_size"),
    ):
        taking = Upload(app, admin, announced, size)
        taking.write(data)
        with pytest.raises(InvalidInput) as caught:
            taking.finish()
        taking.abort()
        assert caught.value.code == code
        assert find_blob(app, admin, announced) is None
    for name in ("", "x", "A" * 64, "../" + "0" * 61):
        with pytest.raises(InvalidInput) as caught:
            Upload(app, admin, name)
        assert caught.value.code == "invalid_sha256"
    assert everything(tmp_path) == set()


def test_a_file_has_a_limit(
    app: Application, admin: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pointsman.app.blobs.MAX_FILE", 10)
    with pytest.raises(TooLarge):
        Upload(app, admin, sha(b"x"), 11)
    taking = Upload(app, admin, sha(b"x"))
    taking.write(b"0123456789")
    with pytest.raises(TooLarge):
        taking.write(b"0")
    taking.abort()
    assert everything(tmp_path) == set()


def test_the_same_file_is_stored_once(app: Application, admin: Caller, tmp_path: Path) -> None:
    first = Upload(app, admin, sha(b"x"), 1)
    first.write(b"x")
    assert first.finish().created
    second = Upload(app, admin, sha(b"x"), 1)
    second.write(b"x")
    assert not second.finish().created
    assert everything(tmp_path) == {sha(b"x")}


def test_who_may_upload(app: Application, project: ProjectRow) -> None:
    viewer = Caller(Actor("test:v", "v", "viewer", "test"), project)
    with pytest.raises(Refused):
        Upload(app, viewer, sha(b"x"))
    with pytest.raises(Refused):
        find_blob(app, viewer, sha(b"x"))


# Publishing


def test_a_version_names_only_what_is_there(
    app: Application, registry: Registry, admin: Caller
) -> None:
    before = registry.history().items
    with pytest.raises(Conflict) as caught:
        registry.publish("churn", content(a=b"a"), kind="model")
    assert caught.value.code == "files_missing"
    assert caught.value.details == {"missing": [sha(b"a")]}
    upload(app, admin, b"a")
    wrong: JSON = {"files": {"a": {"size": 2, "sha256": sha(b"a")}}}
    with pytest.raises(InvalidContent) as refused:
        registry.publish("churn", wrong, kind="model")
    assert refused.value.code == "wrong_size"
    with pytest.raises(PointsmanError):  # one of two: neither
        registry.publish_many(
            [
                {"name": "churn", "content": content(a=b"a"), "kind": "model"},
                {"name": "churn", "content": content(b=b"b"), "kind": "model"},
            ]
        )
    assert registry.history().items == before
    done = registry.publish("churn", content(a=b"a"), kind="model")
    assert (done.version.number, registry.doctor().findings) == (1, ())


def test_another_project_s_files_can_not_be_named(
    app: Application, registry: Registry, place: Place, admin: Caller
) -> None:
    upload(app, admin, b"secret weights")
    registry.create_project("elsewhere")
    theirs = Registry(app.store, project="elsewhere")
    with pytest.raises(Conflict) as caught:
        theirs.publish("mine", content(a=b"secret weights"), kind="model")
    assert caught.value.code == "files_missing"
    stranger = Caller(Actor("test:s", "s", "admin", "test"), app.project("elsewhere"))
    assert find_blob(app, stranger, sha(b"secret weights")) is None


# Reading


def test_a_file_is_read_through_a_version(
    app: Application, registry: Registry, admin: Caller
) -> None:
    upload(app, admin, b"weights")
    registry.publish("churn", content(w=b"weights"), kind="model")
    file = app.read(admin, lambda view: find_file(view, "churn", 1, "w"))
    assert b"".join(read_file(blobs_of(app), file, Verified())) == b"weights"
    for path, code in (("x", "file_not_found"), ("../w", "dot_part"), ("%2e%2e/w", None)):
        with pytest.raises(PointsmanError) as caught:
            app.read(admin, lambda view, path=path: find_file(view, "churn", 1, path))  # type: ignore[misc]
        assert code in (caught.value.code, None)
    with pytest.raises(NotFound):
        app.read(admin, lambda view: find_file(view, "churn", 2, "w"))
    registry.publish("churn", {"uri": "s3://elsewhere"}, kind="model")
    with pytest.raises(NotFound):
        app.read(admin, lambda view: find_file(view, "churn", 2, "w"))
    registry.tombstone("model:churn:1", reason="not ours")
    with pytest.raises(Gone):
        app.read(admin, lambda view: find_file(view, "churn", 1, "w"))


def test_who_sees_a_part_reads_the_files_of_that_part(
    app: Application, registry: Registry, project: ProjectRow, admin: Caller
) -> None:
    upload(app, admin, b"weights")
    for name in ("mine/churn", "theirs/churn"):
        registry.publish(name, content(w=b"weights"), kind="model")
    narrow = Actor("test:n", "n", None, "test", grants=(Grant("viewer", "model", "mine/*"),))
    caller = Caller(narrow, project)
    assert app.read(caller, lambda view: find_file(view, "mine/churn", 1, "w")).size == 7
    with pytest.raises(Refused):
        app.read(caller, lambda view: find_file(view, "theirs/churn", 1, "w"))


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 3 * STEP, 3 * STEP + 7])
def test_every_part_of_a_file(kept: Blobs, size: int) -> None:
    data = os.urandom(size)
    _put(kept, sha(data), data)
    file = File("p", "f", size, sha(data))
    verified = Verified()
    ranges = {(0, size), (0, 1), (size // 2, size), (max(0, size - 1), size), (1, size // 2 + 1)}
    for start, end in ranges:
        for known in (Verified(), verified):
            got = b"".join(read_file(kept, file, known, start, end))
            assert got == data[start:end]


@pytest.mark.parametrize("size", [100, 3 * STEP])
def test_a_damaged_file_is_never_served_whole(kept: Blobs, size: int) -> None:
    data = os.urandom(size)
    name = sha(data)
    file = File("p", "f", size, name)
    verified = Verified()
    _put(kept, name, data)
    assert b"".join(read_file(kept, file, verified)) == data
    bad = bytes([data[0] ^ 1]) + data[1:]
    for damaged in (bad, data[:-1], data + b"x", b""):
        _put(kept, name, damaged)
        got: list[bytes] = []
        with pytest.raises(IntegrityError) as caught:
            got.extend(read_file(kept, file, verified))
        assert name in caught.value.message
        assert size > SMALL or b"".join(got) == b""
        assert len(b"".join(got)) < size
        with pytest.raises(IntegrityError):
            assert not b"".join(read_file(kept, file, verified, 1, 5))
    kept.remove("p", [name])
    with pytest.raises(IntegrityError):
        list(read_file(kept, file, verified))
    _put(kept, name, data)
    assert b"".join(read_file(kept, file, verified)) == data


def _put(kept: Blobs, name: str, data: bytes) -> None:
    taking = kept.receive("p", name)
    taking.write(data)
    taking.keep()


# Removing what no version names


def test_what_a_version_names_stays(
    app: Application, registry: Registry, project: ProjectRow, admin: Caller, tmp_path: Path
) -> None:
    now = app.clock()
    for data in (b"named", b"orphan", b"gone", b"shared"):
        upload(app, admin, data)
    registry.publish("churn", content(a=b"named", s=b"shared"), kind="model")
    registry.publish("churn", content(a=b"gone", s=b"shared"), kind="model")
    registry.tombstone("model:churn:2", reason="not ours")
    assert collect(app.store, project, now).removed == 0, "all of it is young"
    planned = collect(app.store, project, now + LATER, dry_run=True)
    assert (planned.removed, planned.freed) == (2, len(b"orphan") + len(b"gone"))
    assert len(everything(tmp_path)) == 4
    broken = Upload(app, admin, sha(b"half"))
    broken.write(b"ha")  # and no more comes
    done = collect(app.store, project, now + LATER)
    broken.abort()
    assert (done.removed, done.kept, done.leftovers) == (2, 2, 1)
    assert everything(tmp_path) == {sha(b"named"), sha(b"shared")}
    assert collect(app.store, project, now + LATER).removed == 0


def test_what_is_published_while_it_is_looked_at_stays(
    app: Application,
    registry: Registry,
    project: ProjectRow,
    admin: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version comes after everything was read, and before anything is removed."""
    upload(app, admin, b"late")
    upload(app, admin, b"orphan")
    write = app.store.write

    def published_first(*arguments: object) -> object:
        monkeypatch.setattr(app.store, "write", write)
        registry.publish("churn", content(a=b"late"), kind="model")
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(app.store, "write", published_first)
    assert collect(app.store, project, app.clock() + LATER).removed == 1
    assert find_blob(app, admin, sha(b"late")) is not None
    assert find_blob(app, admin, sha(b"orphan")) is None


def test_what_was_removed_can_not_be_published_by_who_saw_it(
    app: Application, registry: Registry, project: ProjectRow, admin: Caller
) -> None:
    upload(app, admin, b"seen")
    assert find_blob(app, admin, sha(b"seen")) is not None
    collect(app.store, project, app.clock() + LATER)
    with pytest.raises(Conflict) as caught:
        registry.publish("churn", content(a=b"seen"), kind="model")
    assert caught.value.code == "files_missing"


def test_checking_finds_what_is_damaged(
    app: Application, registry: Registry, project: ProjectRow, admin: Caller, tmp_path: Path
) -> None:
    for data in (b"good", b"bad", b"lost"):
        upload(app, admin, data)
        registry.publish(data.decode(), content(f=data), kind="model")
    kept = tmp_path / "kept" / project.uid
    (kept / sha(b"bad")[:2] / sha(b"bad")).write_bytes(b"BAD")
    (kept / sha(b"lost")[:2] / sha(b"lost")).unlink()
    found = list(check(app.store, project))
    flaws = {one.version for one in found if isinstance(one, Flaw)}
    assert flaws == {"model:bad:1", "model:lost:1"}
    assert len(found) == 3


def test_a_registry_in_a_folder_needs_no_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POINTSMAN_BLOBS")
    place = SqlitePlace(tmp_path / "own")
    with Registry(place.open()) as registry:
        (tmp_path / "model.txt").write_text("x")
        registry.publish_model("churn", tmp_path / "model.txt")
        assert (registry.pull("model:churn", tmp_path / "out") / "model.txt").read_text() == "x"
    assert list((tmp_path / "own" / storage.FOLDER).rglob(sha(b"x")))
