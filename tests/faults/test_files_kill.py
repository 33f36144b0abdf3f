"""`kill -9` while files are uploaded, published and cleared away: nothing is half there."""

from __future__ import annotations

import hashlib
import http.client
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
from pointsman.app.application import Application
from pointsman.app.collecting import YOUNG, Flaw, check, collect
from pointsman.compose import open_store
from serving import Api, ServerProcess, place

UPLOADERS = 3
SIZES = (0, 100, 300_000, 3 << 20)


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
