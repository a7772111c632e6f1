"""Scores that are no means: bootstrap intervals and paired comparisons from statistics of single items.

A score is a function of statistics of shape (items, columns) and weights of shape (draws, items): one number for every
draw. A bootstrap draw gives an item the weight with which it was drawn; swapping two systems on an item gives the one's
weight to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval, group_codes
from tunelift.statistics.paired import PairedResult

Array = NDArray[np.float64]
Score = Callable[[Array, Array], Array]

DRAWS = 10_000
# Weights that are made and used before the next ones are: 2 MB, which stay in a processor's cache.
CHUNK = 2**18
# However many the items are: every call of a score may have to sort or count them.
FEWEST_DRAWS = 32
TOLERANCE = 1e-12


def resampled_interval(
    score: Score,
    statistics: Array,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = DRAWS,
    limits: tuple[float, float] = (-inf, inf),
) -> Interval | None:
    """Bootstrap interval of a score; whole groups are drawn (Efron 1979).

    Its ends are percentiles of the draws, moved by what the draws are off the score on average: a drawn set has fewer
    different items, on which some scores (calibration error, distinct words) are systematically others. With few
    groups the percentiles lie farther out, see `_percentiles`.

    Args:
        score: Statistics and weights to scores.
        statistics: Of the items, shape (items, columns).
        groups: Group id of each item, shape (items,).
        seed: Seed of the draws.
        confidence: Coverage.
        draws: Number of draws.
        limits: The worst and the best possible score, between which the interval lies.

    Returns:
        The interval; None when there are fewer than two groups, or the score is the same in every draw.
    """
    observed = float(score(statistics, np.ones((1, len(statistics))))[0])
    codes = group_codes(groups, len(statistics))
    scores = _bootstrap(lambda weights: score(statistics, weights), codes, seed, draws)
    return _percentiles(scores, observed, np.bincount(codes), confidence, "bootstrap", limits)


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

    There is no interval where the two differ on so few groups that no swap of all of them is rare enough: fewer than
    6 at 95 %. What other items would show is then unknown, and a bootstrap of the few would be far too narrow.

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

    once = np.ones((1, len(baseline)))
    observed = float(effect(once)[0])
    reached = np.abs(_swapped(score, baseline, candidate, codes, seed, draws)) >= abs(observed) - TOLERANCE
    # Groups on which the systems agree tell nothing about how much differences scatter.
    differing = np.bincount(codes, (baseline != candidate).any(axis=1))
    interval = None
    if 2.0 ** (1 - np.count_nonzero(differing)) <= 1 - confidence:
        drawn = _bootstrap(effect, codes, seed, draws)
        interval = _percentiles(drawn, observed, differing, confidence, "paired bootstrap")
    return PairedResult(
        effect=observed,
        interval=interval,
        p=float(1 + reached.sum()) / (1 + draws),
        method="paired bootstrap, approximate randomisation",
        n=len(baseline),
        wins=None,
        losses=None,
        baseline=float(score(baseline, once)[0]),
        candidate=float(score(candidate, once)[0]),
        correlation=None,
    )


def _swapped(score: Score, baseline: Array, candidate: Array, codes: NDArray[np.int64], seed: int, draws: int) -> Array:
    """Candidate minus baseline where the two are swapped on random groups, shape (draws,)."""
    both = np.concatenate([baseline, candidate])
    generator = np.random.default_rng(derive_seed(seed, "swaps"))
    values = []
    for size in _chunks(draws, len(baseline)):
        swapped = generator.integers(0, 2, (size, codes.max() + 1), dtype=bool).take(codes, axis=1)
        first = np.hstack([~swapped, swapped]).astype(float)
        values.append(score(both, 1 - first) - score(both, first))
    return np.concatenate(values)


def _bootstrap(statistic: Callable[[Array], Array], codes: NDArray[np.int64], seed: int, draws: int) -> Array:
    """A statistic of items whose groups are drawn with replacement, shape (draws,)."""
    count = int(codes.max()) + 1
    generator = np.random.default_rng(derive_seed(seed, "bootstrap"))
    values = []
    for size in _chunks(draws, len(codes)):
        drawn = generator.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        values.append(statistic(times.astype(float).take(codes, axis=1)))
    return np.concatenate(values)


def _chunks(draws: int, items: int) -> list[int]:
    """How many draws to hold at once, until all are made."""
    size = max(FEWEST_DRAWS, CHUNK // items)
    return [min(size, draws - start) for start in range(0, draws, size)]


def _percentiles(
    values: Array,
    observed: float,
    sizes: NDArray[Any],
    confidence: float,
    method: str,
    limits: tuple[float, float] = (-inf, inf),
) -> Interval | None:
    """The interval of a score from its draws.

    Their spread is that of a sum over groups, too small by a factor and uncertain in itself when the groups are few:
    the percentiles are those at which Student's interval would lie (Hesterberg 2015, "expanded percentile"). Unequal
    groups count as so many equal ones as have the same sum of squared shares (Kish 1965).

    Args:
        values: Score of each draw, shape (draws,).
        observed: Score of the items.
        sizes: How much each group contributes, shape (groups,).
        confidence: Coverage.
        method: Its name.
        limits: Between which the interval lies.
    """
    from scipy.special import ndtr, stdtrit

    values = values[np.isfinite(values)]
    groups = sizes.sum() ** 2 / np.square(sizes).sum()
    if np.count_nonzero(sizes) < 2 or len(values) < 2 or np.ptp(values) <= TOLERANCE:
        return None
    tail = ndtr(-sqrt(groups / (groups - 1)) * stdtrit(groups - 1, 0.5 + confidence / 2))
    ends = np.quantile(values, [tail, 1 - tail], method="weibull") - (values.mean() - observed)
    low, high = np.clip(ends, *limits)
    return Interval(float(low), float(high), confidence, method)
