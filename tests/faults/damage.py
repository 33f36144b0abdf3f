"""How much is broken in a run, and how to tell what survived it."""

from __future__ import annotations

import http.client
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from serving import Answer, Api, ask, place

RUNS = int(os.environ.get("POINTSMAN_FAULT_RUNS", "3"))
"""How often each thing is broken: a few times by default, a hundred by `make faults`."""

NAME = "faults/reply"
"""What the movers move."""
STILL = "faults/still"
"""What nobody moves."""


@dataclass(frozen=True)
class Move:
    """A move as it was asked for; `reason` is unlike that of any other."""

    alias: str
    version: int
    reason: str


@dataclass
class Record:
    """What was asked, and what was acknowledged, by all movers together."""

    asked: list[Move] = field(default_factory=list)
    acknowledged: list[tuple[Move, int]] = field(default_factory=list)
    """Moves and the revisions that they were told."""
    answered: set[str] = field(default_factory=set)
    """The reasons of all moves that were told to be done, or to be so already."""
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How many answers of each other status and code there were."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, move: Move, answer: Answer) -> None:
        """Write down what was answered to a move."""
        with self.lock:
            if answer.status != 200:
                self.refused[answer.status, answer.code] += 1
                assert answer.headers["retry-after"]
                return
            self.answered.add(move.reason)
            if answer.json["release"] is not None:
                (made,) = answer.json["release"]["moves"]
                self.acknowledged.append((move, made["revision"]))

    def more(self, wanted: int) -> Callable[[], bool]:
        """A condition that holds once so many more moves are acknowledged than now."""
        goal = len(self.acknowledged) + wanted
        return lambda: len(self.acknowledged) >= goal


_numbers = count(1)


@contextmanager
def movers(api: Api, record: Record, threads: int = 16) -> Iterator[None]:
    """Moves from many threads at once until the end of the block, or until nobody answers."""
    stop = threading.Event()
    running = [
        threading.Thread(target=_keep_moving, args=(api, f"alias-{n % 8}", record, stop))
        for n in range(threads)
    ]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in running:
            thread.join()


def _keep_moving(api: Api, alias: str, record: Record, stop: threading.Event) -> None:
    with suppress(OSError, http.client.HTTPException), api.connect() as connection:
        while not stop.is_set():
            number = next(_numbers)
            move = Move(alias, number % 2 + 1, f"move {number}")
            with record.lock:
                record.asked.append(move)
            record.note(move, send(connection, api.own_key, move))


def send(connection: http.client.HTTPConnection, key: str, move: Move) -> Answer:
    """Ask for a move, with its reason as the idempotency key."""
    return ask(
        connection,
        "PUT",
        place(NAME, "aliases", move.alias),
        {"version": move.version, "reason": move.reason},
        key=key,
        headers={"Idempotency-Key": move.reason},
    )


def prepare(api: Api) -> None:
    """Two versions for the movers to choose from, and what they leave alone."""
    api.publish(NAME, "one")
    api.publish(NAME, "two")
    api.publish(STILL, "still", aliases=["deployment"])
    api.publish(STILL, "water")


def check(api: Api, record: Record) -> None:
    """Everything acknowledged is on record, every alias's revisions are whole, all is sound."""
    made: dict[tuple[str, int], Move] = {}
    last: dict[str, int] = {}
    after = 0
    while entries := api.get("/journal", query={"after": after, "limit": 10_000}).json["items"]:
        for entry in entries:
            after = entry["seq"]
            if entry["type"] == "alias.moved" and entry["data"]["name"] == NAME:
                fact = entry["data"]
                if not fact["alias"].startswith("alias-"):
                    continue
                assert fact["revision"] == last.get(fact["alias"], 0) + 1, entry
                last[fact["alias"]] = fact["revision"]
                made[fact["alias"], fact["revision"]] = Move(
                    fact["alias"], fact["to"]["version"], fact["reason"]
                )
    for move, revision in record.acknowledged:
        assert made.get((move.alias, revision)) == move, (move, revision)
    assert len({move.reason for move in made.values()}) == len(made), "a move was made twice"
    assert set(made.values()) <= set(record.asked)
    for alias, revision in last.items():
        now = api.get(place(NAME, "aliases", alias)).json
        assert now["revision"] == revision
        assert now["target"]["version"] == made[alias, revision].version
    diagnosis = api.get("/doctor").json
    assert diagnosis["findings"] == [], diagnosis["findings"]
