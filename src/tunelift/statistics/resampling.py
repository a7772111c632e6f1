"""Scores that are no means: bootstrap intervals and paired comparisons from statistics of single items.

A score is a function of statistics of shape (items, columns) and weights of shape (draws, items): one number for every
draw. A bootstrap draw gives an item the weight with which it was drawn; swapping two systems on an item gives the one's
weight to the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval, group_codes
from tunelift.statistics.paired import PairedResult

Array = NDArray[np.float64]
Score = Callable[[Array, Array], Array]

DRAWS = 10_000
# Weights that are held at once.
CHUNK_SIZE = 4_000_000
TOLERANCE = 1e-12


def resampled_interval(
    score: Score,
    statistics: Array,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Interval | None:
    """Percentile bootstrap interval of a score; whole groups are drawn (Efron 1979).

    Args:
        score: Statistics and weights to scores.
        statistics: Of the items, shape (items, columns).
        groups: Group id of each item, shape (items,).
        seed: Seed of the draws.
        confidence: Coverage.
        draws: Number of draws.

    Returns:
        The interval; None when there are fewer than two groups, or the score is the same in every draw.
    """
    codes = group_codes(groups, len(statistics))
    scores = _bootstrap(lambda weights: score(statistics, weights), codes, seed, draws)
    return _percentiles(scores, confidence, "bootstrap")


def compare_resampled(
    score: Score,
    baseline: Array,
    candidate: Array,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    higher_is_better: bool = True,
    draws: int = DRAWS,
) -> PairedResult:
    """Compare two systems by a score that is no mean.

    The interval is that of the paired bootstrap: both systems are scored on the same drawn items (Koehn 2004). The
    p-value is that of approximate randomisation: the two are swapped on random items (Riezler and Maxwell 2005), and
    the observed assignment is one of the possible ones, so that p is never 0 (Phipson and Smyth 2010).

    Args:
        score: Statistics and weights to scores.
        baseline: Statistics of the baseline, shape (items, columns).
        candidate: Those of the candidate on the same items.
        groups: Group id of each item; groups are drawn and swapped as a whole.
        seed: Seed of the draws.
        confidence: Coverage of the interval.
        higher_is_better: Whether a higher score is better; a positive effect always means that the candidate is.
        draws: Number of draws of each kind.

    Raises:
        ValueError: The two have different shapes, or no items.
    """
    if baseline.shape != candidate.shape or not len(baseline):
        raise ValueError(f"two arrays of statistics of one shape are needed, not {baseline.shape}, {candidate.shape}")
    sign = 1.0 if higher_is_better else -1.0
    codes = group_codes(groups, len(baseline))

    def effect(weights: Array) -> Array:
        return sign * (score(candidate, weights) - score(baseline, weights))

    both = np.concatenate([baseline, candidate])

    def swapped(kept: Array) -> Array:
        weights = kept[:, codes]
        first, second = np.hstack([weights, 1 - weights]), np.hstack([1 - weights, weights])
        return np.asarray(sign * (score(both, second) - score(both, first)))

    once = np.ones((1, len(baseline)))
    observed = float(effect(once)[0])
    generator = np.random.default_rng(derive_seed(seed, "swaps"))
    sizes = _chunks(draws, 2 * len(baseline))
    random = [swapped(generator.integers(0, 2, (size, codes.max() + 1)).astype(float)) for size in sizes]
    reached = sum(int(np.sum(np.abs(values) >= abs(observed) - TOLERANCE)) for values in random)
    return PairedResult(
        effect=observed,
        interval=_percentiles(_bootstrap(effect, codes, seed, draws), confidence, "paired bootstrap"),
        p=(1 + reached) / (1 + draws),
        method="paired bootstrap, approximate randomisation",
        n=len(baseline),
        wins=None,
        losses=None,
        baseline=float(score(baseline, once)[0]),
        candidate=float(score(candidate, once)[0]),
        correlation=None,
    )


def _bootstrap(statistic: Callable[[Array], Array], codes: NDArray[np.int64], seed: int, draws: int) -> Array:
    """A statistic of items whose groups are drawn with replacement, shape (draws,)."""
    count = int(codes.max()) + 1
    generator = np.random.default_rng(derive_seed(seed, "bootstrap"))
    values = []
    for size in _chunks(draws, len(codes)):
        drawn = generator.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        values.append(statistic(times[:, codes].astype(float)))
    return np.concatenate(values)


def _chunks(draws: int, items: int) -> list[int]:
    """How many draws to hold at once, until all are made."""
    size = max(1, min(draws, CHUNK_SIZE // max(items, 1)))
    return [min(size, draws - start) for start in range(0, draws, size)]


def _percentiles(values: Array, confidence: float, method: str) -> Interval | None:
    values = values[np.isfinite(values)]
    if len(values) < 2 or np.ptp(values) <= TOLERANCE:
        return None
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(low), float(high), confidence, method)
