"""Judging a move: gathering what the policy that governs it may ask about.

Everything here is read inside the transaction that makes the move, so that what is judged is
what happens. The judgement itself is `core.policy`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pointsman.app import people
from pointsman.app.application import View
from pointsman.app.closure import closure_of, seal_of
from pointsman.app.evaluating.plans import Wanted, plan_of, scope_of
from pointsman.app.looseness import loose_parts, loose_suites
from pointsman.app.places import Backing, Place
from pointsman.app.policies import asks_for_owners, policies_of
from pointsman.app.ports import ArtifactRow
from pointsman.app.ports.governance import CheckRow
from pointsman.core.access import Actor, Verdict, may
from pointsman.core.changes import CheckState
from pointsman.core.evaluation import Requirement
from pointsman.core.policy import (
    FORGIVABLE,
    Case,
    Policy,
    Voice,
    Who,
    broken_glass,
    counted,
    governing,
    verdict,
)
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Target
from pointsman.errors import Reason

_STEP = 100
_LOOKED_AT = 5_000
"""Moves of an alias that are looked at for whether a target was live before."""
_WORST: dict[CheckState, int] = {"passed": 0, "pending": 1, "error": 2, "failed": 3}


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement of one move: what governs it, what was asked, and what came out."""

    policy: Policy | None
    why: str
    verdict: Verdict
    passed: tuple[Reason, ...] = ()
    approvals: tuple[Voice, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    evaluations: tuple[Requirement, ...] = ()
    authors: frozenset[str] = frozenset()
    free: bool = False
    """Whether it needed less than the policy asks for, as it goes back."""


def judge_move(
    view: View,
    place: Place,
    to: Target | None,
    reason: str,
    backing: Backing,
    *,
    actor: Actor | None = None,
    now: int | None = None,
) -> Judged:
    """Whether the caller (or another actor) may make this move now (or at a moment)."""
    actor = actor or view.actor
    artifact = place.artifact
    right = may(actor, "move", artifact.kind, artifact.name, place.alias)
    policy, why = governing(policies_of(view), artifact.kind, artifact.name, place.alias)
    if policy is None:
        return Judged(None, why, right)
    reports = _reports(view, policy, artifact, to, backing.basis) if policy.checks else {}
    wanted = evaluations_of(view, policy, place, to, backing)
    case = Case(
        actor=actor,
        kind=artifact.kind,
        artifact=artifact.name,
        alias=place.alias,
        reason=reason,
        now=view.clock_now if now is None else now,
        owners=frozenset(view.reader.owners(artifact.id)) if asks_for_owners(policy) else _NOBODY,
        authors=authors_of(view, place, to, backing) if backing.voices else _NOBODY,
        last_moved_at=place.row.moved_at if place.row else None,
        loose=tuple(dict.fromkeys(loose_parts(view, policy, artifact, to))),
        loose_suites=tuple(dict.fromkeys(loose_suites(view, policy, wanted))),
        voices=backing.voices,
        checks={name: report.state for name, report in reports.items()},  # type: ignore[misc]
        evaluations=tuple(one.requirement for one in wanted),
        hidden=frozenset(_hidden(view, wanted)),
    )
    found = verdict(policy, case)
    waived = any(reason.code in FORGIVABLE for reason in found.reasons)
    free = policy.rollback == "free" and not _decides(view, artifact)
    if waived and free and _is_rollback(view, place, to):
        case = replace(case, rollback=True)
        found = verdict(policy, case)
    passed: tuple[Reason, ...] = ()
    stands_in = policy.movers
    if backing.glass:
        found, passed = broken_glass(policy, case)
        stands_in = policy.bypass if passed else policy.movers
    if not actor.is_service and stands_in.includes(actor, case.kind, case.artifact, case.owners):
        # Whom the policy means needs no role besides; a key's scope still binds them.
        right = _without_role(right)
    if any(reason.code == "not_a_mover" for reason in found.reasons):
        right = _without_role(right)  # it says the same, by the policy
    approvals, _ = counted(policy, case)
    return Judged(
        policy,
        why,
        Verdict(right.reasons + tuple(r for r in found.reasons if r not in right.reasons)),
        passed,
        tuple(approvals),
        tuple(reports.values()),
        case.evaluations,
        case.authors,
        case.rollback,
    )


def _hidden(view: View, wanted: Sequence[Wanted]) -> Iterator[str]:
    """What has to be evaluated and must not be named to the caller."""
    if view.actor.narrow:
        for one in (each.requirement for each in wanted):
            if not may(view.actor, "read", one.kind, one.name).allowed:
                yield f"{one.kind}:{one.name}"


def told_once(judged: Sequence[Judged]) -> list[Judged]:
    """Judgements of moves made together, with what all of them have evaluated told once.

    What moves is with its own move, and what lies downstream with the first that asks for it.
    """
    told = {need.key for one in judged for need in one.evaluations if not need.distance}
    found = []
    for one in judged:
        left = [need for need in one.evaluations if not need.distance or need.key not in told]
        told |= {need.key for need in left}
        found.append(replace(one, evaluations=tuple(left)))
    return found


def _decides(view: View, artifact: ArtifactRow) -> bool:
    """Whether evaluations are decided by it: going back to an easier one is no way to safety."""
    if artifact.kind in ("suite", "dataset"):
        return True
    users = {row.artifact_id for row in view.reader.dependents_of([artifact.id])}
    return any(one.kind == "suite" for one in view.reader.artifacts_of(users))


def evaluations_of(
    view: View, policy: Policy, place: Place, to: Target | None, backing: Backing
) -> list[Wanted]:
    """What the policy asks to have evaluated before this move, and how each stands."""
    scope = scope_of(policy)
    if scope is None:
        return []
    return plan_of(view, backing.together or ((place, to),)).wanted(place, scope)


def voices_on(view: View, number: int, basis: str) -> tuple[Voice, ...]:
    """What was said to a change for this very basis, by those who still may say something."""
    found = []
    for row in view.reader.voices(view.project.id, number):
        if row.basis != basis or row.standing not in ("approved", "objected"):
            continue
        actor = people.actor_of(view.reader, view.project.id, row.subject, "change")
        if actor is not None:
            found.append(Voice(actor, row.standing, row.at))  # type: ignore[arg-type]
    return tuple(found)


def digests_of(view: View, artifact_id: int, to: Target | None) -> list[str]:
    """The digests of the versions that a target means."""
    if to is None:
        return []
    rows = [view.reader.standing(artifact_id, number) for number in to.versions]
    return [row.digest for row in rows if row is not None]


def authors_of(view: View, place: Place, to: Target | None, backing: Backing) -> frozenset[str]:
    """Who wrote the change, the versions it moves to, and what these newly are made of."""
    made = {(place.artifact.id, number) for number in (to.versions if to else ())}
    made |= closure_of(view, place.artifact.id, to).members
    made -= closure_of(view, place.artifact.id, place.target).members
    published = {view.reader.publisher(*one) for one in made}
    return backing.authors | {one for one in published if one is not None}


def _without_role(right: Verdict) -> Verdict:
    return Verdict(tuple(one for one in right.reasons if one.code != "role_too_low"))


def _reports(
    view: View, policy: Policy, artifact: ArtifactRow, to: Target | None, basis: str
) -> dict[str, CheckRow]:
    """The report that decides each required check: for the change or for its versions.

    The later of both counts. Where the target is a split, every version needs one, and the
    worst decides.
    """
    numbers = to.versions if to else ()
    whole = _of(view, policy, basis) if basis else {}
    each = [_of(view, policy, seal_of(view, artifact.id, number)) for number in numbers]
    found: dict[str, CheckRow] = {}
    for name in policy.checks:
        reports = [whole[name]] if name in whole else []
        if each and all(name in rows for rows in each):
            reports.append(max((rows[name] for rows in each), key=_badness))
        if reports:
            found[name] = max(reports, key=lambda row: row.at)
    return found


def _badness(row: CheckRow) -> int:
    return _WORST[row.state]  # type: ignore[index]  # rows hold the states themselves


def _of(view: View, policy: Policy, digest: str) -> dict[str, CheckRow]:
    """The reports on a digest that the policy takes, by the check's name."""
    rows = view.reader.check_reports(view.project.id, digest)
    if policy.reporters != Who():
        rows = [row for row in rows if _takes(view, policy, row)]
    return {row.name: row for row in rows}


def _takes(view: View, policy: Policy, row: CheckRow) -> bool:
    reporter = people.actor_of(view.reader, view.project.id, row.subject, "check")
    return reporter is not None and policy.reporters.includes(reporter, "", "", _NOBODY)


def _is_rollback(view: View, place: Place, to: Target | None) -> bool:
    """Whether this goes back to what was live there before, and was all right.

    A target whose release was rolled back is not gone back to but tried again, and one that
    came there through broken glass counts once somebody has looked at it.
    """
    if to is None or place.row is None:
        return False
    undone: set[int] = set()
    before: int | None = None
    for _ in range(_LOOKED_AT // _STEP):
        lines = view.reader.alias_lines(place.artifact.id, place.alias, before, _STEP)
        for line in lines:
            fact = json.loads(line.data)
            if "undoes" in fact:
                # It put something back; what that stands for is told by what put it there.
                undone.add(fact["undoes"])
                continue
            there = target_from_plain(fact["to"]) == to and fact["release"] not in undone
            if there and ("glass" not in fact or _reviewed(view, fact["release"])):
                return True
        if len(lines) < _STEP:
            return False
        before = lines[-1].seq
    return False


def _reviewed(view: View, release: int) -> bool:
    row = view.reader.one_broken_glass(view.project.id, release)
    return row is not None and row.reviewed_at is not None


def reasons_of(judged: Sequence[Judged]) -> tuple[Reason, ...]:
    """Everything that stands against several moves, each thing once."""
    return tuple(dict.fromkeys(reason for one in judged for reason in one.verdict.reasons))


_NOBODY: frozenset[str] = frozenset()
