"""Journals, and every way to corrupt one: as an exported file, and as stored rows."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

from pointsman.core.checkpoints import Checkpoint
from pointsman.core.journal import Head, Line, follow, genesis, spelled
from pointsman.core.verification import Header, Report, read_header, verify
from pointsman.errors import InvalidInput

UID, STORE = "ab" * 16, "cd" * 16
ORIGIN = f"pointsman/{STORE}/{UID}"
_NAMES = ("support/reply", "größe", "a\u2028b")


def journal(chance: random.Random, entries: int) -> list[Line]:
    """A journal as a registry could have written it."""
    made = _Journal(chance)
    while len(made.lines) < entries:
        made.grow()
    return made.lines


def export(lines: list[Line]) -> bytes:
    """The journal as `pointsman journal` writes it, whatever state its rows are in."""
    start = genesis(UID)
    head = Head(lines[-1].seq, lines[-1].at, lines[-1].hash) if lines else start
    header = Header("default", UID, STORE, "1", head.seq, head.hash)
    texts = (header.text, *spelled(start.hash, lines))
    return "".join(f"{text}\n" for text in texts).encode()


def checkpoint(lines: list[Line]) -> Checkpoint:
    """What was signed of a journal."""
    return Checkpoint(ORIGIN, lines[-1].seq, lines[-1].hash)


def verified(file: bytes, *kept: Checkpoint) -> Report | None:
    """What verifying a file says; None if its header is refused."""
    first, *rest = _lines(file)
    try:
        header = read_header(first)
    except InvalidInput:
        return None
    return verify(header, rest, kept)


def corrupted_file(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    """The file with one thing wrong, and what."""
    while True:
        what = chance.choice(list(_FILE))
        found = _FILE[what](chance, file)
        if found not in (file, b""):
            return what, found


def corrupted_rows(chance: random.Random, lines: list[Line]) -> tuple[str, list[Line]]:
    """The stored rows with one thing wrong, and what."""
    while True:
        what = chance.choice(list(_ROWS))
        found = _ROWS[what](chance, list(lines))
        if found != lines:
            return what, found


def rewritten(chance: random.Random, lines: list[Line]) -> list[Line]:
    """The journal made anew from somewhere on, with everything recomputed."""
    index = chance.randrange(len(lines))
    head = Head(*lines[index - 1][:2], lines[index - 1].hash) if index else genesis(UID)
    made = lines[:index]
    for at, line in enumerate(lines[index:]):
        by = line.by if at else f"{line.by}?"
        again, head = follow(
            head, line.at, type=line.type, actor=line.actor, by=by, via=line.via, data=line.data
        )
        made.append(again)
    return made


class _Journal:
    """Grows a journal: artifacts, versions, releases of several moves, tags, tombstones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.head = genesis(UID)
        self.lines: list[Line] = []
        self.digests: dict[str, list[str]] = {}
        self.aliases: dict[tuple[str, str], tuple[Any, int]] = {}
        self.add("project.created", {"project": "default"})
        for name in _NAMES:
            self.add("artifact.created", {"kind": "prompt", "name": name})
            self.digests[name] = []
            self.publish(name)

    def grow(self) -> None:
        name = self.chance.choice(_NAMES)
        what = self.chance.randrange(4)
        if what == 0:
            self.publish(name)
        elif what == 1:
            self.add("tag.set", {"kind": "prompt", "name": name, "key": "k", "value": "v"})
        else:
            self.release(self.chance.sample(_NAMES, self.chance.randint(1, 3)))

    def publish(self, name: str) -> None:
        digest = f"{self.chance.getrandbits(256):064x}"
        number = len(self.digests[name]) + 1
        self.digests[name].append(digest)
        fact = {"kind": "prompt", "name": name, "version": number, "digest": digest}
        self.add("version.published", {**fact, "message": 'said "so"\n'})

    def release(self, names: list[str]) -> None:
        number = self.head.seq + 1
        for name in names:
            before, revision = self.aliases.get((name, "production"), (None, 0))
            version = self.chance.randint(1, len(self.digests[name]))
            to = {"version": version}
            self.aliases[name, "production"] = to, revision + 1
            fact = {
                "kind": "prompt", "name": name, "alias": "production", "before": before,
                "to": to, "digests": [self.digests[name][version - 1]],
                "revision": revision + 1, "release": number, "reason": "better",
            }  # fmt: skip
            self.add("alias.moved", fact)

    def add(self, kind: str, fact: dict[str, Any]) -> None:
        data = json.dumps(fact, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        at = self.head.at + self.chance.randint(-5, 10**6)
        line, self.head = follow(
            self.head, at, type=kind, actor="key:1", by="Ana", via="api", data=data
        )
        self.lines.append(line)


def _lines(file: bytes) -> list[bytes]:
    """Split at line feeds alone, as a file that is read in binary is."""
    return io.BytesIO(file).readlines()


def _edit(chance: random.Random, file: bytes) -> bytes:
    at = chance.randrange(len(file))
    return file[:at] + bytes([chance.randrange(256)]) + file[at + 1 :]


def _drop(chance: random.Random, file: bytes) -> bytes:
    at = chance.randrange(len(file))
    return file[:at] + file[at + 1 :]


def _put_in(chance: random.Random, file: bytes) -> bytes:
    at = chance.randrange(len(file) + 1)
    return file[:at] + bytes([chance.randrange(256)]) + file[at:]


def _cut(chance: random.Random, file: bytes) -> bytes:
    return file[: chance.randrange(1, len(file))]


def _by_line(
    change: Callable[[random.Random, list[bytes]], None],
) -> Callable[[random.Random, bytes], bytes]:
    def corrupt(chance: random.Random, file: bytes) -> bytes:
        lines = _lines(file)
        change(chance, lines)
        return b"".join(lines)

    return corrupt


def _delete_line(chance: random.Random, lines: list[bytes]) -> None:
    del lines[chance.randrange(1, len(lines))]


def _swap_lines(chance: random.Random, lines: list[bytes]) -> None:
    one, other = chance.sample(range(1, len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]


def _repeat_line(chance: random.Random, lines: list[bytes]) -> None:
    lines.insert(chance.randint(1, len(lines)), chance.choice(lines[1:]))


def _cut_lines(chance: random.Random, lines: list[bytes]) -> None:
    del lines[chance.randrange(1, len(lines)) :]


_FILE: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "a byte edited": _edit,
    "a byte gone": _drop,
    "a byte put in": _put_in,
    "cut off anywhere": _cut,
    "an entry deleted": _by_line(_delete_line),
    "entries swapped": _by_line(_swap_lines),
    "an entry repeated": _by_line(_repeat_line),
    "cut off after an entry": _by_line(_cut_lines),
}


def _edit_row(chance: random.Random, lines: list[Line]) -> list[Line]:
    at = chance.randrange(len(lines))
    line = lines[at]
    field = chance.choice(("at", "type", "actor", "by", "via", "data", "hash"))
    value = getattr(line, field)
    if isinstance(value, int):
        lines[at] = line._replace(at=value + chance.choice((-1, 1, 10**6)))
    else:
        place = chance.randrange(len(value))
        changed = value[:place] + chr(chance.randrange(32, 127)) + value[place + 1 :]
        lines[at] = line._replace(**{field: changed})
    return lines


def _delete_row(chance: random.Random, lines: list[Line]) -> list[Line]:
    at = chance.randrange(len(lines))
    del lines[at]
    return _renumbered(lines) if chance.random() < 0.5 else lines


def _insert_row(chance: random.Random, lines: list[Line]) -> list[Line]:
    lines.insert(chance.randint(0, len(lines)), chance.choice(lines))
    return _renumbered(lines)


def _swap_rows(chance: random.Random, lines: list[Line]) -> list[Line]:
    one, other = chance.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return _renumbered(lines)


def _cut_rows(chance: random.Random, lines: list[Line]) -> list[Line]:
    return lines[: chance.randrange(len(lines))]


def _renumbered(lines: list[Line]) -> list[Line]:
    return [line._replace(seq=seq) for seq, line in enumerate(lines, 1)]


_ROWS: dict[str, Callable[[random.Random, list[Line]], list[Line]]] = {
    "a field edited": _edit_row,
    "a row deleted": _delete_row,
    "a row put in": _insert_row,
    "rows swapped": _swap_rows,
    "the end cut off": _cut_rows,
    "all rewritten": rewritten,
}
