"""Tests and intervals that assume only one thing: two systems that do not differ could as well swap names.

Swapping the systems on an item, or on a whole group of items, flips the sign of its difference. How often a random
pattern of flips reaches the observed effect is the p-value (Fisher 1935; Yeh 2000).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval

DRAWS = 20_000
EXACT_GROUPS = 14  # up to here all 2^14 patterns are fewer than DRAWS
EXACT_OUTCOMES = 2_000_000
CHUNK = 1_000
TOLERANCE = 1e-9  # equal sums, added in another order, differ by less, relative to their size


def flip_groups(
    sums: np.ndarray, weights: np.ndarray, seed: int, confidence: float = 0.95, draws: int = DRAWS
) -> tuple[float, Interval | None]:
    """Sign-flip test of a weighted mean difference, and the interval of all effects that it does not reject.

    A pattern of flips splits the groups into two halves. It reaches the observed effect exactly when 0 lies
    between the mean differences of the two halves, and the same holds for every other hypothetical effect in place
    of 0. Test and interval can therefore be read off the means of random halves (Hartigan 1969). Both are valid
    whatever the number and the sizes of the groups, as long as differences scatter symmetrically about the effect.

    Args:
        sums: For each group the weighted sum of its differences, shape (groups,).
        weights: For each group the sum of its weights, shape (groups,).
        seed: Seed of the patterns: all of them with at most 14 groups, drawn ones otherwise.
        confidence: Coverage.
        draws: How many patterns are drawn, in thousands.

    Returns:
        The two-sided p-value, and the interval; None with so few groups that nothing can be excluded (fewer than
        6 at 95 %), or when all groups have the same difference.
    """
    halves = np.concatenate([_half_means(kept, sums, weights) for kept in _patterns(len(sums), seed, draws)], axis=1)
    nothing = TOLERANCE * float(np.abs(sums / weights).max())
    p = float(np.mean((halves[0] <= nothing) & (halves[1] >= -nothing)))
    rejected = int((1 - confidence) * halves.shape[1] + TOLERANCE)  # so many patterns are too rare to be believed
    low, high = float(np.sort(halves[0])[rejected]), float(np.sort(halves[1])[-1 - rejected])
    if not np.isfinite([low, high]).all() or high - low <= nothing:
        return p, None
    return p, Interval(low, high, confidence, "sign flips of groups")


def _patterns(groups: int, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Which groups are kept (1) and which are flipped (0), rows of shape (groups,), in chunks."""
    if groups <= EXACT_GROUPS:
        yield (np.arange(2**groups)[:, None] >> np.arange(groups) & 1).astype(float)
        return
    # The observed pattern is one of the possible ones: with it, p can never be 0 (Phipson and Smyth 2010).
    yield np.ones((1, groups))
    generator = np.random.default_rng(derive_seed(seed, "sign flips"))
    for _ in range(draws // CHUNK):
        yield generator.integers(0, 2, (CHUNK, groups), dtype=np.int8).astype(float)


def _half_means(kept: np.ndarray, sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The smaller and the larger mean of the two halves, shape (2, patterns); unbounded where one is empty."""
    kept_sum, kept_weight = kept @ sums, kept @ weights
    proper = (kept.min(axis=1) == 0) & (kept.max(axis=1) == 1)
    means = np.stack([np.full(len(kept), -np.inf), np.full(len(kept), np.inf)])
    np.divide(kept_sum, kept_weight, out=means[0], where=proper)
    np.divide(sums.sum() - kept_sum, weights.sum() - kept_weight, out=means[1], where=proper)
    return np.sort(means, axis=0)


def flip_counts(steps: np.ndarray, counts: np.ndarray, observed: float, seed: int) -> float:
    """Sign-flip p-value of independent items whose differences have few sizes.

    Args:
        steps: The sizes of differences, each its share of the effect, shape (sizes,).
        counts: How many items have a difference of each size, shape (sizes,).
        observed: The effect.
        seed: Seed of the draws, which are made only when there are too many outcomes to enumerate.

    Returns:
        P(|sum of all steps with random signs| >= |observed|), exact or from 20,000 draws.
    """
    exact = _enumerate_flips(steps, counts, observed)
    if exact is not None:
        return exact
    generator = np.random.default_rng(derive_seed(seed, "sign flips"))
    sums = (2 * generator.binomial(counts, 0.5, (DRAWS, len(counts))) - counts) @ steps
    return float(1 + np.sum(np.abs(sums) >= abs(observed) - TOLERANCE)) / (DRAWS + 1)


def _enumerate_flips(steps: np.ndarray, counts: np.ndarray, observed: float) -> float | None:
    """The exact p-value, by convolving one binomial per size; None when there are too many outcomes."""
    values, probabilities = np.zeros(1), np.ones(1)
    for step, count in zip(steps, counts, strict=True):
        if len(values) * (count + 1) > EXACT_OUTCOMES:
            return None
        kept = np.arange(count + 1)
        sums = np.add.outer(values, step * (2 * kept - count)).ravel()
        shares = np.multiply.outer(probabilities, binomial_probability(kept, int(count), 0.5)).ravel()
        values, same = np.unique(np.round(sums, 12), return_inverse=True)
        probabilities = np.asarray(np.bincount(same, shares), dtype=float)
    return min(1.0, float(probabilities[np.abs(values) >= abs(observed) - TOLERANCE].sum()))


def binomial_probability(successes: np.ndarray, trials: int, probability: float) -> np.ndarray:
    """P(X = successes) of a binomial variable, for each of the given numbers of successes."""
    from scipy.special import gammaln, xlog1py, xlogy

    failures = trials - successes
    ways = gammaln(trials + 1) - gammaln(successes + 1) - gammaln(failures + 1)
    return np.exp(ways + xlogy(successes, probability) + xlog1py(failures, -probability))
