"""Changes: releases that are proposed, talked over, approved, and applied when all is there.

What a change would do is fixed when it is written: the versions, and the revision of each
alias that they replace. What is said to it is said to exactly that (its basis, see
`core.changes`). Applying it judges everything once more inside the transaction that moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.app import people, releases
from pointsman.app.application import Caller, Work
from pointsman.app.basis import (
    Written,
    detail_of,
    found_change,
    place_of,
    places_of,
    targets_of,
)
from pointsman.app.deciding import check_could_count, check_may_end, check_may_say
from pointsman.app.ports.governance import ChangeRow, CommentRow, EndRow, VoiceRow
from pointsman.app.reviewing import backing_of, conflict_of, describe, every_open
from pointsman.core.canonical import check_text
from pointsman.core.changes import (
    Change,
    basis_of,
)
from pointsman.core.names import check_list, check_message, check_reason
from pointsman.core.releases import (
    Order,
    plain_target,
    plan_release,
    target_from_plain,
    together,
)
from pointsman.core.selectors import Selector
from pointsman.core.vocabulary import Release, Target, Verb
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    StaleRevision,
)

DAY = 24 * 3600 * 1_000_000
LASTS = 30 * DAY
"""How long a change stays open unless it says otherwise, in microseconds."""
MAX_LASTS = 366 * DAY
MAX_TITLE = 200
MAX_LABELS = 20
MAX_COMMENTS = 1_000
MAX_OPEN = 1_000
"""Changes of a project that are open at once."""
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
    if len(work.tx.changes(work.project.id, None, MAX_OPEN, only_open=True)) >= MAX_OPEN:
        raise Conflict(
            f"{MAX_OPEN} changes are open.",
            code="too_many_changes",
            hint="Apply or withdraw some first.",
        )
    moves = _written(work, proposal.moves, armed=_armed(proposal))
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
        check_may_end(work, older)
        _end(work, older, "superseded", f"by change {number}")
    return describe(work, row)


def edit(work: Work, number: int, proposal: Proposal, *, if_revision: int | None = None) -> Change:
    """Write a change anew. What was said to it before stands for what it was, not for this.

    Raises `StaleRevision` if somebody else has written it meanwhile, `Conflict` if it ended.
    """
    row = _open(work, number)
    _check_revision(row, if_revision)
    for place, _ in places_of(work, row):
        work.require("propose", place.artifact.kind, place.artifact.name, place.alias)
    moves = _written(work, proposal.moves, armed=_armed(proposal))
    fields = _checked(work, proposal)
    return _rewrite(work, row, fields, moves)


def rebase(work: Work, number: int, *, if_revision: int | None = None) -> Change:
    """Take the aliases as they are now for what the change replaces, and its sources anew.

    Raises `StaleRevision` if somebody else has written it meanwhile, `Conflict` if it ended.
    """
    row = _open(work, number)
    _check_revision(row, if_revision)
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
    moves = _written(work, wanted, armed=row.armed_by is not None)
    return _rewrite(work, row, _fields(row), moves)


def schedule(
    work: Work,
    number: int,
    *,
    when_ready: bool = False,
    apply_at: int | None = None,
    if_revision: int | None = None,
) -> Change:
    """Have a change applied by itself, when all is there or at a time; neither: by hand again.

    Its moves stay as they are, and so does all that was said to them. Raises `Refused` for who
    may not make the moves, `StaleRevision`, `Conflict` if it ended, `InvalidInput`.
    """
    row = _open(work, number)
    _check_revision(row, if_revision)
    armed = when_ready or apply_at is not None
    for place, _ in places_of(work, row):
        verb: Verb = "move" if armed else "propose"
        work.require(verb, place.artifact.kind, place.artifact.name, place.alias)
    _check_schedule(work, apply_at, row.expires_at)
    fields = _fields(row) | {"armed": armed, "apply_at": apply_at}
    return _rewrite(work, row, fields, json.loads(row.moves))


def say(work: Work, number: int, said: str, note: str = "", *, basis: str = "") -> Change:
    """Approve a change, object to it, or take back what one said.

    `basis` is what one has looked at: if the change is another by now, nothing is said.
    Raises `Refused` (not one who approves, or one's own change), `Conflict`.
    """
    row = _open(work, number)
    note = check_message(note, field="note")
    places = places_of(work, row)
    check_may_say(work, places)
    detail = detail_of(work, row, targets_of(places))
    now = basis_of(detail)
    _check_basis(row, basis, now)
    if said == "approved":
        check_could_count(work, row, places)
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
        work.require("propose", place.artifact.kind, place.artifact.name, place.alias)
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
    check_may_end(work, row)
    _end(work, row, "withdrawn", check_message(note, field="note"))
    return describe(work, row)


def apply(
    work: Work, number: int, reason: str = "", *, break_glass: bool = False, basis: str = ""
) -> Release:
    """Make the moves of a change, if nothing is missing: judged anew, here and now.

    `basis` is what one has looked at: if the change is another by now, nothing is moved.
    Raises `Refused` with everything that is missing, `Conflict` if an alias has moved since
    the change was written or the change has ended.
    """
    row = _open(work, number)
    places = places_of(work, row)
    conflicts = [
        Conflict(told, code="change_conflict", hint=_REBASE.format(number=number))
        for place, one in places
        if (told := conflict_of(place, one))
    ]
    if conflicts:
        raise together(conflicts)
    now = basis_of(detail_of(work, row, targets_of(places)))
    _check_basis(row, basis, now)
    done = releases.carry_out(
        work,
        [(place, Order(target_from_plain(one["to"]), one["revision"])) for place, one in places],
        reason.strip() or row.reason,
        backing_of(work, row, now, glass=break_glass),
    )
    if done is None:
        raise Conflict(
            f"Everything is as change {number} wants it already.",
            code="nothing_to_move",
            hint="Withdraw it.",
        )
    _end(work, row, "applied", "", done.number)
    return done


def apply_due(work: Work, number: int) -> Release | None:
    """Apply a change by itself, as whoever had it armed, with what they may do by now.

    None if it is not due any more: disarmed, ended, or set for later.
    """
    row = found_change(work, number)
    ended = work.tx.change_end(work.project.id, number) is not None
    late = row.apply_at is not None and work.now < row.apply_at
    if row.armed_by is None or ended or late:
        return None
    actor = people.actor_of(work.reader, work.project.id, row.armed_by, "schedule")
    if actor is None:
        return None
    theirs = Work(work.tx, Caller(actor, work.project), work.clock_now)
    return apply(theirs, number)


def disarm(work: Work) -> list[int]:
    """Have no open change applied by itself any more; the numbers of those that would have been.

    What was approved and checked stays so: the moves are the same.
    """
    armed = [row for row in every_open(work) if row.armed_by is not None]
    for row in armed:
        fields = _fields(row) | {"armed": False, "apply_at": None}
        _write_anew(work, row, fields, json.loads(row.moves))
    return [row.number for row in armed]


def expire(work: Work) -> int:
    """End the changes whose time is over; how many those were."""
    over = [row for row in every_open(work) if row.expires_at <= work.now]
    for row in over:
        _end(work, row, "expired", "nobody applied it in time")
    return len(over)


_REBASE = (
    "Look at what moved it, then rebase change {number}: it takes the alias as it is now, and "
    "what was approved is asked for again."
)


def _armed(proposal: Proposal) -> bool:
    """Whether it is to be applied by itself."""
    return proposal.when_ready or proposal.apply_at is not None


def _written(work: Work, wanted: Sequence[Wanted], *, armed: bool) -> list[Written]:
    """The moves as they are kept, each checked against the state as it is now.

    Whoever has them made by themselves must be one who may make them.
    """
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
        if armed:
            work.require("move", place.artifact.kind, place.artifact.name, place.alias)
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
    _check_schedule(work, proposal.apply_at, expires_at)
    return {
        "title": title,
        "reason": check_reason(proposal.reason),
        "labels": [check_text(one, field="labels") for one in labels],
        "expires_at": expires_at,
        "armed": _armed(proposal),
        "apply_at": proposal.apply_at,
    }


def _check_schedule(work: Work, apply_at: int | None, expires_at: int) -> None:
    if apply_at is not None and not work.now < apply_at < expires_at:
        raise InvalidInput(
            "The change would be applied in the past, or after it has expired.",
            code="invalid_schedule",
            hint="Give a time to come, before it expires.",
            field="apply_at",
        )


def _check_revision(row: ChangeRow, if_revision: int | None) -> None:
    if if_revision is not None and if_revision != row.revision:
        raise StaleRevision(
            f"Change {row.number} is at revision {row.revision}, not {if_revision}.",
            hint="Look at what was changed meanwhile, then edit it again.",
            field="if_revision",
            details={"current": {"revision": row.revision}},
        )


def _check_basis(row: ChangeRow, basis: str, now: str) -> None:
    if basis and basis != now:
        raise Conflict(
            f"Change {row.number} is not what you looked at any more.",
            code="basis_changed",
            hint="Look at it again: its content, an alias or an included prompt has changed.",
            details={"basis": now},
        )


def _fields(row: ChangeRow) -> dict[str, Any]:
    """What a change says beside its moves."""
    return {
        "title": row.title,
        "reason": row.reason,
        "labels": json.loads(row.labels),
        "expires_at": row.expires_at,
        "armed": row.armed_by is not None,
        "apply_at": row.apply_at,
    }


def _rewrite(work: Work, row: ChangeRow, fields: Mapping[str, Any], moves: list[Written]) -> Change:
    return describe(work, _write_anew(work, row, fields, moves))


def _write_anew(
    work: Work, row: ChangeRow, fields: Mapping[str, Any], moves: list[Written]
) -> ChangeRow:
    fact = {"change": row.number, **fields, "moves": moves}
    line = work.record("change.edited", fact)
    editors = json.loads(row.editors)
    # To have it applied by itself, or to label it, is not to write it: who does so may approve.
    then = row.title, row.reason, json.loads(row.moves)
    if then != (fields["title"], fields["reason"], moves):
        editors = list(dict.fromkeys([*editors, work.actor.id]))
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
    return row


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


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
