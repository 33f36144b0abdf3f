"""A refused move that becomes a change: for clients that can't propose, on each database."""

from __future__ import annotations

import threading

import pytest

from contract.governing import HOUR, Team
from pointsman.app import changes, policies, proposing, reviewing
from pointsman.app.ports import Store
from pointsman.app.proposing import Withheld
from pointsman.app.releases import Wish
from pointsman.core.changes import Change
from pointsman.core.vocabulary import Release, Target
from pointsman.errors import InvalidInput, Refused

CLIENT = "their client"


@pytest.fixture
def team(store: Store) -> Team:
    made = Team(store)
    for text in ("one", "two", "three"):
        made.publish("reply", text)
    return made


def moves(
    team: Team, by: str, to: int | None, *, reason: str = "", aliases: tuple[str, ...] = ()
) -> Release | Withheld | None:
    target = None if to is None else Target(version=to)
    wishes = [Wish("prompt", "reply", one, target) for one in aliases or ("production",)]
    return team.does(by, lambda w: proposing.release_or_propose(w, wishes, reason, CLIENT))


def withheld(team: Team, by: str, to: int | None, **more: object) -> tuple[Refused, int]:
    """The refusal and the number of the change that it names."""
    answer = moves(team, by, to, **more)  # type: ignore[arg-type]
    assert isinstance(answer, Withheld), answer
    assert answer.refusal.code == "proposed_instead"
    return answer.refusal, int(answer.refusal.details["change"])


def opened(team: Team) -> tuple[Change, ...]:
    return team.sees("ada", reviewing.listed).items


def test_the_field_is_read_and_refused(team: Team) -> None:
    team.policy(instead="propose")
    (shown,) = team.sees("eva", policies.list_policies)
    assert shown.policy["instead"] == "propose"
    with pytest.raises(InvalidInput) as caught:
        team.policy(instead="perhaps")
    assert caught.value.field == "instead"
    team.policy(instead="refuse")
    (shown,) = team.sees("eva", policies.list_policies)
    assert "instead" not in shown.policy


def test_what_is_allowed_moves(team: Team) -> None:
    team.policy(instead="propose")
    done = moves(team, "rui", 2)
    assert isinstance(done, Release)
    assert done.reason == "moved by their client"
    done = moves(team, "rui", 3, reason="better")
    assert isinstance(done, Release)
    assert done.reason == "better"
    assert moves(team, "rui", 3) is None
    assert opened(team) == ()


def test_what_is_refused_is_proposed_with_all_that_stood_against_it(team: Team) -> None:
    team.policy(instead="propose", approvals=1, checks=["evals"])
    refusal, number = withheld(team, "rui", 2, reason="better tone")
    assert "needs 1 approval" in refusal.message
    assert "'evals'" in refusal.message
    (change,) = opened(team)
    assert (change.number, change.by, change.state) == (number, "rui", "open")
    assert change.reason == "better tone (asked for through their client)"
    assert {one.code for one in change.missing} == {"approvals_missing", "check_missing"}
    assert team.approve("ana", number).number == number


def test_by_default_it_is_refused_and_nothing_is_kept(team: Team) -> None:
    team.policy(approvals=1)
    with pytest.raises(Refused) as caught:
        moves(team, "rui", 2)
    assert [one.code for one in caught.value.reasons] == ["approvals_missing"]
    assert opened(team) == ()


def test_who_may_not_propose_is_refused(team: Team) -> None:
    team.join("vic", "viewer")
    team.policy(instead="propose", approvals=1)
    with pytest.raises(Refused) as caught:
        moves(team, "vic", 2)
    assert caught.value.code != "proposed_instead"
    assert opened(team) == ()
    withheld(team, "rui", 2)
    with pytest.raises(Refused) as caught:
        moves(team, "vic", 2)
    assert caught.value.code != "proposed_instead", "not even told of the change that is there"


def test_an_alias_that_nothing_governs_is_not_proposed(team: Team) -> None:
    team.policy(instead="propose")
    with pytest.raises(Refused):
        moves(team, "eva", 2, aliases=("staging",))
    assert opened(team) == ()


def test_the_same_is_asked_for_once(team: Team) -> None:
    team.policy(instead="propose", approvals=1)
    _, first = withheld(team, "rui", 2)
    refusal, again = withheld(team, "eva", 2)
    assert first == again
    assert "is open already" in refusal.message
    _, other = withheld(team, "rui", 3)
    _, both = withheld(team, "rui", 2, aliases=("production", "staging"))
    assert len({first, other, both}) == 3
    assert len(opened(team)) == 3


def test_a_change_that_ended_or_expired_is_not_named(team: Team) -> None:
    team.policy(instead="propose", approvals=1)
    _, first = withheld(team, "rui", 2)
    team.does("rui", lambda w: changes.withdraw(w, first, "no"))
    _, second = withheld(team, "rui", 2)
    assert second != first
    team.now += 31 * 24 * HOUR
    _, third = withheld(team, "rui", 2)
    assert third != second


def test_a_change_of_an_alias_that_moved_since_is_not_named(team: Team) -> None:
    team.policy(instead="propose", approvals=1, bypass={"roles": ["admin"]})
    _, first = withheld(team, "rui", 2)
    team.move("ada", "reply", 1, reason="an emergency, as it were", glass=True)
    _, second = withheld(team, "rui", 2)
    assert second != first


def test_of_many_who_ask_at_once_one_change_is_opened(team: Team) -> None:
    team.policy(instead="propose", approvals=1)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(withheld(team, "rui", 2)[1])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert len(opened(team)) == 1
