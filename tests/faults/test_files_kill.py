"""Files and what goes wrong with them: `kill -9` while they are uploaded, published and cleared
away, connections that are cut. Nothing is half there, and nothing that a version names is lost.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from faults.damage import RUNS
from pointsman import Client
from pointsman.app.application import Application
from pointsman.app.collecting import YOUNG, Flaw, check, collect
from pointsman.compose import open_store
from pointsman.errors import PointsmanError
from pointsman.sdk import depot
from serving import PATIENCE, Api, ServerProcess, place

UPLOADERS = 3
SIZES = (0, 100, 300_000, 3 << 20)
PUBLISHERS = 2
FILES = 12
"""Files of each model that is published whole, of which some are the same in all."""


@dataclass
class Told:
    """What the uploaders asked for, and what was acknowledged."""

    stored: set[str] = field(default_factory=set)
    published: dict[str, bytes] = field(default_factory=dict)
    """The data of each model that was published, by its name."""
    begun: int = 0


@pytest.fixture(params=["sqlite", "postgres"])
def where(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str | None]]:
    monkeypatch.setenv("POINTSMAN_BLOBS", f"file://{tmp_path}/blobs")
    if request.param == "sqlite":
        yield {"data": str(tmp_path / "data")}
        return
    databases = request.getfixturevalue("databases")
    name = databases.migrated()
    yield {"database": databases.url(name)}
    databases.drop(name)


def start(where: dict[str, str | None]) -> ServerProcess:
    return ServerProcess(**where)  # type: ignore[arg-type]


def test_uploads_are_whole_or_absent_and_nothing_that_is_named_is_lost(
    where: dict[str, str | None], tmp_path: Path
) -> None:
    told = Told()
    for _ in range(RUNS):
        with start(where) as server:
            stop = threading.Event()
            threads = [
                threading.Thread(target=_upload, args=(server, told, stop))
                for _ in range(UPLOADERS)
            ]
            begun = told.begun
            for one in threads:
                one.start()
            while told.begun < begun + UPLOADERS + 1:
                time.sleep(0.001)
            clearing = threading.Thread(target=_clear, args=(where,))
            clearing.start()
            time.sleep(random.uniform(0, 0.3))
            server.kill()
            stop.set()
            for one in (*threads, clearing):
                one.join()
        _check_whole(tmp_path)
        with start(where) as server:
            for name, data in told.published.items():
                path = place(name, "versions", 1, "files", "f", kind="model")
                assert server.get(path).body == data
            assert server.get("/doctor").json["findings"] == []
    assert told.published
    _check_nothing_is_left_over(where, told, tmp_path)


def test_a_model_is_there_with_all_of_its_files_or_not_at_all(
    where: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depot, "ATTEMPTS", 1)
    told = Told()
    common = {f"common/{n}.bin": os.urandom(random.choice(SIZES)) for n in range(FILES // 3)}
    models: dict[str, dict[str, bytes]] = {}
    for _ in range(RUNS):
        with start(where) as server:
            threads = [
                threading.Thread(target=_publish, args=(server, told, models, common, tmp_path))
                for _ in range(PUBLISHERS)
            ]
            begun = told.begun
            for one in threads:
                one.start()
            while told.begun < begun + PUBLISHERS:
                time.sleep(0.001)
            time.sleep(random.uniform(0, 0.6))
            server.kill()
            for one in threads:
                one.join()
        _check_whole(tmp_path)
        _check_models(where, models)
        with start(where) as server:
            # What broke off goes on: whoever publishes again is done, whatever is there already.
            broken = sorted(models.keys() - told.published.keys())
            for name in broken:
                _publish_one(server, name, models[name], tmp_path)
                told.published[name] = b""
            for name, files in models.items():
                for path, data in random.sample(sorted(files.items()), 3):
                    where_it_is = place(name, "versions", 1, "files", path, kind="model")
                    assert server.get(where_it_is).body == data
            assert server.get("/doctor").json["findings"] == []
    _check_models(where, models)
    named = {
        hashlib.sha256(data).hexdigest() for files in models.values() for data in files.values()
    }
    with closing(open_store(where.get("data"), where.get("database"))) as store:
        app = Application(store)
        collect(store, app.project("default"), app.clock() + 2 * YOUNG)
    assert {file.name for file in (tmp_path / "blobs").rglob("*") if file.is_file()} == named


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
def test_an_upload_that_is_cut_anywhere_leaves_nothing_and_hinders_nobody(
    where: dict[str, str | None], tmp_path: Path
) -> None:
    """At any byte of its head or body; of two uploads of one file, one is cut."""
    with start(where) as server:
        for turn in range(10 * RUNS):
            data = os.urandom(random.choice((20, 1_000, 200_000, 2 << 20)))
            sha = hashlib.sha256(data).hexdigest()
            request = (
                f"PUT /api/v1/blobs/{sha} HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {server.own_key}\r\n"
                f"Content-Length: {len(data)}\r\n\r\n"
            ).encode() + data
            head = len(request) - len(data)
            cut = random.choice((random.randrange(head), random.randrange(head, len(request))))
            before = _blobs(tmp_path)
            beside = threading.Thread(target=server.put, args=(f"/blobs/{sha}", data))
            with server.socket() as line, suppress(OSError):
                line.send(request[:cut])
                if turn % 2:
                    beside.start()
            if turn % 2:
                beside.join()
            _until_received(tmp_path)
            assert _blobs(tmp_path) - before == ({sha} if turn % 2 else set())
            stored = server.put(f"/blobs/{sha}", data)
            assert (stored.status, stored.json["created"]) == (
                (200, False) if turn % 2 else (201, True)
            )
        _check_whole(tmp_path)


def _publish(
    server: Api,
    told: Told,
    models: dict[str, dict[str, bytes]],
    common: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """Publish models of many files one after another, until the server is gone."""
    with suppress(PointsmanError):
        while True:
            name = f"model-{os.urandom(8).hex()}"
            own = {f"own/{n}.bin": os.urandom(random.choice(SIZES)) for n in range(FILES * 2 // 3)}
            models[name] = {**common, **own}
            told.begun += 1
            _publish_one(server, name, models[name], tmp_path)
            told.published[name] = b""


def _publish_one(server: Api, name: str, files: dict[str, bytes], tmp_path: Path) -> None:
    """Publish a model with the client, once."""
    folder = tmp_path / "given" / name
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    with closing(Client(server.url, server.own_key, snapshot=False, follow=False)) as client:
        done = client.publish_model(name, folder, if_changed=True)
    assert done.version.number == 1


def _check_models(where: dict[str, str | None], models: dict[str, dict[str, bytes]]) -> None:
    """What is published names exactly the files that were given, and all are there and good."""
    with closing(open_store(where.get("data"), where.get("database"))) as store:
        app = Application(store)
        project = app.project("default")
        flaws = [one for one in check(store, project) if isinstance(one, Flaw)]
        assert not flaws
        with store.read() as reader:
            for name, files in models.items():
                artifact = reader.artifact(project.id, "model", name)
                body = None if artifact is None else reader.content(artifact.id, 1)
                if body is not None:
                    assert json.loads(body)["files"] == {
                        path: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                        for path, data in files.items()
                    }


def _blobs(tmp_path: Path) -> set[str]:
    return {file.name for file in (tmp_path / "blobs").glob("*/??/*")}


def _until_received(tmp_path: Path) -> None:
    """Wait until nothing is being received any more."""
    until = time.monotonic() + PATIENCE
    while list((tmp_path / "blobs").glob("*/incoming/*")):
        assert time.monotonic() < until, "an upload that was cut leaves its bytes behind"
        time.sleep(0.005)


def _upload(server: Api, told: Told, stop: threading.Event) -> None:
    """Upload new files one after another; publish every other one."""
    while not stop.is_set():
        data = os.urandom(random.choice(SIZES)) or b"nothing"
        sha = hashlib.sha256(data).hexdigest()
        told.begun += 1
        with suppress(OSError, http.client.HTTPException):
            if server.put(f"/blobs/{sha}", data).status not in (200, 201):
                continue
            told.stored.add(sha)
            if random.random() < 0.5:
                name = f"model-{sha[:20]}"
                files = {"f": {"size": len(data), "sha256": sha}}
                body = {"name": name, "kind": "model", "content": {"files": files}}
                if server.post("/versions", body).status == 201:
                    told.published[name] = data


def _clear(where: dict[str, str | None]) -> None:
    """Clear away what no version names, as though a day had gone by, over and over."""
    with closing(open_store(where.get("data"), where.get("database"))) as store:
        app = Application(store)
        for _ in range(5):
            collect(store, app.project("default"), app.clock() + 2 * YOUNG)


def _check_whole(tmp_path: Path) -> None:
    """Whatever has a name has the bytes of that name."""
    for file in (tmp_path / "blobs").glob("*/??/*"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name


def _check_nothing_is_left_over(where: dict[str, str | None], told: Told, tmp_path: Path) -> None:
    """After clearing away there is what versions name, and no file besides."""
    with closing(open_store(where.get("data"), where.get("database"))) as store:
        app = Application(store)
        project = app.project("default")
        collect(store, project, app.clock() + 2 * YOUNG)
        found = list(check(store, project))
    assert not [one for one in found if isinstance(one, Flaw)]
    named = {one.sha256 for one in found}
    assert named >= {hashlib.sha256(data).hexdigest() for data in told.published.values()}
    assert {file.name for file in (tmp_path / "blobs").rglob("*") if file.is_file()} == named
