"""Looking back: the journal as an audit log, as the history of things, and as of a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pointsman.app.application import View
from pointsman.app.describing import entry_of
from pointsman.app.including import find_version
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports import EntryFilter, VersionRow
from pointsman.app.releases import MOVED, moves_of, release_of
from pointsman.core.access import may
from pointsman.core.canonical import check_text
from pointsman.core.journal import Line, genesis
from pointsman.core.making import full_label, split_label
from pointsman.core.names import check_alias
from pointsman.core.record import Evidence, EvidenceMove, EvidenceVersion
from pointsman.core.releases import target_from_plain
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Difference, Entry, Page, Release, Target, moment
from pointsman.errors import InvalidInput, NotFound

MAX_BETWEEN = 1_000_000
_STEP = 1_000
_DIFFERING = (MOVED, "version.published")


def entries(
    view: View,
    *,
    kind: str = "",
    name: str = "",
    alias: str = "",
    types: tuple[str, ...] = (),
    actor: str = "",
    since: int | None = None,
    until: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Entry]:
    """Journal entries that match, newest first: of the project, an artifact or an alias."""
    if not name:
        view.require_all("read")
    limit = check_limit(limit)
    artifact_id = view.artifact(kind or "prompt", name).id if name else None
    where = EntryFilter(
        artifact_id=artifact_id,
        alias=check_alias(alias) if alias else None,
        types=tuple(check_text(one, field="type") for one in types),
        actor=check_text(actor, field="actor") or None,
        since=since,
        until=until,
    )
    place = Cursor("entries", [artifact_id, alias, list(types), actor, since, until])
    before = place.number(cursor)
    lines = view.reader.lines_where(view.project.id, where, before, limit + 1)
    page = lines[:limit]
    more = place.write(page[-1].seq) if len(lines) > limit else None
    return Page(tuple(_entries(view, page)), more)


def entries_after(view: View, after: int, limit: int = 1_000) -> Page[Entry]:
    """Journal entries above the sequence number `after`, oldest first: for export and replay."""
    view.require_all("read")
    if after < 0:
        raise InvalidInput("`after` is below 0.", field="after", hint="Start with 0.")
    limit = check_limit(limit, most=10_000)
    lines = view.reader.lines(view.project.id, after, limit + 1)
    more = str(lines[limit - 1].seq) if len(lines) > limit else None
    return Page(tuple(_entries(view, lines[:limit])), more)


def releases_of_alias(
    view: View, kind: str, name: str, alias: str, *, limit: int = 50, cursor: str | None = None
) -> Page[Release]:
    """The releases that moved an alias, newest first, each with this alias's move alone."""
    view.require("read")
    limit = check_limit(limit)
    artifact = view.artifact(kind, name)
    place = Cursor("releases", [artifact.id, alias])
    before = place.number(cursor)
    lines = view.reader.alias_lines(artifact.id, check_alias(alias), before, limit + 1)
    page = lines[:limit]
    more = place.write(page[-1].seq) if len(lines) > limit else None
    return Page(tuple(release_of([line]) for line in page), more)


def differences(
    view: View,
    before: int,
    after: int,
    *,
    kind: str = "",
    name: str = "",
    most: int = MAX_BETWEEN,
) -> tuple[Difference, ...]:
    """What points elsewhere at `after` than at `before`, by artifact and alias; or of one artifact.

    An artifact that was published to in between has a row without alias, whose targets are
    its newest versions. Aliases that moved and came back are rows with equal targets. Raises
    `InvalidInput` if more than `most` entries lie between.
    """
    if not name:
        view.require_all("read")
    artifact = view.artifact(kind or "prompt", name) if name else None
    if after < before:
        raise InvalidInput(
            "The second moment is before the first.",
            code="moments_reversed",
            hint="Give the earlier moment first.",
            field="after",
        )
    if artifact is None:
        lines = _between(view, before, after, most)
    else:
        lines = iter(_of_artifact(view, artifact.id, before, after, most))
    ends: dict[tuple[str, str, str], tuple[dict[str, Any], dict[str, Any], int]] = {}
    for line in lines:
        if line.type in _DIFFERING:
            fact = json.loads(line.data)
            key = fact["kind"], fact["name"], fact.get("alias", "")
            first, _, count = ends.get(key, (fact, fact, 0))
            ends[key] = first, fact, count + 1
    return tuple(_difference(*key, *ends[key]) for key in sorted(ends))


def evidence(view: View, selector: Selector, at: int | None = None) -> Evidence:
    """What a selector meant at a moment (None: now), who put it there and why, on what grounds.

    Answers for removed content as well: the record of it stays. Raises `NotFound`.
    """
    view.require("read")
    artifact = view.artifact(selector.kind, selector.name)
    when = view.reader.head(view.project.id).at if at is None else at
    told = moment(when)
    if selector.alias is None:
        row, _ = find_version(view, artifact, selector, at)
        versions = (_version_told(row, None),)
        return Evidence(str(selector), artifact.kind, artifact.name, None, told, versions)
    line = view.reader.alias_line_at(artifact.id, selector.alias, when)
    fact = json.loads(line.data) if line else {}
    target = target_from_plain(fact.get("to"))
    if line is None or target is None:
        raise NotFound(
            f"{artifact.name} had no alias {selector.alias!r} at that time.",
            code="alias_not_found",
            hint="Look at its history for when it was set and deleted.",
            field="selector",
        )
    weights = {arm.version: arm.weight for arm in target.split}
    rows = [view.reader.version(artifact.id, number) for number in target.versions]
    return Evidence(
        selector=str(selector),
        kind=artifact.kind,
        name=artifact.name,
        alias=selector.alias,
        at=told,
        versions=tuple(_version_told(row, weights.get(row.number)) for row in rows if row),
        move=EvidenceMove(
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
        ),
        change=fact.get("change"),
        approvals=tuple(fact.get("approvals") or ()),
        checks=tuple(fact.get("checks") or ()),
        evaluations=tuple(_evaluations(view, line, fact["release"])),
        glass=tuple(fact.get("glass") or ()),
    )


def _evaluations(view: View, line: Line, release: int) -> Iterator[Mapping[str, Any]]:
    """What was evaluated for a move and for those made with it, as far as it may be read."""
    others = [one for one in moves_of(view, release) if one.seq != line.seq]
    for one in [line, *others]:
        for evaluation in json.loads(one.data).get("evaluations", ()):
            kind, name, _ = split_label(full_label(evaluation["version"]))
            if may(view.actor, "read", kind, name).allowed:
                yield evaluation


def _version_told(row: VersionRow, weight: int | None) -> EvidenceVersion:
    return EvidenceVersion(
        row.number, row.digest, row.author, moment(row.created_at), row.message, weight
    )


def _of_artifact(view: View, artifact_id: int, before: int, after: int, most: int) -> list[Line]:
    where = EntryFilter(artifact_id=artifact_id, since=before + 1, until=after)
    lines = view.reader.lines_where(view.project.id, where, None, most + 1)
    if len(lines) > most:
        raise _too_many(f"More than {most:,}", most)
    return lines[::-1]


def _too_many(told: str, most: int) -> InvalidInput:
    return InvalidInput(
        f"{told} entries lie between the two moments.",
        code="too_many_entries",
        hint=f"Ask about moments with at most {most:,} entries between them.",
    )


def _difference(
    kind: str, name: str, alias: str, first: dict[str, Any], last: dict[str, Any], count: int
) -> Difference:
    """How a thing differs, of which these are the first and the last fact of so many."""
    if alias:
        was, now = target_from_plain(first["before"]), target_from_plain(last["to"])
        return Difference(kind, name, alias, was, now, count)
    before = first["version"] - 1
    newest = Target(version=last["version"])
    return Difference(kind, name, None, Target(version=before) if before else None, newest, count)


def _between(view: View, before: int, after: int, most: int) -> Iterator[Line]:
    first = view.reader.seq_at(view.project.id, before)
    last = view.reader.seq_at(view.project.id, after)
    if last - first > most:
        raise _too_many(f"{last - first:,}", most)
    while first < last:
        lines = view.reader.lines(view.project.id, first, min(_STEP, last - first))
        yield from lines
        first = lines[-1].seq if lines else last  # a hole at the end is the doctor's business


def _entries(view: View, lines: list[Line]) -> Iterator[Entry]:
    """Entries with the hash before each, which for neighbours is already at hand."""
    hashes = {line.seq: line.hash for line in lines}
    missing = [line.seq - 1 for line in lines if line.seq - 1 not in hashes]
    for start in range(0, len(missing), _STEP):
        hashes |= view.reader.hashes(view.project.id, missing[start : start + _STEP])
    for line in lines:
        previous = hashes.get(line.seq - 1) or genesis(view.project.uid).hash
        yield entry_of(line, previous)
