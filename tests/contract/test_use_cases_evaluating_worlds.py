"""Which worlds are evaluated, by which suites, and what may not be loose, on each database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from contract.evaluating import Lab, names
from contract.test_use_cases_changes import refusal
from pointsman.app import archiving, changes, doctor, history, releases, reviewing
from pointsman.app.application import Caller, View
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.evaluating import asking, runs, standing
from pointsman.app.evaluating.asking import Request
from pointsman.app.ports import Store
from pointsman.core.access import Grant
from pointsman.core.journal import Line
from pointsman.core.making import Orders
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Arm, Dependency, Role, Target
from pointsman.errors import Conflict, Refused

SUMMARISE = "summarise"
CANARY = Target(split=(Arm(1, 999), Arm(2, 1)))


@pytest.fixture
def lab(store: Store) -> Iterator[Lab]:
    made = Lab(store)
    made.policy(evaluate="affected")
    yield made
    diagnosis = made.sees("ada", doctor.examine)
    assert [one for one in diagnosis.findings if "person" not in one.subject] == []


def propose(lab: Lab, *moves: tuple[str, Target]) -> int:
    """Propose to move the production aliases of some prompts together."""
    wanted = [Wanted("prompt", name, "production", to) for name, to in moves]
    return lab.does("eva", lambda w: changes.propose(w, Proposal("x", wanted, "better"))).number


def taken(lab: Lab) -> list[Orders]:
    """Have all that is missing asked for, and end it as passed; what it was of."""
    lab.start()
    found = []
    while (one := lab.take()) is not None:
        found.append(one.orders)
        lab.end(one)
    return found


def points(lab: Lab, name: str, to: Target) -> None:
    """Point a prompt's production alias somewhere, whatever the policy says."""
    wish = releases.Wish("prompt", name, "production", to)
    lab.does("ada", lambda w: releases.release(w, [wish], "to begin with", break_glass=True))


# Worlds


def test_the_light_arm_of_a_split_is_evaluated_downstream_as_well(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = propose(lab, (SUMMARISE, CANARY))
    lab.start()
    broken = 0
    while (one := lab.take()) is not None:
        making = one.orders.candidate
        canary = making.root == "prompt:classify:1" and "prompt:summarise:2" in making.parts
        broken += canary
        lab.end(one, "failed" if canary else "passed")
    assert broken == 1
    assert lab.missing(change) == ["evaluation_not_passed"]


def test_each_version_of_a_split_is_evaluated_itself(lab: Lab) -> None:
    for text in ("Briefly {{ message }}", "At length {{ message }}"):
        lab.publish(SUMMARISE, text)
    propose(lab, (SUMMARISE, Target(split=(Arm(2, 1), Arm(3, 999)))))
    roots = {one.candidate.root for one in taken(lab)}
    assert {"prompt:summarise:2", "prompt:summarise:3"} <= roots


def test_each_version_that_is_live_downstream_is_evaluated(lab: Lab) -> None:
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    points(lab, "classify", CANARY)
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    propose(lab, (SUMMARISE, Target(version=2)))
    roots = {one.candidate.root for one in taken(lab)}
    assert {"prompt:classify:1", "prompt:classify:2"} <= roots


def test_what_moves_along_is_evaluated_where_its_own_policy_asks_for_nothing(lab: Lab) -> None:
    lab.policy(name="classify", artifacts="classify", evaluate="none")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    change = propose(lab, (SUMMARISE, Target(version=2)), ("classify", Target(version=2)))
    pairs = {one.candidate.root: one.baseline for one in taken(lab)}
    baseline = pairs["prompt:classify:2"]
    assert baseline is not None
    assert baseline.root == "prompt:classify:1", "held against what is live"
    assert lab.missing(change) == []


def test_what_a_judge_includes_moves_without_a_say_in_itself(lab: Lab) -> None:
    lab.publish("rubric", "Be strict.")
    lab.live("prompt", "rubric")
    lab.publish("judge", "{{> rubric@production }} Judge {{ output }}")
    lab.live("prompt", "judge")
    judged = {"name": "correct", "by": "judge", "prompt": "judge@production"}
    lab.suite("rubric-suite", "rubric", scorers=[judged])
    lab.publish("rubric", "Let everything pass.")
    propose(lab, ("rubric", Target(version=2)))
    (orders,) = (one for one in taken(lab) if one.candidate.root == "prompt:rubric:2")
    (judge,) = orders.judges.values()
    assert set(judge.parts) == {"prompt:judge:1", "prompt:rubric:1"}


def test_what_another_alias_of_it_consumes_is_evaluated_by_that_alias(lab: Lab) -> None:
    """`other` stands by champion in the world that moves, and production takes from champion."""
    lab.policy(name="champions", aliases="champion", evaluate="affected")
    lab.live("prompt", SUMMARISE, alias="champion")
    takes = Dependency("consumes", f"{SUMMARISE}@champion", "given")
    lab.publish("other", "Given {{ given }}", dependencies=[takes])
    lab.publish("other", "Plain {{ message }}")
    lab.live("prompt", "other", 1)
    lab.live("prompt", "other", 2, alias="champion")
    lab.suite("other-suite", "other")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    wish = Wanted("prompt", SUMMARISE, "champion", Target(version=2))
    proposal = Proposal("x", [wish], "better")
    change = lab.does("eva", lambda w: changes.propose(w, proposal)).number
    missing = lab.sees("rui", lambda v: reviewing.show(v, change)).missing
    assert any("prompt:other:1" in one.message or "other:1" in one.message for one in missing)


def test_a_release_of_several_moves_records_each_evaluation_once(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    change = propose(lab, (SUMMARISE, Target(version=2)), ("classify", Target(version=2)))
    taken(lab)
    lab.apply("rui", change)
    facts = [
        json.loads(line.data)
        for name in (SUMMARISE, "classify")
        for line in lab.sees("ada", lambda v, n=name: lines_of(v, n))  # type: ignore[misc]
    ]
    recorded = [told["version"] for fact in facts for told in fact.get("evaluations", ())]
    everything = ["classify:2", "reply:1", "summarise:2"]
    assert sorted(recorded) == everything
    for name in (SUMMARISE, "classify"):
        selector = parse_selector(f"{name}@production")
        evidence = lab.sees("ada", lambda v, s=selector: history.evidence(v, s))  # type: ignore[misc]
        assert sorted(one["version"] for one in evidence.evaluations) == everything


def lines_of(view: View, name: str) -> list[Line]:
    """The last move of a prompt's production alias."""
    artifact = view.artifact("prompt", name)
    return view.reader.alias_lines(artifact.id, "production", None, 1)


# Suites


def test_a_suite_without_its_rows_blocks_also_where_none_would_do(lab: Lab) -> None:
    lab.publish("few", [{"input": {"message": "m"}}], kind="dataset")
    lab.live("dataset", "few")
    lab.suite("summarise-suite", SUMMARISE, dataset="few@production")
    lab.points("dataset", "few", None, "production")
    lab.policy(evaluate="self", without_suite="warn")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    assert "evaluation_not_passed" in lab.missing(change.number)


def test_an_archived_suite_decides_nothing(lab: Lab) -> None:
    lab.publish("alone", "x {{ message }}")
    lab.suite("alone-suite", "alone", live=False)
    lab.points("suite", "alone-suite", 1, "staging")
    lab.does("ada", lambda w: archiving.archive(w, "suite", "alone-suite"))
    asked = Request(parse_selector("alone:1"), alias="staging")
    (found,) = lab.sees("ana", lambda v: asking.plan(v, asked))
    assert found.suite == ""


# What decides, and what is taken


@pytest.mark.parametrize("kind", ["prompt", "dataset"])
def test_what_a_suite_decides_by_is_not_rolled_back_freely(lab: Lab, kind: str) -> None:
    lab.policy()
    name = "judge" if kind == "prompt" else "rows"
    if kind == "prompt":
        lab.publish(name, "Judge {{ output }}")
        lab.live(kind, name)
        judged = {"name": "correct", "by": "judge", "prompt": "judge@production"}
        lab.suite("reply-suite", "reply", scorers=[judged])
        lab.publish(name, "Judge strictly {{ output }}")
    else:
        lab.publish(name, [{"input": {"message": "hard"}}], kind=kind)
    lab.live(kind, name, 2)
    lab.policy(approvals=1)
    back = [releases.Wish(kind, name, "production", Target(version=1))]
    codes = refusal(lambda: lab.does("rui", lambda w: releases.release(w, back, "easier")))
    assert "approvals_missing" in codes


def loose(lab: Lab, name: str = SUMMARISE) -> set[str]:
    """The codes of what a new version of a prompt lacks, but for its evaluation."""
    number = lab.publish(name, "Briefly {{ message }}")
    change = lab.propose("eva", name, number)
    return set(lab.missing(change.number)) - {"evaluation_missing"}


def test_a_suite_whose_alias_nobody_governs_is_loose(lab: Lab) -> None:
    lab.policy(kind="prompt", evaluate="self")
    lab.suite("summarise-suite", SUMMARISE, dataset="rows:1")
    assert loose(lab) == {"loose_suite"}
    lab.policy(name="suites", kind="suite", aliases="production")
    assert loose(lab) == set()


def test_a_suite_that_the_policy_names_is_loose_by_an_alias_that_nobody_governs(lab: Lab) -> None:
    number = lab.suite("summarise-suite", SUMMARISE, dataset="rows:1")
    lab.points("suite", "summarise-suite", number, "draft")
    lab.policy(evaluate="self", suites=["summarise-suite@draft"])
    assert loose(lab) == {"loose_suite"}
    lab.policy(evaluate="self", suites=[f"summarise-suite:{number}"])
    assert loose(lab) == set()


def test_what_a_judge_includes_is_loose_by_an_alias_that_nobody_governs(lab: Lab) -> None:
    lab.publish("rubric", "Be strict.")
    lab.points("prompt", "rubric", 1, "draft")
    lab.publish("judge", "{{> rubric@draft }} Judge {{ output }}")
    lab.live("prompt", "judge")
    judged = {"name": "correct", "by": "judge", "prompt": "judge@production"}
    lab.suite("summarise-suite", SUMMARISE, scorers=[judged])
    lab.policy(evaluate="self")
    assert loose(lab) == {"loose_suite"}
    lab.policy(name="drafts", aliases="draft", evaluate="self")
    assert loose(lab) == set()


@pytest.mark.parametrize(
    ("asked", "less"),
    [
        ({"approvals": 1}, {"approvals": 0, "checks": ["lint"]}),
        ({"approvals": 2}, {"approvals": 1}),
        ({"approvals": 1}, {"approvals": 1, "self_approval": True}),
        ({"approvals": 1, "approvals_expire": 60}, {"approvals": 1}),
        ({"approvals": 1, "approvals_expire": 60}, {"approvals": 1, "approvals_expire": 61}),
        ({"checks": ["eval", "lint"]}, {"checks": ["lint"]}),
        ({"checks": ["lint"], "reporters": {"people": ["ci"]}}, {"checks": ["lint"]}),
        ({"evaluate": "affected"}, {"evaluate": "self"}),
        ({"evaluate": "self"}, {"evaluate": "self", "without_suite": "warn"}),
        ({"approvals": 1, "rollback": "governed"}, {"approvals": 1}),
    ],
)
def test_what_is_included_by_an_alias_of_which_less_is_asked_is_loose(
    lab: Lab, asked: dict[str, object], less: dict[str, object]
) -> None:
    lab.publish("tone", "kind")
    lab.points("prompt", "tone", 1, "live")
    number = lab.publish(SUMMARISE, "{{> tone@live }} {{ message }}")
    lab.policy(**{"evaluate": "none", **asked})
    lab.policy(name="live", aliases="live", **less)
    change = lab.propose("eva", SUMMARISE, number)
    assert "loose_include" in lab.missing(change.number)
    lab.policy(name="live", aliases="live", **asked)
    assert "loose_include" not in lab.missing(change.number)


# Asking


def asks(lab: Lab, by: str = "eva", **more: object) -> int:
    """Ask for the evaluation of one version; its number."""
    wanted = Request(parse_selector("reply:1"), **more)  # type: ignore[arg-type]
    (one,) = lab.does(by, lambda w: asking.evaluate(w, wanted))
    return one.number


def test_nobody_is_given_an_evaluation_of_less_than_was_asked_for(lab: Lab) -> None:
    plain = asks(lab)
    assert asks(lab) == plain
    assert asks(lab, budget_calls=5) != plain, "another may spend less, and end without a result"
    fresh = asks(lab, fresh=True)
    assert fresh != plain, "what waits would use outputs of before"
    assert asks(lab) in (plain, fresh)


def test_so_many_wait_and_no_more(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_OPEN", 2)
    asks(lab)
    asks(lab, budget_calls=1)
    with pytest.raises(Conflict) as caught:
        asks(lab, budget_calls=2)
    assert caught.value.code == "too_many_evaluations"
    assert lab.settle() == ["reply", "reply"]
    asks(lab, budget_calls=2)


def partly(lab: Lab, role: Role | None) -> Caller:
    """Somebody who edits summarise and its suite, and has a role for all the rest, or none."""
    caller = lab.caller("eva")
    grants = (Grant("editor", "", f"{SUMMARISE}*"), Grant("editor", "", "rows"))
    return replace(caller, actor=replace(caller.actor, role=role, grants=grants))


def test_who_may_not_propose_all_of_it_spends_nothing(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    wanted = Request(parse_selector("summarise:2"))
    some = partly(lab, "viewer")
    with pytest.raises(Refused):
        lab.app.write(some, lambda w: asking.evaluate(w, replace(wanted, affected=True)))
    assert lab.sees("ada", runs.listed).items == ()
    (asked,) = lab.app.write(some, lambda w: asking.evaluate(w, wanted))
    assert asked.name == SUMMARISE


def test_who_may_not_propose_what_a_change_moves_spends_nothing_on_it(lab: Lab) -> None:
    lab.consuming("reply", "classify", "Politely {{ given }}")
    change = lab.propose("eva", "reply", 2).number
    with pytest.raises(Refused):
        lab.app.write(partly(lab, "viewer"), lambda w: asking.evaluate_change(w, change))
    assert lab.sees("ada", runs.listed).items == ()


def test_who_sees_a_part_is_told_of_that_part_of_what_a_change_needs(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2).number
    told = lab.app.write(partly(lab, None), lambda w: asking.evaluate_change(w, change))
    assert names(told) == [SUMMARISE]
    asked = names(lab.sees("ada", runs.listed).items)
    assert sorted(asked) == ["classify", "reply", SUMMARISE]


def test_who_sees_a_part_is_told_that_more_stands_against_a_change_but_not_what(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2).number
    lab.start()
    lab.settle({"classify": "failed"})
    told = lab.app.read(partly(lab, None), lambda v: reviewing.show(v, change))
    (missing,) = (one for one in told.missing if one.code == "evaluation_not_passed")
    assert missing.message.startswith("Something downstream of what moves, which you may not read")
    assert "classify" not in str(told)
    everything = lab.sees("rui", lambda v: reviewing.show(v, change))
    assert any("classify:1, downstream of what moves," in one.message for one in everything.missing)


def test_who_sees_a_part_is_told_that_evidence_is_stale_but_not_by_what(lab: Lab) -> None:
    points(lab, "reply", Target(version=1))
    wanted = Request(parse_selector("reply:1"))
    lab.does("eva", lambda w: asking.evaluate(w, wanted))
    lab.settle()
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    points(lab, SUMMARISE, Target(version=2))
    caller = lab.caller("eva")
    grants = (Grant("viewer", "", "reply*"),)
    some = replace(caller, actor=replace(caller.actor, role=None, grants=grants))
    selector = parse_selector("reply@production")
    whole = lab.sees("ada", lambda v: standing.standings(v, selector))
    assert any("prompt:summarise is version 2" in one for one in whole[0].stale)
    part = lab.app.read(some, lambda v: standing.standings(v, selector))
    assert part[0].stale == ("something that you may not read is another version",)
