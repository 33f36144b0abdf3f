"""Governance: judging a change, applying a large release, looking back in a long journal.

The change has twenty moves under a policy that asks for two approvals and two checks, with
all of them given; describing it is what a page or `pointsman change show` waits for, and
judging its moves is the part of it that applying repeats. The long journal is one alias that
goes to and fro.
"""

from __future__ import annotations

import contextlib
import functools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench import harness, machine
from bench.harness import Result, Spread, at_least, at_most
from bench.load import Loaded, Wrk
from bench.run import Registry, Run, text
from pointsman import Client
from pointsman.app import changes, checks, people, policies, releases, reviewing
from pointsman.app.application import Caller, View, Work
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.ports.people import GrantRow
from pointsman.app.publishing import Publish
from pointsman.app.reading import resolve
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Target

_MOVES = 20
_LARGE = 50
_NARROW = "bench/reply-*"


def governance(run: Run) -> Iterator[Result]:
    """The rows of governance."""
    with contextlib.closing(Registry(run.folder / "changes")) as registry:
        yield from _change(run, registry)
    with contextlib.closing(Registry(run.folder / "release")) as registry:
        yield _release(run, registry)
    with contextlib.closing(Registry(run.folder / "long")) as registry:
        yield _as_of(run, registry)
    yield from _narrow(run)


def _change(run: Run, registry: Registry) -> Iterator[Result]:
    _publish(registry, _MOVES, versions=2)
    caller = registry.caller
    reviewers = [_join(registry, name) for name in ("ana", "ben")]
    _join(registry, "eva")
    policy = {
        "name": "production",
        "aliases": "production",
        "approvals": 2,
        "checks": ["eval", "lint"],
        "reason": 1,
    }
    registry.app.write(caller, lambda w: policies.set_policy(w, policy))
    wanted = [
        Wanted("prompt", f"bench/reply-{number}", "production", Target(version=2))
        for number in range(_MOVES)
    ]
    made = registry.app.write(
        caller, lambda w: changes.propose(w, Proposal("twenty", wanted, "measuring"))
    )
    for reviewer in reviewers:
        registry.app.write(reviewer, lambda w: changes.say(w, made.number, "approved"))
    for name in ("eval", "lint"):
        about = {"digest": made.basis}
        report = functools.partial(checks.report_about, about=about, name=name, state="passed")
        registry.app.write(caller, report)

    def show() -> None:
        state = registry.app.read(caller, lambda v: reviewing.show(v, made.number)).state
        assert state == "ready", state

    yield _timed(run, f"verdict of a change with {_MOVES} artifacts, approved and checked", 5, show)


def _release(run: Run, registry: Registry) -> Result:
    _publish(registry, _LARGE, versions=2)
    turn = [0]

    def move() -> None:
        turn[0] += 1
        wishes = [
            releases.Wish(
                "prompt", f"bench/reply-{n}", "production", Target(version=1 + turn[0] % 2)
            )
            for n in range(_LARGE)
        ]
        registry.app.write(registry.caller, lambda w: releases.release(w, wishes, "all at once"))

    return _timed(run, f"a release of {_LARGE} moves, in one durable transaction", 50, move)


def _as_of(run: Run, registry: Registry) -> Result:
    entries = run.size(1_000_000, 5_000)
    _publish(registry, 1, versions=2)
    registry.move("bench/reply-0", "live", 1)
    app, caller = registry.app, registry.caller
    with registry.store.read() as reader:
        artifact = reader.artifact(caller.project.id, "prompt", "bench/reply-0")
        assert artifact is not None
        first = reader.head(caller.project.id).at

    def go_on(work: Work, count: int) -> None:
        row = work.tx.alias(artifact.id, "live")
        assert row is not None
        for revision in range(row.revision + 1, row.revision + 1 + count):
            work.record(
                releases.MOVED,
                {
                    "kind": "prompt",
                    "name": "bench/reply-0",
                    "alias": "live",
                    "before": {"version": 2 - revision % 2},
                    "to": {"version": 1 + revision % 2},
                    "digests": ["0" * 64],
                    "revision": revision,
                    "release": work.next_seq,
                    "reason": "to and fro",
                },
                artifact=artifact.id,
                alias="live",
            )
        work.tx.put_alias(row._replace(revision=row.revision + count))

    for _ in range(entries // 5_000):
        app.write(caller, lambda w: go_on(w, 5_000))
    with registry.store.read() as reader:
        last = reader.head(caller.project.id).at
    chance, selector = random.Random(7), parse_selector("bench/reply-0@live")

    def look_back() -> None:
        at = chance.randint(first, last)
        app.read(caller, lambda v: resolve(v, selector, at=at))

    return _timed(
        run, f"what was live at a moment, over {entries:,} journal entries", 10, look_back
    )


def _narrow(run: Run) -> Iterator[Result]:
    """Reads with a key for a part of the project, beside reads with one for all of it."""
    data = run.folder / "narrow"
    registry = Registry(data)
    _publish(registry, 1, versions=1)
    registry.move("bench/reply-0", "live", 1)
    registry.close()
    with machine.pointsman(data) as server:
        narrow = _key(server, {"name": "narrow", "role": "viewer", "artifacts": _NARROW})
        path = "/api/v1/resolve/bench/reply-0@live"
        whole = Loaded(server.child, server.port, Wrk("one.lua", path=path, headers=server.headers))
        part = Loaded(
            server.child,
            server.port,
            Wrk("one.lua", path=path, headers={"Authorization": f"Bearer {narrow}"}),
        )
        mine, base = harness.interleave(run.size(10, 1), part.by_core, whole.by_core)
        row = "cached reads by a key for a part of the project, against one for all of it"
        yield harness.compare_rates(row, at_least(0.9), mine, base)


def _timed(run: Run, row: str, most: float, deed: Callable[[], None]) -> Result:
    """How many milliseconds something takes."""
    deed()
    spent = []
    for _ in range(run.size(100, 5)):
        began = time.perf_counter()
        deed()
        spent.append((time.perf_counter() - began) * 1e3)
    told = harness.duration(Spread.of(spent).middle / 1e3)
    return Result(row, at_most(most, "ms"), told, ratio=Spread.of(spent))


def _publish(registry: Registry, artifacts: int, *, versions: int) -> None:
    registry.publish(
        [
            Publish(f"bench/reply-{number}", f"{version} {text(180)}")
            for number in range(artifacts)
            for version in range(versions)
        ]
    )


def _join(registry: Registry, name: str) -> Caller:
    """A reviewer."""
    project = registry.caller.project

    def add(work: Work) -> int:
        row = work.tx.add_person(f"{name}@example.com", name, None, work.now)
        subject = f"person:{row.id}"
        work.tx.put_grant(GrantRow(project.id, subject, "reviewer", "", "*", work.now, "bench"))
        return row.id

    number = registry.app.write(registry.caller, add)

    def look(view: View) -> Any:
        return people.actor_of(view.reader, project.id, f"person:{number}", "embedded")

    return Caller(registry.app.read(registry.caller, look), project)


def _key(server: machine.Server, body: dict[str, Any]) -> str:
    """The secret of a new key."""
    with Client(server.url, server.key, snapshot=False) as client:
        return client.create_key(**body).secret
