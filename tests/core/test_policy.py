"""Rules of access and policy, as properties: whatever the case, these hold."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pointsman.core.access import ROLES, VERBS, Actor, Grant, Scope, may, refuse_narrow
from pointsman.core.patterns import check_pattern, matches, specificity
from pointsman.core.policy import (
    DAYS,
    FORGIVABLE,
    Case,
    Freeze,
    Policy,
    Voice,
    Who,
    broken_glass,
    counted,
    governing,
    verdict,
)
from pointsman.core.policy_fields import read_policy, write_policy
from pointsman.core.vocabulary import micros, moment
from pointsman.errors import InvalidInput

HOUR = 3600 * 1_000_000
NOW = micros(datetime(2026, 11, 21, 14, 0, tzinfo=UTC))

names = st.sampled_from(["a", "b", "support/reply", "support/triage", "shop/reply", "prod", "x*"])
patterns = st.sampled_from(["*", "support/*", "support/reply", "*/reply", "s*y", "prod*", "a", "b"])
roles = st.sampled_from(ROLES)
numbers = st.integers(1, 6)


@st.composite
def actors(draw: st.DrawFn) -> Actor:
    number = draw(numbers)
    scope = None
    if draw(st.booleans()):
        verbs = draw(st.none() | st.lists(st.sampled_from(VERBS), unique=True).map(tuple))
        scope = Scope(verbs, draw(patterns), draw(patterns))
    return Actor(
        id=f"person:{number}",
        name=f"p{number}",
        role=draw(st.none() | roles),
        via="test",
        email=f"p{number}@example.com",
        groups=tuple(draw(st.lists(st.sampled_from(["g1", "g2"]), unique=True))),
        grants=tuple(draw(st.lists(st.builds(Grant, roles, st.just(""), patterns), max_size=2))),
        scope=scope,
    )


whos = st.builds(
    Who,
    roles=st.lists(roles, max_size=2, unique=True).map(tuple),
    people=st.lists(numbers.map(lambda n: f"p{n}@example.com"), max_size=2, unique=True).map(tuple),
    groups=st.lists(st.sampled_from(["g1", "g2"]), max_size=1).map(tuple),
    owners=st.booleans(),
)
freezes = st.one_of(
    st.builds(
        Freeze,
        zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]),
        start=st.sampled_from(["00:00", "16:30", "22:00"]),
        end=st.sampled_from(["06:00", "24:00", "17:00"]),
        days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=7, unique=True).map(tuple),
    ),
    st.builds(
        Freeze,
        zone=st.sampled_from(["Europe/Berlin", "UTC"]),
        start=st.just("2026-11-20T00:00"),
        end=st.sampled_from(["2026-11-20T12:00", "2026-12-24T00:00"]),
    ),
)
policies = st.builds(
    Policy,
    name=st.sampled_from(["one", "two", "three"]),
    aliases=patterns,
    artifacts=patterns,
    kind=st.sampled_from(["", "prompt", "model"]),
    movers=whos,
    approvals=st.integers(0, 3),
    approvers=whos,
    self_approval=st.booleans(),
    checks=st.lists(st.sampled_from(["eval", "lint"]), unique=True).map(tuple),
    reason=st.integers(0, 20),
    cool_down=st.sampled_from([0, 60, 3600]),
    freezes=st.lists(freezes, max_size=2, unique=True).map(tuple),
    approvals_expire=st.sampled_from([0, 60, 86_400]),
    rollback=st.sampled_from(["free", "governed"]),
    bypass=whos,
    instead=st.sampled_from(["refuse", "propose"]),
)
voices = st.builds(
    Voice,
    actor=actors(),
    standing=st.sampled_from(["approved", "objected"]),
    at=st.integers(NOW - 48 * HOUR, NOW),
)
cases = st.builds(
    Case,
    actor=actors(),
    kind=st.just("prompt"),
    artifact=names,
    alias=names,
    reason=st.sampled_from(["", "  ", "short", "a reason that is long enough"]),
    now=st.just(NOW),
    owners=st.lists(numbers.map(lambda n: f"person:{n}"), max_size=2).map(frozenset),
    authors=st.lists(numbers.map(lambda n: f"person:{n}"), max_size=2).map(frozenset),
    last_moved_at=st.none() | st.integers(NOW - 2 * HOUR, NOW),
    rollback=st.booleans(),
    voices=st.lists(voices, max_size=4).map(tuple),
    checks=st.dictionaries(
        st.sampled_from(["eval", "lint"]),
        st.sampled_from(["passed", "failed", "error", "pending"]),
    ),
)


# Access


@given(actors(), st.sampled_from(VERBS), names, names)
def test_a_scope_never_widens(actor: Actor, verb: str, artifact: str, alias: str) -> None:
    free = replace(actor, scope=None)
    if may(actor, verb, "prompt", artifact, alias).allowed:  # type: ignore[arg-type]
        assert may(free, verb, "prompt", artifact, alias).allowed  # type: ignore[arg-type]
        assert actor.scope is None or matches(actor.scope.artifacts, artifact)
        assert actor.scope is None or matches(actor.scope.aliases, alias)
        assert actor.scope is None or actor.scope.verbs is None or verb in actor.scope.verbs


@given(actors(), st.sampled_from(VERBS), names)
def test_who_may_do_it_to_all_may_do_it_to_each(actor: Actor, verb: str, artifact: str) -> None:
    if may(actor, verb).allowed and refuse_narrow(actor, verb).allowed:  # type: ignore[arg-type]
        assert may(actor, verb, "prompt", artifact).allowed  # type: ignore[arg-type]


@given(actors(), names)
def test_a_higher_role_may_do_no_less(actor: Actor, artifact: str) -> None:
    assume(actor.role is not None)
    assert actor.role is not None
    higher = replace(actor, role=ROLES[min(ROLES.index(actor.role) + 1, len(ROLES) - 1)])
    for verb in VERBS:
        if may(actor, verb, "prompt", artifact).allowed:
            assert may(higher, verb, "prompt", artifact).allowed


# Patterns


@given(patterns, names)
def test_a_pattern_is_text_and_stars(pattern: str, text: str) -> None:
    assert matches(pattern, text) == _slowly(pattern, text)
    if matches(pattern, text) and "*" not in pattern:
        assert pattern == text


def _slowly(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_slowly(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and _slowly(pattern[1:], text[1:])


def test_a_hostile_pattern_takes_no_longer() -> None:
    assert not matches("*a" * 90, "a" * 150 + "b")
    for bad in ("", " x", "a\nb", "**", "x" * 201, "\0"):
        with pytest.raises(InvalidInput):
            check_pattern(bad, field="artifacts")


# Which policy governs


@given(st.lists(policies, max_size=4), names, names)
def test_the_most_specific_governs_in_whatever_order(
    several: list[Policy], artifact: str, alias: str
) -> None:
    several = list({one.name: one for one in several}.values())
    chosen, why = governing(several, "prompt", artifact, alias)
    assert why
    for order in itertools.permutations(several):
        assert governing(order, "prompt", artifact, alias)[0] == chosen
    meant = [one for one in several if one.means("prompt", artifact, alias)]
    assert (chosen is None) == (not meant)
    if chosen is not None:
        assert chosen in meant
        assert all(specificity(one.artifacts) <= specificity(chosen.artifacts) for one in meant)


# Verdicts


@given(policies, cases)
def test_a_move_goes_through_only_with_all_that_is_asked(policy: Policy, case: Case) -> None:
    found = verdict(policy, case)
    assert found == verdict(policy, case)
    for reason in found.reasons:
        assert reason.message
        assert reason.hint
    if not found.allowed:
        return
    assert policy.movers.includes(case.actor, case.kind, case.artifact, case.owners)
    assert len(case.reason.strip()) >= policy.reason
    if case.rollback and policy.rollback == "free":
        return
    people = {
        voice.actor.id
        for voice in case.voices
        if voice.standing == "approved"
        and (policy.self_approval or voice.actor.id not in case.authors)
    }
    assert len(people) >= policy.approvals
    assert all(case.checks.get(name) == "passed" for name in policy.checks)
    assert all(freeze.until(case.now) is None for freeze in policy.freezes)


@given(policies, cases, voices)
def test_one_more_approval_never_stands_against_a_move(
    policy: Policy, case: Case, voice: Voice
) -> None:
    more = replace(case, voices=(*case.voices, replace(voice, standing="approved")))
    before = {one.code for one in verdict(policy, case).reasons}
    assert {one.code for one in verdict(policy, more).reasons} <= before
    good, _ = counted(policy, case)
    assert len(counted(policy, more)[0]) >= len(good)


@given(policies, cases)
def test_nobody_counts_twice(policy: Policy, case: Case) -> None:
    doubled = replace(case, voices=(*case.voices, *case.voices))
    assert len(counted(policy, doubled)[0]) == len(counted(policy, case)[0])
    ids = [voice.actor.id for voice in counted(policy, case)[0]]
    assert len(ids) == len(set(ids))


@given(policies, cases)
def test_glass_forgives_what_can_be_forgiven_and_only_to_whom_it_may(
    policy: Policy, case: Case
) -> None:
    asked = verdict(policy, case)
    found, passed = broken_glass(policy, case)
    assert {one.code for one in passed} == {one.code for one in asked.reasons} & FORGIVABLE
    if found.allowed:
        assert len(case.reason.strip()) >= 10
        may_pass = policy.bypass.includes(case.actor, case.kind, case.artifact, case.owners)
        assert may_pass or asked.allowed
        kept = {one.code for one in asked.reasons} - FORGIVABLE
        assert kept <= {"not_a_mover"}


# Freezes


@given(freezes, st.integers(NOW - 60 * 24 * HOUR, NOW + 200 * 24 * HOUR))
def test_a_freeze_ends_when_it_says(freeze: Freeze, now: int) -> None:
    until = freeze.until(now)
    if until is None:
        return
    assert until > now
    assert freeze.until(until - 1) is not None, "it holds to the end"
    after = freeze.until(until)
    assert after is None or after > until, "another window may follow at once"


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        ("2026-11-20T15:59", False),
        ("2026-11-20T16:00", True),
        ("2026-11-21T05:59", True),
        ("2026-11-21T06:00", False),
        ("2026-11-21T16:00", False),
        # The night in which the clocks go back has an hour twice, both are in the window.
        ("2026-10-23T23:30", True),
    ],
)
def test_a_friday_night_is_frozen_by_the_local_clock(at: str, frozen: bool) -> None:
    freeze = Freeze("Europe/Berlin", "16:00", "06:00", ("fri",))
    local = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert (freeze.until(micros(local)) is not None) == frozen


def test_a_window_over_the_change_of_clocks_lasts_as_long_as_the_clock_says() -> None:
    freeze = Freeze("Europe/Berlin", "22:00", "06:00", ("sat",))
    begins = datetime(2026, 10, 24, 22, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    until = freeze.until(micros(begins))
    assert until is not None
    assert moment(until) - begins.astimezone(UTC) == timedelta(hours=9)


# As people write them


@given(policies)
def test_policies_are_read_as_they_were_written(policy: Policy) -> None:
    assume(all(freeze.start != freeze.end for freeze in policy.freezes))
    assert read_policy(write_policy(policy)) == policy
    assert len(write_policy(Policy("plain"))) == 1
