"""One number for several tasks: the mean of the kind of tasks that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, standard_error

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class KindMean:
    """Mean effect of a kind of tasks, of which the tasks at hand are a sample.

    Attributes:
        effect: The mean effect.
        interval: Its interval; None when all effects are equal.
        deviation: Standard deviation of the tasks' true effects.
    """

    effect: float
    interval: Interval | None
    deviation: float


def kind_mean(effects: ArrayLike, errors: ArrayLike, confidence: float = 0.95) -> KindMean:
    """Mean effect of a kind of tasks: every task at hand is one draw, and counts the same.

    The interval is Student's, from the effects alone. Weights by precision, as in a random-effects meta-analysis, would
    be taken from the same items as the effects: a task whose items are all right before and after has no spread and no
    weight, and to leave such tasks out makes tuning look better than it is. The variance between tasks is that of the
    effects without the mean of the squared errors (Hedges 1983).

    Args:
        effects: Effect of each task, all of one metric, shape (tasks,), at least two.
        errors: Standard error of each effect, shape (tasks,); 0 where a task's items do not differ.
        confidence: Coverage of the interval.

    Raises:
        ValueError: There are fewer than two tasks, the arrays differ in length, or hold values that make no sense.
    """
    from scipy.special import stdtrit

    effects, errors = _checked(effects, errors)
    if len(effects) < 2:
        raise ValueError("two tasks at least are needed")
    effect, spread = float(effects.mean()), standard_error(effects)
    interval = None
    if spread is not None:
        half = float(stdtrit(spread[1], 0.5 + confidence / 2)) * spread[0]
        interval = Interval(effect - half, effect + half, confidence, "mean of tasks")
    between = float(effects.var(ddof=1) - np.mean(errors**2))
    return KindMean(effect, interval, sqrt(max(between, 0.0)))


def _checked(effects: ArrayLike, errors: ArrayLike) -> tuple[Array, Array]:
    effects, errors = np.asarray(effects, dtype=float), np.asarray(errors, dtype=float)
    if effects.ndim != 1 or effects.shape != errors.shape or not effects.size:
        raise ValueError(f"one standard error for each effect is needed, not {errors.shape} for {effects.shape}")
    if not (np.isfinite(effects).all() and np.isfinite(errors).all() and np.all(errors >= 0)):
        raise ValueError("an effect is not finite, or a standard error is negative")
    return effects, errors
