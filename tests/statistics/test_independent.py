from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from tunelift.statistics.independent import difference_interval


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_it_is_that_of_statsmodels(confidence: float) -> None:
    generator = np.random.default_rng(1)
    first, second = generator.normal(1, 3, 25), generator.normal(0, 1, 60)
    interval = difference_interval(first, second, confidence=confidence)
    means = CompareMeans(DescrStatsW(first), DescrStatsW(second))
    expected = means.tconfint_diff(alpha=1 - confidence, usevar="unequal")
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(expected)
    back = difference_interval(second, first, confidence=confidence)
    assert back is not None
    assert (-back.high, -back.low) == pytest.approx(expected)


def test_copies_in_a_group_do_not_make_it_narrower() -> None:
    generator = np.random.default_rng(2)
    first, second = generator.normal(0, 1, 20), generator.normal(0, 1, 30)
    plain = difference_interval(first, second)
    groups = [np.repeat(np.arange(len(part)), 4) for part in (first, second)]
    grouped = difference_interval(first.repeat(4), second.repeat(4), *groups)
    assert plain is not None
    assert grouped is not None
    assert (grouped.low, grouped.high) == pytest.approx((plain.low, plain.high))


def test_values_without_spread_give_none() -> None:
    assert difference_interval([1, 1, 1], [1, 2, 3]) is None
    assert difference_interval([1], [1, 2, 3]) is None
    assert difference_interval([1, 2], [1, 2], ["a", "a"]) is None
