"""Reads over HTTP: a prompt of 2 KB by its alias, from a server that has one core.

nginx serves the very same bytes as files: one worker on the same core, keep-alive, no access
log, sendfile, its cache of open files; and once more without sendfile, for comparison. Three
loads, each over 64 connections from the other core: one hot URL, 1,000 URLs in turn, and one
URL whose sender has the answer already (304).

A rate here is what one core gives: requests for each second of the server's processor time. On
a machine of one's own it equals the rate by the clock, which the notes give too.

MLflow is asked what its client asks first, a version by alias, in the one request that has the
whole text in its answer, and gets the number of workers that suits it best.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path

from bench import harness, machine, peers
from bench.harness import Bound, NotMeasuredError, Result, at_least
from bench.load import Loaded, Wrk, nginx
from bench.run import Registry, Run, text
from pointsman.app.publishing import Publish

MANY = 1_000
_PATH = "/api/v1/resolve/bench/reply-{}@production"


def reads(run: Run) -> Iterator[Result]:
    """The rows of reads over HTTP."""
    data = run.folder / "reads"
    registry = Registry(data)
    registry.publish(
        [
            Publish(f"bench/reply-{number}", text(2_000, f"{number} "), aliases=("production",))
            for number in range(MANY)
        ]
    )
    registry.close()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(machine.pointsman(data))
        root = run.folder / "files"
        size, etag = _copy(server, root)
        rows = {
            "one hot URL": at_least(0.7),
            f"{MANY:,} URLs": at_least(0.7),
            "one URL, not modified": at_least(0.7),
        }
        names = {what: f"reads of {size:,} bytes, {what}, against nginx" for what in rows}
        try:
            beside = stack.enter_context(nginx(run.folder, root))
            plain = stack.enter_context(nginx(run.folder, root, sendfile=False))
        except NotMeasuredError as error:
            for what, must in rows.items():
                yield Result(names[what], must, missing=str(error))
        else:
            theirs = _asked(beside.port, _PATH.format(0), {})[1]
            loads = (
                (_one(server), _one(server)),
                (_many(server), _many(server)),
                (_one(server, etag), _one(server, theirs)),
            )
            for (what, must), (our_load, their_load) in zip(rows.items(), loads, strict=True):
                ours = Loaded(server.child, server.port, our_load)
                nginxes = [Loaded(one.child, one.port, their_load) for one in (beside, plain)]
                yield from _against_nginx(run, names[what], must, ours, *nginxes)
        yield _against_mlflow(run, server, _many(server))


def _against_nginx(
    run: Run, row: str, must: Bound, ours: Loaded, theirs: Loaded, plain: Loaded
) -> Iterator[Result]:
    rounds = ours.by_core, theirs.by_core, plain.by_core
    mine, files, copied = harness.interleave(run.size(15, 1), *rounds)
    yield harness.compare_rates(row, must, mine, files, _by_clock(row, ours, theirs))
    yield harness.compare_rates("… without sendfile, which suits small files", None, mine, copied)


def _by_clock(row: str, ours: Loaded, theirs: Loaded) -> str:
    return (
        f"{row}: by the clock {harness.per_second(ours.rate)} against "
        f"{harness.per_second(theirs.rate)}, the core busy {ours.busy:.0%} and {theirs.busy:.0%}"
    )


def _against_mlflow(run: Run, server: machine.Server, ours: Wrk) -> Result:
    row, must = "reads of 2 KB by alias against mlflow server", at_least(200)
    path = f"{peers.API}registered-models/alias?name=reply&alias=production"
    theirs = Wrk("one.lua", path=path)
    try:
        peers.environment()
        folder = run.folder / "mlflow-reads"
        folder.mkdir()
        with peers.mlflow_server(folder, 1) as beside:
            beside.publish("reply", [text(2_000)], "production")
        workers = peers.best_workers(folder, theirs, 8)
        with peers.mlflow_server(folder, workers) as beside:
            mine = Loaded(server.child, server.port, ours)
            other = Loaded(beside.child, beside.port, theirs, connections=8)
            a, b = harness.interleave(run.rounds(12), mine.by_core, other.by_core)
    except NotMeasuredError as error:
        return Result(row, must, missing=str(error))
    fastest = f"mlflow server read fastest with --workers {workers} of {peers.WORKERS}"
    return harness.compare_rates(row, must, a, b, _by_clock(row, mine, other), fastest)


def _one(server: machine.Server, etag: str | None = None) -> Wrk:
    known = {"If-None-Match": etag} if etag else {}
    return Wrk("one.lua", path=_PATH.format(0), headers={**server.headers, **known})


def _many(server: machine.Server) -> Wrk:
    return Wrk("many.lua", [str(MANY), _PATH.format("%d")], headers=server.headers)


def _copy(server: machine.Server, root: Path) -> tuple[int, str]:
    """Put every answer of the server into a file; the first one's size and ETag."""
    first: tuple[int, str] | None = None
    for number in range(MANY):
        path = _PATH.format(number)
        body, etag = _asked(server.port, path, server.headers)
        file = root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        first = first or (len(body), etag)
    assert first is not None
    return first


def _asked(port: int, path: str, headers: dict[str, str]) -> tuple[bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body, etag = answer.read(), answer.getheader("ETag") or ""
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}: {body[:500]!r}")
        connection.request("GET", path, headers={**headers, "If-None-Match": etag})
        again = connection.getresponse()
        again.read()
        if again.status != 304:
            raise RuntimeError(f"{path} was answered with {again.status} to its own ETag.")
        return body, etag
    finally:
        connection.close()
