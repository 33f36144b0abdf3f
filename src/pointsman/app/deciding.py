"""Who decides about a change: who may say something to it, end it, apply it, or pass over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.app import people
from pointsman.app.application import View
from pointsman.app.basis import (
    Places,
    basis_of_change,
    found_change,
    place_of,
    places_of,
    targets_of,
)
from pointsman.app.judging import Judged, authors_of, judge_move, reasons_of
from pointsman.app.places import Backing
from pointsman.app.policies import policies_of
from pointsman.app.ports.governance import ChangeRow
from pointsman.app.reviewing import backing_of, conflict_of
from pointsman.core.access import Actor, Verdict, may
from pointsman.core.policy import GLASS_REASON, Voice, governing
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Release, Target
from pointsman.errors import Reason, Refused

Deed = Literal["say", "approve", "write", "withdraw", "move", "apply", "break"]
NAMED = 5
"""People who are named as those who could approve; the others are counted."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Approvals that a move of a change still needs: how many, and from whom they may come.

    `who` names the first of the people who could give one, `others` counts those beyond. `own`
    is whether the asker had a hand in what would be moved and therefore may not, `yours`
    whether the asker could; `approvers` says whom the policy means.
    """

    kind: str
    name: str
    alias: str
    policy: str
    missing: int
    given: int
    who: tuple[str, ...]
    others: int
    approvers: str
    own: bool
    yours: bool


@dataclass(frozen=True, slots=True)
class Deeds:
    """What the asker may do with a change now; what is not in `refused` they may.

    `passed` is what breaking the glass would pass over; `said` what the asker has said, for
    exactly this or for what the change was before: ``approved``, ``objected``, or nothing.
    """

    refused: Mapping[Deed, tuple[Reason, ...]]
    passed: tuple[Reason, ...] = ()
    said: str = ""

    def may(self, deed: Deed) -> bool:
        """Whether nothing stands against it."""
        return deed not in self.refused


def deeds_of(view: View, number: int) -> Deeds:
    """What the asker may do with an open change: say something, approve, write it anew,
    withdraw it, move its aliases at all, apply it as it is, or break the glass."""
    view.require("read")
    row = found_change(view, number)
    places = places_of(view, row)
    judged = _judged(view, row, places)
    broken = _judged(view, row, places, glass=True)
    against = reasons_of(judged)
    moved = [Reason("change_conflict", told) for one in places if (told := conflict_of(*one))]
    tried: dict[Deed, tuple[Reason, ...]] = {
        "say": _against(lambda: check_may_say(view, places)),
        "approve": _against(lambda: check_may_say(view, places))
        or _against(lambda: check_could_count(view, row, places)),
        "write": _against(lambda: _require_propose(view, places)),
        "withdraw": _against(lambda: check_may_end(view, row)),
        "move": tuple(one for one in against if one.code in _NOT_A_MOVER),
        "apply": (*moved, *against),
    }
    passed = tuple(dict.fromkeys(reason for one in broken for reason in one.passed))
    tried["break"] = (*moved, *reasons_of(broken)) if passed else (_NO_GLASS,)
    voices = view.reader.voices(view.project.id, number)
    said = next((one.standing for one in voices if one.subject == view.actor.id), "")
    return Deeds(
        {deed: found for deed, found in tried.items() if found},
        passed,
        "" if said == "taken back" else said,
    )


def asks_of(view: View, number: int) -> tuple[Ask, ...]:
    """The approvals that a change still waits for, a row for each move that needs any."""
    view.require("read")
    row = found_change(view, number)
    places = places_of(view, row)
    return tuple(_asks(view, row, places))


def check_may_say(view: View, places: Places) -> None:
    """Whether the caller may say something: by role, or because a policy means them.

    Raises `Refused`.
    """
    policies = policies_of(view)
    for place, _ in places:
        artifact = place.artifact
        policy, _ = governing(policies, artifact.kind, artifact.name, place.alias)
        verdict = may(view.actor, "approve", artifact.kind, artifact.name, place.alias)
        if policy is not None:
            owners = frozenset(view.reader.owners(artifact.id))
            if policy.approvers.includes(view.actor, artifact.kind, artifact.name, owners):
                left = [one for one in verdict.reasons if one.code != "role_too_low"]
                verdict = Verdict(tuple(left))
        verdict.enforce()


def check_could_count(view: View, row: ChangeRow, places: Places) -> None:
    """Refuse an approval that could not count: of one's own work, or by a program."""
    backing = backing_of(view, row, "", (Voice(view.actor, "approved", view.clock_now),))
    for place, one in places:
        to = target_from_plain(one["to"])
        judged = judge_move(view, place, to, row.reason, backing)
        if judged.policy is None:
            continue
        named = view.actor.name in judged.policy.approvers.people
        if judged.policy.approvals and view.actor.is_service and not named:
            raise Refused(
                f"{view.actor.name!r} is a service, and the policy {judged.policy.name!r} does not "
                "name it as an approver.",
                code="services_do_not_approve",
                hint="Approve as a person, or name the service in the policy's approvers.",
            )
        if judged.policy.self_approval:
            continue
        if judged.policy.approvals and view.actor.id in judged.authors:
            raise Refused(
                f"{view.actor.name!r} made or proposed what would become {place.name}, and the "
                f"policy {judged.policy.name!r} wants somebody else to approve it.",
                code="self_approval",
                hint="Ask somebody else; another key of the same person is the same person.",
            )


def check_may_end(view: View, row: ChangeRow) -> None:
    """Whether the caller may withdraw a change: its writers, and who may move all its aliases.

    Raises `Refused`.
    """
    if view.actor.id in json.loads(row.editors):
        return
    for place, _ in places_of(view, row):
        view.require("move", place.artifact.kind, place.artifact.name, place.alias)


def against_undoing(view: View, release: Release) -> tuple[Reason, ...]:
    """What rights and policies say against the asker undoing a whole release now."""
    backing = Backing(undoes=release.number)
    judged = []
    for move in release.moves:
        place = place_of(view, move.kind, move.name, move.alias)
        judged.append(judge_move(view, place, move.before, _LONG_ENOUGH, backing))
    return reasons_of(judged)


def against_moves(
    view: View, moves: Sequence[tuple[str, str, str, Target | None]], reason: str | None = None
) -> list[tuple[str, tuple[Reason, ...]]]:
    """What stands against the asker making moves together, directly: for each, why, and what.

    A move is kind, name, alias and target. Without a reason, one that is long enough is taken.
    """
    view.require("read")
    orders = [(place_of(view, *move[:3]), move[3]) for move in moves]
    backing = Backing(together=tuple(orders))
    judged = [
        judge_move(view, place, to, _LONG_ENOUGH if reason is None else reason, backing)
        for place, to in orders
    ]
    return [(one.why, one.verdict.reasons) for one in judged]


def _judged(view: View, row: ChangeRow, places: Places, *, glass: bool = False) -> list[Judged]:
    """Each move as the asker would make it; with `glass`, past what may be passed over."""
    basis = basis_of_change(view, row.number)
    backing = backing_of(view, row, basis, glass=glass, together=targets_of(places))
    reason = _LONG_ENOUGH if glass else row.reason
    return [
        judge_move(view, place, target_from_plain(one["to"]), reason, backing)
        for place, one in places
    ]


def _asks(view: View, row: ChangeRow, places: Places) -> Iterator[Ask]:
    team: list[Actor] | None = None
    wrote = backing_of(view, row, "", ())
    for (place, written), one in zip(places, _judged(view, row, places), strict=True):
        policy, artifact = one.policy, place.artifact
        waits = any(reason.code == "approvals_missing" for reason in one.verdict.reasons)
        if policy is None or not waits:
            continue
        if team is None:
            team = people.people_of(view.reader, view.project.id)
        given = {voice.actor.id for voice in one.approvals}
        authors = authors_of(view, place, target_from_plain(written["to"]), wrote)
        owners = frozenset(view.reader.owners(artifact.id))
        could = [
            actor
            for actor in team
            if policy.approvers.includes(actor, artifact.kind, artifact.name, owners)
            and actor.id not in given
            and (policy.self_approval or actor.id not in authors)
        ]
        others = [actor.name for actor in could if actor.id != view.actor.id]
        yield Ask(
            kind=artifact.kind,
            name=artifact.name,
            alias=place.alias,
            policy=policy.name,
            missing=policy.approvals - len(given),
            given=len(given),
            who=tuple(others[:NAMED]),
            others=max(0, len(others) - NAMED),
            approvers=str(policy.approvers),
            own=not policy.self_approval and view.actor.id in authors,
            yours=len(others) < len(could),
        )


def _require_propose(view: View, places: Places) -> None:
    for place, _ in places:
        view.require("propose", place.artifact.kind, place.artifact.name, place.alias)


def _against(check: Callable[[], None]) -> tuple[Reason, ...]:
    try:
        check()
    except Refused as error:
        return error.reasons or (Reason(error.code, error.message, error.hint),)
    return ()


_LONG_ENOUGH = "x" * max(GLASS_REASON, 1_000)
"""A reason that no policy finds too short, to learn what else stands against a move."""
_NOT_A_MOVER = ("not_a_mover", "role_too_low", "scope_too_narrow")
_NO_GLASS = Reason("nothing_to_pass_over", "Nothing is missing that could be passed over.")
