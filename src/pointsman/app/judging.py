"""Judging a move: gathering what the policy that governs it may ask about.

Everything here is read inside the transaction that makes the move, so that what is judged is
what happens. The judgement itself is `core.policy`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pointsman.app import people
from pointsman.app.application import View
from pointsman.app.policies import asks_for_owners, policies_of
from pointsman.app.ports import AliasRow, ArtifactRow
from pointsman.app.ports.governance import CheckRow
from pointsman.core.access import Actor, Verdict, may
from pointsman.core.changes import CheckState
from pointsman.core.policy import (
    Case,
    Policy,
    Voice,
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
class Place:
    """An alias of an artifact, as the transaction sees it; `row` is None if it never was."""

    artifact: ArtifactRow
    alias: str
    row: AliasRow | None

    @property
    def target(self) -> Target | None:
        return self.row.target if self.row else None

    @property
    def revision(self) -> int:
        return self.row.revision if self.row else 0

    @property
    def name(self) -> str:
        """Kind, name and alias in one word."""
        return f"{self.artifact.kind}:{self.artifact.name}@{self.alias}"


@dataclass(frozen=True, slots=True)
class Backing:
    """What stands behind a move beyond who makes it: the change that it comes from.

    `basis` is the digest of exactly what the change would do, `voices` what was said to that
    very basis, `authors` the ids of those who proposed and edited it. `glass` asks to pass
    over what is missing.
    """

    change: int | None = None
    basis: str = ""
    voices: tuple[Voice, ...] = ()
    authors: frozenset[str] = frozenset()
    glass: bool = False
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement of one move: what governs it, what was asked, and what came out."""

    policy: Policy | None
    why: str
    verdict: Verdict
    passed: tuple[Reason, ...] = ()
    approvals: tuple[Voice, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    authors: frozenset[str] = frozenset()


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
    case = Case(
        actor=actor,
        kind=artifact.kind,
        artifact=artifact.name,
        alias=place.alias,
        reason=reason,
        now=view.clock_now if now is None else now,
        owners=frozenset(view.reader.owners(artifact.id)) if asks_for_owners(policy) else _NOBODY,
        authors=_authors(view, artifact, to, backing) if backing.voices else _NOBODY,
        last_moved_at=place.row.moved_at if place.row else None,
        rollback=policy.demanding and _is_rollback(view, place, to, backing),
        voices=backing.voices,
        checks={name: report.state for name, report in reports.items()},  # type: ignore[misc]
    )
    if backing.glass:
        found, passed = broken_glass(policy, case)
        # The glass stands for the right to move as well, where the policy lets one bypass it.
        if passed and policy.bypass.includes(actor, case.kind, case.artifact, case.owners):
            right = Verdict(tuple(one for one in right.reasons if one.code != "role_too_low"))
    else:
        found, passed = verdict(policy, case), ()
    approvals, _ = counted(policy, case)
    return Judged(
        policy,
        why,
        Verdict(right.reasons + tuple(r for r in found.reasons if r not in right.reasons)),
        passed,
        tuple(approvals),
        tuple(reports.values()),
        case.authors,
    )


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


def _authors(
    view: View, artifact: ArtifactRow, to: Target | None, backing: Backing
) -> frozenset[str]:
    published = {
        publisher
        for number in (to.versions if to else ())
        if (publisher := view.reader.publisher(artifact.id, number)) is not None
    }
    return backing.authors | published


def _reports(
    view: View, policy: Policy, artifact: ArtifactRow, to: Target | None, basis: str
) -> dict[str, CheckRow]:
    """The report that decides each required check: for the change, or else for its versions.

    Where the target is a split, every version needs it, and the worst decides.
    """
    digests = digests_of(view, artifact.id, to)
    whole = {row.name: row for row in _of(view, basis)} if basis else {}
    each = [{row.name: row for row in _of(view, digest)} for digest in digests]
    found: dict[str, CheckRow] = {}
    for name in policy.checks:
        if name in whole:
            found[name] = whole[name]
        elif each and all(name in rows for rows in each):
            found[name] = max(
                (rows[name] for rows in each),
                key=lambda row: _WORST[row.state],  # type: ignore[index]
            )
    return found


def _of(view: View, digest: str) -> Iterable[CheckRow]:
    return view.reader.check_reports(view.project.id, digest)


def _is_rollback(view: View, place: Place, to: Target | None, backing: Backing) -> bool:
    """Whether this goes back to what was live there before."""
    if backing.undoes is not None:
        return True
    if to is None or place.row is None:
        return False
    before: int | None = None
    for _ in range(_LOOKED_AT // _STEP):
        lines = view.reader.alias_lines(place.artifact.id, place.alias, before, _STEP)
        for line in lines:
            if target_from_plain(json.loads(line.data)["to"]) == to:
                return True
        if len(lines) < _STEP:
            return False
        before = lines[-1].seq
    return False


def reasons_of(judged: Sequence[Judged]) -> tuple[Reason, ...]:
    """Everything that stands against several moves, each thing once."""
    return tuple(dict.fromkeys(reason for one in judged for reason in one.verdict.reasons))


_NOBODY: frozenset[str] = frozenset()
