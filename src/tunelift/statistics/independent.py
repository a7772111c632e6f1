"""Two samples that have no item in common: their means, and two effects that were measured on one each."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import Interval, normal_probability, normal_quantile, standard_error
from tunelift.statistics.paired import PairedResult


@dataclass(frozen=True, slots=True)
class EffectDifference:
    """How far one effect exceeds another.

    Attributes:
        effect: The first effect minus the second.
        interval: Its interval; None where one of the two has none.
        p: Two-sided p-value of "no difference"; None likewise.
    """

    effect: float
    interval: Interval | None
    p: float | None


def compare_effects(first: PairedResult, second: PairedResult) -> EffectDifference:
    """Compare two effects, each of which was measured on items of its own, through their intervals.

    The interval puts those of the two together (MOVER; Zou and Donner 2008), so that it takes every score that has
    one, also right-or-wrong items of which hardly any changed, and scores that are no means. The p-value is the one
    that fits the interval, if errors are normal (Altman and Bland 2011): below 0.05 exactly where 95 % exclude 0.

    Args:
        first: The first effect.
        second: The second effect, on other items and with the same confidence.
    """
    effect = first.effect - second.effect
    one, other = first.interval, second.interval
    if one is None or other is None:
        return EffectDifference(effect, None, None)
    below = hypot(first.effect - one.low, other.high - second.effect)
    above = hypot(one.high - first.effect, second.effect - other.low)
    towards_zero = below if effect > 0 else above
    quantile = normal_quantile(0.5 + one.confidence / 2)
    p = 2 * normal_probability(-quantile * abs(effect) / towards_zero) if effect else 1.0
    return EffectDifference(effect, Interval(effect - below, effect + above, one.confidence, "MOVER"), p)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    first_groups: ArrayLike | None = None,
    second_groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Interval | None:
    """Interval of the mean of the first sample minus that of the second (Welch 1947); spreads may differ.

    With groups the errors are those of `intervals.standard_error`; no group may stand in both samples.

    Args:
        first: Values, shape (n,).
        second: Values, shape (m,).
        first_groups: Group id of each value, shape (n,).
        second_groups: Likewise, shape (m,).
        confidence: Coverage.

    Returns:
        The interval; None when the spread of a sample cannot be estimated.
    """
    from scipy.special import stdtrit

    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    spreads = [standard_error(first, first_groups), standard_error(second, second_groups)]
    known = [spread for spread in spreads if spread is not None]
    if len(known) < len(spreads):
        return None
    error = hypot(*(one for one, _ in known))
    freedom = error**4 / sum(one**4 / degrees for one, degrees in known)
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    effect = float(first.mean() - second.mean())
    return Interval(effect - half, effect + half, confidence, "Welch" if first_groups is None else "clustered Welch")
