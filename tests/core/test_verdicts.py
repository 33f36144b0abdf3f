"""What must hold, held against scores: nothing passes by accident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.evaluation import Held
from pointsman.core.suites import parse_suite
from pointsman.core.verdicts import Measured, hold, metrics_of, outcome_of

SEED = b"seed"


def suite(*criteria: dict[str, Any], minimum: int = 20) -> Any:
    return parse_suite(
        {
            "for": ["*"],
            "dataset": "d:1",
            "scorers": [{"name": "correct", "by": "exact"}],
            "hold": list(criteria),
            "minimum": minimum,
        }
    )


def rows(
    candidate: Sequence[float | None],
    baseline: Sequence[float | None] | None = None,
    metric: str = "correct",
) -> list[Measured]:
    return [
        Measured(
            place,
            {metric: value},
            None if baseline is None else {metric: baseline[place]},
            {"half": "first" if place < len(candidate) / 2 else "second"},
            "the model was away" if value is None else "",
        )
        for place, value in enumerate(candidate)
    ]


def one(criterion: dict[str, Any], measured: list[Measured], minimum: int = 20) -> Held:
    (held,) = hold(suite(criterion, minimum=minimum), measured, SEED)
    return held


AT_LEAST: dict[str, Any] = {"metric": "correct", "at_least": 0.9}
NOT_WORSE = {"metric": "correct", "not_worse_by": 0.02}


def test_a_threshold() -> None:
    assert one(AT_LEAST, rows([1.0] * 9 + [0.0])).outcome == "passed", "the bound itself is enough"
    failed = one(AT_LEAST, rows([1.0] * 8 + [0.0, 0.0]))
    assert (failed.outcome, failed.candidate, failed.rows) == ("failed", 0.8, (8, 9))
    assert "is 0.8" in failed.message
    dear = {"metric": "cost", "of": "total", "at_most": 1.0}
    added = one(dear, rows([0.4, 0.8, 0.1], metric="cost"))
    assert (added.outcome, added.rows) == ("failed", (1, 0, 2)), "each adds to a total"


def test_rows_without_a_score_decide_only_where_they_can() -> None:
    assert one(AT_LEAST, rows([1.0] * 95 + [None])).outcome == "passed", "at worst it is 0.99"
    unsure = one(AT_LEAST, rows([1.0] * 9 + [None, 0.0]))
    assert (unsure.outcome, unsure.rows) == ("inconclusive", (9,))
    assert "the model was away" in unsure.message
    assert one(AT_LEAST, rows([0.0] * 9 + [None])).outcome == "failed", "at best it is 0.1"
    assert one(AT_LEAST, rows([None] * 3)).outcome == "inconclusive"


def test_figures_without_a_value_are_never_guessed() -> None:
    cheap = {"metric": "cost", "at_most": 1.0, "of": "total"}
    assert one(cheap, rows([0.1, 0.1], metric="cost")).outcome == "passed"
    assert one(cheap, rows([0.9, 0.9], metric="cost")).outcome == "failed"
    assert one(cheap, rows([0.1, None], metric="cost")).outcome == "inconclusive"
    slow = {"metric": "latency", "at_most": 1.0, "of": "p95"}
    assert one(slow, rows([0.1] * 99 + [50.0], metric="latency")).outcome == "passed"
    assert one({**slow, "of": "max"}, rows([0.1] * 99 + [50.0], metric="latency")).rows[0] == 99


def test_not_one_row_may_fail() -> None:
    each = {"metric": "correct", "each_at_least": 1.0}
    assert one(each, rows([1.0] * 5)).outcome == "passed"
    failed = one(each, rows([1.0, 0.5, 0.0]))
    assert (failed.outcome, failed.rows) == ("failed", (2, 1))
    assert one(each, rows([1.0, None])).outcome == "inconclusive"
    assert one(each, rows([0.0, None])).outcome == "failed"


def test_slices() -> None:
    second = {**AT_LEAST, "slice": {"half": "second"}}
    assert one(second, rows([0.0] * 5 + [1.0] * 5)).outcome == "passed"
    assert one({**AT_LEAST, "slice": {"half": "third"}}, rows([1.0] * 4)).outcome == "inconclusive"


def test_a_comparison() -> None:
    same = rows([1.0, 0.0] * 30, [1.0, 0.0] * 30)
    assert one(NOT_WORSE, same).outcome == "passed"
    worse = one(NOT_WORSE, rows([0.0] * 30 + [1.0] * 30, [1.0] * 60))
    assert (worse.outcome, worse.candidate, worse.baseline) == ("failed", 0.5, 1.0)
    assert worse.rows[:3] == (0, 1, 2)
    unsure = one(NOT_WORSE, rows([0.0] + [1.0] * 59, [1.0] * 60))
    assert unsure.outcome == "inconclusive"
    assert "too few" in unsure.message


def test_too_few_rows_and_nothing_to_compare_with() -> None:
    assert one(NOT_WORSE, rows([1.0] * 19, [1.0] * 19)).outcome == "inconclusive"
    assert one(NOT_WORSE, rows([1.0] * 19, [1.0] * 19), minimum=10).outcome == "passed"
    first = one(NOT_WORSE, rows([0.0] * 3))
    assert (first.outcome, first.baseline) == ("passed", None)
    assert "nothing was live" in first.message


def test_missing_scores_in_a_comparison() -> None:
    ours: list[float | None] = [1.0] * 100
    theirs: list[float | None] = [1.0] * 100
    assert one(NOT_WORSE, rows([None, *ours], [1.0, *theirs])).outcome == "inconclusive"
    assert one(NOT_WORSE, rows([1.0, *ours], [None, *theirs])).outcome == "inconclusive"
    lost: list[float | None] = [0.0] * 90
    assert one(NOT_WORSE, rows([None, *lost], [1.0] * 91)).outcome == "failed"


def test_costs_are_worse_when_higher() -> None:
    dear = {"metric": "cost", "not_worse_by": 0.1}
    assert one(dear, rows([1.0] * 30, [2.0] * 30, "cost")).outcome == "passed"
    failed = one(dear, rows([2.0] * 30, [1.0] * 30, "cost"))
    assert (failed.outcome, len(failed.rows)) == ("failed", 20)


def test_a_scorer_that_is_for_some_rows_only() -> None:
    partly = parse_suite(
        {
            "for": ["*"],
            "dataset": "d:1",
            "scorers": [{"name": "correct", "by": "exact", "slice": {"half": "first"}}],
            "hold": [AT_LEAST],
        }
    )
    measured = rows([1.0, 1.0, None, None])
    (held,) = hold(partly, measured, SEED)
    assert held.outcome == "passed", "the others were never to be scored"
    correct = metrics_of(partly, measured)[0]
    assert (correct.candidate.rows, correct.candidate.errors) == (2, 0)
    assert correct.slices["half=second"][0].errors == 0


def test_all_of_it_must_hold() -> None:
    good, bad = Held("a", "passed", "A."), Held("b", "failed", "B.")
    unsure = Held("c", "inconclusive", "C.")
    assert outcome_of([good]) == ("passed", "A.")
    assert outcome_of([good, unsure]) == ("inconclusive", "C.")
    assert outcome_of([unsure, bad, good]) == ("failed", "B.")


scores = st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=1, max_size=40)


@given(scores, st.floats(0, 1), st.data())
def test_a_verdict_never_depends_on_what_is_missing(
    values: list[float | None], bound: float, data: st.DataObject
) -> None:
    """Whatever the missing scores turn out to be, what was decided without them stays."""
    criterion = {"metric": "correct", "at_least": bound}
    found = one(criterion, rows(values)).outcome
    if found == "inconclusive":
        return
    filled = [data.draw(st.sampled_from([0.0, 1.0])) if v is None else v for v in values]
    assert one(criterion, rows(filled)).outcome == found


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, None]), st.sampled_from([0.0, 1.0])),
                min_size=20, max_size=60), st.data())  # fmt: skip
def test_nor_does_a_comparison(
    pairs: list[tuple[float | None, float]], data: st.DataObject
) -> None:
    baseline = [theirs for _, theirs in pairs]
    found = one(NOT_WORSE, rows([mine for mine, _ in pairs], baseline)).outcome
    filled = [data.draw(st.sampled_from([0.0, 1.0])) if mine is None else mine for mine, _ in pairs]
    if found != "inconclusive":
        assert one(NOT_WORSE, rows(filled, baseline)).outcome == found


def test_metrics_are_told_by_slice() -> None:
    found = metrics_of(suite(AT_LEAST), rows([1.0, 0.0, None, 1.0], [1.0] * 4))
    correct = found[0]
    assert (correct.candidate.rows, correct.candidate.errors) == (3, 1)
    assert correct.baseline is not None
    assert set(correct.slices) == {"half=first", "half=second"}
    assert correct.slices["half=second"][0].errors == 1
    assert [one.name for one in found] == ["correct", "cost", "latency", "tokens"]
