from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.metrics import recall_score
from statsmodels.stats.contingency_tables import mcnemar

from tunelift.statistics.intervals import mean_interval, tango
from tunelift.statistics.paired import (
    balancing_weights,
    compare_balanced,
    compare_binary,
    compare_means,
    compare_paired,
    mcnemar_exact,
)
from tunelift.statistics.randomisation import flip_groups


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_that_of_statsmodels(wins: int, losses: int) -> None:
    expected = mcnemar([[7, losses], [wins, 9]], exact=True).pvalue if wins + losses else 1.0
    assert mcnemar_exact(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_binary_scores() -> None:
    baseline = np.repeat([1, 0, 1, 0], [36, 12, 2, 0])
    candidate = np.repeat([1, 1, 0, 0], [36, 12, 2, 0])
    result = compare_binary(baseline, candidate)
    assert (result.wins, result.losses, result.n) == (12, 2, 50)
    assert result.effect == pytest.approx(result.candidate - result.baseline) == pytest.approx(0.2)
    assert result.interval == tango(12, 2, 50)
    assert result.p == mcnemar_exact(12, 2)
    assert result.correlation == pytest.approx(np.corrcoef(baseline, candidate)[0, 1])


def test_means_are_the_paired_t_test_of_scipy() -> None:
    generator = np.random.default_rng(1)
    baseline = generator.random(60)
    candidate = baseline + generator.normal(0.05, 0.1, 60)
    result, expected = compare_means(baseline, candidate), ttest_rel(candidate, baseline)
    interval = expected.confidence_interval()
    assert result.interval is not None
    assert (result.p, result.interval.low, result.interval.high) == pytest.approx(
        (expected.pvalue, interval.low, interval.high)
    )
    assert result.wins is None
    assert result.losses is None


@pytest.mark.parametrize(
    ("groups", "scale", "method"),
    [
        (None, 1, "McNemar"),
        (None, 0.5, "sign flips of items"),
        ([0, 0, 1, 1, 2, 2], 1, "groups"),
        ([0, 0, 1, 1, 2, 2], 0.5, "groups"),
    ],
)
def test_the_test_fits_the_data(groups: list[int] | None, scale: float, method: str) -> None:
    result = compare_paired(np.array([1, 0, 1, 0, 0, 0]) * scale, np.array([1, 1, 1, 0, 1, 0]) * scale, groups)
    assert method in result.method
    assert result.effect == pytest.approx(scale / 3)


scores = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=40)


@given(scores, st.booleans())
def test_swapping_the_systems_mirrors_the_result(rows: list[tuple[int, int, int]], grouped: bool) -> None:
    baseline, candidate, labels = np.array(rows).T
    groups = labels if grouped else None
    for compare in (compare_paired, lambda a, b, g: compare_balanced(a, b, labels, g)):
        forth, back = compare(baseline, candidate, groups), compare(candidate, baseline, groups)
        assert forth.effect == pytest.approx(-back.effect)
        assert forth.p == pytest.approx(back.p)
        assert (forth.wins, forth.losses) == (back.losses, back.wins)
        assert (forth.interval is None) == (back.interval is None)
        if forth.interval and back.interval:
            assert forth.interval.low == pytest.approx(-back.interval.high, abs=1e-9)


@given(scores)
def test_balanced_scores_are_the_macro_recall_of_sklearn(rows: list[tuple[int, int, int]]) -> None:
    baseline, candidate, labels = np.array(rows).T
    result = compare_balanced(baseline, candidate, labels)
    for score, right in ((result.baseline, baseline), (result.candidate, candidate)):
        # A wrong answer is a class of its own, which no item has.
        predicted = np.where(right == 1, labels, -1)
        expected = recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
        assert score == pytest.approx(expected)
    assert result.effect == pytest.approx(result.candidate - result.baseline)
    assert 0 < result.p <= 1


def test_one_class_of_independent_items_is_mcnemar() -> None:
    baseline, candidate = np.random.default_rng(2).integers(0, 2, (2, 30))
    balanced = compare_balanced(baseline, candidate, ["x"] * 30)
    assert balanced.p == pytest.approx(compare_binary(baseline, candidate).p)


def test_balancing_weights_give_every_class_the_same() -> None:
    weights = balancing_weights(["a", "b", "b", "b"])
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


@pytest.mark.parametrize(
    ("baseline", "candidate", "p"), [([1], [1], 1.0), ([0.5], [0.5], 1.0), ([0.2] * 6, [0.7] * 6, 2**-5)]
)
def test_extremes_claim_nothing_that_is_unknown(baseline: list[float], candidate: list[float], p: float) -> None:
    result = compare_paired(baseline, candidate)
    assert result.p == p
    assert result.correlation is None
    assert result.interval is None or result.interval.high > result.interval.low


@pytest.mark.parametrize(
    ("baseline", "candidate"), [([], []), ([1, 0], [1]), ([1, float("nan")], [1, 0]), ([[1]], [[0]])]
)
def test_unusable_scores_are_refused(baseline: list[float], candidate: list[float]) -> None:
    with pytest.raises(ValueError, match="score"):
        compare_paired(baseline, candidate)


def test_binary_comparison_refuses_other_scores() -> None:
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        compare_binary([0.5, 1], [1, 1])


@pytest.mark.parametrize("sizes", [[50, 20] + [5] * 10, [10] * 8])
def test_grouped_systems_that_do_not_differ_are_rarely_called_different(sizes: list[int]) -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rejected = []
    for _ in range(400):
        shift = generator.normal(0, 1, len(sizes))[groups]
        differences = shift + generator.normal(0, 0.7, len(groups))
        rejected.append(compare_means(np.zeros(len(groups)), differences, groups).p <= 0.05)
    assert np.mean(rejected) <= 0.075


def test_the_balanced_interval_covers_with_a_rare_class() -> None:
    generator = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], [100, 40, 8])
    gain, loss = np.array([0.3, 0.1, 0.4])[labels], np.array([0.1, 0.2, 0.05])[labels]
    truth, covered = np.mean([0.2, -0.1, 0.35]), []
    for _ in range(400):
        draw = generator.random(len(labels))
        baseline, candidate = (draw > gain).astype(int), (draw < 1 - loss).astype(int)
        interval = compare_balanced(baseline, candidate, labels).interval
        assert interval is not None
        covered.append(interval.low <= truth <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_from_few_differences_are_wider(grouped: bool) -> None:
    """As with four more differences of the same size; where nearly all items differ, they stay what they are."""
    generator = np.random.default_rng(8)
    groups = np.repeat(np.arange(40), 3) if grouped else None
    differences = np.zeros(120)
    places = np.arange(0, 24, 3)  # 8 items, in as many groups
    differences[places] = generator.uniform(0.2, 0.9, 8)
    result = compare_means(np.zeros(120), differences, groups)
    sums = differences.reshape(40, 3).sum(axis=1)
    plain = flip_groups(sums, np.full(40, 3), 0)[1] if grouped else mean_interval(differences)
    assert plain is not None
    assert result.interval is not None
    center, factor = differences.mean(), np.sqrt(1 + 4 / 8)
    assert center - result.interval.low == pytest.approx(factor * (center - plain.low))
    assert result.interval.high - center == pytest.approx(factor * (plain.high - center))
    dense = generator.normal(0.1, 1, 120)
    whole = compare_means(np.zeros(120), dense)
    assert whole.interval == mean_interval(dense)


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9).filter(bool), min_size=2, max_size=12), st.booleans())
def test_the_test_finds_what_the_interval_excludes(some: list[int], grouped: bool) -> None:
    """Also where few items or groups differ, and both are the more cautious."""
    differences = np.concatenate([np.array(some) / 10, np.zeros(40)])
    groups = np.arange(len(differences)) // 2 if grouped else None
    result = compare_means(np.zeros(len(differences)), differences, groups)
    if result.interval is not None and abs(result.p - 0.05) > 1e-3:
        assert (result.p < 0.05) == (result.interval.low > 0 or result.interval.high < 0)


@pytest.mark.parametrize(("wins", "losses", "ties"), [(5, 0, 0), (5, 0, 1), (4, 0, 4), (8, 1, 1), (20, 9, 40)])
def test_ties_leave_the_test_of_wins_and_losses_exact(wins: int, losses: int, ties: int) -> None:
    preferred = np.repeat([1.0, 0.0, 0.5], [wins, losses, ties])
    result = compare_paired(1 - preferred, preferred)
    assert result.effect == pytest.approx((wins - losses) / len(preferred))
    assert (result.p, result.interval) == (mcnemar_exact(wins, losses), tango(wins, losses, len(preferred)))
    assert (result.wins is None) == (ties > 0)
    larger = compare_paired(10 * (1 - preferred), 10 * preferred)
    assert "McNemar" not in larger.method


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("size", [1e-11, 1.0, 1e9])
def test_scores_that_differ_by_rounding_are_equal_whatever_their_size(grouped: bool, size: float) -> None:
    groups = np.arange(50) // 5 if grouped else None
    added = np.full(50, 0.1 + 0.2) * size
    result = compare_paired(np.full(50, 0.3) * size, added, groups)
    assert (result.effect, result.p, result.interval) == (0.0, 1.0, None)
    values = np.random.default_rng(2).normal(1, 0.1, 50)
    better = values + np.linspace(0.05, 0.15, 50)
    found, expected = (compare_paired(values * factor, better * factor, groups) for factor in (size, 1.0))
    assert found.p == pytest.approx(expected.p)
    assert found.interval is not None
    assert expected.interval is not None
    assert found.interval.low == pytest.approx(expected.interval.low * size)
