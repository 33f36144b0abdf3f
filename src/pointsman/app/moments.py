"""The registry at a moment: what pointed where, who had put it there, and when things moved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pointsman.app.application import View
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import EntryFilter
from pointsman.app.releases import MOVED
from pointsman.core.access import may
from pointsman.core.canonical import check_text
from pointsman.core.journal import Line
from pointsman.core.names import skeleton
from pointsman.core.record import EvidenceMove
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Page, Target, moment

_MOST_MARKS = 500


@dataclass(frozen=True, slots=True)
class Stood:
    """Where an alias stood at a moment, and the move that had put it there.

    `newest` is the artifact's newest version of then; `change` the number of the change that was
    applied.
    """

    kind: str
    name: str
    newest: int
    alias: str
    target: Target
    move: EvidenceMove
    change: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A move, as a point on the line of time."""

    seq: int
    at: datetime
    name: str
    alias: str
    to: Target | None


@dataclass(frozen=True, slots=True)
class Span:
    """From the journal's first entry to its last, and the last moves in between, oldest first."""

    first: datetime
    last: datetime
    marks: tuple[Mark, ...]


def standing_at(
    view: View,
    at: int,
    *,
    kind: str = "",
    name: str = "",
    containing: str = "",
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Stood]:
    """What every alias pointed to at a moment: of all artifacts, of those whose names contain a
    text, or of one. By name, kind and alias.

    A page may hold fewer than `limit` and still have a cursor: what was deleted by then is not
    in it. Raises `NotFound` if there is no such artifact.
    """
    view.require("read")
    limit = check_limit(limit)
    artifact = view.artifact(kind or "prompt", name) if name else None
    needle = skeleton(check_text(containing, field="containing"))
    place = Cursor("standing", [kind, name, needle, at])
    after = place.read(cursor, str, str, str)
    rows = view.reader.moves_at(
        view.project.id,
        at,
        needle=needle,
        artifact_id=artifact.id if artifact else None,
        after=(str(after[0]), str(after[1]), str(after[2])) if after else None,
        limit=limit + 1,
    )
    more = None
    if len(rows) > limit:
        last = rows[limit - 1]
        more = place.write(last.name, last.kind, last.line.alias or "")
    found = []
    for row in rows[:limit]:
        fact = json.loads(row.line.data)
        target = target_from_plain(fact["to"])
        if target is not None and may(view.actor, "read", row.kind, row.name).allowed:
            move = _move(row.line, fact)
            alias, change = fact["alias"], fact.get("change")
            found.append(Stood(row.kind, row.name, row.newest, alias, target, move, change))
    return Page(tuple(found), more)


def span(view: View, *, kind: str = "", name: str = "") -> Span:
    """The time that the journal covers, with the last moves: of a project, or of an artifact."""
    if not name:
        view.require_all("read")
    artifact = view.artifact(kind or "prompt", name) if name else None
    (first, *_) = view.reader.lines(view.project.id, 0, 1)
    where = EntryFilter(artifact_id=artifact.id if artifact else None, types=(MOVED,))
    lines = view.reader.lines_where(view.project.id, where, None, _MOST_MARKS)
    marks = tuple(_mark(line) for line in reversed(lines))
    return Span(moment(first.at), moment(view.reader.head(view.project.id).at), marks)


def newest_at(view: View, kind: str, name: str, at: int) -> int:
    """The number of an artifact's newest version at a moment; 0 before its first."""
    view.require("read")
    row = view.reader.version_at(view.artifact(kind, name).id, at)
    return row.number if row else 0


def _move(line: Line, fact: dict[str, Any]) -> EvidenceMove:
    return EvidenceMove(
        seq=line.seq,
        hash=line.hash,
        release=fact["release"],
        revision=fact["revision"],
        at=moment(line.at),
        by=line.by,
        actor=line.actor,
        via=line.via,
        reason=fact["reason"],
        undoes=fact.get("undoes"),
    )


def _mark(line: Line) -> Mark:
    fact = json.loads(line.data)
    target = target_from_plain(fact["to"])
    return Mark(line.seq, moment(line.at), fact["name"], fact["alias"], target)
