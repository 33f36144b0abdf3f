"""The record: verifying an exported journal, backing a registry up and restoring it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import harness
from bench.harness import Result, Spread, at_least
from bench.moves import filled
from bench.run import Run
from pointsman.core.journal import chained, follow, genesis
from pointsman.core.verification import Header, read_header, verify
from pointsman.storage import backup

_UID = "ab" * 16
_DIGESTS = ("1" * 64, "2" * 64)


def record(run: Run) -> Iterator[Result]:
    """The rows of the record."""
    entries = run.size(500_000, 5_000)
    file = run.folder / "journal.jsonl"
    _export(file, entries)
    yield _rate(f"verify a journal of {entries:,} entries, offline", run, entries, file, _verify)
    yield from _backups(run)


def _verify(file: Path) -> None:
    with file.open("rb") as lines:
        report = verify(read_header(lines.readline()), lines)
    assert report.sound


def _rate(row: str, run: Run, entries: int, file: Path, verified: Callable[[Path], None]) -> Result:
    rates = []
    for _ in range(run.rounds(5)):
        began = time.perf_counter()
        verified(file)
        rates.append(entries / (time.perf_counter() - began))
    return Result(
        row, at_least(100_000, "/s"), harness.per_second(Spread.of(rates).middle),
        ratio=Spread.of(rates),
    )  # fmt: skip


def _backups(run: Run) -> Iterator[Result]:
    data = run.folder / "data"
    filled(data).close()
    made, restored = [], []
    rows = 0
    for number in range(run.rounds(3)):
        target, there = run.folder / f"backup-{number}", run.folder / f"restored-{number}"
        began = time.perf_counter()
        manifest = backup.make(backup.SqlitePlace(data), target)
        made.append(time.perf_counter() - began)
        rows = sum(table.rows for table in manifest.tables)
        began = time.perf_counter()
        backup.restore(target, backup.SqlitePlace(there))
        restored.append(time.perf_counter() - began)
    for what, spent in (("back up", made), ("restore, verified,", restored)):
        told = harness.duration(Spread.of(spent).middle)
        yield Result(f"{what} a registry of {rows:,} rows", None, told)


def _export(file: Path, entries: int) -> None:
    """A journal of an artifact whose alias goes to and fro."""
    head = genesis(_UID)
    lines: list[str] = []

    def add(kind: str, fact: Mapping[str, object]) -> None:
        nonlocal head
        data = json.dumps(fact, sort_keys=True, separators=(",", ":"))
        before = head.hash
        line, head = follow(head, 0, type=kind, actor="key:abcdef", by="Ana", via="api", data=data)
        lines.append(chained(before, line.seq, line.at, kind, "key:abcdef", "Ana", "api", data))

    named = {"kind": "prompt", "name": "support/reply"}
    add("project.created", {"project": "default"})
    add("artifact.created", named)
    for number, digest in enumerate(_DIGESTS, 1):
        add("version.published", {**named, "version": number, "digest": digest, "message": ""})
    before: dict[str, int] | None = None
    for revision in range(1, entries - len(lines) + 1):
        to = {"version": revision % 2 + 1}
        fact = {
            **named, "alias": "production", "before": before, "to": to,
            "digests": [_DIGESTS[revision % 2]], "revision": revision, "release": head.seq + 1,
            "reason": "shorter answers for the support team",
        }  # fmt: skip
        add("alias.moved", fact)
        before = to
    header = Header("default", _UID, "cd" * 16, "1", head.seq, head.hash)
    file.write_text("\n".join([header.text, *lines]) + "\n", "utf-8")
