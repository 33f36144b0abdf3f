"""`kill -9` at random moments: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.damage import RUNS, Record, check, movers, prepare, send
from serving import ServerProcess, place

Place = dict[str, str | Path | None]
"""Where a server process finds its registry."""
BULK = 300


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield {"data": tmp_path}
        return
    databases = request.getfixturevalue("databases")
    name = databases.migrated()
    yield {"database": databases.url(name)}
    databases.drop(name)


def start(where: Place) -> ServerProcess:
    return ServerProcess(**where)  # type: ignore[arg-type]


def test_no_acknowledged_move_is_lost(where: Place) -> None:
    chance = random.Random()
    record = Record()
    with start(where) as server:
        prepare(server)
    for _ in range(RUNS):
        with start(where) as server:
            check(server, record)
            known = len(record.asked)
            with movers(server, record):
                # Once the moves flow, so that each kill interrupts some.
                while len(record.asked) < known + 32:
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, 0.4))
                server.kill()
            assert not record.refused
    with start(where) as server:
        check(server, record)
    assert len(record.acknowledged) > RUNS


def test_what_was_not_answered_can_be_asked_again_and_is_done_once(where: Place) -> None:
    record = Record()
    with start(where) as server:
        prepare(server)
    for _ in range(RUNS):
        with start(where) as server, movers(server, record):
            time.sleep(random.uniform(0.05, 0.3))
            server.kill()
        with start(where) as server, server.connect() as connection:
            for move in record.asked:
                if move.reason not in record.answered:
                    record.note(move, send(connection, server.own_key, move))
            assert not record.refused
            check(server, record)


def test_a_bulk_is_there_whole_or_not_at_all(where: Place) -> None:
    seconds = 0.5
    outcomes = []
    for run in range(RUNS):
        name = f"bulk/{run}"
        body = {
            "versions": [
                {"name": name, "content": {"template": f"{n} " + "x" * 500}, "aliases": ["a"]}
                for n in range(BULK)
            ]
        }
        acknowledged = threading.Event()

        def publish(server: ServerProcess, body: object, told: threading.Event) -> None:
            with suppress(OSError, http.client.HTTPException):
                if server.post("/versions/bulk", body).status == 200:
                    told.set()

        with start(where) as server:
            began = time.monotonic()
            assert server.post("/versions/bulk", {"versions": []}).status == 200
            publisher = threading.Thread(target=publish, args=(server, body, acknowledged))
            publisher.start()
            acknowledged.wait(random.uniform(0, seconds))
            server.kill()
            publisher.join()
            if acknowledged.is_set():
                seconds = time.monotonic() - began
        with start(where) as server:
            found = server.get(place(name))
            newest = found.json["newest"] if found.status == 200 else 0
            assert newest in (0, BULK)
            assert newest == BULK or not acknowledged.is_set()
            assert server.get("/doctor").json["findings"] == []
            outcomes.append(newest)
    assert set(outcomes) <= {0, BULK}
