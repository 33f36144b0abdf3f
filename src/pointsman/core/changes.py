"""Proposed releases as people see them, and what makes an approval stale.

What somebody approves is not a number but a **basis**: the exact targets, the revisions of
the aliases that they replace, and the digests of everything that the targets are made of. It
is written down in words with the approval, so that the difference can be told later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.evaluation import Requirement
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Target

ChangeState = Literal["open", "ready", "applied", "withdrawn", "superseded", "expired"]
Said = Literal["approved", "objected", "taken back"]
CheckState = Literal["passed", "failed", "error", "pending"]


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that still stands against applying a change, and what to do about it."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ProposedMove:
    """An alias that would move. `current` and `revision` are what it replaces as of now.

    `conflict` says what happened to the alias since the change was written, if anything;
    `affects` are the artifacts downstream; `policy` names what governs it, `missing` what that
    still asks for, `evaluations` those that it wants and how they stand.
    """

    kind: str
    name: str
    alias: str
    to: Target | None
    current: Target | None
    revision: int
    digests: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    affects: tuple[str, ...] = ()
    conflict: str = ""
    policy: str = ""
    missing: tuple[Missing, ...] = ()
    evaluations: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody said. `counts` is whether it stands for what the change is now."""

    by: str
    said: Said
    at: datetime
    note: str = ""
    counts: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark in a change's thread; `answers` is the number of the one it answers."""

    number: int
    by: str
    at: datetime
    text: str
    answers: int | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The last report of a check on a digest: of a version, or of a change's basis."""

    name: str
    digest: str
    state: CheckState
    by: str
    at: datetime
    summary: str = ""
    link: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A proposed release as it stands now, for whoever asks.

    `missing` is everything that stands against the asker applying it, over all moves; nothing
    is missing where the state is `ready`. `basis` is the digest that approvals and checks of
    the change as a whole are for.
    """

    number: int
    title: str
    reason: str
    state: ChangeState
    by: str
    at: datetime
    updated_at: datetime
    expires_at: datetime
    revision: int
    basis: str
    moves: tuple[ProposedMove, ...]
    labels: tuple[str, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    comments: tuple[Comment, ...] = ()
    missing: tuple[Missing, ...] = ()
    armed_by: str = ""
    apply_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_note: str = ""
    release: int | None = None


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """A release made past what a policy asked for; `reviewed_at` is None until looked at."""

    release: int
    at: datetime
    by: str
    reason: str
    passed: tuple[str, ...]
    reviewed_at: datetime | None = None
    reviewed_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy as people write it, how often it was set, by whom last, and some advice."""

    policy: Mapping[str, Any]
    revision: int
    updated_by: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What a policy says of somebody moving an alias at a moment."""

    allowed: bool
    policy: str
    why: str
    reasons: tuple[Missing, ...] = ()


def basis_of(detail: Mapping[str, Any]) -> str:
    """The digest of exactly what a change would do, and why; see `differences` for its parts."""
    return digest(canonical_json(dict(detail)))


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between the basis of an opinion and the present one, in sentences.

    Both have `title`, `reason` and `moves`; each of these `place` (kind:name@alias), `to`,
    `digests`, `revision`, `current` and `closure` (name → digest of all that the targets are
    made of).
    """
    before = {one["place"]: one for one in then["moves"]}
    after = {one["place"]: one for one in now["moves"]}
    told = [
        f"the {what} is another: {now[what]!r}, not {then[what]!r}"
        for what in ("title", "reason")
        if then[what] != now[what]
    ]
    told += [f"{place} was taken out of the change" for place in before if place not in after]
    for place, new in after.items():
        old = before.get(place)
        if old is None:
            told.append(f"{place} was added to the change")
            continue
        if old["to"] != new["to"] or old["digests"] != new["digests"]:
            told.append(f"{place} would move to {_target(new['to'])}, not {_target(old['to'])}")
        if old["revision"] != new["revision"]:
            told.append(
                f"{place} was moved meanwhile: it points to {_target(new['current'])} at revision "
                f"{new['revision']}"
            )
        changed = [
            name
            for name in {**old["closure"], **new["closure"]}
            if old["closure"].get(name) != new["closure"].get(name)
        ]
        if changed:
            told.append(f"what {place} would be made of is another: {', '.join(sorted(changed))}")
    return told


def _target(plain: Mapping[str, object] | None) -> str:
    target = target_from_plain(plain)
    return "nothing" if target is None else str(target)
