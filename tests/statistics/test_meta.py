from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from tunelift.statistics.intervals import standard_error
from tunelift.statistics.meta import KindMean, kind_mean


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(0, 0.5))
@settings(deadline=None, max_examples=50)
def test_the_mean_of_a_kind_of_tasks_is_that_of_their_effects(effects: list[float], error: float) -> None:
    result = kind_mean(effects, [error] * len(effects))
    assert result.effect == pytest.approx(np.mean(effects))
    assert result.deviation**2 == pytest.approx(max(np.var(effects, ddof=1) - error**2, 0), abs=1e-12)
    if result.interval is not None:
        expected = ttest_1samp(effects, 0).confidence_interval()
        assert (result.interval.low, result.interval.high) == pytest.approx((expected.low, expected.high))


def test_tasks_of_which_nothing_changes_count_like_the_others() -> None:
    """Four in ten tasks are solved already; the others gain 11 points on average, so that the mean is 6.4."""
    draws = np.random.default_rng(1)
    means, covered = [], []
    for _ in range(400):
        gains, losses = draws.beta(2, 6, 10), draws.beta(2, 12, 10)
        solved = draws.random(10) < 0.4
        gains[solved] = losses[solved] = 0
        losses = np.minimum(losses, 1 - gains)
        counts = draws.multinomial(30, np.stack([gains, losses, 1 - gains - losses], axis=1))
        changes = [np.repeat([1.0, -1.0, 0.0], count) for count in counts]
        spreads = [standard_error(change) for change in changes]
        result = kind_mean([change.mean() for change in changes], [spread[0] if spread else 0.0 for spread in spreads])
        means.append(result.effect)
        covered.append(result.interval is not None and result.interval.low <= 0.064 <= result.interval.high)
    assert np.mean(means) == pytest.approx(0.064, abs=0.008)
    assert np.mean(covered) >= 0.89


def test_the_tasks_of_a_kind_differ_by_more_than_their_errors() -> None:
    draws = np.random.default_rng(2)
    errors = draws.uniform(0.02, 0.1, (400, 8))
    effects = 0.1 + draws.normal(size=(400, 8)) * np.hypot(errors, 0.2)
    found = [kind_mean(row, spread).deviation ** 2 for row, spread in zip(effects, errors, strict=True)]
    assert np.mean(found) == pytest.approx(0.04, rel=0.06)
    assert kind_mean([0.2, 0.2, 0.2], [0.1, 0.0, 0.1]) == KindMean(pytest.approx(0.2), None, 0.0)


@pytest.mark.parametrize(("effects", "errors"), [([], []), ([1, 2], [1]), ([1, np.nan], [1, 1]), ([1, 2], [1, -1])])
def test_nonsense_is_refused(effects: list, errors: list) -> None:
    with pytest.raises(ValueError):
        kind_mean(effects, errors)


def test_one_task_says_nothing_of_others() -> None:
    with pytest.raises(ValueError, match="two tasks"):
        kind_mean([0.3], [0.1])
