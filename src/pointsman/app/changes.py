"""Changes: releases that are proposed, talked over, approved, and applied when all is there.

What a change would do is fixed when it is written: the versions, and the revision of each
alias that they replace. What is said to it is said to exactly that (its basis, see
`core.changes`). Applying it judges everything once more inside the transaction that moves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.app import people, releases
from pointsman.app.application import View, Work
from pointsman.app.basis import (
    Places,
    Written,
    detail_of,
    found_change,
    live_includers,
    place_of,
    places_of,
    targets_of,
)
from pointsman.app.checks import told_check
from pointsman.app.judging import (
    Backing,
    Judged,
    Place,
    digests_of,
    judge_move,
    reasons_of,
    voices_on,
)
from pointsman.app.paging import Cursor, check_limit
from pointsman.app.ports.governance import ChangeRow, CommentRow, EndRow, VoiceRow
from pointsman.app.reading import compare
from pointsman.core.canonical import check_text
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
from pointsman.core.names import check_kind, check_list, check_message, check_reason
from pointsman.core.policy import Case, Voice, counted
from pointsman.core.releases import (
    Order,
    plain_target,
    plan_release,
    target_from_plain,
    together,
)
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Page, Release, Target, moment
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    Refused,
    StaleRevision,
)

DAY = 24 * 3600 * 1_000_000
LASTS = 30 * DAY
"""How long a change stays open unless it says otherwise, in microseconds."""
MAX_LASTS = 366 * DAY
MAX_TITLE = 200
MAX_LABELS = 20
MAX_COMMENTS = 1_000
_STEP = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """A move that is proposed: to a target, or to what a selector of the artifact means now."""

    kind: str
    name: str
    alias: str
    to: Target | None
    source: Selector | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed. `when_ready` and `apply_at` (microseconds) have it applied by itself."""

    title: str
    moves: Sequence[Wanted]
    reason: str = ""
    labels: Sequence[str] = ()
    when_ready: bool = False
    apply_at: int | None = None
    expires_at: int | None = None
    supersedes: int | None = None


def propose(work: Work, proposal: Proposal) -> Change:
    """Propose a release. Raises `Refused`, `NotFound`, `Gone`, `Conflict` or `InvalidInput`."""
    moves = _written(work, proposal.moves)
    number = work.next_seq
    fields = _checked(work, proposal)
    fact = {"change": number, **fields, "moves": moves}
    line = work.record("change.proposed", fact)
    row = ChangeRow(
        number=number,
        title=fields["title"],
        reason=fields["reason"],
        labels=_json(fields["labels"]),
        moves=_json(moves),
        revision=1,
        author=work.actor.id,
        author_name=work.actor.name,
        editors=_json([work.actor.id]),
        created_at=line.at,
        updated_at=line.at,
        expires_at=fields["expires_at"],
        armed_by=work.actor.id if fields["armed"] else None,
        apply_at=fields["apply_at"],
    )
    work.tx.put_change(work.project.id, row)
    if proposal.supersedes is not None:
        older = _open(work, proposal.supersedes)
        _may_end(work, older)
        _end(work, older, "superseded", f"by change {number}")
    return describe(work, row)


def edit(work: Work, number: int, proposal: Proposal, *, if_revision: int | None = None) -> Change:
    """Write a change anew. What was said to it before stands for what it was, not for this.

    Raises `StaleRevision` if somebody else has written it meanwhile, `Conflict` if it ended.
    """
    row = _open(work, number)
    if if_revision is not None and if_revision != row.revision:
        raise StaleRevision(
            f"Change {number} is at revision {row.revision}, not {if_revision}.",
            hint="Look at what was changed meanwhile, then edit it again.",
            field="if_revision",
            details={"current": {"revision": row.revision}},
        )
    moves = _written(work, proposal.moves)
    fields = _checked(work, proposal)
    return _rewrite(work, row, fields, moves)


def rebase(work: Work, number: int) -> Change:
    """Take the aliases as they are now for what the change replaces, and its sources anew."""
    row = _open(work, number)
    wanted = []
    for one in json.loads(row.moves):
        source = one.get("source")
        wanted.append(
            Wanted(
                one["kind"],
                one["name"],
                one["alias"],
                target_from_plain(one["to"]),
                None if source is None else Selector(one["kind"], one["name"], alias=source),
            )
        )
    fields = {
        "title": row.title,
        "reason": row.reason,
        "labels": json.loads(row.labels),
        "expires_at": row.expires_at,
        "armed": row.armed_by is not None,
        "apply_at": row.apply_at,
    }
    return _rewrite(work, row, fields, _written(work, wanted))


def say(work: Work, number: int, said: str, note: str = "", *, basis: str = "") -> Change:
    """Approve a change, object to it, or take back what one said.

    `basis` is what one has looked at: if the change is another by now, nothing is said.
    Raises `Refused` (not one who approves, or one's own change), `Conflict`.
    """
    row = _open(work, number)
    note = check_message(note, field="note")
    places = places_of(work, row)
    for place, _ in places:
        work.require("approve", place.artifact.kind, place.artifact.name)
    detail = detail_of(work, targets_of(places))
    now = basis_of(detail)
    if basis and basis != now:
        raise Conflict(
            f"Change {number} is not what you looked at any more.",
            code="basis_changed",
            hint="Look at it again: its content, an alias or an included prompt has changed.",
            details={"basis": now},
        )
    if said == "approved":
        _check_not_own(work, row, places)
    mine = [one for one in work.tx.voices(work.project.id, number) if one.subject == work.actor.id]
    if said == "taken back" and not mine:
        raise NotFound(
            "You have said nothing to this change.",
            code="nothing_said",
            hint="Approve it or object to it.",
        )
    fact = {"change": number, "said": said, "basis": now, "note": note}
    line = work.record("change.voiced", fact)
    work.tx.put_voice(
        work.project.id,
        number,
        VoiceRow(work.actor.id, work.actor.name, said, now, _json(detail), note, line.at),
    )
    return describe(work, row)


def comment(work: Work, number: int, text: str, answers: int | None = None) -> Change:
    """Add a remark to a change's thread, perhaps as the answer to another one."""
    row = found_change(work, number)
    for place, _ in places_of(work, row):
        work.require("propose", place.artifact.kind, place.artifact.name)
    text = check_text(text, field="text", max_chars=10_000)
    if not text.strip():
        raise InvalidInput(
            "The comment is empty.", code="empty_comment", hint="Write something.", field="text"
        )
    thread = work.tx.comments(work.project.id, number)
    if len(thread) >= MAX_COMMENTS:
        raise Conflict(
            f"Change {number} has {len(thread)} comments.",
            code="too_many_comments",
            hint="Go on elsewhere.",
        )
    if answers is not None and all(one.seq != answers for one in thread):
        raise NotFound(
            f"Change {number} has no comment {answers}.",
            code="comment_not_found",
            hint="Leave out what it answers, or take the number of a comment.",
            field="answers",
        )
    seq = work.next_seq
    line = work.record("change.commented", {"change": number, "text": text, "answers": answers})
    work.tx.add_comment(
        work.project.id,
        number,
        CommentRow(seq, answers, work.actor.id, work.actor.name, text, line.at),
    )
    return describe(work, row)


def withdraw(work: Work, number: int, note: str = "") -> Change:
    """End a change without applying it: by who wrote it, or whoever may move its aliases."""
    row = _open(work, number)
    _may_end(work, row)
    _end(work, row, "withdrawn", check_message(note, field="note"))
    return describe(work, row)


def apply(work: Work, number: int, reason: str = "", *, break_glass: bool = False) -> Release:
    """Make the moves of a change, if nothing is missing: judged anew, here and now.

    Raises `Refused` with everything that is missing, `Conflict` if an alias has moved since
    the change was written or the change has ended.
    """
    row = _open(work, number)
    places = places_of(work, row)
    conflicts = [
        Conflict(told, code="change_conflict", hint=_REBASE.format(number=number))
        for place, one in places
        if (told := _conflict(place, one))
    ]
    if conflicts:
        raise together(conflicts)
    basis = basis_of(detail_of(work, targets_of(places)))
    done = releases.carry_out(
        work,
        [(place, Order(target_from_plain(one["to"]), one["revision"])) for place, one in places],
        reason.strip() or row.reason or row.title,
        _backing(work, row, basis, glass=break_glass),
    )
    if done is None:
        raise Conflict(
            f"Everything is as change {number} wants it already.",
            code="nothing_to_move",
            hint="Withdraw it.",
        )
    _end(work, row, "applied", "", done.number)
    return done


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
        subject = who if who.startswith("key:") else people.subject_of(view.reader, who)
        found = people.actor_of(view.reader, view.project.id, subject, "api")
        if found is None:
            raise NotFound(
                f"{who!r} has no role in this project.",
                code="person_not_found",
                hint="Check the spelling, or give them a role.",
                field="who",
            )
        actor = found
    number = place.artifact.newest if version is None else version
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
    return Page(tuple(describe(view, row) for row in rows[:limit]), more)


def due(view: View) -> list[tuple[int, str]]:
    """The changes that should be applied by themselves and could be now: number, by whom."""
    found = []
    for row in every_open(view):
        late = row.apply_at is not None and view.clock_now < row.apply_at
        if row.armed_by is None or late or row.expires_at <= view.clock_now:
            continue
        if describe(view, row).state == "ready":
            found.append((row.number, row.armed_by))
    return found


def expire(work: Work) -> int:
    """End the changes whose time is over; how many those were."""
    over = [row for row in every_open(work) if row.expires_at <= work.now]
    for row in over:
        _end(work, row, "expired", "nobody applied it in time")
    return len(over)


def every_open(view: View) -> Iterator[ChangeRow]:
    """All open changes, newest first."""
    before: int | None = None
    while rows := view.reader.changes(view.project.id, before, _STEP, only_open=True):
        yield from rows
        before = rows[-1].number


def describe(view: View, row: ChangeRow) -> Change:
    """A change as it stands now."""
    places = places_of(view, row)
    detail = detail_of(view, targets_of(places))
    basis = basis_of(detail)
    actor = view.actor
    if row.armed_by is not None:
        armed = people.actor_of(view.reader, view.project.id, row.armed_by, "schedule")
        actor = armed or replace(actor, role=None, grants=())
    backing = _backing(view, row, basis)
    judged = [
        judge_move(
            view, place, target_from_plain(one["to"]), row.reason or row.title, backing, actor=actor
        )
        for place, one in places
    ]
    moves = tuple(
        _told_move(view, place, one, each)
        for (place, one), each in zip(places, judged, strict=True)
    )
    missing = [*_conflicts(places), *_obstacles(view, places)]
    missing += [_missing(reason) for reason in reasons_of(judged)]
    end = view.reader.change_end(view.project.id, row.number)
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


_REBASE = (
    "Look at what moved it, then rebase change {number}: it takes the alias as it is now, and "
    "what was approved is asked for again."
)


def _written(work: Work, wanted: Sequence[Wanted]) -> list[Written]:
    """The moves as they are kept, each checked against the state as it is now."""
    if len(wanted) > releases.MAX_MOVES:
        raise Conflict(
            f"The change has {len(wanted)} moves.",
            code="too_many_moves",
            hint=f"A change has at most {releases.MAX_MOVES}; make several.",
        )
    written: list[Written] = []
    orders = []
    for one in wanted:
        place = place_of(work, one.kind, one.name, one.alias)
        work.require("propose", place.artifact.kind, place.artifact.name, place.alias)
        to = one.to if one.source is None else releases.version_meant(work, one.source)
        orders.append((releases.point_of(work, place, to), Order(to)))
        made: Written = {
            "kind": place.artifact.kind,
            "name": place.artifact.name,
            "alias": place.alias,
            "to": plain_target(to),
            "revision": place.revision,
        }
        if one.source is not None and one.source.alias is not None:
            made["source"] = one.source.alias
        written.append(made)
    if not plan_release(orders):
        raise Conflict(
            "Everything is as the change wants it already.",
            code="nothing_to_move",
            hint="Choose other versions, or other aliases.",
        )
    return written


def _checked(work: Work, proposal: Proposal) -> dict[str, Any]:
    title = check_message(proposal.title, field="title").strip()
    if not 1 <= len(title) <= MAX_TITLE or not title.isprintable():
        raise InvalidInput(
            f"A change needs a title of 1 to {MAX_TITLE} characters, in one line.",
            code="invalid_title",
            hint="Say in a few words what it does.",
            field="title",
        )
    labels = check_list(proposal.labels, field="labels")
    if len(labels) > MAX_LABELS or not all(0 < len(one) <= 50 for one in labels):
        raise InvalidInput(
            f"A change has at most {MAX_LABELS} labels of 1 to 50 characters.",
            code="invalid_labels",
            hint="Use fewer or shorter ones.",
            field="labels",
        )
    expires_at = proposal.expires_at or work.now + LASTS
    if not work.now < expires_at <= work.now + MAX_LASTS:
        raise InvalidInput(
            "The change would expire in the past, or in more than a year.",
            code="invalid_expiry",
            hint="Give a time to come, or none for 30 days.",
            field="expires_at",
        )
    if proposal.apply_at is not None and not work.now < proposal.apply_at < expires_at:
        raise InvalidInput(
            "The change would be applied in the past, or after it has expired.",
            code="invalid_schedule",
            hint="Give a time to come, before it expires.",
            field="apply_at",
        )
    return {
        "title": title,
        "reason": check_reason(proposal.reason),
        "labels": [check_text(one, field="labels") for one in labels],
        "expires_at": expires_at,
        "armed": proposal.when_ready or proposal.apply_at is not None,
        "apply_at": proposal.apply_at,
    }


def _rewrite(work: Work, row: ChangeRow, fields: Mapping[str, Any], moves: list[Written]) -> Change:
    fact = {"change": row.number, **fields, "moves": moves}
    line = work.record("change.edited", fact)
    editors = list(dict.fromkeys([*json.loads(row.editors), work.actor.id]))
    armed_by = (row.armed_by or work.actor.id) if fields["armed"] else None
    # Whoever changes what happens by itself is who it happens for.
    if fields["armed"] and (moves != json.loads(row.moves) or fields["apply_at"] != row.apply_at):
        armed_by = work.actor.id
    row = row._replace(
        title=fields["title"],
        reason=fields["reason"],
        labels=_json(fields["labels"]),
        moves=_json(moves),
        revision=row.revision + 1,
        editors=_json(editors),
        updated_at=line.at,
        expires_at=fields["expires_at"],
        armed_by=armed_by,
        apply_at=fields["apply_at"],
    )
    work.tx.put_change(work.project.id, row)
    return describe(work, row)


def _end(work: Work, row: ChangeRow, how: str, note: str, release: int | None = None) -> None:
    fact: dict[str, Any] = {"change": row.number, "note": note}
    if release is not None:
        fact["release"] = release
    line = work.record(_ENTRY[how], fact)
    work.tx.add_change_end(
        work.project.id, EndRow(row.number, how, line.at, work.actor.name, note, release)
    )


_ENTRY = {
    "withdrawn": "change.withdrawn",
    "applied": "change.applied",
    "superseded": "change.superseded",
    "expired": "change.expired",
}


def _open(work: Work, number: int) -> ChangeRow:
    row = found_change(work, number)
    end = work.tx.change_end(work.project.id, number)
    how = end.how if end else "expired" if row.expires_at <= work.now else None
    if how is not None:
        raise Conflict(
            f"Change {number} is {how}.",
            code="change_ended",
            hint="Propose a new one.",
            details={"state": how},
        )
    return row


def _may_end(work: Work, row: ChangeRow) -> None:
    if work.actor.id in json.loads(row.editors):
        return
    for place, _ in places_of(work, row):
        work.require("move", place.artifact.kind, place.artifact.name, place.alias)


def _check_not_own(work: Work, row: ChangeRow, places: Places) -> None:
    """Refuse the approval of what one has made, where a policy wants somebody else's."""
    backing = _backing(work, row, "", (Voice(work.actor, "approved", work.now),))
    for place, one in places:
        to = target_from_plain(one["to"])
        judged = judge_move(work, place, to, row.reason, backing)
        if judged.policy is None or judged.policy.self_approval:
            continue
        if judged.policy.approvals and work.actor.id in judged.authors:
            raise Refused(
                f"{work.actor.name!r} made or proposed what would become {place.name}, and the "
                f"policy {judged.policy.name!r} wants somebody else to approve it.",
                code="self_approval",
                hint="Ask somebody else; another key of the same person is the same person.",
            )


def _backing(
    view: View,
    row: ChangeRow,
    basis: str,
    voices: tuple[Voice, ...] | None = None,
    *,
    glass: bool = False,
) -> Backing:
    return Backing(
        change=row.number,
        basis=basis,
        voices=voices_on(view, row.number, basis) if voices is None else voices,
        authors=frozenset({row.author, *json.loads(row.editors)}),
        glass=glass,
    )


def _conflict(place: Place, one: Written) -> str:
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


def _conflicts(places: Places) -> list[Missing]:
    return [
        Missing("change_conflict", told, "Rebase the change, and have it approved again.")
        for place, one in places
        if (told := _conflict(place, one))
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
    return Missing(reason.code, reason.message, reason.hint)


def _told_move(view: View, place: Place, one: Written, judged: Judged) -> ProposedMove:
    to = target_from_plain(one["to"])
    artifact = place.artifact
    return ProposedMove(
        kind=artifact.kind,
        name=artifact.name,
        alias=place.alias,
        to=to,
        current=place.target,
        revision=place.revision,
        digests=tuple(digests_of(view, artifact.id, to)),
        replaced=tuple(digests_of(view, artifact.id, place.target)),
        affects=tuple(live_includers(view, artifact.id, place.alias)),
        conflict=_conflict(place, one),
        policy="" if judged.policy is None else judged.policy.name,
        missing=tuple(_missing(reason) for reason in judged.verdict.reasons),
    )


def _opinions(
    view: View,
    row: ChangeRow,
    places: Places,
    detail: list[dict[str, Any]],
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


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
