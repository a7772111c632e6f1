from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from tunelift.statistics.independent import compare_effects, difference_interval
from tunelift.statistics.paired import PairedResult, compare_binary, compare_means


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


def paired(wins: int, losses: int, n: int) -> PairedResult:
    candidate = np.repeat([1.0, 0.0, 1.0], [wins, losses, n - wins - losses])
    baseline = np.repeat([0.0, 1.0, 1.0], [wins, losses, n - wins - losses])
    return compare_binary(baseline, candidate)


def test_two_effects_have_the_interval_of_zou_and_donner() -> None:
    first, second = paired(60, 10, 200), paired(12, 9, 80)
    found = compare_effects(first, second)
    assert first.interval is not None
    assert second.interval is not None
    assert found.interval is not None
    assert found.effect == pytest.approx(50 / 200 - 3 / 80)
    low = sqrt((first.effect - first.interval.low) ** 2 + (second.interval.high - second.effect) ** 2)
    high = sqrt((first.interval.high - first.effect) ** 2 + (second.effect - second.interval.low) ** 2)
    assert (found.interval.low, found.interval.high) == pytest.approx((found.effect - low, found.effect + high))
    back = compare_effects(second, first)
    assert back.interval is not None
    assert (-back.interval.high, -back.interval.low) == pytest.approx((found.interval.low, found.interval.high))
    assert back.p == pytest.approx(found.p)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=2))
def test_p_is_below_5_percent_where_the_interval_excludes_0(counts: list[tuple[int, int]]) -> None:
    found = compare_effects(*(paired(*pair, n) for pair, n in zip(counts, (100, 60), strict=True)))
    assert found.interval is not None
    assert found.p is not None
    assert (found.p < 0.05) == (not found.interval.low <= 0 <= found.interval.high)
    assert 0 <= found.p <= 1


@pytest.mark.parametrize("rates", [(0.35, 0.05), (0.2, 0.0), (0.02, 0.02)])
@pytest.mark.parametrize("sizes", [(400, 100), (100, 20)])
def test_effects_that_do_not_differ_are_told_apart_in_one_of_twenty(
    rates: tuple[float, float], sizes: tuple[int, int]
) -> None:
    draws = np.random.default_rng(3)
    shares = [*rates, 1 - sum(rates)]
    found = []
    for _ in range(400):
        results = [paired(*draws.multinomial(size, shares)[:2].tolist(), size) for size in sizes]
        found.append(compare_effects(*results).p)
    assert np.mean(np.array(found, dtype=float) < 0.05) < 0.075


def test_an_effect_without_interval_is_compared_by_size_alone() -> None:
    same = compare_means([0.5, 0.5, 0.5], [0.7, 0.7, 0.7])
    found = compare_effects(paired(5, 5, 20), same)
    assert (found.effect, found.interval, found.p) == (pytest.approx(-0.2), None, None)
    assert compare_effects(paired(5, 5, 20), paired(3, 3, 30)).p == 1.0
