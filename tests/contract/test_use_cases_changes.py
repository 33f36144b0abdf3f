"""Policies, changes, approvals, checks and broken glass, on each database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contract.governing import HOUR, Team
from pointsman.app import changes, checks, doctor, glass, policies, publishing, releases
from pointsman.app.applying import Applier
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.checks import Report
from pointsman.app.ports import Store
from pointsman.app.publishing import Publish
from pointsman.app.tail import Tail
from pointsman.core.changes import Change
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Target
from pointsman.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    StaleRevision,
)


@pytest.fixture
def team(store: Store) -> Iterator[Team]:
    made = Team(store)
    made.publish("reply", "one")
    made.publish("reply", "two {{ name }}")
    made.publish("reply", "three {{ name }}")
    made.move("rui", "reply", 1)
    yield made
    diagnosis = made.sees("ada", doctor.examine)
    assert [one for one in diagnosis.findings if "person" not in one.subject] == []


def refusal(act: Callable[[], object], kind: type[PointsmanError] = Refused) -> list[str]:
    """The codes of everything that an act is refused for."""
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.hint or caught.value.reasons
    return [reason.code for reason in caught.value.reasons] or [caught.value.code]


def missing(change: Change) -> list[str]:
    return [one.code for one in change.missing]


def fact(team: Team, kind: str) -> dict[str, Any]:
    """The data of the last entry of a type."""
    with team.app.store.read() as reader:
        lines = [one for one in reader.lines(team.project.id, 0, 10_000) if one.type == kind]
    data: dict[str, Any] = json.loads(lines[-1].data)
    return data


# Policies


def test_production_needs_a_reason_from_the_start(team: Team) -> None:
    assert refusal(lambda: team.move("rui", "reply", 2, reason=" ")) == ["reason_required"]
    team.move("rui", "reply", 2, reason="x")
    team.move("rui", "reply", 2, alias="staging", reason="")
    (built_in,) = team.sees("eva", policies.list_policies)
    assert built_in.updated_by == "built in"
    assert "approvals" in built_in.hint


def test_the_most_specific_policy_decides(team: Team) -> None:
    team.policy(name="wide", aliases="*", movers={"roles": ["admin"]}, reason=0)
    team.policy(name="narrow", aliases="prod*", artifacts="rep*", reason=30)
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["reason_too_short"]
    assert refusal(lambda: team.move("rui", "reply", 2, alias="staging")) == ["not_a_mover"]
    team.move("ada", "reply", 2, alias="staging")
    asked = team.sees(
        "eva",
        lambda v: changes.ask_policy(
            v, parse_selector("reply@production"), who="rui@example.com", reason="short"
        ),
    )
    assert (asked.allowed, asked.policy) == (False, "narrow")
    assert "more specific than" in asked.why
    assert [one.code for one in asked.reasons] == ["reason_too_short"]


def test_policies_are_versioned_and_may_be_deleted(team: Team) -> None:
    team.policy(reason=5)
    team.policy(reason=9)
    told = team.sees("eva", lambda v: policies.show_policy(v, "production"))
    assert (told.revision, told.policy["reason"]) == (2, 9)
    assert fact(team, "policy.set")["before"]["reason"] == 5
    value = {"name": "production"}
    stale = lambda: team.does("ada", lambda w: policies.set_policy(w, value, if_revision=1))  # noqa: E731
    assert refusal(stale, StaleRevision) == ["stale_revision"]
    refusal(lambda: team.does("rui", lambda w: policies.set_policy(w, value)))
    team.does("ada", lambda w: policies.delete_policy(w, "production"))
    assert refusal(lambda: team.move("rui", "reply", 2, reason="")) == ["reason_required"]
    gone = lambda: team.does("ada", lambda w: policies.delete_policy(w, "production"))  # noqa: E731
    assert refusal(gone, NotFound) == ["policy_not_found"]


@pytest.mark.parametrize(
    "fields",
    [
        {"approvals": 4},
        {"approvals": 1, "approvers": {"people": ["nobody@example.com"]}},
        {"approvals": 1, "approvers": {}},
        {"movers": {}},
    ],
)
def test_a_policy_that_nobody_can_satisfy_is_refused(team: Team, fields: dict[str, Any]) -> None:
    if fields == {"approvals": 4}:
        fields = {"approvals": 5}
    assert refusal(lambda: team.policy(**fields), InvalidInput) == ["unsatisfiable_policy"]


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": 1},
        {"approvals": -1},
        {"approvals": True},
        {"approvals": "1"},
        {"aliases": ""},
        {"aliases": 7},
        {"reason": 10**9},
        {"checks": "eval"},
        {"checks": [""]},
        {"movers": {"roles": ["king"]}},
        {"movers": {"role": []}},
        {"rollback": "never"},
        {"self_approval": 1},
        {"freezes": [{"zone": "Mars/Olympus", "start": "10:00", "end": "11:00", "days": ["mon"]}]},
        {"freezes": [{"zone": "UTC", "start": "25:00", "end": "11:00", "days": ["mon"]}]},
        {"freezes": [{"zone": "UTC", "start": "10:00", "end": "11:00", "days": ["moon"]}]},
        {"freezes": [{"zone": "UTC", "start": "2026-01-02T00:00", "end": "2026-01-01T00:00"}]},
        {"freezes": [{"zone": "UTC", "start": "2026-01-02", "end": "2026-01-03T00:00"}]},
        {"freezes": [{"zone": "../../etc/passwd", "start": "1", "end": "2"}]},
        {"name": "a b"},
    ],
    ids=str,
)
def test_bad_policies_are_refused_by_field(team: Team, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        team.policy(**fields)
    assert caught.value.field
    assert caught.value.hint


def test_freezes_and_cool_downs_end(team: Team) -> None:
    team.policy(cool_down=3600)
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["cooling_down"]
    team.now += HOUR
    team.move("rui", "reply", 2)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    team.policy(freezes=[{"zone": "Asia/Tokyo", "start": "00:00", "end": "24:00", "days": days}])
    assert refusal(lambda: team.move("rui", "reply", 3)) == ["frozen"]
    team.policy(freezes=[{"zone": "UTC", "start": "2030-01-01T00:00", "end": "2030-12-01T00:00"}])
    assert refusal(lambda: team.move("rui", "reply", 3)) == ["frozen"]
    team.now += 300 * 24 * HOUR
    team.move("rui", "reply", 3)


# Changes


def test_a_change_is_proposed_approved_and_applied(team: Team) -> None:
    team.policy(approvals=1)
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["approvals_missing"]
    change = team.propose("eva", "reply", 2)
    assert (change.state, change.moves[0].policy) == ("open", "production")
    assert missing(team.change(change.number)) == ["approvals_missing"]
    assert set(missing(team.change(change.number, "eva"))) >= {"role_too_low", "approvals_missing"}
    approved = team.approve("ana", change.number, change.basis)
    assert approved.opinions[0].counts
    assert team.change(change.number).state == "ready"
    done = team.apply("rui", change.number)
    assert team.target("reply") == 2
    moved = fact(team, "alias.moved")
    assert moved["change"] == change.number
    assert moved["basis"] == change.basis
    assert [one["name"] for one in moved["approvals"]] == ["ana"]
    ended = team.change(change.number)
    assert (ended.state, ended.release, ended.missing) == ("applied", done.number, ())
    assert refusal(lambda: team.apply("rui", change.number), Conflict) == ["change_ended"]
    assert refusal(lambda: team.approve("ben", change.number), Conflict) == ["change_ended"]


def test_nobody_approves_their_own(team: Team) -> None:
    team.policy(approvals=1)
    by_ana = team.propose("ana", "reply", 2)
    assert refusal(lambda: team.approve("ana", by_ana.number)) == ["self_approval"]
    team.edit("ben", by_ana.number, "reply", 3)
    assert refusal(lambda: team.approve("ben", by_ana.number)) == ["self_approval"]
    number = team.publish("reply", "by ben {{ name }}", by="ben")
    other = team.propose("eva", "reply", number)
    assert refusal(lambda: team.approve("ben", other.number)) == ["self_approval"]
    team.approve("ana", other.number)
    team.policy(approvals=1, self_approval=True)
    team.approve("ben", other.number)


def test_an_editor_may_not_approve_and_a_reviewer_not_apply(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("rui", "reply", 2)
    assert refusal(lambda: team.approve("eva", change.number)) == ["role_too_low"]
    team.approve("ana", change.number)
    assert refusal(lambda: team.apply("ana", change.number)) == ["role_too_low"]
    team.apply("ada", change.number)


def test_new_content_makes_approvals_stale(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("eva", "reply", 2)
    team.approve("ana", change.number)
    edited = team.edit("eva", change.number, "reply", 3)
    assert not edited.opinions[0].counts
    assert "version 3, not version 2" in edited.opinions[0].why
    assert refusal(lambda: team.apply("rui", change.number)) == ["approvals_missing"]
    stale = lambda: team.approve("ben", change.number, change.basis)  # noqa: E731
    assert refusal(stale, Conflict) == ["basis_changed"]
    team.approve("ben", change.number, edited.basis)
    team.apply("rui", change.number)
    assert team.target("reply") == 3


def test_a_moved_alias_makes_approvals_stale_and_the_change_conflict(team: Team) -> None:
    team.policy(approvals=1)
    first, second = team.propose("eva", "reply", 2), team.propose("eva", "reply", 3)
    team.approve("ana", first.number)
    team.approve("ana", second.number)
    team.apply("rui", first.number)
    seen = team.change(second.number)
    assert missing(seen) == ["change_conflict", "approvals_missing"]
    assert "release" in seen.moves[0].conflict
    assert "moved meanwhile" in seen.opinions[0].why
    with pytest.raises(Conflict) as caught:
        team.apply("rui", second.number)
    assert caught.value.code == "change_conflict"
    assert "ebase" in caught.value.hint
    team.does("eva", lambda w: changes.rebase(w, second.number))
    assert refusal(lambda: team.apply("rui", second.number)) == ["approvals_missing"]
    team.approve("ben", second.number)
    team.apply("rui", second.number)
    assert team.target("reply") == 3


def test_what_is_included_belongs_to_what_was_approved(team: Team) -> None:
    team.publish("tone", "kind")
    team.publish("tone", "stern")
    team.move("rui", "tone", 1, alias="live")
    number = team.publish("reply", "{{> tone@live }} {{ name }}")
    team.policy(approvals=1)
    change = team.propose("eva", "reply", number)
    team.approve("ana", change.number)
    assert team.change(change.number).state == "ready"
    team.move("rui", "tone", 2, alias="live")
    seen = team.change(change.number)
    assert (
        seen.opinions[0].why
        == "what prompt:reply@production would be made of is another: tone@live"
    )
    assert refusal(lambda: team.apply("rui", change.number)) == ["approvals_missing"]


def test_objections_stand_until_taken_back(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("eva", "reply", 2)
    team.approve("ana", change.number)
    team.does("ben", lambda w: changes.say(w, change.number, "objected", "not on a Friday"))
    assert refusal(lambda: team.apply("rui", change.number)) == ["objection"]
    team.does("ben", lambda w: changes.say(w, change.number, "taken back"))
    team.apply("rui", change.number)


def test_approvals_expire_and_go_with_the_role(team: Team) -> None:
    team.policy(approvals=1, approvals_expire=3600)
    change = team.propose("eva", "reply", 2)
    team.approve("ana", change.number)
    team.now += HOUR + 1
    assert "too long ago" in team.change(change.number).opinions[0].why
    team.approve("ana", change.number)
    assert team.change(change.number).state == "ready"
    team.policy(approvals=1, approvers={"people": ["ben@example.com"]})
    assert refusal(lambda: team.apply("rui", change.number)) == ["approvals_missing"]
    team.approve("ben", change.number)
    team.does("ada", lambda w: w.tx.deactivate_person(_id(team, "ben"), w.now))
    assert refusal(lambda: team.apply("rui", change.number)) == ["approvals_missing"]


def _id(team: Team, name: str) -> int:
    with team.app.store.read() as reader:
        row = reader.person_by_email(f"{name}@example.com")
    assert row is not None
    return row.id


def test_required_checks_count_for_exact_digests(team: Team) -> None:
    team.policy(checks=["eval"])
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_missing"]

    def tell(state: str, **about: Any) -> None:
        team.does("rui", lambda w: checks.report_about(w, about, name="eval", state=state))

    tell("passed", selector="reply:3")
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_missing"]
    tell("pending", selector="reply:2")
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_not_passed"]
    tell("passed", selector="reply:2")
    tell("failed", selector="reply:2")
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_not_passed"]
    change = team.propose("eva", "reply", 2)
    tell("passed", change=change.number)
    assert team.change(change.number).state == "ready"
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_not_passed"]
    team.apply("rui", change.number)
    assert fact(team, "alias.moved")["checks"][0]["digest"] == change.basis
    refusal(
        lambda: team.does("eva", lambda w: checks.report(w, Report("0" * 64, "eval", "passed")))
    )
    for bad in (
        Report("0", "eval", "passed"),
        Report("0" * 64, "", "passed"),
        Report("0" * 64, "eval", "good"),
        Report("0" * 64, "eval", "passed", link="javascript:alert(1)"),
        Report("0" * 64, "eval", "passed", figures={"x": float("nan")}),
    ):
        with pytest.raises(InvalidInput):
            team.does("rui", lambda w, bad=bad: checks.report(w, bad))  # type: ignore[misc]


def test_rollback_waits_for_nobody(team: Team) -> None:
    team.policy(approvals=1, checks=["eval"], cool_down=3600)
    change = team.propose("eva", "reply", 2)
    team.approve("ana", change.number)
    team.does(
        "rui",
        lambda w: checks.report_about(w, {"selector": "reply:2"}, name="eval", state="passed"),
    )
    team.now += HOUR
    team.apply("rui", change.number)
    back = team.does(
        "rui", lambda w: releases.roll_back_alias(w, "prompt", "reply", "production", "broken")
    )
    assert team.target("reply") == 1
    assert fact(team, "alias.moved")["concerns"] == ["rui", "ana", "eva"]
    team.move("rui", "reply", 2, reason="it was live before, and was good")
    refusal(
        lambda: team.does(
            "rui", lambda w: releases.roll_back_alias(w, "prompt", "reply", "production", "")
        )
    )
    assert back.undoes is not None
    team.policy(approvals=1, rollback="governed")
    assert refusal(lambda: team.move("rui", "reply", 1)) == ["approvals_missing"]
    refusal(lambda: team.move("eva", "reply", 1))


def test_broken_glass_is_marked_and_listed(team: Team) -> None:
    team.policy(approvals=1, checks=["eval"], bypass={"people": ["rui@example.com"]})
    assert refusal(lambda: team.move("rui", "reply", 2, reason="short", glass=True)) == [
        "reason_required"
    ]
    refused = refusal(lambda: team.move("ada", "reply", 2, reason="everything is down", glass=True))
    assert refused == ["may_not_bypass"]
    done = team.move("rui", "reply", 2, reason="everything is down", glass=True)
    assert done is not None
    assert team.target("reply") == 2
    assert fact(team, "alias.moved")["glass"] == ["approvals_missing", "check_missing"]
    (listed,) = team.sees("eva", glass.list_broken_glass)
    assert (listed.release, listed.by) == (done.number, "rui")
    own = lambda: team.does("rui", lambda w: glass.review_broken_glass(w, done.number, "ok"))  # noqa: E731
    assert refusal(own) == ["own_glass"]
    team.does("ana", lambda w: glass.review_broken_glass(w, done.number, "was right"))
    assert team.sees("eva", glass.list_broken_glass) == ()
    twice = lambda: team.does("ben", lambda w: glass.review_broken_glass(w, done.number, ""))  # noqa: E731
    assert refusal(twice, Conflict) == ["reviewed_already"]
    change = team.propose("eva", "reply", 3)
    team.apply("rui", change.number, glass=True, reason="customers are waiting for it")
    assert len(team.sees("eva", glass.list_broken_glass)) == 1


def test_changes_are_withdrawn_superseded_and_expire(team: Team) -> None:
    one = team.propose("eva", "reply", 2)
    refusal(lambda: team.does("ana", lambda w: changes.withdraw(w, one.number)))
    gone = team.does("eva", lambda w: changes.withdraw(w, one.number, "no more"))
    assert (gone.state, gone.ended_note) == ("withdrawn", "no more")
    two = team.propose("eva", "reply", 2)
    three = team.propose("eva", "reply", 3, supersedes=two.number)
    assert team.change(two.number).state == "superseded"
    team.now += 31 * 24 * HOUR
    assert team.change(three.number).state == "expired"
    assert refusal(lambda: team.apply("rui", three.number), Conflict) == ["change_ended"]
    assert team.does("ada", changes.expire) == 1
    assert team.does("ada", changes.expire) == 0
    assert team.change(three.number).ended_note


def test_changes_are_applied_by_themselves_when_all_is_there(team: Team) -> None:
    team.policy(approvals=1)
    now = team.now
    change = team.propose("rui", "reply", 2, when_ready=True)
    later = team.propose("rui", "reply", 3, apply_at=now + HOUR)
    by_editor = team.propose("eva", "reply", 2, when_ready=True)
    assert team.sees("ada", changes.due) == []
    for each in (change, later, by_editor):
        team.approve("ana", each.number)
    due = team.sees("ada", changes.due)
    assert [number for number, _ in due] == [change.number], "an editor may not move it"
    team.now += HOUR
    assert [number for number, _ in team.sees("ada", changes.due)] == [later.number, change.number]


def test_the_applier_applies_what_is_due_and_ends_what_has_expired(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("rui", "reply", 2, when_ready=True)
    old = team.propose("eva", "reply", 3, expires_at=team.now + HOUR)
    tail = Tail(team.app.store)
    applier = Applier(team.app, tail)
    assert applier.look() == 0
    team.approve("ana", change.number)
    assert applier.look() == 1
    assert applier.look() == 0
    assert team.target("reply") == 2
    assert fact(team, "alias.moved")["change"] == change.number
    team.now += HOUR
    assert applier.look() == 0
    assert team.change(old.number).state == "expired"
    assert team.change(old.number).ended_at is not None


def test_comments_make_threads(team: Team) -> None:
    change = team.propose("eva", "reply", 2)
    seen = team.does("ana", lambda w: changes.comment(w, change.number, "why so long?"))
    first = seen.comments[0]
    seen = team.does(
        "eva", lambda w: changes.comment(w, change.number, "fewer calls", first.number)
    )
    assert [one.answers for one in seen.comments] == [None, first.number]
    refusal(
        lambda: team.does("eva", lambda w: changes.comment(w, change.number, " ")), InvalidInput
    )
    refusal(lambda: team.does("eva", lambda w: changes.comment(w, change.number, "x", 7)), NotFound)


@pytest.mark.parametrize(
    ("proposal", "kind"),
    [
        (Proposal("", [Wanted("prompt", "reply", "production", Target(version=2))]), InvalidInput),
        (Proposal("t", []), InvalidInput),
        (Proposal("t", [Wanted("prompt", "nosuch", "production", Target(version=2))]), NotFound),
        (Proposal("t", [Wanted("prompt", "reply", "production", Target(version=9))]), NotFound),
        (Proposal("t", [Wanted("prompt", "reply", "production", Target(version=1))]), Conflict),
        (
            Proposal("t", [Wanted("prompt", "reply", "production", Target(version=2))], apply_at=5),
            InvalidInput,
        ),
        (
            Proposal(
                "t", [Wanted("prompt", "reply", "production", Target(version=2))], expires_at=5
            ),
            InvalidInput,
        ),
        (
            Proposal(
                "t", [Wanted("prompt", "reply", "production", Target(version=2))], labels=[""]
            ),
            InvalidInput,
        ),
    ],
)
def test_bad_proposals_are_refused(
    team: Team, proposal: Proposal, kind: type[PointsmanError]
) -> None:
    with pytest.raises(kind):
        team.does("eva", lambda w: changes.propose(w, proposal))


def test_an_alias_as_source_is_what_it_means_when_written(team: Team) -> None:
    team.move("rui", "reply", 2, alias="staging")
    wanted = Wanted("prompt", "reply", "production", None, parse_selector("reply@staging"))
    change = team.does("eva", lambda w: changes.propose(w, Proposal("t", [wanted], "r")))
    assert change.moves[0].to == Target(version=2)
    team.move("rui", "reply", 3, alias="staging")
    assert team.change(change.number).moves[0].to == Target(version=2)
    rebased = team.does("eva", lambda w: changes.rebase(w, change.number))
    assert rebased.moves[0].to == Target(version=3)


def test_publishing_with_an_alias_goes_through_the_policy(team: Team) -> None:
    team.policy(approvals=1)
    before = team.publish("reply", "four {{ name }}")
    wanted = Publish("reply", "five {{ name }}", aliases=["production"], message="m")
    assert refusal(lambda: team.does("rui", lambda w: publishing.publish(w, wanted))) == [
        "approvals_missing"
    ]
    assert team.publish("reply", "six {{ name }}") == before + 1, "nothing was published"


def test_deleting_an_alias_goes_through_the_policy(team: Team) -> None:
    team.policy(approvals=1)
    assert refusal(lambda: team.move("rui", "reply", None)) == ["approvals_missing"]
    change = team.does(
        "eva",
        lambda w: changes.propose(
            w, Proposal("retire", [Wanted("prompt", "reply", "production", None)], "unused")
        ),
    )
    team.approve("ana", change.number)
    team.apply("rui", change.number)
    assert team.target("reply") is None


def test_a_release_is_judged_as_a_whole(team: Team) -> None:
    team.publish("other", "x")
    team.policy(approvals=1)
    wishes = [
        releases.Wish("prompt", "reply", "staging", Target(version=2)),
        releases.Wish("prompt", "other", "production", Target(version=1)),
    ]
    act = lambda: team.does("rui", lambda w: releases.release(w, wishes, "both"))  # noqa: E731
    assert refusal(act) == ["approvals_missing"]
    assert team.target("reply", "staging") is None
