"""Two samples that have no item in common."""

from __future__ import annotations

from math import hypot

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import Interval, standard_error


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
