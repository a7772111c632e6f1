"""Two systems on the same items: effect, interval and p-value. Positive means that the candidate is better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import (
    Interval,
    group_codes,
    is_binary,
    mean_interval,
    normal_quantile,
    standard_error,
    tango,
)
from tunelift.statistics.randomisation import flip_counts, flip_groups

# Fewer items, or items (or groups) that differ between two systems, tell the spread of their differences badly.
FEW = 20
# Scores that differ by less, relative to their size, are the same, added up in another order.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PairedResult:
    """What a paired comparison found.

    Attributes:
        effect: Candidate minus baseline, in the unit of the score.
        interval: Interval of the effect; None when the data cannot give one.
        p: Two-sided p-value of "no difference".
        method: How interval and p-value were computed.
        n: Number of items.
        wins: Items that only the candidate has right; None for scores other than 0 and 1.
        losses: Items that only the baseline has right.
        baseline: Score of the baseline.
        candidate: Score of the candidate.
        correlation: Of the two systems' scores over the items: what pairing gains. None where a score is constant.
    """

    effect: float
    interval: Interval | None
    p: float
    method: str
    n: int
    wins: int | None
    losses: int | None
    baseline: float
    candidate: float
    correlation: float | None


def compare_paired(
    baseline: ArrayLike,
    candidate: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare two systems by the test that fits the data.

    Groups lead to sign flips of whole groups. Scores of 0 and 1, and shares that differ by 1 where they differ, such as
    preferences with ties of one half, have Tango's interval and McNemar's exact test. Other scores have the paired
    t-test, fewer than 20 of them sign flips of items.

    Args:
        baseline: Scores of the baseline, shape (n,).
        candidate: Scores of the candidate on the same items in the same order, shape (n,).
        groups: Group id of each item, shape (n,).
        seed: Seed of the sign flips, where there are more groups than can be enumerated.
        confidence: Coverage of the interval.

    Raises:
        ValueError: The arrays are empty, differ in length, or hold a score that is not finite.
    """
    baseline, candidate = _scores(baseline, candidate)
    if groups is None and _differ_by_one(baseline, candidate):
        return _compare_wins(baseline, candidate, confidence)
    return compare_means(baseline, candidate, groups, seed, confidence)


def mcnemar_exact(wins: int, losses: int) -> float:
    """Two-sided p-value of McNemar's exact test (McNemar 1947): are wins and losses equally likely?"""
    from scipy.special import bdtr

    discordant = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), discordant, 0.5))) if discordant else 1.0


def compare_binary(baseline: ArrayLike, candidate: ArrayLike, confidence: float = 0.95) -> PairedResult:
    """Compare right-or-wrong scores of independent items: Tango's interval, McNemar's exact test.

    Raises:
        ValueError: A score is neither 0 nor 1, or see `compare_paired`.
    """
    baseline, candidate = _scores(baseline, candidate)
    if not (is_binary(baseline) and is_binary(candidate)):
        raise ValueError("a score is neither 0 nor 1")
    return _compare_wins(baseline, candidate, confidence)


def _differ_by_one(baseline: np.ndarray, candidate: np.ndarray) -> bool:
    """Whether scores are 0 or 1, or shares of which some differ, by 1: no item can differ by more."""
    both, differences = np.concatenate([baseline, candidate]), candidate - baseline
    shares = both.min() >= 0 and both.max() <= 1 and differences.any() and np.isin(differences, (-1, 0, 1)).all()
    return bool(is_binary(both) or shares)


def _compare_wins(baseline: np.ndarray, candidate: np.ndarray, confidence: float) -> PairedResult:
    wins, losses = int(np.sum(candidate > baseline)), int(np.sum(candidate < baseline))
    interval, p = tango(wins, losses, len(baseline), confidence), mcnemar_exact(wins, losses)
    return _result(baseline, candidate, interval, p, "Tango interval, exact McNemar test")


def compare_means(
    baseline: ArrayLike,
    candidate: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare mean scores: paired t without groups, sign flips of whole groups with them, or of fewer than 20 items.

    Sign flips stay valid with few groups of very different size, where cluster-robust t-tests reject too often, and
    with few items whose differences are far from normal; fewer than 6 groups or items cannot show a difference at 5 %.

    Raises:
        ValueError: See `compare_paired`.
    """
    baseline, candidate = _scores(baseline, candidate)
    differences = candidate - baseline
    if groups is None and len(differences) >= FEW:
        factor = caution(differences)
        interval, p = mean_interval(differences, None, confidence), _t_test(differences, factor)
        return _result(baseline, candidate, widened(interval, differences.mean(), factor), p, "paired t-test")
    codes = group_codes(groups, len(differences))
    sums, sizes, effect = np.bincount(codes, differences), np.bincount(codes), float(differences.mean())
    factor = caution(sums)
    p, interval = flip_groups(sums, sizes, seed, confidence)
    if interval and factor > 1:
        # The wider interval holds 0 where the one of the flips holds this effect.
        p = flip_groups(sums - effect * (1 - 1 / factor) * sizes, sizes, seed)[0]
    method = f"sign flips of {'items' if groups is None else 'groups'}"
    return _result(baseline, candidate, widened(interval, effect, factor), p, method)


def caution(differences: np.ndarray) -> float:
    """By how much an interval from few differences that are not 0 is wider: the root of 1 + 4 / their number, else 1.

    So few of them tell the spread badly, and such intervals missed the effect up to three times as often as they may.
    To reckon with four more differences of the same size is what Agresti and Coull (1998) do for a single proportion.
    The test is as cautious, so that it never finds what the interval denies.

    Args:
        differences: Of the items, or sums of the groups.
    """
    differing = int(np.count_nonzero(differences))
    return sqrt(1 + 4 / differing) if 0 < differing < min(FEW, len(differences)) else 1.0


def widened(interval: Interval | None, center: float, factor: float) -> Interval | None:
    """An interval with both ends so many times as far from its center."""
    if interval is None or factor == 1:
        return interval
    low, high = center - factor * (center - interval.low), center + factor * (interval.high - center)
    return replace(interval, low=low, high=high)


def _t_test(differences: np.ndarray, factor: float) -> float:
    from scipy.special import stdtr

    spread = standard_error(differences)
    if spread is None:  # All differences are equal: what remains is the sign test.
        return 2.0 ** (1 - len(differences)) if differences[0] else 1.0
    error, freedom = spread
    return 2 * float(stdtr(freedom, -abs(differences.mean()) / (factor * error)))


def balancing_weights(strata: ArrayLike) -> np.ndarray:
    """Weights with sum 1 that give every class the same total, so that a weighted mean is a balanced accuracy."""
    classes = group_codes(strata, len(np.asarray(strata)))
    sizes = np.bincount(classes)
    return 1 / (len(sizes) * sizes[classes])


def compare_balanced(
    baseline: ArrayLike,
    candidate: ArrayLike,
    strata: ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedResult:
    """Compare balanced accuracies, that is the mean over classes of the accuracy within the class.

    The effect is the mean over classes of the mean paired difference within the class. Without groups its interval
    adds up the variances within classes, with one win and one loss added to each class: as in Bonett and Price
    (2012) this keeps a small class without wins and losses from looking certain. The p-value is that of sign
    flips of items, exact where it can be enumerated. With groups, or with scores other than 0 and 1, interval and
    p-value both come from sign flips of groups or items.

    Args:
        baseline: Scores of the baseline, shape (n,).
        candidate: Scores of the candidate, shape (n,).
        strata: Class of each item, shape (n,).
        groups: Group id of each item, shape (n,).
        seed: Seed of sign flips that cannot be enumerated.
        confidence: Coverage of the interval.

    Raises:
        ValueError: See `compare_paired`.
    """
    baseline, candidate = _scores(baseline, candidate)
    differences = candidate - baseline
    classes = group_codes(strata, len(differences))
    weights = balancing_weights(classes)
    if groups is not None or not (is_binary(baseline) and is_binary(candidate)):
        codes = group_codes(groups, len(differences))
        sums, totals = np.bincount(codes, weights * differences), np.bincount(codes, weights)
        p, interval = flip_groups(sums, totals, seed, confidence)
        return _result(baseline, candidate, interval, p, "balanced, sign flips of groups", weights)
    sizes = np.bincount(classes)
    wins = np.bincount(classes[differences > 0], minlength=len(sizes))
    losses = np.bincount(classes[differences < 0], minlength=len(sizes))
    p = flip_counts(1 / (len(sizes) * sizes), wins + losses, float(weights @ differences), seed)
    interval = _stratified_interval(wins, losses, sizes, confidence)
    return _result(baseline, candidate, interval, p, "balanced, stratified interval, sign flips", weights)


def _stratified_interval(wins: np.ndarray, losses: np.ndarray, sizes: np.ndarray, confidence: float) -> Interval:
    """Normal interval of the mean over classes; counts of shape (classes,)."""
    effect = float(np.mean((wins - losses) / sizes))
    gain, loss = (wins + 1) / (sizes + 2), (losses + 1) / (sizes + 2)
    variance = np.sum((gain + loss - (gain - loss) ** 2) / sizes) / len(sizes) ** 2
    half = normal_quantile(0.5 + confidence / 2) * float(np.sqrt(variance))
    return Interval(max(-1.0, effect - half), min(1.0, effect + half), confidence, "stratified")


def _scores(baseline: ArrayLike, candidate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(baseline, dtype=float), np.asarray(candidate, dtype=float)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(f"two score arrays of one length are needed, not {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a score is not finite")
    same = np.abs(second - first) <= ROUNDING * np.maximum(np.abs(first), np.abs(second))
    return first, np.where(same, first, second)


def _result(
    baseline: np.ndarray,
    candidate: np.ndarray,
    interval: Interval | None,
    p: float,
    method: str,
    weights: np.ndarray | None = None,
) -> PairedResult:
    binary = is_binary(baseline) and is_binary(candidate)
    constant = np.ptp(baseline) == 0 or np.ptp(candidate) == 0
    return PairedResult(
        effect=float(np.average(candidate - baseline, weights=weights)),
        interval=interval,
        p=p,
        method=method,
        n=len(baseline),
        wins=int(np.sum(candidate > baseline)) if binary else None,
        losses=int(np.sum(candidate < baseline)) if binary else None,
        baseline=float(np.average(baseline, weights=weights)),
        candidate=float(np.average(candidate, weights=weights)),
        correlation=None if constant else float(np.corrcoef(baseline, candidate)[0, 1]),
    )
