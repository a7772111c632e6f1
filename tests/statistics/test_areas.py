from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from tunelift.statistics.areas import Curve, area_interval, compare_areas, placements
from tunelift.statistics.paired import PairedResult


def kernel_covariance(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Covariance of two areas as DeLong et al. (1988) define it, by all pairs of a positive and a negative item."""
    kernels = []
    for scores in (first, second):
        differences = scores[labels == 1][:, None] - scores[labels == 0]
        kernels.append((differences > 0) + 0.5 * (differences == 0))
    by_positive = np.cov([kernel.mean(axis=1) for kernel in kernels])[0, 1]
    by_negative = np.cov([kernel.mean(axis=0) for kernel in kernels])[0, 1]
    return by_positive / np.sum(labels == 1) + by_negative / np.sum(labels == 0)


def one(labels: Sequence[int] | np.ndarray, scores: Sequence[float] | np.ndarray) -> list[Curve]:
    """The curve of two classes."""
    return [(np.asarray(labels) == 1, np.asarray(scores, dtype=float))]


def compared(labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None) -> PairedResult:
    return compare_areas(one(labels, first), one(labels, second), groups)


def draw(
    generator: np.random.Generator, groups: np.ndarray, lifts: tuple[float, float], within: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and the normal scores of two systems, which share half their noise; `within` is what groups share."""
    n = len(groups)
    labels = np.concatenate([[0, 0, 1, 1], generator.integers(0, 2, n - 4)])
    noise = np.sqrt(0.5) * (generator.normal(size=(n, 1)) + generator.normal(size=(n, 2)))
    shared = generator.normal(size=(groups.max() + 1, 2))[groups]
    scores = np.sqrt(1 - within) * noise + np.sqrt(within) * shared + labels[:, None] * np.array(lifts)
    return labels, scores[:, 0], scores[:, 1]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40))
@settings(deadline=None)
def test_the_area_is_that_of_sklearn(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array([*rows, (0, 1), (1, 2)]).T
    expected = roc_auc_score(labels, scores)
    placed = placements(labels == 1, scores)
    assert placed[labels == 1].mean() == pytest.approx(expected)
    assert placed[labels == 0].mean() == pytest.approx(expected)
    both = compare_areas(one(labels, scores), one(labels, -scores))
    assert (both.baseline, both.candidate) == pytest.approx((expected, 1 - expected))


@given(st.lists(st.tuples(st.integers(0, 2), *[st.integers(1, 9)] * 3), min_size=6, max_size=40))
@settings(deadline=None)
def test_the_area_of_several_classes_is_the_mean_of_each_against_the_rest(rows: list[tuple[int, ...]]) -> None:
    classes, *columns = np.array(rows).T
    assume(len(set(classes.tolist())) == 3)
    shares = np.array(columns) / np.sum(columns, axis=0)
    curves = [(classes == k, column) for k, column in enumerate(shares)]
    found = compare_areas(curves, curves)
    assert found.candidate == pytest.approx(roc_auc_score(classes, shares.T, multi_class="ovr"))


@pytest.mark.parametrize("digits", [1, 8])
@pytest.mark.parametrize("groups", [None, np.arange(40)])
def test_the_error_is_that_of_delong_with_and_without_ties(digits: int, groups: np.ndarray | None) -> None:
    labels, first, second = draw(np.random.default_rng(1), np.arange(40), (0.8, 1.5))
    first, second = np.round(first, digits), np.round(second, digits)
    quantile = student.ppf(0.975, min(labels.sum(), 40 - labels.sum()) - 1)
    value = roc_auc_score(labels, first)
    half = quantile * np.sqrt(kernel_covariance(labels, first, first)) / (value * (1 - value))
    interval = area_interval(one(labels, first), groups)
    assert interval is not None
    expected = 1 / (1 + np.exp(-(np.log(value / (1 - value)) + half * np.array([-1, 1]))))
    assert (interval.low, interval.high) == pytest.approx(expected)
    variance = (
        kernel_covariance(labels, first, first)
        + kernel_covariance(labels, second, second)
        - 2 * kernel_covariance(labels, first, second)
    )
    result = compared(labels, first, second, groups)
    assert result.effect == pytest.approx(roc_auc_score(labels, second) - value)
    assert (result.baseline, result.candidate) == pytest.approx((value, roc_auc_score(labels, second)))
    assert result.interval is not None
    assert result.interval.high - result.effect == pytest.approx(quantile * np.sqrt(variance))
    assert result.p == pytest.approx(
        2 * student.sf(abs(result.effect) / np.sqrt(variance), min(labels.sum(), 40 - labels.sum()) - 1)
    )


DESIGNS = {
    "single items": np.arange(60),
    "equal groups": np.repeat(np.arange(12), 5),
    "unequal groups": np.repeat(np.arange(32), [30, 30] + [2] * 30),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_systems_that_do_not_differ_are_rarely_called_different(design: str) -> None:
    generator, groups = np.random.default_rng(2), DESIGNS[design]
    within = 0.0 if design == "single items" else 0.3
    given_groups = None if design == "single items" else groups
    results = [compared(*draw(generator, groups, (1, 1), within), given_groups) for _ in range(800)]
    assert np.mean([result.p <= 0.05 for result in results]) <= 0.065


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("lift", [0.5, 2.0])
def test_intervals_cover(design: str, lift: float) -> None:
    generator, groups = np.random.default_rng(3), DESIGNS[design]
    within = 0.0 if design == "single items" else 0.3
    given_groups = None if design == "single items" else groups
    truths, single, paired = norm.cdf(np.array([0.5, lift]) / np.sqrt(2)), [], []
    for _ in range(500):
        labels, first, second = draw(generator, groups, (0.5, lift), within)
        alone = area_interval(one(labels, second), given_groups)
        both = compared(labels, first, second, given_groups).interval
        assert alone is not None
        assert both is not None
        single.append(alone.low <= truths[1] <= alone.high)
        paired.append(both.low <= truths[1] - truths[0] <= both.high)
    assert np.mean(single) >= 0.93
    assert np.mean(paired) >= 0.93


def shared_scores(generator: np.random.Generator, lift: float, sizes: tuple[int, ...]) -> list[Curve]:
    """Three classes with scores that add up to one, as probabilities do."""
    classes = np.repeat([0, 1, 2], sizes)
    logits = generator.normal(size=(len(classes), 3))
    logits[np.arange(len(classes)), classes] += lift
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [(classes == k, shares[:, k]) for k in range(3)]


@pytest.mark.parametrize("sizes", [(30, 30, 30), (60, 20, 10)])
def test_intervals_of_several_classes_cover(sizes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(4)
    large = tuple(100 * size for size in sizes)
    truths = [compare_areas(*[shared_scores(generator, lift, large)] * 2).candidate for lift in (0.5, 1.5)]
    single, paired, found = [], [], []
    for _ in range(500):
        first, second = (shared_scores(generator, lift, sizes) for lift in (0.5, 1.5))
        alone, both = area_interval(second), compare_areas(first, second)
        assert alone is not None
        assert both.interval is not None
        single.append(alone.low <= truths[1] <= alone.high)
        paired.append(both.interval.low <= truths[1] - truths[0] <= both.interval.high)
        found.append(compare_areas(first, shared_scores(generator, 0.5, sizes)).p <= 0.05)
    assert np.mean(single) >= 0.93
    assert np.mean(paired) >= 0.93
    assert np.mean(found) <= 0.065


def test_an_error_that_cannot_be_known_is_not_claimed() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    assert area_interval(one(labels, [1, 2, 3, 4, 5, 6])) is None
    assert area_interval(one([0, 0, 1], [1, 3, 2])) is None
    assert area_interval(one(labels, [1, 5, 3, 4, 2, 6]), [0, 1, 2, 3, 3, 3]) is None
    alike = compare_areas(one(labels, [1, 5, 3, 4, 2, 6]), one(labels, [10, 50, 30, 40, 20, 60]))
    assert (alike.effect, alike.p, alike.interval) == (0, 1, None)


def test_a_curve_with_one_kind_of_items_has_no_area() -> None:
    nothing, something = one([1, 1, 1, 1], [1, 2, 3, 4]), one([0, 1, 0, 1], [2, 1, 0, 3])
    assert area_interval(nothing) is None
    found = compare_areas(nothing, nothing)
    assert (found.baseline, found.candidate, found.p, found.interval, found.n) == (0.5, 0.5, 1, None, 4)
    assert area_interval([*nothing, *something]) == area_interval(something)
    assert placements(*nothing[0]).tolist() == [0.5] * 4


def test_a_hundred_thousand_items_take_less_than_a_second() -> None:
    generator = np.random.default_rng(4)
    labels, first, second = draw(generator, np.zeros(100_000, dtype=int), (1, 1.1))
    started = time.process_time()
    compared(labels, first, second, None)
    assert time.process_time() - started < 1
