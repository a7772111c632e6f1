from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.statistics.intervals import mean_interval
from tunelift.statistics.paired import compare_means
from tunelift.statistics.resampling import compare_resampled, resampled_interval


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


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        compare_resampled(mean, draws(1, 3), draws(1, 4))


def test_a_constant_score_has_no_interval() -> None:
    assert resampled_interval(mean, np.ones((5, 1))) is None


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
