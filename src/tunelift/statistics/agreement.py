"""How far raters agree beyond chance, with bootstrap intervals over the items that they rated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval
from tunelift.statistics.resampling import DRAWS, Score, resampled_interval

Array = NDArray[np.float64]
# How far apart two categories are, given how often each was named: counts of shape (draws, categories) to distances
# of shape (draws, categories, categories), or (1, categories, categories) where counts do not matter.
Distance = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement of raters.

    Attributes:
        value: 1 for perfect agreement, 0 for what chance gives, below 0 for less; None where everybody said the same
            of everything, so that there is nothing to agree on.
        interval: Its interval; None where there is too little to tell.
        items: Number of items that it rests on.
    """

    value: float | None
    interval: Interval | None
    items: int


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    categories: Sequence[Hashable] | None = None,
    weights: str | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Agreement:
    """Cohen's kappa of two raters: 1 - observed / expected disagreement (Cohen 1960; weighted: Cohen 1968).

    Args:
        first: What the first rater says of each item.
        second: What the second says of the same items in the same order.
        categories: All categories, in their order where weights depend on it; those that were named, sorted, unless
            given.
        weights: How much a disagreement counts: None all alike, "linear" by how many categories lie between, or
            "quadratic" by its square.
        groups: Group id of each item; whole groups are drawn.
        seed: Seed of the bootstrap.
        confidence: Coverage of the interval.
        draws: Number of bootstrap draws.

    Raises:
        ValueError: There are no items, not as many of both raters, unknown categories or weights.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"two raters of the same items are needed, not {len(first)} and {len(second)} ratings")
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f'there are no weights "{weights}"; take None, "linear" or "quadratic"')
    codes, size = _coded([*first, *second], categories)
    one, other = np.split(codes, 2)
    cells = _one_hot(one * size + other, size * size)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    distance = {None: np.sign(apart), "linear": apart, "quadratic": apart**2}[weights]

    def score(statistics: Array, draw: Array) -> Array:
        table = (draw @ statistics).reshape(-1, size, size)
        total = table.sum(axis=(1, 2))
        expected = np.einsum("di,dj,ij->d", table.sum(axis=2), table.sum(axis=1), distance) / total
        return _beyond_chance((table * distance).sum(axis=(1, 2)), expected)

    return _agreement(score, cells, groups, seed, confidence, draws)


def krippendorff_alpha(
    ratings: ArrayLike,
    level: str = "nominal",
    groups: ArrayLike | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Agreement:
    """Krippendorff's alpha of any number of raters, not all of whom need to rate everything.

    Alpha is 1 - observed / expected disagreement, both from the coincidences of values within items (Krippendorff 2011,
    "Computing Krippendorff's Alpha-Reliability"). Ordinal distances are those of the values' mean ranks, which is
    another way to write Krippendorff's sums of frequencies.

    Args:
        ratings: Numbers that stand for the values, shape (items, raters); nan where a rater did not rate an item.
            Items that fewer than two rated say nothing and are left out.
        level: "nominal" (equal or not), "ordinal" (an order), or "interval" (differences count).
        groups: Group id of each item; whole groups are drawn.
        seed: Seed of the bootstrap.
        confidence: Coverage of the interval.
        draws: Number of bootstrap draws.

    Raises:
        ValueError: The ratings are no table, no item was rated twice, a rating is infinite, or there is no such level.
    """
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError("ratings are a table of finite numbers and nan, items by raters")
    if level not in ("nominal", "ordinal", "interval"):
        raise ValueError(f'there is no level "{level}"; take "nominal", "ordinal" or "interval"')
    rated = np.isfinite(table).sum(axis=1) > 1
    if not rated.any():
        raise ValueError("no item was rated by two")
    table = table[rated]
    kept = None if groups is None else np.asarray(groups)[rated]
    if level == "interval":
        return _agreement(_alpha_of_moments, _moments(table), kept, seed, confidence, draws)
    counts = _value_counts(table)
    score = _alpha_of_counts(_nominal if level == "nominal" else _ordinal, counts.shape[1])
    return _agreement(score, _coincidences(counts), kept, seed, confidence, draws)


def _agreement(
    score: Score, statistics: Array, groups: ArrayLike | None, seed: int, confidence: float, draws: int
) -> Agreement:
    value = float(score(statistics, np.ones((1, len(statistics))))[0])
    if not isfinite(value):
        return Agreement(None, None, len(statistics))
    interval = resampled_interval(score, statistics, groups, seed, confidence, draws, (-1.0, 1.0))
    return Agreement(value, interval, len(statistics))


def _beyond_chance(observed: Array, expected: Array) -> Array:
    """One minus observed by expected disagreement; nan where none is to be expected."""
    return np.asarray(1 - np.divide(observed, expected, out=np.full_like(observed, np.nan), where=expected > 0))


def _coded(values: Sequence[Hashable], categories: Sequence[Hashable] | None) -> tuple[NDArray[np.int64], int]:
    """Values as places among the categories, and the number of these."""
    known = sorted(set(values), key=str) if categories is None else list(dict.fromkeys(categories))
    places = {category: place for place, category in enumerate(known)}
    if unknown := set(values) - places.keys():
        raise ValueError(f"{min(map(repr, unknown))} is none of the categories")
    return np.array([places[value] for value in values]), len(known)


def _one_hot(codes: NDArray[np.int64], size: int) -> Array:
    rows = np.zeros((len(codes), size))
    rows[np.arange(len(codes)), codes] = 1
    return rows


def _value_counts(table: Array) -> Array:
    """How often each value, in ascending order, was given to each item, shape (items, values)."""
    values = np.unique(table[np.isfinite(table)])
    counts = np.zeros((len(table), len(values)))
    items, raters = np.nonzero(np.isfinite(table))
    np.add.at(counts, (items, np.searchsorted(values, table[items, raters])), 1)
    return counts


def _coincidences(counts: Array) -> Array:
    """For each item the pairs of values in it, each value weighing one, and how often each value was given.

    Args:
        counts: Shape (items, values).

    Returns:
        Shape (items, values * values + values). Pairs of a rating with itself do no harm: their distance is 0.
    """
    pairs = counts[:, :, None] * counts[:, None, :] / (counts.sum(axis=1) - 1)[:, None, None]
    return np.hstack([pairs.reshape(len(counts), -1), counts])


def _nominal(frequencies: Array) -> Array:
    return 1 - np.eye(frequencies.shape[1])[None]


def _ordinal(frequencies: Array) -> Array:
    ranks = np.cumsum(frequencies, axis=1) - frequencies / 2
    return (ranks[:, :, None] - ranks[:, None, :]) ** 2


def _alpha_of_counts(distance: Distance, size: int) -> Score:
    """Alpha from `_coincidences` of so many values."""

    def score(statistics: Array, draw: Array) -> Array:
        sums = draw @ statistics
        pairs, frequencies = sums[:, :-size].reshape(-1, size, size), sums[:, -size:]
        apart, total = distance(frequencies), frequencies.sum(axis=1)
        expected = ((frequencies[:, :, None] * frequencies[:, None, :]) * apart).sum(axis=(1, 2)) / (total - 1)
        return _beyond_chance((pairs * apart).sum(axis=(1, 2)), expected)

    return score


def _moments(table: Array) -> Array:
    """For each item the number, sum and sum of squares of its ratings, and their squared distances per rating."""
    # Centred, so that large ratings that differ little lose no digits.
    values = table - np.nanmean(table)
    numbers, sums, squares = np.isfinite(values).sum(axis=1), np.nansum(values, axis=1), np.nansum(values**2, axis=1)
    within = 2 * np.maximum(numbers * squares - sums**2, 0) / (numbers - 1)
    return np.stack([numbers.astype(float), sums, squares, within], axis=1)


def _alpha_of_moments(statistics: Array, draw: Array) -> Array:
    """Alpha of interval data from `_moments`."""
    number, total, squares, within = (draw @ statistics).T
    between = 2 * (number * squares - total**2) / (number - 1)
    # What remains of equal ratings after rounding is nothing to agree on.
    return _beyond_chance(within, np.where(between > 1e-12 * number * squares, between, 0.0))
