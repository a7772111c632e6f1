from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunelift.statistics.intervals import mean_interval
from tunelift.statistics.paired import compare_means
from tunelift.statistics.randomisation import flip_groups
from tunelift.statistics.resampling import CHUNK, FEWEST_DRAWS, compare_resampled, resampled_interval


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray((weights @ values)[:, 0] / weights.sum(axis=1))


def f1(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    right, answered, asked = np.moveaxis(weights @ counts, -1, 0)
    return np.asarray(2 * right / np.maximum(answered + asked, 1))


def draws(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (n, 1))


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = draws(1, 400)
    interval, expected = resampled_interval(mean, values), mean_interval(values[:, 0])
    assert interval is not None
    assert expected is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_groups_make_it_as_wide_as_their_number_says() -> None:
    values = np.repeat(draws(2, 50), 8, axis=0)
    groups = np.repeat(np.arange(50), 8)
    alone, grouped = resampled_interval(mean, values), resampled_interval(mean, values, groups)
    assert alone is not None
    assert grouped is not None
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(8), rel=0.1)


def test_a_comparison_of_means_agrees_with_the_t_test() -> None:
    before, after = draws(3, 200), draws(4, 200, 0.2)
    resampled, expected = compare_resampled(mean, before, after, seed=1), compare_means(before[:, 0], after[:, 0])
    assert resampled.effect == pytest.approx(expected.effect)
    assert resampled.p == pytest.approx(expected.p, abs=0.02)
    assert (resampled.baseline, resampled.candidate) == pytest.approx((expected.baseline, expected.candidate))


def test_a_positive_effect_means_better_also_where_lower_scores_are() -> None:
    before, after = draws(3, 50), draws(4, 50, -1.0)
    worse = compare_resampled(mean, before, after, draws=500)
    better = compare_resampled(mean, before, after, draws=500, higher_is_better=False)
    assert better.effect == -worse.effect > 0
    assert better.p == worse.p
    assert better.interval is not None
    assert better.interval.low > 0


def test_p_values_of_no_difference_are_uniform() -> None:
    """Of 200 comparisons without a difference, about 5 % and not clearly more are below 0.05."""
    generator = np.random.default_rng(5)
    low = 0
    for seed in range(200):
        before, after = (
            np.stack([right := generator.integers(0, 3, 60), right + generator.integers(0, 2, 60), right + 1], axis=1)
            for _ in range(2)
        )
        low += compare_resampled(f1, before.astype(float), after.astype(float), seed=seed, draws=400).p < 0.05
    assert 2 <= low <= 20


@given(st.integers(2, 30), st.integers(0, 2**30))
def test_a_system_does_not_differ_from_itself(n: int, seed: int) -> None:
    values = draws(seed, n)
    result = compare_resampled(mean, values, values, seed=seed, draws=50)
    assert (result.effect, result.p, result.interval) == (0.0, 1.0, None)


def test_the_same_seed_gives_the_same_numbers() -> None:
    before, after = draws(3, 30), draws(4, 30)
    assert compare_resampled(mean, before, after, seed=9) == compare_resampled(mean, before, after, seed=9)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**30))
def test_whole_groups_are_drawn_and_swapped(n: int, most: int, seed: int) -> None:
    """A draw has as many groups as there are, a swap gives each group to one of the two systems."""
    groups = np.random.default_rng(seed).integers(0, most, n)
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    seen: list[np.ndarray] = []

    def watched(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        seen.append(weights)
        return np.asarray(weights @ values)[:, 0]

    resampled_interval(watched, draws(1, n), groups, seed, draws=30)
    compare_resampled(watched, draws(1, n), draws(2, n), groups, seed, draws=30)
    (drawn, *_) = (weights for weights in seen if weights.shape == (30, n))
    assert np.array_equal(drawn, drawn[:, first[codes]])
    assert np.array_equal(drawn[:, first].sum(axis=1), np.full(30, len(first)))
    swaps = [weights for weights in seen if weights.shape == (30, 2 * n)]
    assert len(swaps) == 2
    for kept, swapped in (np.hsplit(weights, 2) for weights in swaps):
        assert np.isin(kept, (0, 1)).all()
        assert np.array_equal(kept, 1 - swapped)
        assert np.array_equal(kept, kept[:, first[codes]])


@pytest.mark.parametrize("n", [1, 2, 1000, 3 * CHUNK // FEWEST_DRAWS])
def test_as_many_draws_are_made_as_are_asked_for(n: int) -> None:
    sizes: list[int] = []

    def counting(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        sizes.append(len(weights))
        return mean(values, weights)

    resampled_interval(counting, draws(1, n), draws=301)
    assert sum(sizes[1:]) == 301
    assert max(sizes) <= max(FEWEST_DRAWS, CHUNK // n)


def test_swaps_are_those_of_all_patterns() -> None:
    """With 8 items all 256 patterns can be enumerated."""
    before, after = draws(7, 8), draws(8, 8, 0.8)
    exact, _ = flip_groups((after - before)[:, 0], np.ones(8), seed=0)
    assert compare_resampled(mean, before, after, draws=20_000).p == pytest.approx(exact, abs=0.01)


def test_the_bootstrap_is_that_of_scipy() -> None:
    generator = np.random.default_rng(6)
    counts = np.stack([generator.binomial(3, 0.6, 60), generator.integers(3, 5, 60), np.full(60, 3)], axis=1)
    counts = counts.astype(float)
    interval = resampled_interval(f1, counts, seed=2)
    expected = stats.bootstrap(
        tuple(counts.T),
        lambda right, answered, asked, axis: 2 * right.sum(axis) / (answered.sum(axis) + asked.sum(axis)),
        n_resamples=10_000,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(3),
    )
    off = expected.bootstrap_distribution.mean() - f1(counts, np.ones((1, 60)))[0]
    assert interval is not None
    assert interval.low == pytest.approx(expected.confidence_interval.low - off, abs=0.003)
    assert interval.high == pytest.approx(expected.confidence_interval.high - off, abs=0.003)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        compare_resampled(mean, draws(1, 3), draws(1, 4))


def test_a_constant_score_has_no_interval() -> None:
    assert resampled_interval(mean, np.ones((5, 1))) is None


def test_few_groups_are_as_uncertain_as_student_says() -> None:
    values = draws(2, 12)
    interval, expected = resampled_interval(mean, values), mean_interval(values[:, 0])
    assert interval is not None
    assert expected is not None
    assert interval.high - interval.low == pytest.approx(expected.high - expected.low, rel=0.05)


def test_the_interval_of_a_few_unequal_groups_covers_the_effect() -> None:
    """Of 200 comparisons without a difference about 190 hold 0; percentiles at 2.5 and 97.5 % would in about 175."""
    generator, held = np.random.default_rng(4), 0
    for seed in range(200):
        groups = np.repeat(np.arange(10), generator.geometric(0.1, 10))
        right = generator.binomial(3, generator.random((2, 10))[:, groups])
        before, after = (np.stack([one, np.full(len(one), 3), np.full(len(one), 3)], axis=1) for one in right)
        interval = compare_resampled(f1, before.astype(float), after.astype(float), groups, seed, draws=300).interval
        assert interval is not None
        held += interval.low <= 0 <= interval.high
    assert held >= 183


@pytest.mark.parametrize(("differing", "known"), [(0, False), (5, False), (6, True), (39, True)])
def test_differences_in_fewer_than_six_groups_have_no_interval(differing: int, known: bool) -> None:
    before = np.zeros((80, 1))
    after = before + (np.arange(80) < 2 * differing)[:, None]
    result = compare_resampled(mean, before, after, np.repeat(np.arange(40), 2), draws=200)
    assert (result.interval is not None) == known
    assert result.effect == pytest.approx(differing / 40)


def distinct(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The number of different items: a draw has about 63 % of them."""
    return np.asarray((weights > 0).sum(axis=1) / weights.shape[1])


def test_draws_that_are_systematically_off_are_moved() -> None:
    interval = resampled_interval(distinct, draws(1, 100), draws=1000)
    assert interval is not None
    assert interval.low < 1 < interval.high
    limited = resampled_interval(distinct, draws(1, 100), draws=1000, limits=(0.0, 1.0))
    assert limited is not None
    assert (limited.low, limited.high) == (interval.low, 1.0)


def test_the_interval_of_a_score_covers_it() -> None:
    """Of 200 intervals of F1 at 90 %, about 180 hold the F1 of the population."""
    generator = np.random.default_rng(8)
    held = 0
    for seed in range(200):
        right = generator.random(80) < 0.6
        counts = np.stack([right, np.ones(80), generator.random(80) < 0.8], axis=1).astype(float)
        counts[:, 2] = np.maximum(counts[:, 2], right)
        interval = resampled_interval(f1, counts, seed=seed, confidence=0.9, draws=300)
        assert interval is not None
        held += interval.low <= 2 * 0.6 / (1 + 0.6 + 0.4 * 0.8) <= interval.high
    assert 165 <= held <= 193
