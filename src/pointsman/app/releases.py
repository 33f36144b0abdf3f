"""The one door: the only code that moves an alias.

Every surface comes through `carry_out`, so that no surface can walk round a policy: setting,
moving and deleting aliases, publishing with aliases, releases of several artifacts, rollbacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pointsman.app.application import View, Work
from pointsman.app.evaluating.standing import tell_stale
from pointsman.app.glass import record_broken_glass
from pointsman.app.judging import Judged, judge_move, reasons_of, told_once
from pointsman.app.places import Backing, Place
from pointsman.app.ports import AliasRow, ArtifactRow, IncluderRow, StandingRow
from pointsman.app.readable import check_readable
from pointsman.core.access import Verdict, may
from pointsman.core.journal import Line
from pointsman.core.names import check_alias, check_reason
from pointsman.core.releases import (
    Order,
    PastMove,
    Point,
    move_to_undo,
    plain_target,
    plan_release,
    target_from_plain,
    together,
)
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Move, Release, Target, moment
from pointsman.errors import Conflict, NotFound, PointsmanError, Reason

MAX_MOVES = 500
MOVED = "alias.moved"
_STEP = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """An alias that should point elsewhere. `to` None asks for its deletion.

    `if_revision` is the revision that the asker saw (0: there was no such alias); None means
    that any will do.
    """

    kind: str
    name: str
    alias: str
    to: Target | None
    if_revision: int | None = None


_Known = dict[tuple[int, int], StandingRow]
"""Versions by artifact and number, read once for the plan and the record."""

NOTHING_BEHIND = Backing()


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """What a move is recorded with: its release, why, and how it was judged."""

    release: int
    reason: str
    backing: Backing
    judged: Judged
    concerns: tuple[str, ...] = ()
    """Who made and approved the release that a rollback undoes, by name: they are told."""


def release(
    work: Work, wishes: Sequence[Wish], reason: str, *, break_glass: bool = False
) -> Release | None:
    """Fulfil all the wishes at once, or none. None where all were fulfilled already.

    `break_glass` passes over approvals, checks and freezes that a policy asks for, where it
    lets the caller; the release is marked for good. Raises `Refused`, `StaleRevision`,
    `NotFound`, `Gone`, `Conflict` or `InvalidInput`, with every reason against it.
    """
    if len(wishes) > MAX_MOVES:
        raise Conflict(
            f"The release has {len(wishes)} moves.",
            code="too_many_moves",
            hint=f"A release has at most {MAX_MOVES}; make several.",
        )
    problems: list[PointsmanError] = []
    placed: list[tuple[Place, Wish]] = []
    for wish in wishes:
        try:
            placed.append((_place(work, wish.kind, wish.name, wish.alias), wish))
        except NotFound as problem:
            problems.append(problem)
    if problems:
        raise together(problems)
    return carry_out(
        work,
        [(place, Order(wish.to, wish.if_revision)) for place, wish in placed],
        reason,
        Backing(glass=True) if break_glass else Backing(),
    )


def roll_back_alias(
    work: Work, kind: str, name: str, alias: str, reason: str, *, if_revision: int | None = None
) -> Release:
    """Put an alias back to what its last release that still stands replaced.

    Doing it twice goes back two releases. Raises `NotFound` if there is nothing to undo and
    `Conflict` if the alias had no target before.
    """
    place, undo = _undone_next(work, kind, name, alias)
    where = f"{name}@{alias}"
    done = carry_out(
        work, [(place, Order(undo.before, if_revision))], reason, Backing(undoes=undo.release)
    )
    if done is None:
        raise Conflict(
            f"{where} already points to {undo.before}, as before release {undo.release}.",
            code="already_there",
            hint="Move it by hand if you want an older version.",
        )
    return done


def next_to_undo(view: View, kind: str, name: str, alias: str) -> PastMove:
    """The move that rolling an alias back would undo. Raises as `roll_back_alias` does."""
    view.require("read")
    return _undone_next(view, kind, name, alias)[1]


def roll_back_release(work: Work, number: int, reason: str) -> Release:
    """Undo a whole release: each of its aliases goes back to what it was before.

    Aliases that the release created are deleted. Raises `Conflict`, naming each, if aliases
    have moved since, or if the release is itself a rollback or undone already.
    """
    undone = find_release(work, number)
    if undone.undoes is not None:
        raise Conflict(
            f"Release {number} is itself a rollback, of release {undone.undoes}.",
            code="is_rollback",
            hint="Release the versions that you want instead.",
        )
    problems: list[PointsmanError] = []
    orders: list[tuple[Place, Order]] = []
    for move in undone.moves:
        place = _place(work, move.kind, move.name, move.alias)
        row = place.row
        if row is None or row.revision != move.revision:
            now = "it was rolled back" if row and row.target == move.before else "it moved"
            problems.append(
                Conflict(
                    f"{move.name}@{move.alias} is not where release {number} put it: {now} since.",
                    code="moved_since",
                    hint="Roll back that alias by itself, or what moved it first.",
                )
            )
        else:
            orders.append((place, Order(move.before)))
    if problems:
        raise together(problems)
    done = carry_out(work, orders, reason, Backing(undoes=number))
    assert done is not None, "every move of a release changes its alias"
    return done


def carry_out(
    work: Work,
    orders: Sequence[tuple[Place, Order]],
    reason: str,
    backing: Backing = NOTHING_BEHIND,
) -> Release | None:
    """Judge, plan and make the moves. Everything that moves an alias ends up here."""
    reason = check_reason(reason, field="reason")
    if not backing.glass and backing.change is None:
        _check_rights(work, [place for place, _ in orders])
    known: _Known = {}
    points = [point_of(work, place, order.to, known) for place, order in orders]
    planned = plan_release(
        [(point, order) for point, (_, order) in zip(points, orders, strict=True)]
    )
    if not planned:
        return None
    names = [(place.artifact.kind, place.artifact.name, place.alias) for place, _ in orders]
    places = {name: place for name, (place, _) in zip(names, orders, strict=True)}
    by_place = {}
    backing = replace(
        backing, together=tuple((places[m.kind, m.name, m.alias], m.to) for m in planned)
    )
    for move in planned:
        name = move.kind, move.name, move.alias
        by_place[name] = judge_move(work, places[name], move.to, reason, backing)
    judged = list(by_place.values())
    Verdict(reasons_of(judged)).enforce()
    composed = {
        moved.id: moved
        for move in planned
        if _composed(moved := places[move.kind, move.name, move.alias].artifact, move, known)
    }
    broken = [
        problem
        for move in planned
        if (place := places[move.kind, move.name, move.alias]).artifact.id in composed
        for problem in _breaks(work, place, move.to)
    ]
    if broken:
        raise together(broken)
    on_record = dict(zip(by_place, told_once(judged), strict=True))
    number = work.next_seq
    concerns = () if backing.undoes is None else _people_of(work, backing.undoes)
    lines = [
        _move(
            work,
            places[move.kind, move.name, move.alias],
            move,
            known,
            _Circumstances(
                number, reason, backing, on_record[move.kind, move.name, move.alias], concerns
            ),
        )
        for move in planned
    ]
    if passed := tuple(dict.fromkeys(one.message for each in judged for one in each.passed)):
        record_broken_glass(work, number, reason, passed)
    pointed: dict[int, set[int]] = {}
    for move in planned:
        moved = places[move.kind, move.name, move.alias].artifact
        if moved.id in composed:
            pointed.setdefault(moved.id, set()).update(move.to.versions if move.to else ())
    if pointed:
        check_readable(work, pointed)
    tell_stale(work, backing.together, number)
    return Release(number, moment(lines[0].at), work.actor.name, reason, planned, backing.undoes)


def _check_rights(work: Work, places: Sequence[Place]) -> None:
    """Whether the caller may move these aliases at all, before anything is said about them."""
    reasons: dict[Reason, None] = {}
    for place in places:
        artifact = place.artifact
        for reason in may(work.actor, "move", artifact.kind, artifact.name, place.alias).reasons:
            reasons[reason] = None
    Verdict(tuple(reasons)).enforce()


def version_meant(work: Work, selector: Selector) -> Target:
    """The version that a selector means now, as a target for a move of another alias.

    A split is taken over as it is. Raises `NotFound`.
    """
    artifact = work.artifact(selector.kind, selector.name)
    if selector.version is not None:
        return Target(version=selector.version)
    if selector.alias is None:
        return Target(version=artifact.newest)
    row = work.tx.alias(artifact.id, selector.alias)
    if row is None or row.target is None:
        raise NotFound(
            f"{artifact.name} has no alias {selector.alias!r}.",
            code="alias_not_found",
            field="selector",
        )
    return row.target


def find_release(view: View, number: int) -> Release:
    """The release with this number. Raises `NotFound`."""
    lines = moves_of(view, number)
    if not lines:
        raise NotFound(
            f"There is no release {number}.",
            code="release_not_found",
            hint="Look at the history for the numbers of releases.",
        )
    return release_of(lines)


def moves_of(view: View, number: int) -> list[Line]:
    """The journal entries of a release, which follow one another; none if there is no such."""
    found: list[Line] = []
    after = max(number, 1) - 1
    while lines := view.reader.lines(view.project.id, after, _STEP):
        for line in lines:
            if line.type != MOVED or json.loads(line.data)["release"] != number:
                return found
            found.append(line)
        after = lines[-1].seq
    return found


def release_of(lines: Sequence[Line]) -> Release:
    """The release whose moves these journal entries record."""
    facts = [json.loads(line.data) for line in lines]
    moves = tuple(
        Move(
            kind=fact["kind"],
            name=fact["name"],
            alias=fact["alias"],
            before=target_from_plain(fact["before"]),
            to=target_from_plain(fact["to"]),
            revision=fact["revision"],
        )
        for fact in facts
    )
    first = facts[0]
    return Release(
        number=first["release"],
        at=moment(lines[0].at),
        by=lines[0].by,
        reason=first["reason"],
        moves=moves,
        undoes=first.get("undoes"),
    )


def _place(view: View, kind: str, name: str, alias: str) -> Place:
    """Where an alias is now. Raises `NotFound` if there is no such artifact."""
    artifact, alias = view.artifact(kind, name), check_alias(alias)
    return Place(artifact, alias, view.reader.alias(artifact.id, alias))


def _undone_next(view: View, kind: str, name: str, alias: str) -> tuple[Place, PastMove]:
    place = _place(view, kind, name, alias)
    where = f"{name}@{alias}"
    if place.row is None:
        raise NotFound(f"There is no {where}.", code="alias_not_found", field="alias")
    undo = move_to_undo(_past(view, place.artifact.id, place.row.name))
    if undo is None:
        raise NotFound(
            f"{where} has no release left to roll back.",
            code="nothing_to_roll_back",
            hint="Every release of it has been rolled back already.",
        )
    if undo.before is None:
        raise Conflict(
            f"Release {undo.release} gave {where} its first target: there is none to go back to.",
            code="nothing_before",
            hint="Delete the alias, or move it to the version that you want.",
        )
    return place, undo


def point_of(view: View, place: Place, to: Target | None, known: _Known | None = None) -> Point:
    """An alias as the plan wants it, with what its new target would be."""
    readable: dict[int, bool] = {}
    known = {} if known is None else known
    if to is not None:
        for number in to.versions:
            row = view.reader.standing(place.artifact.id, number)
            if row is not None:
                known[place.artifact.id, number] = row
                readable[number] = not row.removed
    return Point(
        kind=place.artifact.kind,
        name=place.artifact.name,
        alias=place.alias,
        target=place.target,
        revision=place.revision,
        archived=place.artifact.archived_at is not None,
        readable=readable,
    )


def _composed(artifact: ArtifactRow, move: Move, known: _Known) -> bool:
    """Whether the move can matter to prompts made of prompts; a deletion always may."""
    if move.to is None:
        return True
    return any(known[artifact.id, number].composed for number in move.to.versions)


def _move(
    work: Work, place: Place, move: Move, known: _Known, circumstances: _Circumstances
) -> Line:
    number, reason = circumstances.release, circumstances.reason
    versions = move.to.versions if move.to else ()
    digests = [known[place.artifact.id, version].digest for version in versions]
    fact: dict[str, object] = {
        "kind": move.kind,
        "name": move.name,
        "alias": move.alias,
        "before": plain_target(move.before),
        "to": plain_target(move.to),
        "digests": digests,
        "revision": move.revision,
        "release": number,
        "reason": reason,
        **_evidence(circumstances),
    }
    line = work.record(MOVED, fact, artifact=place.artifact.id, alias=place.alias)
    work.tx.put_alias(
        AliasRow(
            artifact_id=place.artifact.id,
            name=place.alias,
            target=move.to,
            revision=move.revision,
            release=number,
            moved_at=line.at,
            moved_by=work.actor.name,
            reason=reason,
        )
    )
    return line


def _people_of(work: Work, release: int) -> tuple[str, ...]:
    """Who made a release, proposed its change, and approved it, by name."""
    first = work.tx.lines(work.project.id, release - 1, 1)
    if not first:
        return ()
    fact = json.loads(first[0].data)
    names = [first[0].by, *(one["name"] for one in fact.get("approvals", ()))]
    change = work.tx.change(work.project.id, fact["change"]) if "change" in fact else None
    if change is not None:
        names.append(change.author_name)
    return tuple(dict.fromkeys(names))


def _evidence(circumstances: _Circumstances) -> dict[str, object]:
    """What the record says of why the move was let through, beyond who made it."""
    backing, judged = circumstances.backing, circumstances.judged
    fact: dict[str, object] = {}
    if backing.undoes is not None:
        fact["undoes"] = backing.undoes
        fact["concerns"] = list(circumstances.concerns)
    if backing.change is not None:
        fact["change"] = backing.change
        fact["basis"] = backing.basis
    if judged.approvals:
        fact["approvals"] = [
            {"id": voice.actor.id, "name": voice.actor.name, "at": voice.at}
            for voice in judged.approvals
        ]
    if judged.checks:
        fact["checks"] = [
            {"name": row.name, "digest": row.digest, "state": row.state, "by": row.by_name}
            for row in judged.checks
        ]
    if judged.evaluations:
        fact["evaluations"] = [
            {
                "version": one.label,
                "suite": one.suite,
                "state": one.state,
                "evaluation": one.evaluation,
                "seal": one.seal,
                "failed": list(one.failed),
            }
            for one in judged.evaluations
        ]
    if judged.policy is not None:
        fact["policy"] = judged.policy.name
    if judged.free:
        fact["free"] = "back to what was live before"
    if judged.passed:
        fact["glass"] = [reason.code for reason in judged.passed]
    return fact


def _breaks(work: Work, place: Place, to: Target | None) -> Iterator[PointsmanError]:
    """What stands against a move because prompts in use include this one by this alias."""
    if place.target is None:
        return
    includers = [
        row
        for row in work.tx.includers(place.artifact.id)
        if row.live and row.target_alias == place.alias
    ]
    if not includers:
        return
    where = f"{place.artifact.name}@{place.alias}"
    if to is None:
        yield Conflict(
            f"{where} can't be deleted: {_names(includers)} include{_s(includers)} it.",
            code="included_elsewhere",
            hint="Publish versions that do without it, and move their aliases there first.",
        )
        return
    shapes = {_shape(work, place.artifact.id, version) for version in to.versions}
    before = {_shape(work, place.artifact.id, version) for version in place.target.versions}
    if shapes != before:
        yield Conflict(
            f"{where} can't change from {_joined(before)} to {_joined(shapes)}: "
            f"{_names(includers)} include{_s(includers)} it.",
            code="included_elsewhere",
            hint="An included prompt keeps its format and its being text or chat.",
        )


def _shape(work: Work, artifact_id: int, number: int) -> str:
    row = work.tx.version(artifact_id, number)
    return (row.shape if row else None) or ""


def _joined(shapes: set[str]) -> str:
    return ", ".join(sorted(shapes))


def _names(includers: Sequence[IncluderRow]) -> str:
    shown = list(dict.fromkeys(f"{row.name}:{row.number}" for row in includers))
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _s(includers: Sequence[IncluderRow]) -> str:
    return "s" if len({(row.name, row.number) for row in includers}) == 1 else ""


def _past(view: View, artifact_id: int, alias: str) -> Iterator[PastMove]:
    before: int | None = None
    while lines := view.reader.alias_lines(artifact_id, alias, before, _STEP):
        for line in lines:
            fact = json.loads(line.data)
            yield PastMove(
                release=fact["release"],
                revision=fact["revision"],
                before=target_from_plain(fact["before"]),
                to=target_from_plain(fact["to"]),
                undoes=fact.get("undoes"),
            )
        before = lines[-1].seq
