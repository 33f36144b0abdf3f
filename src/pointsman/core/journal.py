"""The journal's arithmetic: what follows what, and how each entry commits to all before it.

The hash of an entry is SHA-256 over the canonical JSON array of the previous entry's hash
and this entry's own fields, so that anyone holding the entries can recompute the chain with
nothing but a JSON encoder. The first entry of a project follows `genesis(uid)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from json.encoder import encode_basestring as _text
from typing import NamedTuple


class Head(NamedTuple):
    """Where a project's journal ends: the last sequence number, its time and its hash."""

    seq: int
    at: int
    hash: str


class Line(NamedTuple):
    """An entry as it is stored. `at` is microseconds since the epoch; `data` canonical JSON.

    `artifact` and `alias` say what it is about, for finding it again; both are in `data` in
    words as well, and so are covered by the hash.
    """

    seq: int
    at: int
    type: str
    actor: str
    by: str
    via: str
    artifact: int | None
    alias: str | None
    data: str
    hash: str


def genesis(uid: str) -> Head:
    """The head of a journal without entries, of the project with this unique id."""
    return Head(0, 0, hashlib.sha256(f"pointsman journal 1 {uid}".encode()).hexdigest())


def follow(
    head: Head,
    now: int,
    *,
    type: str,  # noqa: A002 - the field's own name
    actor: str,
    by: str,
    via: str,
    data: str,
    artifact: int | None = None,
    alias: str | None = None,
) -> tuple[Line, Head]:
    """The entry that comes next, and the head after it.

    Time never stands still or goes back within a project, whatever the clock does
    (`max(now, last + 1 µs)`), so that "as of" always has one answer.
    """
    seq, at = head.seq + 1, max(now, head.at + 1)
    chained = link(head.hash, seq, at, type, actor, by, via, data)
    line = Line(seq, at, type, actor, by, via, artifact, alias, data, chained)
    return line, Head(seq, at, chained)


def link(
    previous: str,
    seq: int,
    at: int,
    type: str,  # noqa: A002 - the field's own name
    actor: str,
    by: str,
    via: str,
    data: str,
) -> str:
    """The hash of an entry whose predecessor has the hash `previous`."""
    text = chained(previous, seq, at, type, actor, by, via, data)
    return hashlib.sha256(text.encode()).hexdigest()


def chained(
    previous: str,
    seq: int,
    at: int,
    type: str,  # noqa: A002 - the field's own name
    actor: str,
    by: str,
    via: str,
    data: str,
) -> str:
    """What the hash of an entry is made of, on one line: a journal is exported as these."""
    return f'["{previous}",{seq},{at},"{type}",{_text(actor)},{_text(by)},{_text(via)},{data}]'


def spelled(previous: str, lines: Iterable[Line]) -> tuple[str, ...]:
    """What the hashes of these entries are made of; `previous` is the hash before the first."""
    found = []
    for line in lines:
        text = chained(
            previous, line.seq, line.at, line.type, line.actor, line.by, line.via, line.data
        )
        found.append(text)
        previous = line.hash
    return tuple(found)


def broken_links(head: Head, lines: Iterable[Line]) -> Iterable[tuple[int, str]]:
    """Every place where `lines`, which should follow `head`, break the chain: (seq, why)."""
    for line in lines:
        if line.seq != head.seq + 1:
            yield line.seq, f"the entry after {head.seq} should be {head.seq + 1}"
        if line.at <= head.at:
            yield line.seq, "its time is not after the time of the entry before it"
        expected = link(
            head.hash, line.seq, line.at, line.type, line.actor, line.by, line.via, line.data
        )
        if line.hash != expected:
            yield line.seq, "its hash does not follow from its bytes and the entry before it"
        head = Head(line.seq, line.at, line.hash)
