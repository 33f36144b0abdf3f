"""`kill -9` between commit and delivery: no event is lost, none overtakes one of its artifact."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from faults.damage import RUNS
from hooks import Received, Receiver, answer
from serving import Api, ServerProcess, place

ARTIFACTS = [f"hooked/{number}" for number in range(4)]
SETTINGS = {
    "pointsman.app.deliveries.LEASE": 2.0,
    "pointsman.core.deliveries.FIRST_WAIT": 50_000,
    "pointsman.core.deliveries.LONGEST_WAIT": 300_000,
    "pointsman.core.deliveries.LONGEST_PAUSE": 300_000,
}
PATIENCE = 60.0


@pytest.fixture(params=["sqlite", "postgres", "two servers"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Where the registry is, and how many servers deliver from it."""
    if request.param == "sqlite":
        yield {"data": tmp_path, "servers": 1}
        return
    databases = request.getfixturevalue("databases")
    name = databases.migrated()
    yield {"database": databases.url(name), "servers": 2 if request.param == "two servers" else 1}
    databases.drop(name)


@contextmanager
def serving(where: dict[str, Any]) -> Iterator[list[ServerProcess]]:
    here = {name: value for name, value in where.items() if name != "servers"}
    with ExitStack() as stack:
        yield [
            stack.enter_context(ServerProcess(**here, settings=SETTINGS))
            for _ in range(where["servers"])
        ]


def moody(chance: random.Random) -> Any:
    """A receiver that now and then answers late, with an error, or not at all."""

    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        mood = chance.random()
        if mood < 0.05:
            handler.close_connection = True
            handler.connection.close()
        else:
            time.sleep(0.02 if mood < 0.2 else 0)
            answer(handler, 500 if mood < 0.1 else 200)

    return behave


@contextmanager
def moves(server: Api, chance: random.Random) -> Iterator[None]:
    """Aliases move back and forth all the time, until the server is dead."""
    done = threading.Event()

    def move(name: str) -> None:
        with suppress(OSError, http.client.HTTPException):
            while not done.is_set():
                server.put(place(name, "aliases", "a"), {"version": chance.choice((1, 2))})
                time.sleep(0.03)

    threads = [threading.Thread(target=move, args=(name,)) for name in ARTIFACTS]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def told(server: Api, after: int) -> dict[int, str]:
    """The number and the subject of each entry that the webhook has to be told of."""
    entries: dict[int, str] = {}
    while page := server.get("/journal", query={"after": after, "limit": 1_000}).json["items"]:
        after = page[-1]["seq"]
        for entry in page:
            if entry["type"] == "alias.moved":
                entries[entry["seq"]] = entry["data"]["name"]
    return entries


def test_no_event_is_lost_and_order_is_kept(
    where: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
    chance = random.Random()
    with Receiver(moody(chance)) as receiver:
        with serving(where) as (server, *_):
            position = prepare(server, receiver)
        for _ in range(RUNS):
            with serving(where) as servers, moves(servers[0], chance):
                had = len(receiver.received)
                receiver.wait(lambda got, had=had: len(got) > had, PATIENCE)  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.3))
                chance.choice(servers).kill()
                if len(servers) > 1:
                    time.sleep(chance.uniform(0, 0.5))
                for one in servers:
                    one.kill()
        with serving(where) as (server, *_):
            wanted = told(server, position)
            receiver.wait(lambda got: {one.seq for one in got} >= wanted.keys(), PATIENCE)
            assert server.get("/doctor").json["findings"] == []
        check(receiver.received, wanted)
        assert len(wanted) > RUNS


def test_another_server_takes_over(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
    chance = random.Random()
    position = 0

    def more(receiver: Receiver) -> None:
        had = len(receiver.received)
        receiver.wait(lambda got: len(got) > had + 5, PATIENCE)

    with Receiver(moody(chance)) as receiver:
        for _ in range(RUNS):
            first = ServerProcess(database=postgres_url, settings=SETTINGS)
            with first:
                position = position or prepare(first, receiver)
                with moves(first, chance):
                    more(receiver)  # the first one has the lease
                    second = ServerProcess(database=postgres_url, settings=SETTINGS)
                    time.sleep(chance.uniform(0, 0.2))
                    first.kill()
            with second, moves(second, chance):
                more(receiver)
        with ServerProcess(database=postgres_url, settings=SETTINGS) as last:
            wanted = told(last, position)
            receiver.wait(lambda got: {one.seq for one in got} >= wanted.keys(), PATIENCE)
        check(receiver.received, wanted)


def prepare(server: Api, receiver: Receiver) -> int:
    """Make what is moved and the webhook that is told of it; the number of the entry before."""
    for name in ARTIFACTS:
        server.publish(name)
        server.publish(name, "other")
    made = server.post("/webhooks", {"name": "x", "url": receiver.url, "events": ["alias.*"]})
    assert made.status == 201, made
    return int(made.json["webhook"]["position"])


def check(received: list[Received], wanted: dict[int, str]) -> None:
    """Everything came, each event under one id, and in order per artifact."""
    ids: defaultdict[int, set[str]] = defaultdict(set)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for got in received:
        name = got.json["data"]["facts"]["name"]
        ids[got.seq].add(got.id)
        if got.seq not in seen[name]:
            seen[name].append(got.seq)
        assert got.seq >= seen[name][-1], "an old one again, after what came behind it"
    assert ids.keys() == wanted.keys()
    assert all(len(some) == 1 for some in ids.values())
    assert len({one for some in ids.values() for one in some}) == len(ids)
    for name, order in seen.items():
        assert order == [seq for seq, of in wanted.items() if of == name]
