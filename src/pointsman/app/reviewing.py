"""Looking at changes: what they would do, what was said to them, what is still missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pointsman.app import graph, people, releases
from pointsman.app.application import View
from pointsman.app.basis import (
    Places,
    Written,
    detail_of,
    found_change,
    place_of,
    places_of,
    targets_of,
)
from pointsman.app.checks import told_check
from pointsman.app.judging import (
    Judged,
    digests_of,
    judge_move,
    reasons_of,
    told_once,
    voices_on,
)
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.places import Backing, Moves, Place
from pointsman.app.ports.governance import ChangeRow, EndRow
from pointsman.app.reading import compare
from pointsman.core.access import Actor, may
from pointsman.core.changes import (
    Change,
    Comment,
    Missing,
    Opinion,
    PolicyAnswer,
    ProposedMove,
    basis_of,
    differences,
)
from pointsman.core.diff import ContentDiff
from pointsman.core.evaluation import Requirement
from pointsman.core.making import full_label, split_label
from pointsman.core.names import check_kind
from pointsman.core.policy import Case, Voice, counted
from pointsman.core.releases import (
    Order,
    plan_release,
    target_from_plain,
)
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Page, Target, moment
from pointsman.errors import (
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    Refused,
)

_STEP = 200
_LAST_MOMENT = 221_845_392_000 * 1_000_000  # the year 9000
_ASK = "Ask one of them to approve it."


def show(view: View, number: int) -> Change:
    """A change as it stands now, with what is missing for the asker to apply it."""
    view.require("read")
    return describe(view, found_change(view, number))


def diff(view: View, number: int, move: int) -> ContentDiff:
    """What one move of a change changes: the version that is replaced, and the new one.

    Where a split is replaced or set, its first version. Raises `NotFound`, `Gone`, or
    `InvalidInput` where there is nothing to compare with.
    """
    places = places_of(view, found_change(view, number))
    if not 0 <= move < len(places):
        raise NotFound(
            f"Change {number} has no move {move}.",
            code="move_not_found",
            hint=f"Its moves are 0 to {len(places) - 1}.",
            field="move",
        )
    place, one = places[move]
    artifact = place.artifact
    targets = place.target, target_from_plain(one["to"])
    if None in targets:
        raise InvalidInput(
            f"{place.name} has nothing to compare: it is {'new' if one['to'] else 'deleted'}.",
            code="nothing_to_compare",
            hint="Show the version by itself.",
        )
    before, after = (
        Selector(check_kind(artifact.kind), artifact.name, version=target.versions[0])
        for target in targets
        if target is not None
    )
    return compare(view, before, after)


def ask_policy(
    view: View,
    selector: Selector,
    *,
    who: str = "",
    at: int | None = None,
    version: int | None = None,
    reason: str | None = None,
) -> PolicyAnswer:
    """What the policies would say of somebody moving an alias directly, at a moment.

    `who` is an e-mail address or the id of a key; empty means the caller. Without a version,
    the newest one is taken; without a reason, one that is long enough.
    """
    view.require("read")
    if at is not None and at > _LAST_MOMENT:
        raise InvalidInput(
            "That moment is too far away.",
            code="invalid_time",
            hint="Ask about a moment before the year 9000.",
            field="at",
        )
    if selector.alias is None:
        raise InvalidInput(
            "The selector does not name an alias.",
            code="invalid_selector",
            hint="Write it as name@alias.",
            field="selector",
        )
    place = place_of(view, selector.kind, selector.name, selector.alias)
    actor = view.actor
    if who:
        found = _somebody(view, who)
        if found is None:  # one answer, so that nobody learns who has an account elsewhere
            raise NotFound(
                f"{who!r} has no role in this project.",
                code="person_not_found",
                hint="Check the spelling, or give them a role.",
                field="who",
            )
        actor = found
    number = place.artifact.newest if version is None else version
    if view.reader.version(place.artifact.id, number) is None:
        raise NotFound(
            f"{place.artifact.name} has no version {number}.",
            code="version_not_found",
            hint="List its versions to see which there are.",
            field="version",
        )
    judged = judge_move(
        view,
        place,
        Target(version=number),
        "x" * 1_000 if reason is None else reason,
        Backing(),
        actor=actor,
        now=at,
    )
    return PolicyAnswer(
        allowed=judged.verdict.allowed,
        policy="" if judged.policy is None else judged.policy.name,
        why=judged.why,
        reasons=tuple(_missing(one) for one in judged.verdict.reasons),
    )


def listed(
    view: View, *, only_open: bool = True, limit: int = 50, cursor: str | None = None
) -> Page[Change]:
    """Changes, newest first."""
    view.require("read")
    limit = check_limit(limit)
    place = Cursor("changes", [only_open])
    rows = view.reader.changes(
        view.project.id, place.number(cursor), limit + 1, only_open=only_open
    )
    more = place.write(rows[limit - 1].number) if len(rows) > limit else None
    return Page(tuple(readable(view, rows[:limit])), more)


def ended(view: View, how: str = "", *, limit: int = 50, cursor: str | None = None) -> Page[Change]:
    """Changes that were applied, withdrawn, superseded or have expired, or any; newest first."""
    view.require("read")
    limit = check_limit(limit)
    place = Cursor("ended changes", [how])
    rows = view.reader.ended_changes(view.project.id, how, place.number(cursor), limit + 1)
    more = place.write(rows[limit - 1].number) if len(rows) > limit else None
    return Page(tuple(readable(view, rows[:limit])), more)


def due(view: View) -> list[int]:
    """The changes that should be applied by themselves and could be now."""
    found = []
    for row in every_open(view):
        late = row.apply_at is not None and view.clock_now < row.apply_at
        if row.armed_by is None or late or row.expires_at <= view.clock_now:
            continue
        if describe(view, row).state == "ready":
            found.append(row.number)
    return found


def every_open(view: View) -> Iterator[ChangeRow]:
    """All open changes, newest first."""
    before: int | None = None
    while rows := view.reader.changes(view.project.id, before, _STEP, only_open=True):
        yield from rows
        before = rows[-1].number


def readable(view: View, rows: Iterable[ChangeRow]) -> Iterator[Change]:
    """The changes that the caller may read all of, without their threads."""
    for row in rows:
        try:
            yield replace(describe(view, row), comments=())
        except Refused:
            if not view.actor.narrow:
                raise


def describe(view: View, row: ChangeRow) -> Change:
    """A change as it stands now."""
    places = places_of(view, row)
    detail = detail_of(view, row, targets_of(places))
    basis = basis_of(detail)
    actor = view.actor
    if row.armed_by is not None:
        armed = people.actor_of(view.reader, view.project.id, row.armed_by, "schedule")
        actor = armed or replace(actor, role=None, grants=())
    backing = backing_of(view, row, basis, together=targets_of(places))
    judged = [
        judge_move(view, place, target_from_plain(one["to"]), row.reason, backing, actor=actor)
        for place, one in places
    ]
    moves = tuple(
        _told_move(view, place, one, each)
        for (place, one), each in zip(places, told_once(judged), strict=True)
    )
    end = view.reader.change_end(view.project.id, row.number)
    if end is not None:
        moves = tuple(_past(view, move, end) for move in moves)
    missing = [*_conflicts(places), *_obstacles(view, places)]
    missing += [_missing(reason) for reason in reasons_of(judged)]
    expired = end is None and row.expires_at <= view.clock_now
    if end is not None:
        state, missing = end.how, []
    else:
        state = "expired" if expired else "open" if missing else "ready"
    return Change(
        number=row.number,
        title=row.title,
        reason=row.reason,
        state=state,  # type: ignore[arg-type]  # rows hold the states' names
        by=row.author_name,
        at=moment(row.created_at),
        updated_at=moment(row.updated_at),
        expires_at=moment(row.expires_at),
        revision=row.revision,
        basis=basis,
        moves=moves,
        labels=tuple(json.loads(row.labels)),
        opinions=tuple(_opinions(view, row, places, detail, basis, backing, judged)),
        checks=tuple(_all_checks(view, basis, places)),
        comments=tuple(
            Comment(one.seq, one.by_name, moment(one.at), one.body, one.answers)
            for one in view.reader.comments(view.project.id, row.number)
        ),
        missing=tuple(missing),
        armed_by="" if row.armed_by is None else people.who_of(view.reader, row.armed_by),
        apply_at=None if row.apply_at is None else moment(row.apply_at),
        ended_at=None if end is None else moment(end.at),
        ended_by="" if end is None else end.by_name,
        ended_note="" if end is None else end.note,
        release=None if end is None else end.release,
    )


def backing_of(
    view: View,
    row: ChangeRow,
    basis: str,
    voices: tuple[Voice, ...] | None = None,
    *,
    glass: bool = False,
    together: Moves = (),
) -> Backing:
    """What stands behind the moves of a change: its writers, and what was said to a basis."""
    return Backing(
        change=row.number,
        basis=basis,
        voices=voices_on(view, row.number, basis) if voices is None else voices,
        authors=frozenset({row.author, *json.loads(row.editors)}),
        glass=glass,
        together=tuple(together),
    )


def conflict_of(place: Place, one: Written) -> str:
    """What happened to an alias since the change was written; empty if nothing did."""
    if place.revision == one["revision"]:
        return ""
    row = place.row
    assert row is not None, "an alias whose revision has grown is there"
    return (
        f"{place.artifact.name}@{place.alias} was moved by {row.moved_by} in release "
        f"{row.release} ({row.reason or 'no reason given'}) and points to "
        f"{row.target or 'nothing'} now."
    )


def _somebody(view: View, who: str) -> Actor | None:
    subject = who
    if not who.startswith("key:"):
        try:
            subject = people.subject_of(view.reader, who)
        except NotFound:
            return None
    return people.actor_of(view.reader, view.project.id, subject, "api")


def _told_move(view: View, place: Place, one: Written, judged: Judged) -> ProposedMove:
    to = target_from_plain(one["to"])
    artifact = place.artifact
    affected = _affected(view, place, to)
    return ProposedMove(
        kind=artifact.kind,
        name=artifact.name,
        alias=place.alias,
        to=to,
        current=place.target,
        revision=place.revision,
        digests=tuple(digests_of(view, artifact.id, to)),
        replaced=tuple(digests_of(view, artifact.id, place.target)),
        affects=tuple(affected),
        conflict=conflict_of(place, one),
        policy="" if judged.policy is None else judged.policy.name,
        missing=tuple(_missing(reason) for reason in judged.verdict.reasons),
        evaluations=tuple(
            each
            for each in judged.evaluations
            if may(view.actor, "read", each.kind, each.name).allowed
        ),
    )


def _past(view: View, move: ProposedMove, end: EndRow) -> ProposedMove:
    """A move of a change that has ended: with what it was made on, and nothing to be done."""
    return replace(move, conflict="", missing=(), evaluations=_made_on(view, move, end.release))


def _made_on(view: View, move: ProposedMove, release: int | None) -> tuple[Requirement, ...]:
    """The evaluations that a move was made on, as the record has them."""
    if release is None:
        return ()
    for line in releases.moves_of(view, release):
        fact = json.loads(line.data)
        if (fact["kind"], fact["name"], fact["alias"]) == (move.kind, move.name, move.alias):
            return tuple(_told_evaluation(view, one) for one in fact.get("evaluations", ()))
    return ()


def _told_evaluation(view: View, fact: Mapping[str, Any]) -> Requirement:
    kind, name, number = split_label(full_label(fact["version"]))
    return Requirement(
        kind=kind,
        name=name,
        version=number,
        suite=fact["suite"],
        seal=fact["seal"],
        state=fact["state"],
        evaluation=fact["evaluation"],
        failed=tuple(fact["failed"]),
    )


def _affected(view: View, place: Place, to: Target | None) -> Iterator[str]:
    """The artifacts downstream of a move, as far as the asker may read them."""
    names = (
        f"{node.kind}:{node.name}"
        for node in graph.affected_by(view, [(place, to)]).affected
        if may(view.actor, "read", node.kind, node.name).allowed
    )
    yield from dict.fromkeys(names)


def _opinions(
    view: View,
    row: ChangeRow,
    places: Places,
    detail: dict[str, Any],
    basis: str,
    backing: Backing,
    judged: Sequence[Judged],
) -> Iterator[Opinion]:
    """What was said, and whether it counts; stale ones say what has changed since."""
    discounted: dict[str, str] = {}
    for each, (place, _) in zip(judged, places, strict=True):
        if each.policy is None:
            continue
        case = Case(
            actor=view.actor,
            kind=place.artifact.kind,
            artifact=place.artifact.name,
            alias=place.alias,
            reason="",
            now=view.clock_now,
            owners=frozenset(view.reader.owners(place.artifact.id)),
            authors=each.authors,
            voices=backing.voices,
        )
        for voice, why in counted(each.policy, case)[1]:
            discounted.setdefault(voice.actor.id, why)
    present = {voice.actor.id for voice in backing.voices}
    for one in view.reader.voices(view.project.id, row.number):
        why = ""
        if one.standing == "taken back":
            why = "was taken back"
        elif one.basis != basis:
            told = differences(json.loads(one.detail), detail)
            why = "; ".join(told) or "the change is another since"
        elif one.subject not in present:
            why = "is not one who may say something here any more"
        elif one.standing == "approved":
            why = discounted.get(one.subject, "")
        yield Opinion(
            by=one.by_name,
            said=one.standing,  # type: ignore[arg-type]  # rows hold the words themselves
            at=moment(one.at),
            note=one.note,
            counts=not why,
            why=why,
        )


def _all_checks(view: View, basis: str, places: Places) -> Iterable[Any]:
    digests = [basis]
    for place, one in places:
        digests += digests_of(view, place.artifact.id, target_from_plain(one["to"]))
    for digest in dict.fromkeys(digests):
        for row in view.reader.check_reports(view.project.id, digest):
            yield told_check(row)


def _conflicts(places: Places) -> list[Missing]:
    return [
        Missing("change_conflict", told, "Rebase the change, and have it approved again.")
        for place, one in places
        if (told := conflict_of(place, one))
    ]


def _obstacles(view: View, places: Places) -> list[Missing]:
    """What stands against the moves whatever a policy says: archived, content removed…"""
    orders = []
    for place, one in places:
        to = target_from_plain(one["to"])
        orders.append((releases.point_of(view, place, to), Order(to)))
    try:
        plan_release(orders)
    except PointsmanError as error:
        found = error.reasons or (Reason(error.code, error.message, error.hint),)
        return [_missing(one) for one in found]
    return []


def _missing(reason: Reason) -> Missing:
    # Where the change is there already, what is left is to ask.
    hint = _ASK if reason.code == "approvals_missing" else reason.hint
    return Missing(reason.code, reason.message, hint)
