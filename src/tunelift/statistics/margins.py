"""Nothing lost: shown by an interval above a margin, not by a test that found no difference.

Margins are fixed before the run, in the unit of the score. Positive differences mean that the candidate is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import (
    Interval,
    group_codes,
    mean_interval,
    standard_error,
    tango,
    tango_score,
)
from tunelift.statistics.paired import caution, widened
from tunelift.statistics.randomisation import flip_groups

# Below this share of the degrees of freedom that equal groups would have, cluster-robust t-tests err too often: in
# simulations up to 10 % of the time at a level of 5 %, above it up to 6 %.
BALANCED = 2 / 3

Tails = Callable[[float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class MarginTest:
    """What a test against a margin found.

    Attributes:
        effect: Mean difference, candidate minus baseline.
        interval: Its interval with coverage 1 - 2 alpha, which the verdict reads; None when the data cannot give one.
        p: P-value of "the margin is exceeded".
        margin: The margin, above 0.
        verdict: See `non_inferiority`.
        method: How interval and p-value were computed.
        n: Number of items.
    """

    effect: float
    interval: Interval | None
    p: float
    margin: float
    verdict: Literal["retained", "lost", "undecided"]
    method: str
    n: int


def non_inferiority(
    differences: ArrayLike, margin: float, groups: ArrayLike | None = None, alpha: float = 0.05, seed: int = 0
) -> MarginTest:
    """Has the candidate kept what the baseline could, up to a margin?

    The verdict is "retained" when the interval lies above -margin, "lost" when it does not but lies below 0, and
    "undecided" otherwise. The interval fits the data: Tango's for differences of right-or-wrong scores (-1, 0, 1),
    Student's for others, with groups the cluster-robust one. Where one or two groups hold most of the items, or where
    all differences are equal, interval and p-value are those of sign flips of groups. Where few items or groups differ
    at all, both are more cautious, see `paired.caution`.

    Args:
        differences: Candidate minus baseline on each item, shape (n,).
        margin: The largest loss that counts as none, above 0.
        groups: Group id of each item, shape (n,).
        alpha: Level of each one-sided test, below 0.5.
        seed: Seed of sign flips that cannot be enumerated.

    Raises:
        ValueError: The differences are no list of finite numbers, or margin or level make no sense.
    """
    differences = _checked(differences, margin, alpha)
    tails, interval, method = _inference(differences, groups, alpha, seed)
    p = tails(-margin)[0]
    below_zero = tails(0.0)[1]
    verdict: Literal["retained", "lost", "undecided"]
    verdict = "retained" if p <= alpha else "lost" if below_zero <= alpha else "undecided"
    return MarginTest(float(differences.mean()), interval, p, margin, verdict, method, len(differences))


def _checked(differences: ArrayLike, margin: float, alpha: float) -> np.ndarray:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError("differences are a list of at least one finite number")
    if not (margin > 0 and 0 < alpha < 0.5):
        raise ValueError(f"margin {margin} is not above 0, or level {alpha} not between 0 and 0.5")
    return values


def _inference(
    differences: np.ndarray, groups: ArrayLike | None, alpha: float, seed: int
) -> tuple[Tails, Interval | None, str]:
    """P-values of "the effect is at most" and "at least" a threshold, the interval that they invert to, the method."""
    if groups is None and np.isin(differences, (-1, 0, 1)).all():
        wins, losses, n = int(np.sum(differences > 0)), int(np.sum(differences < 0)), len(differences)
        return partial(_tango_tails, wins, losses, n), tango(wins, losses, n, 1 - 2 * alpha), "Tango"
    codes = group_codes(groups, len(differences))
    sums, sizes = np.bincount(codes, differences), np.bincount(codes).astype(float)
    spread, effect, factor = standard_error(differences, groups), float(differences.mean()), caution(sums)
    tails: Tails
    if spread is not None and spread[1] >= BALANCED * codes.max():
        interval = mean_interval(differences, groups, 1 - 2 * alpha)
        tails, method = partial(_student_tails, effect, *spread), "t" if groups is None else "clustered t"
    else:
        interval = flip_groups(sums, sizes, seed, 1 - 2 * alpha)[1]
        tails, method = partial(_flipped_tails, sums, sizes, seed), "sign flips of groups"

    def cautious(threshold: float) -> tuple[float, float]:
        return tails(effect + (threshold - effect) / factor)

    return cautious, widened(interval, effect, factor), method


def _tango_tails(wins: int, losses: int, n: int, threshold: float) -> tuple[float, float]:
    from scipy.special import ndtr

    score = tango_score(wins, losses, n, float(np.clip(threshold, -1, 1)))
    return float(ndtr(-score)), float(ndtr(score))


def _student_tails(effect: float, error: float, freedom: float, threshold: float) -> tuple[float, float]:
    from scipy.special import stdtr

    distance = (effect - threshold) / error
    return float(stdtr(freedom, -distance)), float(stdtr(freedom, distance))


def _flipped_tails(sums: np.ndarray, sizes: np.ndarray, seed: int, threshold: float) -> tuple[float, float]:
    shifted = sums - threshold * sizes
    # Every pattern has a mirror image, so that either side holds half of the two-sided p-value.
    reached = flip_groups(shifted, sizes, seed)[0] / 2
    return (reached, 1 - reached) if shifted.sum() > 0 else (1 - reached, reached)
