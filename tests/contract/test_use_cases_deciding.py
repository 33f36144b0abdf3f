"""Who decides about a change, what waits for whom, and what the record says of a release."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.governing import HOUR, Team
from pointsman.app import (
    changes,
    deciding,
    doctor,
    glass,
    inbox,
    recalling,
    releases,
    reviewing,
)
from pointsman.app.inbox import Inbox
from pointsman.app.ports import Store
from pointsman.core.vocabulary import Target
from pointsman.errors import Conflict, InvalidInput, Refused, StaleRevision


@pytest.fixture
def team(store: Store) -> Iterator[Team]:
    made = Team(store)
    for text in ("one", "two", "three"):
        made.publish("reply", text)
    made.move("rui", "reply", 1)
    made.policy(approvals=1)
    yield made
    diagnosis = made.sees("ada", doctor.examine)
    assert [one for one in diagnosis.findings if "person" not in one.subject] == []


def waiting(team: Team, who: str) -> Inbox:
    """What is in somebody's inbox."""
    return team.sees(who, inbox.inbox_of)


def test_arming_keeps_what_was_said_even_by_who_arms(team: Team) -> None:
    team.join("rio", "releaser")
    number = team.propose("eva", "reply", 2).number
    team.approve("rui", number)
    later = team.now + HOUR
    armed = team.does("rui", lambda w: changes.schedule(w, number, apply_at=later))
    assert armed.armed_by
    assert armed.apply_at is not None
    assert [one.counts for one in armed.opinions] == [True]
    assert armed.state == "ready"
    by_hand = team.does("eva", lambda w: changes.schedule(w, number))
    assert not by_hand.armed_by
    assert by_hand.apply_at is None
    assert team.apply("rio", number).number


def test_what_nobody_may_arm_stays_unarmed(team: Team) -> None:
    number = team.propose("eva", "reply", 2).number
    with pytest.raises(Refused):
        team.does("eva", lambda w: changes.schedule(w, number, when_ready=True))
    with pytest.raises(InvalidInput):
        team.does("rui", lambda w: changes.schedule(w, number, apply_at=1))
    with pytest.raises(StaleRevision):
        team.does("rui", lambda w: changes.schedule(w, number, when_ready=True, if_revision=7))
    assert not team.sees("rui", lambda v: reviewing.show(v, number)).armed_by


def test_what_was_looked_at_is_what_is_applied(team: Team) -> None:
    change = team.propose("eva", "reply", 2)
    team.edit("eva", change.number, "reply", 3)
    team.approve("ana", change.number)
    with pytest.raises(Conflict) as caught:
        team.does("rui", lambda w: changes.apply(w, change.number, basis=change.basis))
    assert caught.value.code == "basis_changed"
    now = team.sees("rui", lambda v: reviewing.show(v, change.number)).basis
    done = team.does("rui", lambda w: changes.apply(w, change.number, basis=now))
    assert done.moves[0].to == Target(version=3)


def test_a_change_that_somebody_else_wrote_anew_is_not_rebased_unseen(team: Team) -> None:
    number = team.propose("eva", "reply", 2).number
    team.edit("ana", number, "reply", 3)
    with pytest.raises(StaleRevision):
        team.does("eva", lambda w: changes.rebase(w, number, if_revision=1))
    assert team.does("eva", lambda w: changes.rebase(w, number, if_revision=2)).revision == 3


def test_who_may_do_what_with_a_change(team: Team) -> None:
    number = team.propose("eva", "reply", 2).number
    team.join("vic", "viewer")
    may = {
        who: {
            deed
            for deed in ("say", "approve", "write", "withdraw", "move", "apply", "break")
            if team.sees(who, lambda v: deciding.deeds_of(v, number)).may(deed)
        }
        for who in ("eva", "ana", "rui", "ada", "vic")
    }
    assert may == {
        "eva": {"write", "withdraw"},
        "ana": {"say", "approve", "write"},
        "rui": {"say", "approve", "write", "withdraw", "move"},
        "ada": {"say", "approve", "write", "withdraw", "move", "break"},
        "vic": set(),
    }
    team.approve("ana", number)
    assert team.sees("rui", lambda v: deciding.deeds_of(v, number)).may("apply")
    assert not team.sees("ada", lambda v: deciding.deeds_of(v, number)).may("break")


def test_nobody_is_offered_to_approve_their_own(team: Team) -> None:
    number = team.propose("ana", "reply", 2).number
    deeds = team.sees("ana", lambda v: deciding.deeds_of(v, number))
    assert [one.code for one in deeds.refused["approve"]] == ["self_approval"]


def test_from_whom_an_approval_may_come(team: Team) -> None:
    number = team.propose("ana", "reply", 2).number
    (ask,) = team.sees("ana", lambda v: deciding.asks_of(v, number))
    assert (ask.missing, ask.own, ask.yours) == (1, True, False)
    assert set(ask.who) == {"ben", "rui", "ada"}
    (ask,) = team.sees("ben", lambda v: deciding.asks_of(v, number))
    assert (ask.own, ask.yours) == (False, True)
    team.approve("ben", number)
    assert team.sees("ben", lambda v: deciding.asks_of(v, number)) == ()


def test_ended_changes_are_listed_by_how_they_ended(team: Team) -> None:
    numbers = [team.propose("eva", "reply", 2).number for _ in range(3)]
    team.does("eva", lambda w: changes.withdraw(w, numbers[0]))
    team.does("eva", lambda w: changes.withdraw(w, numbers[1]))
    team.approve("ana", numbers[2])
    team.apply("rui", numbers[2])
    team.propose("eva", "reply", 3)
    ended = team.sees("eva", lambda v: reviewing.ended(v))
    assert [one.number for one in ended.items] == numbers[::-1]
    first = team.sees("eva", lambda v: reviewing.ended(v, "withdrawn", limit=1))
    assert [one.number for one in first.items] == [numbers[1]]
    rest = team.sees("eva", lambda v: reviewing.ended(v, "withdrawn", limit=1, cursor=first.cursor))
    assert [one.number for one in rest.items] == [numbers[0]]
    assert rest.cursor is None


def test_an_inbox_has_what_waits_for_its_owner(team: Team) -> None:
    number = team.propose("eva", "reply", 2).number
    assert [one.number for one in waiting(team, "ana").approve] == [number]
    assert waiting(team, "eva").count == 0
    team.does("ana", lambda w: changes.say(w, number, "objected", "too short"))
    assert waiting(team, "ana").count == 0
    (mending,) = waiting(team, "eva").mend
    assert "ana objects" in mending.because[0]
    team.edit("eva", number, "reply", 3)
    assert waiting(team, "eva").count == 0
    assert [one.number for one in waiting(team, "ana").approve] == [number]
    team.approve("ana", number)
    assert [one.number for one in waiting(team, "rui").apply] == [number]
    assert waiting(team, "ben").count == 0
    team.move("ada", "reply", 2, reason="nobody was there to ask", glass=True)
    (mending,) = waiting(team, "eva").mend
    assert any("was moved by ada" in one for one in mending.because)
    team.approve("ben", number)
    assert waiting(team, "ana").approve == ()
    assert [one.reason for one in waiting(team, "ana").review] == ["nobody was there to ask"]
    assert waiting(team, "ada").review == ()
    assert waiting(team, "eva").review == ()


def test_a_release_is_recalled_with_its_grounds_and_what_became_of_it(team: Team) -> None:
    number = team.propose("eva", "reply", 2).number
    team.approve("ana", number)
    done = team.apply("rui", number)
    told = team.sees("eva", lambda v: recalling.recall(v, done.number))
    assert told.change == number
    assert told.policies == ("production",)
    assert [one["name"] for one in told.approvals] == ["ana"]
    assert (told.stands, told.undone_by, told.glass) == ((True,), (None,), None)
    assert team.sees("eva", lambda v: deciding.against_undoing(v, done))
    assert not team.sees("rui", lambda v: deciding.against_undoing(v, done))
    undone = team.does("rui", lambda w: releases.roll_back_release(w, done.number, "too short"))
    told = team.sees("eva", lambda v: recalling.recall(v, done.number))
    assert (told.stands, told.undone_by) == ((False,), (undone.number,))
    assert told.now == (Target(version=1),)
    broken = team.move("ada", "reply", 3, reason="nobody was there to ask", glass=True)
    assert broken is not None
    told = team.sees("eva", lambda v: recalling.recall(v, broken.number))
    assert told.glass is not None
    assert told.glass.passed
    team.does("ana", lambda w: glass.review_broken_glass(w, broken.number, "all right"))
