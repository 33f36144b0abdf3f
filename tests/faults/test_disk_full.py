"""The disk is full: writes are refused as long as it is, and nothing else happens.

On a small file system of its own, which takes the right to mount one.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.damage import NAME, RUNS, STILL, Record, check, movers, prepare
from serving import Api, ServerProcess, place

SIZE = 24 + 2 * RUNS
"""Megabytes of the disk: the log alone grows to 16 before it is written back, and each run
leaves its moves on record."""


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    size = getattr(request, "param", SIZE)
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"A file system can't be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_writes_are_refused_while_the_disk_is_full_and_come_back_by_themselves(
    disk: Path, eventually: Callable[..., None]
) -> None:
    with ServerProcess(data=disk / "data") as server:
        prepare(server)
        record = Record()
        for _ in range(RUNS):
            record.refused.clear()
            with movers(server, record):
                time.sleep(random.uniform(0, 0.3))
                filler = _fill(disk)
                eventually(lambda: record.refused.total() > 50, "a refused write")
                assert set(record.refused) == {(503, "disk_full")}
                for path in (f"/resolve/{STILL}@deployment", place(NAME), "/journal", "/me"):
                    answer = server.get(path)
                    assert answer.status == 200, answer
                assert server.get("//readyz").status == 200
                filler.unlink()
                eventually(record.more(50), "a write")
            assert set(record.refused) == {(503, "disk_full")}
            check(server, record)


@pytest.mark.parametrize("disk", [24], indirect=True)
def test_a_change_that_does_not_fit_leaves_nothing_behind(disk: Path) -> None:
    with ServerProcess(data=disk / "data") as server:
        prepare(server)
        head = server.head()
        for _ in range(RUNS):
            texts = (os.urandom(400_000).hex() for _ in range(50))
            bulk = [{"name": "too/large", "content": {"template": text}} for text in texts]
            answer = server.post("/versions/bulk", {"versions": bulk})
            assert (answer.status, answer.code) == (503, "disk_full"), answer
            assert answer.json["hint"]
            assert server.head() == head
            assert server.get(place("too/large")).status == 404
        server.move(STILL, "deployment", 2)
        assert server.get("/doctor").json["findings"] == []
    with ServerProcess(data=disk / "data") as server:
        assert server.get(f"/resolve/{STILL}@deployment").json["version"] == 2
        assert server.get("/doctor").json["findings"] == []


def test_uploads_are_refused_while_the_disk_is_full_and_come_back_by_themselves(
    disk: Path,
) -> None:
    with ServerProcess(data=disk / "data") as server:
        kept = _publish(server, "kept", os.urandom(300_000))
        for turn in range(RUNS):
            data = os.urandom(random.choice((100, 70_000, 3 << 20)))
            filler = _fill(disk)
            refused = server.put(f"/blobs/{_sha(data)}", data)
            assert refused.status == 503, refused
            assert refused.code in ("blobs_unavailable", "disk_full")
            assert refused.headers["retry-after"]
            assert not list(disk.rglob("*.part"))
            assert server.request("HEAD", f"/blobs/{_sha(data)}").status == 404
            path = place("kept", "versions", 1, "files", "f", kind="model")
            assert server.get(path).body == kept
            filler.unlink()
            _publish(server, f"new-{turn}", data)
        assert server.get("/doctor").json["findings"] == []


def _publish(server: Api, name: str, data: bytes) -> bytes:
    assert server.put(f"/blobs/{_sha(data)}", data).status == 201
    files = {"f": {"size": len(data), "sha256": _sha(data)}}
    body = {"name": name, "kind": "model", "content": {"files": files}}
    answer = server.post("/versions", body)
    assert answer.status == 201, answer
    return data


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _fill(disk: Path) -> Path:
    """Write until nothing more fits."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler
