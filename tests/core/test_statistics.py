"""The statistics of evaluations: against SciPy, in simulations, and as properties."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pointsman.core.statistics import (
    MOST_RESAMPLED,
    Bounds,
    Comparison,
    Pairs,
    compare,
    corrected_confidence,
    mcnemar,
    mean,
    paired_bounds,
    paired_proportions,
    percentile,
    rows_to_tell,
)

Rows = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Rows]

SEED = b"a digest"
RUNS = 2_000
CONFIDENCE = 0.95

# Sixteenths: sums and shifts of them are exact, so that what should be equal is.
sixteenths = st.integers(-16, 16).map(lambda number: number / 16)
differences = st.lists(sixteenths, min_size=2, max_size=60)
counts = st.integers(0, 40)


def noise(random: np.random.Generator, rows: int) -> Rows:
    return random.normal(0, 0.2, rows)


def flips(random: np.random.Generator, rows: int) -> Rows:
    """Most rows agree; some change by a part of the score, either way."""
    return (random.random(rows) < 0.2) * random.uniform(-1, 1, rows)


def losses(random: np.random.Generator, rows: int) -> Rows:
    """One row in ten loses a part of its score, on average half of it, so 0.05 in all."""
    return -1.0 * (random.random(rows) < 0.1) * random.random(rows)


def noisy_losses(random: np.random.Generator, rows: int) -> Rows:
    """A little noise everywhere, and one row in ten that loses half."""
    return random.normal(0, 0.05, rows) - 0.5 * (random.random(rows) < 0.1)


def draw_pairs(random: np.random.Generator, rows: int, better: float, worse: float) -> Pairs:
    same, up, down = random.multinomial(rows, [1 - better - worse, better, worse])
    return Pairs(int(same), int(up), int(down), 0)


def most(probability: float, runs: int = RUNS) -> float:
    """The share of runs that such a probability exceeds once in a thousand times."""
    return float(stats.binom.ppf(0.999, runs, probability)) / runs


# Agreement with SciPy.


def test_mcnemar_is_the_exact_binomial_test() -> None:
    random = np.random.default_rng(1)
    for b, c in random.integers(0, 60, (1_000, 2)).tolist():
        expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
        assert mcnemar(b, c) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("b", "c"), [(499, 501), (450, 551), (700, 800), (40_000, 40_700), (0, 9)])
def test_mcnemar_of_many_rows(b: int, c: int) -> None:
    assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c).pvalue, rel=1e-6)
    assert mcnemar(c, b) == mcnemar(b, c)


def test_without_better_rows_the_bound_is_clopper_and_pearsons() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        rows = int(random.integers(1, 400))
        worse = int(random.integers(0, rows + 1))
        confidence = float(random.uniform(0.8, 0.999))
        bounds = paired_proportions(rows - worse, 0, worse, 0, confidence)
        exact = stats.binomtest(worse, rows, alternative="less").proportion_ci(confidence)
        assert bounds.lower == pytest.approx(-exact.high, abs=1e-7)


def test_many_rows_get_students_bounds_corrected_for_skewness() -> None:
    random = np.random.default_rng(3)
    for _ in range(1_000):
        rows = int(random.integers(MOST_RESAMPLED + 2, 400))
        sample = random.normal(0, 1, rows) ** int(random.integers(1, 4))
        bounds = paired_bounds(sample.tolist(), CONFIDENCE, seed=SEED)
        error = stats.sem(sample)
        skew = stats.skew(sample) / math.sqrt(rows)

        quantile = stats.t.ppf(CONFIDENCE, rows - 1)
        for side, bound in ((1, bounds.lower), (-1, bounds.upper)):
            t = side * (sample.mean() - bound) / error
            lean = side * skew
            straight = t + lean * t**2 / 3 + lean**2 * t**3 / 27 + lean / 6
            # The more careful of the two: one of them holds exactly, the other with room.
            assert min(straight, t) == pytest.approx(quantile, abs=1e-6)


@pytest.mark.parametrize("rows", [40, 150, 1_000])
def test_symmetric_differences_get_students_bounds(rows: int) -> None:
    random = np.random.default_rng(rows)
    for number in range(20):
        half = random.normal(0, 0.2, rows // 2)
        sample = np.concatenate([0.1 + half, 0.1 - half])
        bounds = paired_bounds(sample.tolist(), CONFIDENCE, seed=bytes([number]))
        student = stats.ttest_1samp(sample, 0).confidence_interval(2 * CONFIDENCE - 1)
        error = stats.sem(sample)
        assert bounds.lower == pytest.approx(student.low, abs=0.25 * error)
        assert bounds.upper == pytest.approx(student.high, abs=0.25 * error)


@pytest.mark.parametrize("draw", [noise, flips, noisy_losses])
def test_the_bootstrap_is_near_bca(draw: Draw) -> None:
    random = np.random.default_rng(5)
    for _ in range(12):
        sample = draw(random, 200)
        bounds = paired_bounds(sample.tolist(), CONFIDENCE, seed=SEED)
        bca = stats.bootstrap(
            (sample,), np.mean, confidence_level=2 * CONFIDENCE - 1, n_resamples=4_000, rng=random
        ).confidence_interval
        assert bounds.lower == pytest.approx(bca.low, abs=0.3 * stats.sem(sample))
        assert bounds.upper == pytest.approx(bca.high, abs=0.3 * stats.sem(sample))


@pytest.mark.parametrize("draw", [noise, flips, noisy_losses])
def test_the_bootstrap_is_the_plain_studentized_one(draw: Draw) -> None:
    random = np.random.default_rng(6)
    for _ in range(6):
        sample = draw(random, 100)
        bounds = paired_bounds(sample.tolist(), CONFIDENCE, seed=SEED, resamples=20_000)
        drawn = sample[random.integers(0, 100, (20_000, 100))]
        ratios = (drawn.mean(1) - sample.mean()) / (drawn.std(1, ddof=1) / 10)
        low, high = np.quantile(ratios, [1 - CONFIDENCE, CONFIDENCE])
        student = stats.t.ppf(CONFIDENCE, 99)
        low, high = min(low, -student), max(high, student)
        error = stats.sem(sample)
        assert bounds.lower == pytest.approx(sample.mean() - high * error, abs=0.12 * error)
        assert bounds.upper == pytest.approx(sample.mean() - low * error, abs=0.12 * error)


def test_percentiles_and_means_are_numpys() -> None:
    random = np.random.default_rng(7)
    for _ in range(1_000):
        values = random.normal(0, 100, int(random.integers(1, 50)))
        q = float(random.uniform(0, 100))
        assert percentile(values.tolist(), q) == pytest.approx(np.percentile(values, q))
        assert mean(values.tolist()) == pytest.approx(values.mean())
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([1.0, 2.0], 100) == 2.0


# What the confidence promises.


@pytest.mark.parametrize("rows", [20, 28])
def test_bounds_of_proportions_hold_for_every_truth(rows: int) -> None:
    """Counted out over all samples, not drawn: the lower bound's misses, at many truths."""
    up, down = np.meshgrid(np.arange(rows + 1), np.arange(rows + 1), indexing="ij")
    possible = up + down <= rows
    lower = np.full(up.shape, -1.0)
    for better, worse in zip(up[possible].tolist(), down[possible].tolist(), strict=True):
        if better <= 12:  # more of them have no weight at the truths below
            same = rows - better - worse
            lower[better, worse] = paired_proportions(same, better, worse, 0, CONFIDENCE).lower
    same = np.where(possible, rows - up - down, 0)
    for better, drop in itertools.product((0.0, 0.01, 0.03, 0.1), np.linspace(0.005, 0.6, 60)):
        worse = better + drop
        chances = np.where(
            possible,
            stats.multinomial.pmf(
                np.stack([up, down, same], -1), rows, [better, worse, 1 - better - worse]
            ),
            0,
        )
        misses = chances[lower > -drop + 1e-9].sum()
        assert misses <= 1 - CONFIDENCE + 1e-6, (better, drop)


@pytest.mark.parametrize(
    ("better", "worse", "same"), [(1, 1, 18), (1, 0, 30), (5, 3, 32), (7, 2, 1), (30, 60, 900)]
)
def test_bounds_of_proportions_are_quantiles_of_weights(better: int, worse: int, same: int) -> None:
    random = np.random.default_rng(13)
    weights = random.dirichlet([better, same, worse + 1], 400_000)
    bound = paired_proportions(same, better, worse, 0, CONFIDENCE).lower
    below = float((weights[:, 0] - weights[:, 2] < bound).mean())
    assert below == pytest.approx(1 - CONFIDENCE, abs=0.0015)


def test_yes_and_no_fail_when_mcnemar_rejects() -> None:
    for better, worse in itertools.product(range(16), range(20)):
        if not better + worse:
            continue
        bounds = paired_proportions(40 - better - worse, better, worse, 0, CONFIDENCE)
        one_sided = stats.binomtest(worse, better + worse, alternative="greater").pvalue
        assert (bounds.upper < 0) == (one_sided < 1 - CONFIDENCE)


def test_with_no_true_difference_a_family_seldom_fails() -> None:
    """With the narrowest margin there is: any wider one fails less."""
    random = np.random.default_rng(8)
    refused = 0
    for _ in range(RUNS):
        family: list[Pairs | list[float]] = [
            flips(random, 40).tolist(),
            noise(random, MOST_RESAMPLED + 10).tolist(),
            draw_pairs(random, 60, 0.1, 0.1),
        ]
        refused += any(
            _compared(one, 0.0, family=len(family), resamples=700).outcome == "failed"
            for one in family
        )
    assert refused / RUNS <= most(1 - CONFIDENCE)


def test_without_the_correction_a_family_fails_more_often() -> None:
    """The simulation can tell: four criteria, each at its own confidence, refuse too often."""
    runs = 800
    random = np.random.default_rng(9)
    refused = sum(
        any(_compared(noise(random, 310).tolist(), 0.0).outcome == "failed" for _ in range(4))
        for _ in range(runs)
    )
    assert refused / runs > most(1 - CONFIDENCE, runs)


@pytest.mark.parametrize(
    ("draw", "rows", "drop"),
    [
        (noise, 30, 0.0),
        (noise, 350, 0.0),
        (flips, 60, 0.0),
        (losses, 80, 0.05),
        (noisy_losses, 40, 0.05),
        (noisy_losses, 400, 0.05),
    ],
)
def test_a_drop_of_the_margin_seldom_passes(draw: Draw, rows: int, drop: float) -> None:
    random = np.random.default_rng(rows)
    margin = 0.05
    passed = sum(
        _compared((draw(random, rows) - (margin - drop)).tolist(), margin).outcome == "passed"
        for _ in range(RUNS)
    )
    assert passed / RUNS <= most(1 - CONFIDENCE)


@pytest.mark.parametrize(("rows", "better"), [(59, 0.0), (80, 0.05), (120, 0.02)])
def test_a_drop_of_the_margin_seldom_passes_for_yes_and_no(rows: int, better: float) -> None:
    random = np.random.default_rng(rows)
    passed = sum(
        _compared(draw_pairs(random, rows, better, better + 0.05), 0.05).outcome == "passed"
        for _ in range(RUNS)
    )
    assert passed / RUNS <= most(1 - CONFIDENCE)


@pytest.mark.parametrize(
    ("rows", "margin", "spread"), [(50, 0.05, 0.2), (50, 0.02, 0.2), (400, 0.03, 0.4)]
)
def test_a_drop_beyond_the_margin_is_caught_as_often_as_said(
    rows: int, margin: float, spread: float
) -> None:
    random = np.random.default_rng(10)
    found = [
        _compared(random.normal(-2 * margin, spread, rows).tolist(), margin) for _ in range(400)
    ]
    _caught_as_said(found)


@pytest.mark.parametrize(
    ("rows", "margin", "better"), [(100, 0.05, 0.05), (60, 0.05, 0.0), (120, 0.1, 0.1)]
)
def test_yes_and_no_are_caught_as_often_as_said(rows: int, margin: float, better: float) -> None:
    random = np.random.default_rng(11)
    found = [
        _compared(draw_pairs(random, rows, better, better + 2 * margin), margin) for _ in range(250)
    ]
    _caught_as_said(found)


def test_the_smallest_detectable_drop_is_caught_four_times_in_five() -> None:
    random = np.random.default_rng(12)
    drop = _compared(random.normal(0, 0.2, 60).tolist(), 0.05).smallest_detectable
    assert drop is not None
    shares = [
        _compared(random.normal(-drop, 0.2, 60).tolist(), 0.05).outcome == "failed"
        for _ in range(400)
    ]
    assert np.mean(shares) == pytest.approx(0.8, abs=0.1)
    yes_no = _compared(Pairs(40, 3, 3, 54), 0.05).smallest_detectable
    assert yes_no is not None
    drawn = (draw_pairs(random, 100, 0.03, 0.03 + yes_no) for _ in range(400))
    caught = [_compared(pairs, 0.05).outcome == "failed" for pairs in drawn]
    assert np.mean(caught) == pytest.approx(0.8, abs=0.1)


# Outcomes.


@pytest.mark.parametrize("rows", [20, 21, 400])
@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_a_candidate_that_answers_alike_passes(rows: int, margin: float) -> None:
    scored = _compared([0.0] * rows, margin)
    answered = _compared(Pairs(rows - 5, 0, 0, 5), margin)
    assert scored.outcome == answered.outcome == "passed"
    assert scored.bounds == Bounds(0.0, 0.0, 0.0)
    assert scored.power is None
    assert scored.smallest_detectable is None
    assert answered.bounds.lower < 0 < answered.bounds.upper


@pytest.mark.parametrize("difference", [0.0, 0.5, -1.0])
def test_too_few_rows_are_inconclusive_whatever_they_say(difference: float) -> None:
    for few in ([difference], [difference] * 19):
        found = _compared(few, 0.05)
        assert (found.outcome, found.power) == ("inconclusive", 0.0)
        assert found.smallest_detectable is None
    assert _compared(Pairs(0, 0, 19, 0), 0.05).outcome == "inconclusive"
    assert _compared([difference] * 20, 0.05).outcome == ("failed" if difference < 0 else "passed")


def test_rows_get_the_outcome_that_they_show() -> None:
    assert _compared([-0.5, -0.4, -0.6, 0.0] * 10, 0.05).outcome == "failed"
    assert _compared([-0.5, 0.5, 0.0, 0.1] * 5, 0.05).outcome == "inconclusive"
    assert _compared([-0.1, 0.1, 0.0, 0.0] * 50, 0.05).outcome == "passed"
    assert _compared(Pairs(40, 0, 10, 0), 0.05).outcome == "failed"
    assert _compared(Pairs(40, 0, 4, 0), 0.05).outcome == "inconclusive"
    assert _compared(Pairs(500, 3, 4, 0), 0.05).outcome == "passed"
    # A drop is proven, but by the best estimate it is within the margin.
    within = _compared([-0.04, -0.05, -0.04, -0.05] * 10, 0.045 + 1e-9)
    assert within.bounds.upper < 0
    assert within.outcome == "inconclusive"


def test_a_drop_of_just_the_margin_passes_where_the_rows_leave_no_doubt() -> None:
    assert _compared([0.85 - 0.9, 0.3 - 0.35] * 20, 0.05).outcome == "passed"


def test_rounding_makes_no_row_worse() -> None:
    found = _compared([0.3 - 0.1 - 0.2] * 30, 0.0)
    assert (found.worse, found.better, found.outcome) == (0, 0, "passed")


def test_a_comparison_counts_its_rows() -> None:
    found = _compared([0.5, -0.5, -0.25, 0.0] * 10, 0.05, family=3)
    assert (found.rows, found.better, found.worse) == (40, 10, 20)
    assert (found.margin, found.confidence, found.family) == (0.05, CONFIDENCE, 3)
    pairs = _compared(Pairs(10, 3, 2, 20), 0.05)
    assert (pairs.rows, pairs.better, pairs.worse) == (35, 3, 2)


def test_a_family_widens_what_refuses_and_nothing_else() -> None:
    rows: list[list[float] | Pairs] = [[-0.3, 0.2, 0.0, 0.1] * 10, Pairs(50, 5, 9, 50)]
    for paired in rows:
        alone, together = (_compared(paired, 0.05, family=count) for count in (1, 4))
        assert together.bounds.lower == alone.bounds.lower
        assert together.bounds.upper > alone.bounds.upper
        assert together.power is not None
        assert alone.power is not None
        assert together.power < alone.power


def test_rows_to_tell_rule_out_the_margin() -> None:
    assert rows_to_tell(0.05, 0.95) == 59
    for margin, confidence in itertools.product((0.01, 0.05, 0.2), (0.9, 0.95, 0.99)):
        rows = rows_to_tell(margin, confidence)
        assert paired_proportions(rows, 0, 0, 0, confidence).lower >= -margin
        assert paired_proportions(rows - 1, 0, 0, 0, confidence).lower < -margin


def test_corrected_confidences_add_up() -> None:
    assert corrected_confidence(0.95, 1) == pytest.approx(0.95)
    assert corrected_confidence(0.95, 5) == pytest.approx(0.99)


# Properties.


@given(differences, st.randoms(use_true_random=False), st.integers(-32, 32))
@settings(max_examples=60, deadline=None)
def test_order_and_a_constant_change_nothing(values: list[float], random: object, by: int) -> None:
    bounds = paired_bounds(values, CONFIDENCE, seed=SEED, resamples=300)
    assert paired_bounds(values[::-1], CONFIDENCE, seed=SEED, resamples=300) == bounds
    moved = paired_bounds([one + by / 16 for one in values], CONFIDENCE, seed=SEED, resamples=300)
    assert _near(moved, bounds, by / 16, 1.0)


@given(differences, st.sampled_from([0.125, 2.0, 1024.0]))
@settings(max_examples=60, deadline=None)
def test_bounds_are_in_the_units_of_the_scores(values: list[float], scale: float) -> None:
    bounds = paired_bounds(values, CONFIDENCE, seed=SEED, resamples=300)
    scaled = paired_bounds([one * scale for one in values], CONFIDENCE, seed=SEED, resamples=300)
    assert _near(scaled, bounds, 0.0, scale)


@given(differences, st.floats(0.51, 0.999), st.binary(max_size=8))
@settings(max_examples=100, deadline=None)
def test_bounds_are_in_order_and_repeatable(values: list[float], c: float, seed: bytes) -> None:
    bounds = paired_bounds(values, c, seed=seed, resamples=300)
    assert bounds == paired_bounds(values, c, seed=seed, resamples=300)
    assert bounds.lower <= bounds.mean <= bounds.upper
    assert bounds.mean == pytest.approx(sum(values) / len(values))


@given(counts, counts, counts, counts, st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=25, deadline=None)
def test_proportions_are_in_order_and_mirror(
    both: int, better: int, worse: int, neither: int, confidence: float
) -> None:
    neither += 1
    bounds = paired_proportions(both, better, worse, neither, confidence)
    assert -1 <= bounds.lower <= bounds.mean <= bounds.upper <= 1
    mirrored = paired_proportions(neither, worse, better, both, confidence)
    assert mirrored == Bounds(-bounds.mean, -bounds.upper, -bounds.lower)
    more = paired_proportions(both, better + 1, worse, neither - 1, confidence)
    assert more.lower > bounds.lower


@given(differences.filter(lambda values: len(values) >= 20), st.sampled_from([0.0, 0.05, 0.2]))
@settings(max_examples=60, deadline=None)
def test_a_wider_margin_never_refuses_more(values: list[float], margin: float) -> None:
    rank = {"failed": 0, "inconclusive": 1, "passed": 2}
    found = _compared(values, margin)
    assert rank[_compared(values, margin + 0.1).outcome] >= rank[found.outcome]
    assert replace(found, power=None) == replace(_compared(values, margin), power=None)


def test_another_seed_gives_other_resamples() -> None:
    values = [-0.5, 0.25, 0.0, 0.125] * 10
    first, second = (paired_bounds(values, CONFIDENCE, seed=seed) for seed in (b"1", b"2"))
    assert first != second
    assert first.lower == pytest.approx(second.lower, abs=0.02)


def test_a_hundred_thousand_rows_are_told_apart() -> None:
    values = [-0.02, 0.0, 0.01, -0.03] * 25_000
    bounds = paired_bounds(values, CONFIDENCE, seed=SEED)
    assert bounds.lower < -0.01 < bounds.upper < -0.0098
    assert compare(values, margin=0.005, confidence=0.95, seed=SEED).outcome == "failed"
    few = paired_bounds([-1.0] * 100 + [0.0] * 99_900, CONFIDENCE, seed=SEED)
    assert -0.0013 < few.lower < few.mean < few.upper < -0.0008


# What makes no sense is said.


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda: _compared([], 0.05), "no values"),
        (lambda: _compared([0.1, math.nan] * 20, 0.05), "finite"),
        (lambda: _compared([0.0] * 20, -0.1), "margin"),
        (lambda: _compared([0.0] * 20, math.inf), "margin"),
        (lambda: _compared([0.0] * 20, 0.05, family=0), "family"),
        (lambda: _compared([0.0] * 20, 0.05, minimum=0), "minimum"),
        (lambda: _compared(Pairs(0, 0, 0, 0), 0.05), "rows"),
        (lambda: paired_bounds([0.0], 0.5, seed=SEED), "confidence"),
        (lambda: paired_bounds([0.0], 95, seed=SEED), "confidence"),
        (lambda: paired_proportions(1, -1, 0, 3, 0.95), "below 0"),
        (lambda: mcnemar(-1, 2), "below 0"),
        (lambda: rows_to_tell(0.0, 0.95), "margin"),
        (lambda: mean([]), "no values"),
        (lambda: percentile([], 50), "no values"),
        (lambda: percentile([1.0], 101), "percentile"),
    ],
)
def test_nonsense_is_refused(asked: Callable[[], object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        asked()


def _compared(
    paired: list[float] | Pairs,
    margin: float,
    *,
    family: int = 1,
    minimum: int = 20,
    resamples: int = 300,
) -> Comparison:
    return compare(
        paired,
        margin=margin,
        confidence=CONFIDENCE,
        family=family,
        seed=SEED,
        minimum=minimum,
        resamples=resamples,
    )


def _caught_as_said(found: list[Comparison]) -> None:
    """Each run states its own power, from its own spread; on average that is what happens."""
    said = mean([one.power or 0.0 for one in found])
    caught = sum(one.outcome == "failed" for one in found) / len(found)
    assert caught == pytest.approx(said, abs=0.1)
    assert all(one.outcome != "passed" for one in found) or caught < 0.99


def _near(found: Bounds, expected: Bounds, shift: float, scale: float) -> bool:
    return all(
        math.isclose(getattr(found, name), getattr(expected, name) * scale + shift, abs_tol=1e-6)
        for name in ("mean", "lower", "upper")
    )
