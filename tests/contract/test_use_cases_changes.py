"""Policies, changes, approvals, checks and broken glass, on each database."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from contract.governing import HOUR, Team
from pointsman.app import (
    archiving,
    changes,
    checks,
    doctor,
    glass,
    keys,
    people,
    policies,
    publishing,
    releases,
    reviewing,
)
from pointsman.app.application import Caller
from pointsman.app.applying import Applier
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.ports import Store
from pointsman.app.publishing import Publish
from pointsman.app.tail import Tail
from pointsman.core.access import Grant, Scope
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
        lambda v: reviewing.ask_policy(
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
    assert set(missing(team.change(change.number, "eva"))) >= {"not_a_mover", "approvals_missing"}
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
    assert refusal(lambda: team.apply("ana", change.number)) == ["not_a_mover"]
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
    team.policy(name="live", aliases="live", approvals=1)
    change = team.propose("eva", "reply", number)
    team.approve("ana", change.number)
    assert team.change(change.number).state == "ready"
    team.move("ada", "tone", 2, alias="live", reason="broken at night", glass=True)
    seen = team.change(change.number)
    where = "prompt:reply@production"
    assert seen.opinions[0].why == f"what {where} would be made of is another: tone@live"
    assert refusal(lambda: team.apply("rui", change.number)) == ["approvals_missing"]


def test_what_is_included_is_watched_as_well_as_what_includes_it(team: Team) -> None:
    team.publish("tone", "kind")
    team.move("rui", "tone", 1, alias="live")
    team.policy(approvals=1)
    for selector in ("tone", "tone@live"):
        number = team.publish("reply", f"{{{{> {selector} }}}} {{{{ name }}}}")
        change = team.propose("eva", "reply", number)
        team.approve("ana", change.number)
        assert refusal(lambda n=change.number: team.apply("rui", n)) == ["loose_include"]  # type: ignore[misc]
    team.policy(name="live", aliases="live", approvals=1)
    team.apply("rui", change.number)
    pinned = team.publish("reply", "{{> tone:1 }} {{ name }}")
    change = team.propose("eva", "reply", pinned)
    team.approve("ana", change.number)
    team.apply("rui", change.number)


def test_who_wrote_what_is_included_does_not_approve_it(team: Team) -> None:
    team.publish("tone", "by ana", by="ana")
    number = team.publish("reply", "{{> tone:1 }} {{ name }}")
    team.policy(approvals=1)
    change = team.propose("eva", "reply", number)
    assert refusal(lambda: team.approve("ana", change.number)) == ["self_approval"]
    team.approve("ben", change.number)


def test_a_check_is_of_all_that_a_version_is_made_of(team: Team) -> None:
    team.publish("tone", "kind")
    team.publish("tone", "stern")
    team.policy(name="live", aliases="live", checks=["eval"])
    team.move("ada", "tone", 1, alias="live", reason="the first there is", glass=True)
    number = team.publish("reply", "{{> tone@live }} {{ name }}")
    team.policy(checks=["eval"])
    report = functools.partial(
        checks.report_about, about={"selector": f"reply:{number}"}, name="eval", state="passed"
    )
    team.does("rui", report)
    team.move("ada", "tone", 2, alias="live", reason="broken at night", glass=True)
    assert refusal(lambda: team.move("rui", "reply", number)) == ["check_missing"]
    team.does("rui", report)
    team.move("rui", "reply", number)


def test_the_later_report_counts(team: Team) -> None:
    team.policy(checks=["eval"])
    change = team.propose("eva", "reply", 2)
    for about, state in (
        ({"change": change.number}, "passed"),
        ({"selector": "reply:2"}, "failed"),
    ):
        team.does(
            "rui", functools.partial(checks.report_about, about=about, name="eval", state=state)
        )
    assert refusal(lambda: team.apply("rui", change.number)) == ["check_not_passed"]


def test_another_reason_is_another_change(team: Team) -> None:
    team.policy(approvals=1, reason=4)
    change = team.propose("eva", "reply", 2)
    team.approve("ana", change.number)
    moves = [Wanted("prompt", "reply", "production", Target(version=2))]
    team.does(
        "eva", lambda w: changes.edit(w, change.number, Proposal("ship it", moves, "no good"))
    )
    assert "reason is another" in team.change(change.number).opinions[0].why
    unexplained = team.does("eva", lambda w: changes.propose(w, Proposal("a title", moves)))
    team.approve("ana", unexplained.number)
    assert refusal(lambda: team.apply("rui", unexplained.number)) == ["reason_required"]


def test_whom_a_policy_names_needs_no_role_besides(team: Team) -> None:
    team.join("kim", "viewer")
    team.policy(
        approvals=1,
        approvers={"people": ["KIM@example.com"]},
        movers={"groups": ["shippers"]},
    )
    team.does("ada", lambda w: w.tx.add_member("shippers", _id(team, "ben")))
    change = team.propose("ana", "reply", 2)
    team.approve("kim", change.number)
    assert "not_a_mover" in refusal(lambda: team.apply("rui", change.number))
    team.apply("ben", change.number)


def test_a_rollback_does_not_delete_what_a_policy_protects(team: Team) -> None:
    team.publish("fresh", "x")
    made = team.move("rui", "fresh", 1, alias="live")
    assert made is not None
    team.policy(name="live", aliases="live", approvals=1)
    back = lambda: team.does("rui", lambda w: releases.roll_back_release(w, made.number, "why"))  # noqa: E731
    assert refusal(back) == ["approvals_missing"]


def test_rolling_back_to_what_broke_the_glass_is_not_free(team: Team) -> None:
    team.policy(approvals=1)
    team.move("ada", "reply", 2, reason="everything is down", glass=True)
    change = team.propose("eva", "reply", 3)
    team.approve("ana", change.number)
    team.apply("rui", change.number)
    back = lambda: team.does(  # noqa: E731
        "rui", lambda w: releases.roll_back_alias(w, "prompt", "reply", "production", "worse")
    )
    assert refusal(back) == ["approvals_missing"]
    (listed,) = team.sees("eva", glass.list_broken_glass)
    team.does("ana", lambda w: glass.review_broken_glass(w, listed.release, "fine"))
    team.does(
        "rui", lambda w: releases.roll_back_alias(w, "prompt", "reply", "production", "worse")
    )


def test_others_changes_are_not_rewritten_by_who_may_not_propose_them(team: Team) -> None:
    change = team.propose("eva", "reply", 2)
    team.publish("other", "x")
    team.publish("other", "y")
    eva = team.caller("eva")
    grants = (Grant("editor", "", "other"),)
    part = replace(eva, actor=replace(eva.actor, role=None, grants=grants))
    wanted = [Wanted("prompt", "other", "production", Target(version=2))]
    proposal = Proposal("t", wanted, "r")
    edit = lambda: team.app.write(part, lambda w: changes.edit(w, change.number, proposal))  # noqa: E731
    assert refusal(edit) == ["role_too_low"]
    assert team.app.read(part, reviewing.listed).items == ()


def test_a_key_for_other_aliases_has_no_say(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("eva", "reply", 2)
    ana = team.caller("ana")
    narrow = replace(ana, actor=replace(ana.actor, scope=Scope(aliases="staging")))
    approve = lambda: team.app.write(narrow, lambda w: changes.say(w, change.number, "approved"))  # noqa: E731
    assert refusal(approve) == ["scope_too_narrow"]
    ada = team.caller("ada")
    admin = replace(ada, actor=replace(ada.actor, scope=Scope(aliases="staging")))
    value = {"name": "production", "aliases": "production"}
    weaken = lambda: team.app.write(admin, lambda w: policies.set_policy(w, value))  # noqa: E731
    assert refusal(weaken) == ["needs_whole_project"]


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
    digest = {"digest": "0" * 64}
    refusal(
        lambda: team.does(
            "eva", lambda w: checks.report_about(w, digest, name="eval", state="passed")
        )
    )
    for bad in (
        {"digest": "0"},
        {"name": ""},
        {"state": "good"},
        {"link": "javascript:alert(1)"},
        {"figures": {"x": float("nan")}},
    ):
        given: dict[str, Any] = {"digest": "0" * 64, "name": "eval", "state": "passed", **bad}
        about = {"digest": given.pop("digest")}
        with pytest.raises(InvalidInput):
            team.does("rui", functools.partial(checks.report_about, about=about, **given))


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
    assert back.undoes is not None
    assert fact(team, "alias.moved")["free"]
    again = refusal(lambda: team.move("rui", "reply", 2, reason="it was rolled back"))
    assert again == ["approvals_missing", "cooling_down"], "that is no rollback"
    refusal(
        lambda: team.does(
            "rui", lambda w: releases.roll_back_alias(w, "prompt", "reply", "production", "")
        ),
        Conflict,
    )
    team.move("ada", "reply", 3, reason="everything is down", glass=True)
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


def test_what_broke_the_glass_is_no_place_to_go_back_to_until_reviewed(team: Team) -> None:
    team.policy(approvals=1)
    done = team.move("ada", "reply", 2, reason="everything is down", glass=True)
    assert done is not None
    change = team.propose("eva", "reply", 3)
    team.approve("ana", change.number)
    team.apply("rui", change.number)
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["approvals_missing"]
    team.does("ana", lambda w: glass.review_broken_glass(w, done.number, "was right"))
    team.move("rui", "reply", 2)
    team.move("rui", "reply", 3)


def _service(team: Team, name: str) -> Caller:
    """A key of nobody in person, made by the admin."""
    made = team.does("ada", lambda w: keys.create_key(w, name, "reviewer"))
    with team.app.store.read() as reader:
        actor = people.actor_of(reader, team.project.id, f"key:{made.key.id}", "test")
    assert actor is not None
    return Caller(actor, team.project)


def test_programs_do_not_approve_unless_they_are_named(team: Team) -> None:
    team.policy(approvals=1)
    bot = _service(team, "bot")
    change = team.propose("ada", "reply", 2)
    approve = lambda: team.app.write(bot, lambda w: changes.say(w, change.number, "approved"))  # noqa: E731
    assert refusal(approve) == ["services_do_not_approve"]
    done = team.move("ada", "reply", 2, reason="everything is down", glass=True)
    assert done is not None
    review = lambda: team.app.write(bot, lambda w: glass.review_broken_glass(w, done.number, ""))  # noqa: E731
    assert refusal(review) == ["services_do_not_review"]
    team.policy(approvals=1, approvers={"people": ["bot", "ana@example.com"]})
    other = team.propose("ada", "reply", 3)
    team.app.write(bot, lambda w: changes.say(w, other.number, "approved"))
    team.apply("rui", other.number)


def test_only_the_reports_of_reporters_count(team: Team) -> None:
    ci = _service(team, "ci")
    team.policy(checks=["eval"], reporters={"people": ["ci"]})
    report = {"selector": "reply:2"}
    team.does("rui", lambda w: checks.report_about(w, report, name="eval", state="passed"))
    assert refusal(lambda: team.move("rui", "reply", 2)) == ["check_missing"]
    assert refusal(
        lambda: team.app.write(
            ci, lambda w: checks.report_about(w, report, name="eval", state="passed")
        )
    ) == ["role_too_low"]


def test_what_a_policy_governs_is_not_archived(team: Team) -> None:
    archive = lambda: team.does("rui", lambda w: archiving.archive(w, "prompt", "reply"))  # noqa: E731
    assert refusal(archive, Conflict) == ["governed_alias"]
    team.move("rui", "reply", None)
    team.does("rui", lambda w: archiving.archive(w, "prompt", "reply"))


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
    by_editor = lambda: team.propose("eva", "reply", 2, when_ready=True)  # noqa: E731
    assert refusal(by_editor) == ["role_too_low"], "an editor may not have it moved"
    assert team.sees("ada", reviewing.due) == []
    for each in (change, later):
        team.approve("ana", each.number)
    assert team.sees("ada", reviewing.due) == [change.number]
    team.now += HOUR
    assert team.sees("ada", reviewing.due) == [later.number, change.number]


def test_what_was_disarmed_or_lost_its_mover_is_not_applied_by_itself(team: Team) -> None:
    team.policy(approvals=1)
    change = team.propose("rui", "reply", 2, when_ready=True)
    team.approve("ana", change.number)
    assert team.sees("ada", reviewing.due) == [change.number]
    team.edit("eva", change.number, "reply", 3)
    assert team.does("ada", lambda w: changes.apply_due(w, change.number)) is None, "disarmed"
    other = team.propose("rui", "reply", 2, when_ready=True)
    team.approve("ana", other.number)
    team.does(
        "ada", lambda w: w.tx.drop_grant(team.project.id, f"person:{_id(team, 'rui')}", "", "*")
    )
    assert team.does("ada", lambda w: changes.apply_due(w, other.number)) is None
    assert team.target("reply") == 1


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
        team.does("rui", lambda w: changes.propose(w, proposal))


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
