"""What an alias asks of a move: approvals, checks, a reason, and the right moment.

A policy holds for the aliases and artifacts that its patterns mean; where several do, the
most specific one decides. `verdict` judges a move by it, from facts alone: given the same
case, the same answer, with everything that stands against the move and not only the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pointsman.core.access import ROLES, Actor, Verdict
from pointsman.core.changes import CheckState
from pointsman.core.evaluation import Requirement
from pointsman.core.patterns import ANY, matches, specificity
from pointsman.core.vocabulary import Role, micros, moment
from pointsman.errors import Reason

Standing = Literal["approved", "objected"]

SECOND: Final = 1_000_000
GLASS_REASON: Final = 10
"""Characters that the reason for breaking the glass has at least."""


@dataclass(frozen=True, slots=True)
class Who:
    """Some of those who work on a project; whoever is meant in any of the ways counts.

    `roles` mean these roles and higher ones, `people` e-mail addresses or the names of
    services, `owners` the owners of the artifact that is moved.
    """

    roles: tuple[Role, ...] = ()
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    owners: bool = False

    def includes(self, actor: Actor, kind: str, artifact: str, owners: frozenset[str]) -> bool:
        """Whether the actor is one of them, for this artifact."""
        return (
            any(actor.holds(role, kind, artifact) for role in self.roles)
            or (bool(actor.email) and actor.email in self.people)
            or (not actor.email and actor.name in self.people)
            or any(group in self.groups for group in actor.groups)
            or (self.owners and not owners.isdisjoint(_names_of(actor)))
        )

    def __str__(self) -> str:
        parts = [f"the role {min(self.roles, key=ROLES.index)} or higher"] if self.roles else []
        parts += self.people
        parts += [f"the group {group}" for group in self.groups]
        parts += ["the artifact's owners"] if self.owners else []
        return " or ".join(parts) if parts else "nobody"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A window in which nothing is shipped, in the local time of a zone.

    Weekly: on `days` (mon … sun) from `start` to `end` (HH:MM; an end before the start lies
    on the next day; 24:00 is the day's end). Dated: from `start` to `end`, dates with times.
    """

    zone: str
    start: str
    end: str
    days: tuple[str, ...] = ()
    note: str = ""

    def until(self, now: int) -> int | None:
        """When the window that `now` lies in ends; None outside of it. Microseconds."""
        zone = ZoneInfo(self.zone)
        local = moment(now).astimezone(zone)
        if not self.days:
            begins, ends = (
                datetime.fromisoformat(text).replace(tzinfo=zone) for text in (self.start, self.end)
            )
            return micros(ends) if begins <= local < ends else None
        for back in (0, 1):  # the window may have begun yesterday
            day = (local - timedelta(days=back)).date()
            if DAYS[day.weekday()] not in self.days:
                continue
            begins, ends = (_at(day, text, zone) for text in (self.start, self.end))
            if ends <= begins:
                ends = _at(day + timedelta(days=1), self.end, zone)
            if begins <= local < ends:
                return micros(ends)
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of the aliases and artifacts that its patterns mean.

    `reporters` are those whose reports of checks count; nobody named means all who may report.
    `evaluate` asks for evaluations of what moves (``self``), or of all that depends on it as
    well (``affected``), by the `suites` (selectors; none named means those that have an alias
    of the same name); `without_suite` says what an artifact without any means.
    Times are seconds. `approvals_expire` and `cool_down` 0 mean never and none;
    `rollback` says whether moving back to what was live before waits for approvals. `instead`
    says what becomes of a refused move by a client that can't propose: nothing, or a change.
    """

    name: str
    aliases: str = ANY
    artifacts: str = ANY
    kind: str = ""
    movers: Who = Who(roles=("releaser",))
    approvals: int = 0
    approvers: Who = Who(roles=("reviewer",))
    self_approval: bool = False
    checks: tuple[str, ...] = ()
    reporters: Who = Who()
    evaluate: Literal["none", "self", "affected"] = "none"
    suites: tuple[str, ...] = ()
    without_suite: Literal["block", "warn"] = "block"
    reason: int = 0
    cool_down: int = 0
    freezes: tuple[Freeze, ...] = ()
    approvals_expire: int = 0
    rollback: Literal["free", "governed"] = "free"
    bypass: Who = Who(roles=("admin",))
    instead: Literal["refuse", "propose"] = "refuse"

    def means(self, kind: str, artifact: str, alias: str) -> bool:
        """Whether this alias of this artifact is under it."""
        return (
            self.kind in ("", kind)
            and matches(self.artifacts, artifact)
            and matches(self.aliases, alias)
        )

    @property
    def rank(self) -> tuple[tuple[int, int], int, tuple[int, int], str]:
        """What makes it more specific than another: artifacts first, then kind, then aliases."""
        return (
            specificity(self.artifacts),
            int(bool(self.kind)),
            specificity(self.aliases),
            self.name,
        )

    @property
    def demanding(self) -> bool:
        """Whether it asks for more than a mover and a reason: what a rollback is free of."""
        return bool(self.asks_for_evidence or self.cool_down or self.freezes)

    @property
    def asks_for_evidence(self) -> bool:
        """Whether it asks for approvals, checks or evaluations: for what is bound to digests."""
        return bool(self.approvals or self.checks or self.evaluate != "none")


@dataclass(frozen=True, slots=True)
class Voice:
    """What somebody said to a change, for exactly what it would do now."""

    actor: Actor
    standing: Standing
    at: int


@dataclass(frozen=True, slots=True)
class Case:
    """One move, and all that a policy may ask about it. Times are microseconds.

    `authors` are the ids of those who made what is moved: who published the versions, who
    proposed the change, who edited it last. `checks` tell the state of each check on exactly
    the digests that would be live, `evaluations` those that the policy asks for and how they
    stand. `loose` are the selectors by which the target includes what others may change without
    as much being asked, `loose_suites` those of suites, rows and judges that decide its
    evaluations. `rollback` is whether the target was live there before. `hidden` are artifacts
    (``kind:name``) that whoever is told may not read, so that no reason names them.
    """

    actor: Actor
    kind: str
    artifact: str
    alias: str
    reason: str
    now: int
    owners: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    last_moved_at: int | None = None
    rollback: bool = False
    loose: tuple[str, ...] = ()
    voices: Sequence[Voice] = ()
    loose_suites: tuple[str, ...] = ()
    checks: Mapping[str, CheckState] = field(default_factory=dict)
    evaluations: tuple[Requirement, ...] = ()
    hidden: frozenset[str] = frozenset()

    @property
    def where(self) -> str:
        """The alias by its full name."""
        return f"{self.artifact}@{self.alias}"


FORGIVABLE: Final = frozenset(
    {
        "approvals_missing",
        "objection",
        "check_missing",
        "check_not_passed",
        "evaluation_missing",
        "evaluation_not_passed",
        "no_suite",
        "cooling_down",
        "frozen",
        "loose_include",
        "loose_suite",
    }
)
"""What a broken glass lets pass."""


def governing(
    policies: Sequence[Policy], kind: str, artifact: str, alias: str
) -> tuple[Policy | None, str]:
    """The policy that decides, and why this one."""
    meant = [one for one in policies if one.means(kind, artifact, alias)]
    if not meant:
        return None, f"No policy is about {alias} of {artifact}: the role alone decides."
    meant.sort(key=lambda one: one.rank, reverse=True)
    chosen = meant[0]
    what = f"The policy {chosen.name!r} is about {chosen.aliases} of {_artifacts(chosen)}"
    if len(meant) == 1:
        return chosen, f"{what}, and no other is."
    return chosen, f"{what}, which is more specific than {meant[1].name!r}."


def verdict(policy: Policy | None, case: Case) -> Verdict:
    """Everything that stands against the move, by the policy that governs it."""
    if policy is None:
        return Verdict()
    found = [*_mover(policy, case), *_reason(policy, case)]
    if not case.rollback or policy.rollback == "governed":
        found += [*_approvals(policy, case), *_checks(policy, case), *_evaluations(case)]
        found += [*_moment(policy, case), *_inclusions(policy, case)]
    return Verdict(tuple(found))


def asks_as_much(watched: Policy | None, policy: Policy, kind: str) -> bool:
    """Whether `watched`, for artifacts of a kind, asks for what `policy` does, or for more.

    This is for evidence, and for what makes it worth less: one's own approval, approvals that
    never expire, reports by anybody, rollbacks that wait for nothing, artifacts that no suite is
    for. Which people and suites each names is not compared.
    """
    if watched is None or watched.approvals < policy.approvals:
        return False
    if policy.approvals:
        if watched.self_approval and not policy.self_approval:
            return False
        never = not watched.approvals_expire
        if policy.approvals_expire and (
            never or watched.approvals_expire > policy.approvals_expire
        ):
            return False
    if not set(policy.checks) <= set(watched.checks):
        return False
    if policy.checks and watched.reporters == Who() != policy.reporters:
        return False
    if kind not in EVALUATED:
        return True  # what decides evaluations is never free to go back
    if policy.rollback == "governed" and watched.rollback == "free":
        return False
    if policy.evaluate != "none" and (policy.without_suite, watched.without_suite) == (
        "block",
        "warn",
    ):
        return False
    return EVALUATES.index(watched.evaluate) >= EVALUATES.index(policy.evaluate)


def broken_glass(policy: Policy | None, case: Case) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict when the glass is broken, and what was let pass."""
    found = verdict(policy, case).reasons
    passed = tuple(reason for reason in found if reason.code in FORGIVABLE)
    left = [reason for reason in found if reason.code not in FORGIVABLE]
    if policy is not None and passed:
        if policy.bypass.includes(case.actor, case.kind, case.artifact, case.owners):
            left = [reason for reason in left if reason.code != "not_a_mover"]
        else:
            left.append(
                Reason(
                    "may_not_bypass",
                    f"{case.actor.name!r} may not break the glass of {case.where}.",
                    f"The policy {policy.name!r} lets {policy.bypass} do it.",
                )
            )
    if len(case.reason.strip()) < GLASS_REASON:
        left.append(
            Reason(
                "reason_required",
                "Breaking the glass needs a reason that tells what happened.",
                f"Write at least {GLASS_REASON} characters; they stay on record.",
                "reason",
            )
        )
    return Verdict(tuple(left)), passed


def counted(policy: Policy, case: Case) -> tuple[list[Voice], list[tuple[Voice, str]]]:
    """The approvals that count, one for each approver, and the others with why they don't."""
    good: dict[str, Voice] = {}
    bad: list[tuple[Voice, str]] = []
    for voice in case.voices:
        if voice.standing != "approved":
            continue
        age = case.now - voice.at
        if not policy.self_approval and voice.actor.id in case.authors:
            bad.append((voice, "made what would be moved, or proposed or edited the change"))
        elif voice.actor.is_service and voice.actor.name not in policy.approvers.people:
            bad.append((voice, "is a service, which the policy does not name as an approver"))
        elif not policy.approvers.includes(voice.actor, case.kind, case.artifact, case.owners):
            bad.append((voice, f"is not one of those who approve: {policy.approvers}"))
        elif policy.approvals_expire and age > policy.approvals_expire * SECOND:
            bad.append((voice, "approved too long ago"))
        else:
            good[voice.actor.id] = voice
    return list(good.values()), bad


def _mover(policy: Policy, case: Case) -> list[Reason]:
    if policy.movers.includes(case.actor, case.kind, case.artifact, case.owners):
        return []
    return [
        Reason(
            "not_a_mover",
            f"{case.actor.name!r} may not move {case.where}.",
            f"The policy {policy.name!r} lets {policy.movers} do it; propose a change instead.",
        )
    ]


def _reason(policy: Policy, case: Case) -> list[Reason]:
    length = len(case.reason.strip())
    if length >= policy.reason:
        return []
    if not length:
        needed = f" of at least {policy.reason} characters" if policy.reason > 1 else ""
        told = f"Moving {case.where} needs a reason{needed}."
        return [Reason("reason_required", told, _WHY, "reason")]
    told = f"Moving {case.where} needs a reason of at least {policy.reason} characters."
    return [Reason("reason_too_short", told, _WHY, "reason")]


def _approvals(policy: Policy, case: Case) -> list[Reason]:
    found = []
    good, bad = counted(policy, case)
    missing = policy.approvals - len(good)
    if missing > 0:
        because = "".join(f" {voice.actor.name} {why}." for voice, why in bad)
        found.append(
            Reason(
                "approvals_missing",
                f"{case.where} needs {_count(missing, 'more approval' if good else 'approval')}, "
                f"from {policy.approvers}.{because}",
                "Propose a change, and ask one of them to approve it.",
            )
        )
    found += [
        Reason(
            "objection",
            f"{voice.actor.name} objects to moving {case.where}.",
            "Talk to them; they can take the objection back.",
        )
        for voice in case.voices
        if voice.standing == "objected"
    ]
    return found


def _checks(policy: Policy, case: Case) -> list[Reason]:
    found = []
    for name in policy.checks:
        state = case.checks.get(name)
        if state == "passed":
            continue
        hint = "Run it on these versions and report the result."
        if state is None:
            told = f"The check {name!r} has not been reported on exactly what would be moved, and "
            found.append(Reason("check_missing", f"{told}{case.where} needs it.", hint))
        else:
            told = f"The check {name!r} {_STATES[state]}, and "
            found.append(Reason("check_not_passed", f"{told}{case.where} needs it.", hint))
    return found


def _evaluations(case: Case) -> list[Reason]:
    found = []
    for one in case.evaluations:
        if one.state == "passed" or not one.blocking:
            continue
        if f"{one.kind}:{one.name}" in case.hidden:
            found.append(_unseen(one))
            continue
        what = one.label + (", downstream of what moves," if one.distance else "")
        if not one.suite:
            told = f"No suite can tell whether {what} would be good."
            hint = "Publish a suite that is for it, and point its alias there."
            found.append(Reason("no_suite", told, hint))
        elif one.state in ("failed", "inconclusive"):
            told = f"{what} was evaluated with {one.suite}: {one.summary}"
            hint = "Point its alias at a version that can be used."
            if one.evaluation is not None:
                hint = f"Look at it: pointsman eval show {one.evaluation}"
            found.append(Reason("evaluation_not_passed", told, hint))
        else:
            told = f"The evaluation of {what} with {one.suite} is {one.state}."
            hint = "Wait until it ends; a worker runs it."
            if one.state is None:
                told = f"{what} has not been evaluated with {one.suite} as it would be live."
                hint = "Propose a change, which has it run, or ask for it: pointsman eval run."
            elif one.state == "cancelled":
                hint = "Ask for it again: pointsman eval run, or eval change for a change."
            found.append(Reason("evaluation_missing", told, hint))
    return found


def _unseen(one: Requirement) -> Reason:
    what = "Something downstream of what moves, which you may not read,"
    hint = "Ask somebody who may read all of the project."
    if not one.suite:
        return Reason("no_suite", f"{what} has no suite that could tell whether it is good.", hint)
    if one.state in ("failed", "inconclusive"):
        return Reason("evaluation_not_passed", f"{what} was evaluated, and did not pass.", hint)
    return Reason("evaluation_missing", f"{what} has not been evaluated yet.", hint)


def _inclusions(policy: Policy, case: Case) -> list[Reason]:
    return [
        Reason(
            "loose_include",
            f"What would be {case.where} includes or consumes {selector}, which can be moved or "
            f"published without what the policy {policy.name!r} asks for.",
            "Name it pinned (name:7), or by an alias whose policy asks for as much.",
        )
        for selector in case.loose
    ] + [
        Reason(
            "loose_suite",
            f"{case.where} is evaluated by {selector}, which can be moved or published without "
            f"what the policy {policy.name!r} asks for.",
            "Name it pinned (name:3), or have a policy ask for as much of its alias: one without "
            "kind is for suites and datasets as well.",
        )
        for selector in case.loose_suites
    ]


def _moment(policy: Policy, case: Case) -> list[Reason]:
    found = []
    if policy.cool_down and case.last_moved_at is not None:
        ends = case.last_moved_at + policy.cool_down * SECOND
        if case.now < ends:
            found.append(
                Reason(
                    "cooling_down",
                    f"{case.where} was moved a short while ago, and rests until {_clock(ends)}.",
                    "Wait, or roll back if something is wrong.",
                )
            )
    for freeze in policy.freezes:
        frozen_until = freeze.until(case.now)
        if frozen_until is not None:
            note = f" ({freeze.note})" if freeze.note else ""
            found.append(
                Reason(
                    "frozen",
                    f"{case.where} is frozen until {_clock(frozen_until)}{note}.",
                    "Wait, or schedule the change for later.",
                )
            )
    return found


def _artifacts(policy: Policy) -> str:
    kind = f"{policy.kind}s" if policy.kind else "artifacts"
    return f"all {kind}" if policy.artifacts == ANY else f"{kind} {policy.artifacts}"


def _names_of(actor: Actor) -> set[str]:
    return {actor.id, *(f"group:{group}" for group in actor.groups)}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number != 1 else ''}"


def _clock(at: int) -> str:
    return f"{moment(at):%Y-%m-%d %H:%M} UTC"


def _at(day: object, text: str, zone: ZoneInfo) -> datetime:
    hours, minutes = map(int, text.split(":"))
    start = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=zone)
    if hours == 24:
        return start + timedelta(days=1)
    return start.replace(hour=hours, minute=minutes)


_WHY: Final = "Say why; it stays on record and is shown with the alias."
EVALUATES: Final = ("none", "self", "affected")
"""How much a policy has evaluated, the least first."""
EVALUATED: Final = ("prompt", "model")
"""Kinds that are evaluated; suites and datasets are what they are evaluated with."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_STATES: Final[dict[CheckState, str]] = {
    "passed": "passed",
    "failed": "failed",
    "error": "could not be carried out",
    "pending": "is still running",
}
