"""Strengths of systems from judgements of pairs of them, after Bradley and Terry (1952)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, group_codes
from tunelift.statistics.resampling import resampled_interval

Array = NDArray[np.float64]

DRAWS = 2_000
STEPS = 100
PRECISION = 1e-10


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a system is.

    Attributes:
        system: Its name.
        value: Natural logarithm of its odds against an average one of these systems; their mean is 0.
        interval: Its interval; None where every draw gives the same, as when one of two systems always wins.
    """

    system: str
    value: float
    interval: Interval | None


def bradley_terry(
    first: Sequence[str],
    second: Sequence[str],
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    prior: float = 0.1,
    seed: int = 0,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> list[Strength]:
    """Strengths by maximum likelihood.

    A system is preferred to another with probability 1 / (1 + exp(the other's strength - its own)); a tie counts as
    half a win of each. Where some systems win all their comparisons with the others, or were never compared with them,
    the likelihood has no maximum (Ford 1957). Every pair of systems therefore counts as having tied `prior` times more,
    which draws strengths together a little; a system that won 10 of 10 has then the odds 10.05 : 0.05.

    Args:
        first: One system of each comparison.
        second: The other.
        scores: 1 where the first was preferred, 0 where the second was, 0.5 for a tie, or anything between.
        groups: Group id of each comparison: the item, or the document it stands in. Judgements of one item are not
            independent, so the bootstrap draws whole groups. None: every comparison is its own.
        prior: Ties that are added to every pair of systems, above 0; 1e-6 is practically the plain maximum where there
            is one.
        seed: Seed of the bootstrap.
        confidence: Coverage of the intervals.
        draws: Number of bootstrap draws.

    Returns:
        The systems, the strongest first.

    Raises:
        ValueError: The arguments differ in length, are empty, compare a system with itself, or make no sense.
    """
    values = np.asarray(scores, dtype=float)
    if not len(first) == len(second) == len(values) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} systems with {len(values)} scores are no comparisons")
    if not ((values >= 0) & (values <= 1)).all() or not prior > 0:
        raise ValueError("scores lie between 0 and 1, and the prior above 0")
    systems = list(dict.fromkeys([*first, *second]))
    if any(one == other for one, other in zip(first, second, strict=True)):
        raise ValueError("a system is compared with itself")
    wins, size = _group_wins(systems, first, second, values, groups), len(systems)
    fitted = _fit(wins.sum(axis=0).reshape(1, size, size), prior)[0]
    strengths = []
    for place, system in enumerate(systems):

        def of_system(statistics: Array, weights: Array, place: int = place) -> Array:
            return _fit((weights @ statistics).reshape(-1, size, size), prior)[:, place]

        interval = resampled_interval(of_system, wins, None, seed, confidence, draws)
        strengths.append(Strength(system, float(fitted[place]), interval))
    return sorted(strengths, key=lambda strength: -strength.value)


def _group_wins(
    systems: Sequence[str],
    first: Sequence[str],
    second: Sequence[str],
    scores: Array,
    groups: ArrayLike | None,
) -> Array:
    """How often each system beat each other one in each group, shape (groups, systems * systems)."""
    places = {system: place for place, system in enumerate(systems)}
    one, other = (np.array([places[system] for system in side]) for side in (first, second))
    codes, size = group_codes(groups, len(scores)), len(systems)
    wins = np.zeros((int(codes.max()) + 1, size * size))
    np.add.at(wins, (codes, one * size + other), scores)
    np.add.at(wins, (codes, other * size + one), 1 - scores)
    return wins


def _fit(wins: Array, prior: float) -> Array:
    """Strengths that maximise the likelihood of wins, by Newton's method.

    The length of a step is log(1 + d) / d of Newton's own, where d is by how much the step would change the largest
    difference of strengths: this never overshoots in a logistic likelihood (Bach 2010), and becomes a full step near
    the maximum.

    Args:
        wins: How often each system beat each other one, shape (draws, systems, systems).
        prior: Ties added to every pair.

    Returns:
        Shape (draws, systems), with mean 0.
    """
    size = wins.shape[1]
    wins = wins + prior / 2 * (1 - np.eye(size))
    games = wins + wins.transpose(0, 2, 1)
    strengths = np.zeros(wins.shape[:2])
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(strengths[:, None, :] - strengths[:, :, None]))
        gradient = (wins - games * expected).sum(axis=2)
        information = games * expected * (1 - expected)
        # The level of all strengths is free; the mean of ones keeps it where it is.
        curvature = np.eye(size) * information.sum(axis=2)[:, :, None] - information + 1 / size
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        change = np.maximum(np.ptp(step, axis=1), PRECISION)
        strengths += step * (np.log1p(change) / change)[:, None]
        if change.max() <= PRECISION:
            break
    return np.asarray(strengths - strengths.mean(axis=1, keepdims=True))
