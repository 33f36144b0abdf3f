"""Runs, logged models and their files in use cases: what becomes versions, and what is kept."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from pointsman.app.application import Application, Caller
from pointsman.app.blobs import STEP, Verified, blobs_of, read_file
from pointsman.app.collecting import YOUNG, Flaw, check, collect
from pointsman.app.ports import Transaction
from pointsman.app.ports.blobs import Blobs
from pointsman.app.ports.tracking import LoggedModelRow, PointRow, RunRow
from pointsman.app.publishing import Publish, publish
from pointsman.app.tracking import experiments, files, logged, runs, sourcing, traces
from pointsman.app.tracking.runs import Batch, Point
from pointsman.compose import Registry
from pointsman.core.access import Actor, Grant, Scope
from pointsman.core.tracking import ours, trace_root, version_root
from pointsman.embedded.record import files_in, make_backup, restore_backup
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    TooLarge,
    Unavailable,
)
from pointsman.storage.blobs import Bucket, Folder
from stores import Place, SqlitePlace

LATER = 10 * YOUNG


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for blobs, which a registry in PostgreSQL has not by itself."""
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/kept")
    return tmp_path / "kept"


@pytest.fixture
def admin(caller: Callable[..., Caller]) -> Caller:
    return caller()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def run_of(app: Application, who: Caller, experiment: int = 0) -> RunRow:
    return app.write(who, lambda work: runs.create(work, experiment, "", "", 1, {})).row


def model_of(app: Application, who: Caller, run_id: str = "") -> LoggedModelRow:
    made = partial(
        logged.create, experiment=0, run_id=run_id, name="m", type="", params={}, tags={}
    )
    return app.write(who, made).row


def root_of(row: RunRow | LoggedModelRow) -> str:
    root = ours(row.location)
    assert root is not None
    return root


def put(app: Application, who: Caller, path: str, data: bytes, size: int | None = None) -> None:
    intake = files.Intake(app, who, path, len(data) if size is None else size)
    try:
        for start in range(0, len(data), STEP):
            intake.write(data[start : start + STEP])
        intake.finish()
    finally:
        intake.abort()


def read(app: Application, who: Caller, path: str) -> bytes:
    file = app.read(who, lambda view: files.find(view, path))
    return b"".join(read_file(blobs_of(app), file, Verified()))


def everything(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()}


def register(app: Application, who: Caller, source: str, run_id: str = "", model: str = "") -> int:
    def change(work: Any) -> int:
        origin = sourcing.find_origin(work, source, run_id, model)
        assert origin is not None
        content = origin.content(source)
        return publish(work, Publish("churn", content, "model")).version.number

    return app.write(who, change)


# Files


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    """A place for blobs of each kind."""
    if request.param == "folder":
        yield Folder(tmp_path / "blobs")
    else:
        yield Bucket(MemoryStore(), "memory://")


def test_a_blob_gets_its_name_at_the_end(home: Blobs, tmp_path: Path) -> None:
    for data in (b"", b"small", os.urandom(9 * STEP + 1)):
        taking = home.accept("p")
        for start in range(0, len(data), 100_000):
            taking.write(data[start : start + 100_000])
        assert home.find("p", sha(data)) is None
        taking.keep(sha(data))
        taking.drop()
        found = home.find("p", sha(data))
        assert found is not None
        assert found.size == len(data)
        assert home.read("p", sha(data), 0, 7) == data[:7] if data else True
    dropped = home.accept("p")
    dropped.write(b"x")
    dropped.drop()
    assert len(list(home.all("p"))) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_a_file_is_read_back_listed_and_removed(app: Application, admin: Caller) -> None:
    root = root_of(run_of(app, admin))
    large = os.urandom(3 * STEP + 5)
    contents = {"a/b/c.txt": b"c", "a/d": b"", "a/b2": large, "z": b"z", "a-b": b"-"}
    for path, data in contents.items():
        put(app, admin, f"{root}/{path}", data)
    assert {p: read(app, admin, f"{root}/{p}") for p in contents} == contents
    look = partial(app.read, admin)
    assert look(lambda v: files.listed(v, root)) == [("a-b", 1), ("a", None), ("z", 1)]
    assert look(lambda v: files.listed(v, f"{root}/a")) == [
        ("b", None),
        ("b2", len(large)),
        ("d", 0),
    ]
    assert look(lambda v: files.listed(v, f"{root}/z")) == []
    assert look(lambda v: files.listed(v, f"{root}/nothing")) == []
    app.write(admin, lambda work: files.remove(work, f"{root}/a"))
    app.write(admin, lambda work: files.remove(work, f"{root}/nothing"))
    assert look(lambda v: files.listed(v, root)) == [("a-b", 1), ("z", 1)]
    with pytest.raises(NotFound):
        read(app, admin, f"{root}/a/d")
    app.write(admin, lambda work: files.remove(work, root))
    assert look(lambda v: files.listed(v, root)) == []


def test_a_folder_of_thousands_is_listed(
    app: Application, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PAGE", 3)
    root = root_of(run_of(app, admin))
    paths = [f"{folder}/{n}" for folder in "abc" for n in range(7)] + [f"f{n}" for n in range(5)]
    for path in paths:
        put(app, admin, f"{root}/{path}", b"x")
    found = app.read(admin, lambda view: files.listed(view, root))
    assert [one.name for one in found] == ["a", "b", "c", "f0", "f1", "f2", "f3", "f4"]
    assert app.read(admin, lambda view: len(files.below(view, root))) == len(paths)


@pytest.mark.parametrize("announced", [0, 4, 6])
def test_a_file_of_another_length_is_not_taken(
    app: Application, admin: Caller, kept: Path, announced: int
) -> None:
    root = root_of(run_of(app, admin))
    with pytest.raises(InvalidInput) as caught:
        put(app, admin, f"{root}/x", b"12345", announced)
    assert caught.value.code == "wrong_size"
    assert everything(kept) == set()
    assert app.read(admin, lambda view: files.listed(view, root)) == []


def test_a_file_that_is_too_large_is_not_taken(
    app: Application, admin: Caller, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_FILE", 4)
    root = root_of(run_of(app, admin))
    for size in (5, 3):
        with pytest.raises(TooLarge):
            put(app, admin, f"{root}/x", b"12345", size)
    assert everything(kept) == set()


def test_a_path_is_not_a_file_and_a_folder(app: Application, admin: Caller) -> None:
    root = root_of(run_of(app, admin))
    put(app, admin, f"{root}/a/b", b"x")
    for path in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(InvalidInput) as caught:
            put(app, admin, f"{root}/{path}", b"y")
        assert caught.value.code == "file_and_folder"
    put(app, admin, f"{root}/a/b", b"again")
    assert read(app, admin, f"{root}/a/b") == b"again"


def test_files_are_taken_for_what_is_there_only(app: Application, admin: Caller) -> None:
    run, model = run_of(app, admin), model_of(app, admin)
    app.write(admin, lambda work: runs.delete(work, run.id))
    app.write(admin, lambda work: logged.delete(work, model.id))
    nowhere = [f"0/{'0' * 32}/artifacts/x", f"0/models/m-{'0' * 32}/artifacts/x"]
    nowhere += [f"1/{run.id}/artifacts/x", f"{trace_root(0, 'tr-' + '0' * 32)}/x"]
    nowhere += [f"{root_of(run)}/x", f"{root_of(model)}/x", version_root(1, 1) + "/x"]
    for path in nowhere:
        with pytest.raises((NotFound, InvalidInput)):
            put(app, admin, path, b"x")
    app.write(admin, lambda work: runs.restore(work, run.id))
    put(app, admin, f"{root_of(run)}/x", b"x")
    with pytest.raises(InvalidInput):
        put(app, admin, root_of(run), b"x")


def test_one_file_uploaded_by_many_at_once(app: Application, admin: Caller, kept: Path) -> None:
    root = root_of(run_of(app, admin))
    data = [os.urandom(2 * STEP), os.urandom(STEP)]
    troubles: list[BaseException] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        try:
            for _ in range(3):
                put(app, admin, f"{root}/x", data[number % 2])
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert read(app, admin, f"{root}/x") in data
    assert everything(kept) == {sha(one) for one in data}


# What is collected, and what is not


def test_what_a_run_names_is_kept_until_nothing_names_it(
    app: Application, admin: Caller, kept: Path
) -> None:
    model = model_of(app, admin)
    root = root_of(model)
    put(app, admin, f"{root}/both", b"both")
    register(app, admin, f"models:/{model.id}")
    put(app, admin, f"{root}/mine", b"mine")
    other = root_of(run_of(app, admin))
    put(app, admin, f"{other}/mine too", b"mine")

    def swept() -> set[str]:
        dry = collect(app.store, admin.project, app.clock() + LATER, dry_run=True)
        done = collect(app.store, admin.project, app.clock() + LATER)
        assert (dry.removed, dry.kept) == (done.removed, done.kept)
        return everything(kept)

    assert swept() == {sha(b"both"), sha(b"mine")}
    app.write(admin, lambda work: files.remove(work, root))
    assert swept() == {sha(b"both"), sha(b"mine")}
    app.write(admin, lambda work: files.remove(work, other))
    assert swept() == {sha(b"both")}


def test_what_is_named_while_it_is_swept_is_kept(
    app: Application, admin: Caller, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at what is named and the removal, a run names an old blob."""
    root = root_of(run_of(app, admin))
    put(app, admin, f"{root}/x", b"x")
    app.write(admin, lambda work: files.remove(work, f"{root}/x"))
    write = app.store.write

    def later(project_id: int, change: Callable[[Transaction], Any]) -> Any:
        monkeypatch.setattr(app.store, "write", write)
        put(app, admin, f"{root}/y", b"x")
        return write(project_id, change)

    monkeypatch.setattr(app.store, "write", later)
    assert collect(app.store, admin.project, app.clock() + LATER).removed == 0
    assert read(app, admin, f"{root}/y") == b"x"


def test_damage_to_a_file_of_a_run_is_found(app: Application, admin: Caller, kept: Path) -> None:
    root = root_of(run_of(app, admin))
    put(app, admin, f"{root}/good", b"good")
    put(app, admin, f"{root}/bad", b"bad")
    (blob,) = (one for one in kept.rglob(sha(b"bad")))
    blob.write_bytes(b"BAD")
    flaws = [one for one in check(app.store, admin.project) if isinstance(one, Flaw)]
    assert [(one.version, one.path) for one in flaws] == [("run", f"{root}/bad")]


def test_files_of_runs_are_in_backups(
    place: Place, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(place.open()) as store:
        app = Application(store)
        admin = Caller(Actor("test:ana", "ana", "admin", "test"), app.project("default"))
        run = run_of(app, admin)
        put(app, admin, f"{root_of(run)}/x", b"in a run")
        batch = Batch([Point(PointRow("m", 1, 1, "NaN"))], {"p": "v"}, {"t": "w"})
        app.write(admin, lambda work: runs.log(work, run.id, batch))
    where = (str(place.options.get("data", "")), str(place.options.get("database", "")))
    make_backup(*where, str(tmp_path / "backup"))
    copied = files_in(str(tmp_path / "backup"))
    assert copied is not None
    assert (copied.files, copied.missing) == (1, ())
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/restored files")
    restored = SqlitePlace(tmp_path / "restored")
    restore_backup(str(tmp_path / "backup"), str(restored.folder), "")
    with closing(restored.open()) as store:
        app = Application(store)
        assert read(app, admin, f"{root_of(run)}/x") == b"in a run"
        found = app.read(admin, lambda view: runs.get(view, run.id))
        assert [one.value for one in found.metrics] == ["NaN"]
        assert {(one.kind, one.key, one.value) for one in found.notes} >= {
            ("param", "p", "v"),
            ("tag", "t", "w"),
        }


def test_a_backup_of_an_older_schema_has_no_files_of_runs(
    place: Place, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(b"x")
    registry.publish_model("churn", tmp_path / "model")
    with place.raw() as raw:
        raw.execute("DELETE FROM schema_migration WHERE name = 'tracking'")
        raw.execute("DROP TABLE run_file")
        for table in ("experiment", "run", "logged_model", "tracked_note", "metric_point"):
            raw.execute(f"DROP TABLE {table}")
        raw.execute("DROP TABLE metric_last")
        raw.execute("DROP TABLE trace")
    where = (str(place.options.get("data", "")), str(place.options.get("database", "")))
    make_backup(*where, str(tmp_path / "backup"))
    copied = files_in(str(tmp_path / "backup"))
    assert copied is not None
    assert copied.files == 1


# What becomes a version


def test_a_version_names_the_very_blobs_and_stays(
    app: Application, admin: Caller, kept: Path
) -> None:
    run = run_of(app, admin)
    model = model_of(app, admin, run.id)
    root = root_of(model)
    put(app, admin, f"{root}/MLmodel", b"flavors: {}")
    put(app, admin, f"{root}/data/model.pkl", b"weights")
    points = [Point(PointRow("auc", 1, 1, "0.5"), model.id), Point(PointRow("nan", 1, 1, "NaN"))]
    batch = Batch(points, {"c": "1", "long": "x" * 2_000}, {})
    app.write(admin, lambda work: runs.log(work, run.id, batch))
    before = everything(kept)
    assert register(app, admin, f"models:/{model.id}") == 1
    assert everything(kept) == before
    put(app, admin, f"{root}/MLmodel", b"overwritten")
    app.write(admin, lambda work: files.remove(work, f"{root}/data"))
    app.write(admin, lambda work: logged.delete(work, model.id))

    def content(view: Any) -> Any:
        artifact = view.artifact("model", "churn")
        place = version_root(artifact.id, 1)
        return artifact.id, view.reader.content(artifact.id, 1), files.listed(view, place)

    artifact, body, listed = app.read(admin, content)
    assert listed == [("MLmodel", 11), ("data", None)]
    assert read(app, admin, f"{version_root(artifact, 1)}/MLmodel") == b"flavors: {}"
    assert read(app, admin, f"{version_root(artifact, 1)}/data/model.pkl") == b"weights"
    assert '"metrics":{"auc":0.5}' in body
    assert '"parameters":{"c":"1"}' in body
    assert f'"run":"{run.id}"' in body


def test_sources_of_others_are_left_to_their_clients(app: Application, admin: Caller) -> None:
    unknown = "0" * 32
    for source in (
        f"models:/m-{unknown}",
        f"runs:/{unknown}/model",
        f"mlflow-artifacts:/0/{unknown}/artifacts/model",
        "mlflow-artifacts:/anything/else",
        f"mlflow-artifacts://host/0/{unknown}/artifacts",
        "file:///tmp/model",
        "s3://bucket/model",
        "models:/churn/1",
    ):
        look = partial(sourcing.find_origin, source=source, run_id=unknown, model_id="")
        assert app.read(admin, look) is None, source


def test_a_source_is_of_the_run_that_is_named(app: Application, admin: Caller) -> None:
    mine, other = run_of(app, admin), run_of(app, admin)
    put(app, admin, f"{root_of(mine)}/model/x", b"x")
    source = f"{mine.location}/model"
    with pytest.raises(InvalidInput) as caught:
        register(app, admin, source, other.id)
    assert caught.value.code == "invalid_source"
    assert register(app, admin, source, mine.id) == 1
    assert register(app, admin, f"runs:/{mine.id}/model", mine.id) == 2


@pytest.mark.parametrize("source", ["models:/{model}", "{run_at}/nothing", "runs:/{run}/nothing"])
def test_a_source_without_files_is_no_version(app: Application, admin: Caller, source: str) -> None:
    run, model = run_of(app, admin), model_of(app, admin)
    named = source.format(model=model.id, run=run.id, run_at=run.location)
    with pytest.raises(InvalidInput) as caught:
        register(app, admin, named, run.id, model.id)
    assert caught.value.code == "invalid_source"


def test_what_was_deleted_is_no_source(app: Application, admin: Caller) -> None:
    run, model = run_of(app, admin), model_of(app, admin)
    for row in (run, model):
        put(app, admin, f"{root_of(row)}/x", b"x")
    app.write(admin, lambda work: runs.delete(work, run.id))
    app.write(admin, lambda work: logged.delete(work, model.id))
    for source in (run.location, f"runs:/{run.id}/x", f"models:/{model.id}", model.location):
        with pytest.raises((InvalidInput, NotFound)):
            register(app, admin, source, run.id, model.id)


def test_a_version_is_no_source(app: Application, admin: Caller) -> None:
    with pytest.raises(InvalidInput):
        register(app, admin, f"mlflow-artifacts:/{version_root(1, 1)}")


def test_files_that_are_elsewhere_are_named_where_they_are(app: Application, admin: Caller) -> None:
    make = partial(experiments.create, name="elsewhere", location="s3://bucket/e/", tags={})
    number = app.write(admin, make).number
    run = run_of(app, admin, number)
    assert run.location == f"s3://bucket/e/{run.id}/artifacts"
    look = partial(sourcing.find_origin, source=f"runs:/{run.id}/model", run_id=run.id, model_id="")
    origin = app.read(admin, look)
    assert origin is not None
    assert (origin.files, origin.location) == ({}, f"{run.location}/model")
    with pytest.raises(NotFound):
        put(app, admin, f"{number}/{run.id}/artifacts/x", b"x")


@pytest.mark.parametrize(
    "location",
    ["https://evil.example", "http://x/y", "mlflow-artifacts:/0", "s3://b/../c", "s3://b/%2e%2e/c"],
)
def test_an_experiment_leads_to_no_host(app: Application, admin: Caller, location: str) -> None:
    make = partial(experiments.create, name="x", location=location, tags={})
    with pytest.raises(InvalidInput):
        app.write(admin, make)


# Who may


def _actors(project: Any) -> dict[str, Caller]:
    part = Grant("admin", "model", "mine/*")
    scoped = Scope(artifacts="mine/*")
    return {
        "viewer": Caller(Actor("p:1", "v", "viewer", "t"), project),
        "granted a part": Caller(Actor("p:2", "g", None, "t", grants=(part,)), project),
        "a key for a part": Caller(Actor("p:3", "s", "admin", "t", scope=scoped), project),
        "a key to move": Caller(Actor("p:4", "m", "admin", "t", scope=Scope(("move",))), project),
    }


@pytest.mark.parametrize("who", ["viewer", "granted a part", "a key for a part", "a key to move"])
def test_who_may_not_write(app: Application, admin: Caller, who: str) -> None:
    run, model = run_of(app, admin), model_of(app, admin)
    asking = _actors(admin.project)[who]
    changes: list[Callable[[Any], Any]] = [
        lambda work: experiments.create(work, "x", "", {}),
        lambda work: experiments.rename(work, 0, "x"),
        lambda work: experiments.delete(work, 0),
        lambda work: experiments.restore(work, 0),
        lambda work: experiments.set_tag(work, 0, "k", "v"),
        lambda work: experiments.delete_tag(work, 0, "k"),
        lambda work: runs.create(work, 0, "", "", 1, {}),
        lambda work: runs.update(work, run.id, "FAILED", None, ""),
        lambda work: runs.delete(work, run.id),
        lambda work: runs.restore(work, run.id),
        lambda work: runs.log(work, run.id, Batch()),
        lambda work: runs.delete_tag(work, run.id, "k"),
        lambda work: runs.add_inputs(work, run.id, (), ()),
        lambda work: runs.add_outputs(work, run.id, {}),
        lambda work: logged.create(work, 0, "", "m", "", {}, {}),
        lambda work: logged.finish(work, model.id, "LOGGED_MODEL_READY"),
        lambda work: logged.delete(work, model.id),
        lambda work: logged.add_params(work, model.id, {}),
        lambda work: logged.set_tags(work, model.id, {}),
        lambda work: logged.delete_tag(work, model.id, "k"),
        lambda work: traces.create(work, f"tr-{run.id}", 0, {}, {}),
        lambda work: traces.set_tag(work, f"tr-{run.id}", "k", "v"),
        lambda work: traces.delete_tag(work, f"tr-{run.id}", "k"),
        lambda work: traces.link_prompts(work, f"tr-{run.id}", ()),
        lambda work: files.remove(work, root_of(run)),
    ]
    for change in changes:
        with pytest.raises(Refused):
            app.write(asking, change)
    with pytest.raises(Refused):
        put(app, asking, f"{root_of(run)}/x", b"x")


@pytest.mark.parametrize("who", ["granted a part", "a key for a part", "a key to move"])
def test_who_may_not_look(app: Application, admin: Caller, who: str) -> None:
    run, model = run_of(app, admin), model_of(app, admin)
    put(app, admin, f"{root_of(run)}/x", b"x")
    asking = _actors(admin.project)[who]
    looks: list[Callable[[Any], Any]] = [
        lambda view: experiments.get(view, 0),
        lambda view: experiments.get_by_name(view, "Default"),
        lambda view: experiments.listed(view, None),
        lambda view: runs.get(view, run.id),
        lambda view: runs.history(view, run.id, "m", None, 1),
        lambda view: logged.get(view, model.id),
        lambda view: traces.get(view, "x"),
        lambda view: files.find(view, f"{root_of(run)}/x"),
        lambda view: files.listed(view, root_of(run)),
        lambda view: sourcing.find_origin(view, f"runs:/{run.id}/x", run.id, ""),
    ]
    for look in looks:
        with pytest.raises(Refused):
            app.read(asking, look)


def test_a_part_of_the_models_is_read_by_who_may(app: Application, admin: Caller) -> None:
    model = model_of(app, admin)
    put(app, admin, f"{root_of(model)}/x", b"x")
    register(app, admin, f"models:/{model.id}")
    number = app.read(admin, lambda view: view.artifact("model", "churn").id)
    path = f"{version_root(number, 1)}/x"
    may = Caller(Actor("p", "p", None, "t", grants=(Grant("viewer", "", "churn"),)), admin.project)
    assert read(app, may, path) == b"x"
    for who in ("granted a part", "a key for a part", "a key to move"):
        asking = _actors(admin.project)[who]
        with pytest.raises(Refused):
            read(app, asking, path)
        with pytest.raises(Refused):
            app.read(asking, lambda view: files.listed(view, version_root(number, 1)))


def test_projects_share_nothing(registry: Registry, app: Application, admin: Caller) -> None:
    registry.create_project("elsewhere")
    there = Caller(admin.actor, app.project("elsewhere"))
    model = model_of(app, admin)
    put(app, admin, f"{root_of(model)}/x", b"x")
    register(app, admin, f"models:/{model.id}")
    number = app.read(admin, lambda view: view.artifact("model", "churn").id)
    for path in (f"{root_of(model)}/x", f"{version_root(number, 1)}/x"):
        with pytest.raises(NotFound):
            read(app, there, path)
    own = model_of(app, there)
    put(app, there, f"{root_of(own)}/x", b"another")
    register(app, there, f"models:/{own.id}")
    for path in (f"{root_of(model)}/x", f"{version_root(number, 1)}/x"):
        with pytest.raises(NotFound):  # also where there is one of that name
            read(app, there, path)
    with pytest.raises(NotFound):
        put(app, there, f"{root_of(model)}/y", b"y")
    assert app.read(there, lambda view: files.listed(view, root_of(model))) == []
    look = partial(sourcing.find_origin, source=f"models:/{model.id}", run_id="", model_id=model.id)
    assert app.read(there, look) is None
    for number in (1, 2):
        made = app.write(there, partial(experiments.create, name=str(number), location="", tags={}))
        assert made.number == number
    with pytest.raises(NotFound):
        app.read(admin, lambda view: experiments.get(view, 1))


# What is logged


def test_a_batch_is_whole_or_absent(app: Application, admin: Caller) -> None:
    run = run_of(app, admin)
    app.write(admin, lambda work: runs.log(work, run.id, Batch(params={"k": "v"})))
    bad = [
        Batch([Point(PointRow("m", 1, 1, "1.0"))], {"k": "other"}, {"t": "v"}),
        Batch([Point(PointRow("m", 1, 1, "1.0"), "m-" + "0" * 32)], {}, {"t": "v"}),
        Batch([Point(PointRow("", 1, 1, "1.0"))], {}, {"t": "v"}),
        Batch((), {"x": "y" * 200_000}, {"t": "v"}),
        Batch((), {}, {"t": "v", **{str(n): "" for n in range(1_000)}}),
    ]
    for batch in bad:
        with pytest.raises(PointsmanError):
            app.write(admin, partial(runs.log, run_id=run.id, batch=batch))
    found = app.read(admin, lambda view: runs.get(view, run.id))
    assert found.metrics == []
    assert [(one.kind, one.key) for one in found.notes] == [
        ("param", "k"),
        ("tag", "mlflow.runName"),
    ]


def test_of_many_who_make_an_experiment_one_does(app: Application, admin: Caller) -> None:
    made: list[int] = []
    refused: list[BaseException] = []

    def work() -> None:
        try:
            make = partial(experiments.create, name="one", location="", tags={})
            made.append(app.write(admin, make).number)
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, len(refused)) == ([1], 5)


def test_nothing_of_it_is_in_the_journal(app: Application, admin: Caller) -> None:
    with app.store.read() as reader:
        before = reader.head(admin.project.id)
    run, model = run_of(app, admin), model_of(app, admin)
    put(app, admin, f"{root_of(model)}/x", b"x")
    app.write(admin, lambda work: runs.log(work, run.id, Batch(tags={"k": "v"})))
    with app.store.read() as reader:
        assert reader.head(admin.project.id) == before


def test_a_blob_that_is_swept_before_it_is_named_is_sent_again(
    app: Application, admin: Caller, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_of(run_of(app, admin))
    write = app.write

    def swept(*given: Any) -> Any:
        blobs_of(app).remove(admin.project.uid, [sha(b"x")])
        return write(*given)

    monkeypatch.setattr(app, "write", swept)
    with pytest.raises(Unavailable):
        put(app, admin, f"{root}/x", b"x")
    monkeypatch.undo()
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{kept}")
    assert app.read(admin, lambda view: files.listed(view, root)) == []
    put(app, admin, f"{root}/x", b"x")
    assert read(app, admin, f"{root}/x") == b"x"
