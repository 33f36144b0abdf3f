"""The eval gate: what has to be evaluated, evidence on exact digests, workers, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from contract.evaluating import SECOND, Lab, names
from contract.governing import HOUR
from contract.test_use_cases_changes import refusal
from pointsman.app import archiving, changes, doctor, history, members, releases, reviewing
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.evaluating import asking, runs, standing
from pointsman.app.evaluating.asking import Request
from pointsman.app.evaluating.runs import Lost, State
from pointsman.app.ports import Store
from pointsman.core.access import Scope
from pointsman.core.evaluation import CaseResult, Evaluation, Requirement, Side
from pointsman.core.making import Making
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Arm, Dependency, Target
from pointsman.errors import Conflict, Gone, NotFound, Refused

SUMMARISE = "summarise"


@pytest.fixture
def lab(store: Store) -> Iterator[Lab]:
    made = Lab(store)
    made.policy(evaluate="affected")
    yield made
    diagnosis = made.sees("ada", doctor.examine)
    assert [one for one in diagnosis.findings if "person" not in one.subject] == []


def wish(selector: str, **more: object) -> Request:
    return Request(parse_selector(selector), **more)  # type: ignore[arg-type]


# What has to be evaluated


def test_what_moves_and_all_downstream_of_it_is_evaluated(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    (move,) = change.moves
    assert [(one.name, one.version, one.distance) for one in move.evaluations] == [
        ("summarise", 2, 0),
        ("classify", 1, 1),
        ("reply", 1, 2),
    ]
    assert move.affects == ("prompt:classify", "prompt:reply")
    assert lab.start() == 3
    assert lab.start() == 0, "what was asked for is not asked for again"
    assert {one.state for one in _moves(lab, change.number)} == {"queued"}
    assert sorted(lab.settle()) == ["classify", "reply", "summarise"]
    assert lab.missing(change.number) == []
    assert lab.apply("rui", change.number)


def test_what_lies_upstream_is_not_evaluated(lab: Lab) -> None:
    lab.consuming("reply", "classify", "Politely {{ given }}")
    change = lab.propose("eva", "reply", 2)
    assert [one.name for one in change.moves[0].evaluations] == ["reply"]


def test_nothing_moves_before_all_of_it_passed(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    codes = refusal(lambda: lab.move("rui", SUMMARISE, 2))
    assert codes == ["evaluation_missing"] * 3
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle({"classify": "failed"})
    assert lab.missing(change.number) == ["evaluation_not_passed"]
    assert refusal(lambda: lab.apply("rui", change.number)) == ["evaluation_not_passed"]
    assert refusal(lambda: lab.move("rui", SUMMARISE, 2)) == ["evaluation_not_passed"]


def test_inconclusive_never_passes_and_is_not_tried_again_by_itself(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle({"reply": "inconclusive"})
    assert lab.missing(change.number) == ["evaluation_not_passed"]
    assert lab.start() == 0
    again = lab.does("eva", lambda w: asking.evaluate_change(w, change.number))
    assert {one.name: one.state for one in again} == {
        "summarise": "passed",
        "classify": "passed",
        "reply": "queued",
    }
    lab.settle()
    assert lab.missing(change.number) == []


def test_a_result_that_is_there_counts_for_a_direct_move(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    asked = lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", affected=True)))
    assert len(asked) == 3
    lab.settle()
    assert lab.move("rui", SUMMARISE, 2)


def test_self_asks_for_what_moves_alone(lab: Lab) -> None:
    lab.policy(evaluate="self")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    assert [one.name for one in change.moves[0].evaluations] == [SUMMARISE]


def test_without_a_policy_that_asks_nothing_is_evaluated(lab: Lab) -> None:
    lab.policy()
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    assert change.moves[0].evaluations == ()
    assert lab.start() == 0
    assert lab.move("rui", SUMMARISE, 2)


def test_moves_made_together_are_one_world(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    change = _together(lab, {SUMMARISE: 2, "classify": 2})
    lab.start()
    taken = {}
    while (one := lab.take()) is not None:
        taken[one.orders.candidate.root] = one
        lab.end(one)
    classify = taken["prompt:classify:2"].orders
    assert "prompt:summarise:2" in classify.candidate.parts, "its upstream moves along"
    assert classify.baseline is not None
    assert "prompt:summarise:1" in classify.baseline.parts
    assert "prompt:classify:1" in classify.baseline.parts
    reply = taken["prompt:reply:1"].orders
    assert {"prompt:summarise:2", "prompt:classify:2"} <= set(reply.candidate.parts)
    assert lab.missing(change) == []
    assert lab.apply("rui", change)


# Suites that can't tell


def test_an_artifact_without_a_suite_blocks_or_warns(lab: Lab) -> None:
    lab.publish("alone", "x")
    codes = refusal(lambda: lab.move("rui", "alone", 1))
    assert codes == ["no_suite"]
    lab.policy(evaluate="affected", without_suite="warn")
    change = lab.propose("eva", "alone", 1)
    (requirement,) = change.moves[0].evaluations
    assert (requirement.suite, requirement.blocking) == ("", False)
    assert lab.move("rui", "alone", 1)


def test_a_suite_that_does_not_see_the_change_is_none(lab: Lab) -> None:
    # It renders classify alone: what is upstream takes no part.
    lab.suite("classify-suite", "classify", output={"by": "prompt"})
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    found = {one.name: one.suite for one in change.moves[0].evaluations}
    assert found["classify"] == ""
    assert "no_suite" in lab.missing(change.number)


def test_a_chain_that_ends_too_early_does_not_see_it(lab: Lab) -> None:
    lab.suite("reply-suite", "reply", output={"by": "chain", "depth": 1})
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    found = {one.name: one.suite for one in change.moves[0].evaluations}
    assert (found["classify"], found["reply"]) == ("suite:classify-suite:1", "")


def test_a_suite_that_is_not_live_does_not_count(lab: Lab) -> None:
    lab.suite("draft", SUMMARISE, live=False)
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    own = [one.suite for one in change.moves[0].evaluations if one.name == SUMMARISE]
    assert own == ["suite:summarise-suite:1"]


def test_a_suite_that_the_policy_names_and_is_gone_blocks(lab: Lab) -> None:
    lab.policy(evaluate="self", suites=["nothing@production"])
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    assert lab.missing(change.number) == ["evaluation_not_passed"]
    assert any("There is no suite 'nothing'" in one.message for one in change.missing)


def test_what_decides_must_not_be_loose(lab: Lab) -> None:
    lab.suite("summarise-suite", SUMMARISE, dataset="rows")
    lab.policy(evaluate="self")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    assert set(lab.missing(change.number)) == {"evaluation_missing", "loose_suite"}


# Evidence is for exact digests


@pytest.mark.parametrize(
    "changed", ["an upstream alias", "the baseline", "the suite", "the dataset"]
)
def test_what_moves_meanwhile_makes_it_start_again(lab: Lab, changed: str) -> None:
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", "classify", 2)
    lab.start()
    lab.settle()
    assert lab.missing(change.number) == []
    _shift(lab, changed)
    missing = lab.missing(change.number)
    assert missing
    assert set(missing) <= {"evaluation_missing", "change_conflict"}
    with pytest.raises((Refused, Conflict)):
        lab.apply("rui", change.number)
    assert lab.start() > 0
    lab.settle()
    assert set(lab.missing(change.number)) <= {"change_conflict"}


def test_what_is_under_way_for_nothing_is_cancelled(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    taken = lab.take()
    assert taken is not None
    lab.publish(SUMMARISE, "Shortly {{ message }}")
    lab.edit("eva", change.number, SUMMARISE, 3)
    assert lab.start() == 3
    with pytest.raises(Lost):
        lab.end(taken)
    states = [one.state for one in lab.sees("ada", runs.listed).items]
    assert sorted(states) == ["queued"] * 3 + ["superseded"] * 3


def test_what_somebody_cancelled_is_asked_for_again_only_by_somebody(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    for one in lab.sees("eva", runs.listed).items:
        lab.does("eva", lambda w, one=one: runs.cancel(w, one.number))  # type: ignore[misc]
    assert lab.start() == 0
    assert set(lab.missing(change.number)) == {"evaluation_missing"}
    assert len(lab.does("eva", lambda w: asking.evaluate_change(w, change.number))) == 3
    lab.settle()
    assert lab.missing(change.number) == []


def test_two_changes_that_need_the_same_share_it(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    first = lab.propose("eva", SUMMARISE, 2)
    second = lab.propose("ana", SUMMARISE, 2)
    assert lab.start() == 3
    lab.settle()
    assert lab.missing(first.number) == lab.missing(second.number) == []


def test_deleting_the_alias_is_no_way_round_the_comparison(lab: Lab) -> None:
    lab.points("prompt", "reply", None, "production")
    asked = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    assert asked[0].against == 1, "what was live last is what it is held against"


def test_the_record_tells_on_what_evidence_it_moved(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle()
    lab.apply("rui", change.number)
    entries = lab.sees("ada", lambda v: history.entries(v)).items
    moved = next(one for one in entries if one.type == "alias.moved")
    assert [one["state"] for one in moved.data["evaluations"]] == ["passed"] * 3
    assert {one.type for one in entries} >= {"evaluation.requested", "evaluation.finished"}


# Bypass and rollback


def test_broken_glass_passes_it_and_says_so(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    assert lab.move("ada", SUMMARISE, 2, glass=True, reason="production is on fire")
    from pointsman.app import glass

    (broken,) = lab.sees("ada", glass.list_broken_glass)
    assert any("has not been evaluated" in one for one in broken.passed)


def test_rolling_back_waits_for_nothing(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", affected=True)))
    lab.settle()
    lab.move("rui", SUMMARISE, 2)
    assert lab.move("rui", SUMMARISE, 1)


def test_publishing_with_an_alias_asks_the_gate(lab: Lab) -> None:
    codes = refusal(
        lambda: lab.publish(SUMMARISE, "x {{ message }}", by="ada", aliases=["production"])
    )
    assert "evaluation_missing" in codes


def test_nobody_else_reports_an_evaluation(lab: Lab) -> None:
    from pointsman.app import checks
    from pointsman.errors import InvalidInput

    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    seal = change.moves[0].evaluations[0].seal
    with pytest.raises(InvalidInput) as refused:
        lab.does(
            "ada",
            lambda w: checks.report_about(
                w, {"digest": seal}, name="eval:summarise-suite", state="passed"
            ),
        )
    assert refused.value.code == "reserved_check_name"
    assert "evaluation_missing" in lab.missing(change.number)


# Workers


def test_a_lease_keeps_others_away_until_it_runs_out(lab: Lab) -> None:
    lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    first = lab.take("a")
    assert first is not None
    assert lab.take("b") is None
    lab.now += 2 * SECOND
    second = lab.take("b")
    assert second is not None
    assert second.attempt == 2
    with pytest.raises(Lost):
        lab.end(first, "failed")
    assert lab.end(second).state == "passed"
    with pytest.raises(Lost):
        lab.end(second)


def test_renewing_keeps_the_lease_and_tells_the_progress(lab: Lab) -> None:
    lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    taken = lab.take()
    assert taken is not None
    for _ in range(3):
        lab.now += SECOND // 2
        lab.app.write(
            lab.worker, lambda w: runs.keep_up(w, taken, SECOND, State(2, 3, 1, calls=7, spent=9))
        )
        assert lab.take("b") is None
    (evaluation,) = lab.sees("ana", runs.listed).items
    assert (evaluation.done, evaluation.total, evaluation.reused) == (2, 3, 1)
    assert evaluation.state == "running"
    lab.app.write(lab.worker, lambda w: runs.let_go(w, taken))
    again = lab.take("b")
    assert again is not None
    assert (again.calls, again.spent) == (7, 9), "a cap is for all who work on it together"


def test_what_no_worker_brings_to_its_end_is_given_up(lab: Lab) -> None:
    lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    for _ in range(runs.MAX_ATTEMPTS):
        assert lab.take() is not None
        lab.now += 2 * SECOND
    assert lab.take() is None
    (evaluation,) = lab.sees("ana", runs.listed).items
    assert evaluation.state == "inconclusive"
    assert "none came to its end" in evaluation.summary


def test_cancelling(lab: Lab) -> None:
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    taken = lab.take()
    assert taken is not None
    lab.join("vic", "viewer")
    with pytest.raises(Refused):
        lab.does("vic", lambda w: runs.cancel(w, asked.number))
    assert lab.does("eva", lambda w: runs.cancel(w, asked.number)).state == "cancelled"
    with pytest.raises(Lost):
        lab.app.write(lab.worker, lambda w: runs.keep_up(w, taken, SECOND, State()))
    with pytest.raises(Conflict):
        lab.does("eva", lambda w: runs.cancel(w, asked.number))


# Asking and looking


def test_asking_for_it_again(lab: Lab) -> None:
    def ask(**more: object) -> tuple[Evaluation, ...]:
        return lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1", **more)))

    (first,) = ask()
    assert ask()[0].number == first.number, "it has not ended"
    lab.settle()
    assert ask()[0].number == first.number, "it has a result"
    (again,) = ask(again=True)
    assert (again.number != first.number, again.fresh) == (True, False)
    lab.settle()
    (fresh,) = ask(fresh=True)
    assert fresh.fresh


def test_a_plan_asks_for_nothing(lab: Lab) -> None:
    planned = lab.sees("ana", lambda v: asking.plan(v, wish("summarise:1", affected=True)))
    assert [(one.label, one.state) for one in planned] == [("summarise:1", None)], (
        "what is live already changes nothing downstream"
    )
    assert lab.sees("ana", runs.listed).items == ()


def test_what_can_not_be_evaluated(lab: Lab) -> None:
    lab.publish("alone", "x")
    with pytest.raises(Conflict) as refused:
        lab.does("eva", lambda w: asking.evaluate(w, wish("alone:1")))
    assert refused.value.code == "nothing_to_evaluate"
    with pytest.raises(Conflict) as refused:
        lab.does("eva", lambda w: asking.evaluate(w, wish("alone:1", suites=("reply-suite",))))
    assert refused.value.code == "nothing_to_evaluate"
    for suite in ("nowhere", "reply-suite:9", "reply-suite@nowhere"):
        named = wish("reply:1", suites=("reply-suite", suite))
        with pytest.raises(NotFound):
            lab.does("eva", lambda w, n=named: asking.evaluate(w, n))  # type: ignore[misc]
    assert lab.sees("ana", runs.listed).items == ()
    with pytest.raises(NotFound):
        lab.does("eva", lambda w: asking.evaluate(w, wish("reply:9")))
    with pytest.raises(NotFound):
        lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1", against=9)))
    lab.join("vic", "viewer")
    with pytest.raises(Refused):
        lab.does("vic", lambda w: asking.evaluate(w, wish("reply:1")))


def test_against_another_version(lab: Lab) -> None:
    lab.consuming("reply", "classify", "Politely {{ given }}")
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1", against=2)))
    assert (asked.version, asked.against) == (1, 2)


def test_the_worst_cases_come_first(lab: Lab) -> None:
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    taken = lab.take()
    assert taken is not None
    cases = [
        CaseResult(n, {"a": n}, Side(str(n)), Side("b"), change=change)
        for n, change in enumerate([0.0, -0.5, 0.25, -0.5, -1.0])
    ]
    for half in (cases[:3], cases[3:]):
        lab.app.write(lab.worker, lambda w, half=half: runs.keep_cases(w, taken, half))  # type: ignore[misc]
    found, cursor = [], None
    while True:
        page = lab.sees(
            "ana",
            lambda v, c=cursor: runs.cases(v, asked.number, limit=2, cursor=c),  # type: ignore[misc]
        )
        found += [one.row for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [4, 1, 3, 0, 2]
    in_order = lab.sees("ana", lambda v: runs.cases(v, asked.number, worst_first=False, limit=5))
    assert in_order.items == tuple(cases)


def test_what_was_removed_since_makes_it_inconclusive(lab: Lab) -> None:
    from pointsman.evals.worker import Worker

    lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    lab.publish("rows", [{"input": {"message": "other"}}], kind="dataset")
    lab.points("dataset", "rows", 2, "production")
    lab.does("ada", lambda w: archiving.tombstone(w, "dataset", "rows", 1, "personal data"))
    assert Worker(lab.app, None).work_off() == 1
    (evaluation,) = lab.sees("ana", runs.listed).items
    assert evaluation.state == "inconclusive"
    assert "was removed" in evaluation.summary


def test_changes_that_end_are_not_evaluated(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.does("eva", lambda w: changes.withdraw(w, change.number))
    assert lab.start() == 0
    with pytest.raises(Conflict):
        lab.does("eva", lambda w: asking.evaluate_change(w, change.number))
    late = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.now += 100 * 24 * HOUR
    assert lab.start() == 0
    assert not names([one for one in lab.sees("ana", runs.listed).items if one.state == "queued"])
    assert lab.sees("ana", lambda v: reviewing.show(v, late.number)).state == "expired"


def test_a_making_knows_its_cycle() -> None:
    from pointsman.core.making import Need, Part

    def consumes(label: str) -> tuple[Need, ...]:
        return (Need("consumes", "x", label, "v"),)

    parts = {"a": Part("1", consumes("b")), "b": Part("2", consumes("c")), "c": Part("3")}
    assert Making("a", parts).cycle == ()
    circle = {**parts, "c": replace(parts["c"], needs=consumes("b"))}
    assert Making("a", circle).cycle == ("b", "c", "b")


def _moves(lab: Lab, number: int) -> tuple[Requirement, ...]:
    return lab.sees("ana", lambda v: reviewing.show(v, number)).moves[0].evaluations


def _together(lab: Lab, wanted: dict[str, int]) -> int:

    moves = [
        Wanted("prompt", name, "production", Target(version=version))
        for name, version in wanted.items()
    ]
    proposal = Proposal("both", moves, "better together")
    return lab.does("eva", lambda w: changes.propose(w, proposal)).number


def _shift(lab: Lab, what: str) -> None:
    """Move something that an evaluation of classify:2 depends on."""
    if what == "an upstream alias":
        lab.points("prompt", SUMMARISE, 2, "production")
    elif what == "the baseline":
        lab.consuming("classify", SUMMARISE, "Other {{ given }}")
        lab.points("prompt", "classify", 3, "production")
    elif what == "the suite":
        lab.suite("classify-suite", "classify", trials=2)
    else:
        lab.publish("rows", [{"input": {"message": "new"}}], kind="dataset")
        lab.points("dataset", "rows", 2, "production")


# What is stale


def test_moving_an_alias_makes_evidence_downstream_stale_and_tells_its_owners(lab: Lab) -> None:
    asked = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    lab.settle()
    lab.does("ada", lambda w: members.set_owner(w, "prompt", "reply", "ana@example.com"))
    selector = parse_selector("reply@production")
    (fresh,) = lab.sees("ana", lambda v: standing.standings(v, selector))
    assert (fresh.state, fresh.evaluation, fresh.stale) == ("passed", asked[0].number, ())
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.points("prompt", SUMMARISE, 2, "production")
    (stale,) = lab.sees("ana", lambda v: standing.standings(v, selector))
    assert stale.stale == ("prompt:summarise is version 2, and was version 1",)
    entries = lab.sees("ada", lambda v: history.entries(v)).items
    (told,) = [one for one in entries if one.type == "evidence.stale"]
    assert told.data["name"] == "reply", "classify never was evaluated"
    assert told.data["because"] == ["prompt:summarise@production"]
    assert told.data["owners"] == ["ana@example.com"]
    lab.suite("reply-suite", "reply", trials=2)
    (other,) = lab.sees("ana", lambda v: standing.standings(v, selector))
    assert "suite:reply-suite:2 is live" in other.stale[0]
    with pytest.raises(NotFound):
        lab.sees("ana", lambda v: standing.standings(v, parse_selector("reply@gone")))


def test_what_was_evaluated_with_the_move_is_not_stale_after_it(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle()
    lab.apply("rui", change.number)
    entries = lab.sees("ada", lambda v: history.entries(v)).items
    assert not [one for one in entries if one.type == "evidence.stale"]
    applied = lab.sees("ana", lambda v: reviewing.show(v, change.number))
    (move,) = applied.moves
    assert [(one.label, one.state) for one in move.evaluations] == [
        ("summarise:2", "passed"),
        ("classify:1", "passed"),
        ("reply:1", "passed"),
    ]
    assert (move.conflict, move.missing) == ("", ())


def test_nothing_is_told_where_nothing_was_evaluated(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.points("prompt", SUMMARISE, 2, "production")
    entries = lab.sees("ada", lambda v: history.entries(v)).items
    assert not [one for one in entries if one.type == "evidence.stale"]


# What a narrow key may


def test_a_narrow_caller_is_told_and_asks_of_nothing_else(lab: Lab) -> None:
    caller = lab.caller("eva")
    scope = Scope(artifacts=SUMMARISE + "*")
    narrow = replace(caller, actor=replace(caller.actor, scope=scope))
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    planned = lab.app.read(narrow, lambda v: asking.plan(v, wish("summarise:2", affected=True)))
    assert [one.name for one in planned] == [SUMMARISE]
    for affected in (True, False):  # the rows of the suite are not the caller's to read either
        with pytest.raises(Refused):
            lab.app.write(
                narrow,
                lambda w, a=affected: asking.evaluate(w, wish("summarise:2", affected=a)),  # type: ignore[misc]
            )
    assert lab.sees("ana", runs.listed).items == ()
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2")))
    assert lab.app.read(narrow, runs.listed).items == ()


# What counts of several runs of the same


def test_a_run_that_came_to_nothing_takes_no_result_away(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle()
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", fresh=True)))
    assert lab.missing(change.number) == [], "what passed stands while it runs again"
    lab.settle({SUMMARISE: "inconclusive"})
    assert lab.missing(change.number) == []
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", fresh=True)))
    lab.settle({SUMMARISE: "failed"})
    assert lab.missing(change.number) == ["evaluation_not_passed"], "the last result counts"


def test_what_failed_before_it_passed_is_told(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    (first,) = lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2")))
    lab.settle({SUMMARISE: "failed"})
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", again=True)))
    lab.settle()
    own = lab.sees("ana", lambda v: reviewing.show(v, change.number)).moves[0].evaluations[0]
    assert (own.state, own.failed) == ("failed", (first.number,)), "an editor can't try again"
    lab.does("ana", lambda w: asking.evaluate(w, wish("summarise:2", again=True)))
    lab.settle()
    own = lab.sees("ana", lambda v: reviewing.show(v, change.number)).moves[0].evaluations[0]
    assert (own.state, own.failed) == ("passed", (first.number,)), "who may approve can"
    lab.apply("rui", change.number)
    entries = lab.sees("ada", lambda v: history.entries(v)).items
    moved = next(one for one in entries if one.type == "alias.moved")
    assert moved.data["evaluations"][0]["failed"] == [first.number]


def test_the_result_for_what_is_live_comes_before_a_later_one_for_something_else(lab: Lab) -> None:
    (live,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    lab.settle()
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", affected=True)))
    lab.settle({"reply": "failed"})
    found = lab.sees("ana", lambda v: standing.standings(v, parse_selector("reply@production")))
    assert [(one.evaluation, one.state, one.stale) for one in found] == [
        (live.number, "passed", ())
    ]


# Ways round


def test_each_version_of_a_split_is_evaluated_downstream(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    split = Target(split=(Arm(1, 1), Arm(2, 999)))
    moves = [Wanted("prompt", SUMMARISE, "production", split)]
    proposal = Proposal("canary", moves, "a little of it")
    change = lab.does("eva", lambda w: changes.propose(w, proposal))
    lab.start()
    made_of = set()
    while (taken := lab.take()) is not None:
        parts = taken.orders.candidate.parts
        made_of |= {(taken.orders.candidate.root, one) for one in parts if SUMMARISE in one}
        broken = "prompt:summarise:2" in parts and "classify" in taken.orders.candidate.root
        lab.end(taken, "failed" if broken else "passed")
    assert ("prompt:classify:1", "prompt:summarise:2") in made_of
    assert lab.missing(change.number) == ["evaluation_not_passed"]


def test_going_back_along_with_a_move_forward_is_evaluated(lab: Lab) -> None:
    lab.consuming("classify", SUMMARISE, "Better {{ given }}")
    lab.points("prompt", "classify", 2, "production")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    wishes = [
        releases.Wish("prompt", SUMMARISE, "production", Target(version=2)),
        releases.Wish("prompt", "classify", "production", Target(version=1)),
    ]
    codes = refusal(lambda: lab.does("rui", lambda w: releases.release(w, wishes, "because")))
    assert set(codes) == {"evaluation_missing"}
    lab.does("rui", lambda w: releases.release(w, wishes[1:], "back, by itself"))


def test_what_no_variable_takes_is_not_seen(lab: Lab) -> None:
    takes = Dependency("consumes", "summarise@production")
    lab.publish("classify", "Given {{ given }}", dependencies=[takes])
    lab.points("prompt", "classify", 2, "production")
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    change = lab.propose("eva", SUMMARISE, 2)
    found = {one.name: one.suite for one in change.moves[0].evaluations}
    assert found["classify"] == ""


def test_a_suite_is_not_rolled_back_freely(lab: Lab) -> None:
    lab.policy(evaluate="affected", approvals=1)
    lab.suite("summarise-suite", SUMMARISE, trials=2)
    wishes = [releases.Wish("suite", "summarise-suite", "production", Target(version=1))]
    codes = refusal(lambda: lab.does("rui", lambda w: releases.release(w, wishes, "easier")))
    assert "approvals_missing" in codes


def test_suites_are_those_of_the_alias_that_is_affected(lab: Lab) -> None:
    lab.publish("churn", {"uri": "s3://a"}, kind="model")
    lab.points("model", "churn", 1, "champion")
    uses = Dependency("uses", "model:churn@champion")
    lab.publish("mail", "About {{ message }}", dependencies=[uses])
    lab.points("prompt", "mail", 1, "production")
    lab.suite("mail-suite", "mail", output={"by": "command", "argv": ["x"]})
    lab.policy(name="champions", aliases="champion", evaluate="affected", without_suite="warn")
    lab.publish("churn", {"uri": "s3://b"}, kind="model")
    wishes = [releases.Wish("model", "churn", "champion", Target(version=2))]
    codes = refusal(lambda: lab.does("rui", lambda w: releases.release(w, wishes, "because")))
    assert "evaluation_missing" in codes


def test_what_was_removed_is_not_shown_in_reports_any_more(lab: Lab) -> None:
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish("reply:1")))
    taken = lab.take()
    assert taken is not None
    case = CaseResult(0, {"message": "a secret"}, Side("out"))
    lab.app.write(lab.worker, lambda w: runs.keep_cases(w, taken, [case]))
    lab.end(taken)
    lab.publish("rows", [{"input": {"message": "other"}}], kind="dataset")
    lab.points("dataset", "rows", 2, "production")
    lab.does("ada", lambda w: archiving.tombstone(w, "dataset", "rows", 1, "personal data"))
    with pytest.raises(Gone):
        lab.sees("ana", lambda v: runs.cases(v, asked.number))


def test_an_approval_is_for_what_these_suites_and_rows_tell(lab: Lab) -> None:
    lab.publish(SUMMARISE, "Briefly {{ message }}")
    lab.policy(evaluate="affected", approvals=1)
    change = lab.propose("eva", SUMMARISE, 2)
    lab.start()
    lab.settle()
    lab.approve("ana", change.number)
    assert lab.missing(change.number) == []
    lab.publish("rows", [{"input": {"message": "easier"}}], kind="dataset")
    lab.points("dataset", "rows", 2, "production")
    lab.start()
    lab.settle()
    assert lab.missing(change.number) == ["approvals_missing"]
    (opinion,) = lab.sees("ana", lambda v: reviewing.show(v, change.number)).opinions
    assert "dataset:rows" in opinion.why


def test_what_is_consumed_by_an_alias_that_nobody_governs_is_loose(lab: Lab) -> None:
    lab.points("prompt", SUMMARISE, 1, "draft")
    takes = Dependency("consumes", "summarise@draft", "given")
    lab.publish("classify", "Given {{ given }}", dependencies=[takes])
    change = lab.propose("eva", "classify", 2)
    assert "loose_include" in lab.missing(change.number)
