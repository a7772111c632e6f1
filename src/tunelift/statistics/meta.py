"""One number for several tasks: the mean of these tasks, or of the kind of tasks that they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, normal_quantile, satterthwaite

Array = NDArray[np.float64]
BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class MacroMean:
    """Mean effect of the tasks at hand.

    Attributes:
        effect: Mean of the tasks' effects, each counted once.
        error: Its standard error.
        interval: Its interval.
    """

    effect: float
    error: float
    interval: Interval


def macro_mean(
    effects: ArrayLike, errors: ArrayLike, freedoms: ArrayLike | None = None, confidence: float = 0.95
) -> MacroMean:
    """Mean of independent tasks with error sqrt(sum of squared errors) / tasks; it speaks of these tasks only.

    Args:
        effects: Effect of each task, all of one metric, shape (tasks,).
        errors: Standard error of each effect, shape (tasks,); not all 0.
        freedoms: Degrees of freedom of each error, shape (tasks,), which are pooled (Satterthwaite 1946). None: the
            errors count as known, which needs some fifty items in each task.
        confidence: Coverage of the interval.

    Raises:
        ValueError: The arrays differ in length, are empty, or hold values that make no sense.
    """
    from scipy.special import stdtrit

    effects, errors = _checked(effects, errors)
    if not errors.any():
        raise ValueError("all standard errors are 0")
    error = sqrt(np.sum(errors**2)) / len(errors)
    quantile = normal_quantile(0.5 + confidence / 2)
    if freedoms is not None:
        freedoms = np.broadcast_to(np.asarray(freedoms, dtype=float), errors.shape)
        pooled = np.sum(errors**2) ** 2 / np.sum(errors**4 / freedoms)
        quantile = float(stdtrit(pooled, 0.5 + confidence / 2))
    effect, half = float(effects.mean()), quantile * error
    return MacroMean(effect, error, Interval(effect - half, effect + half, confidence, "macro mean"))


@dataclass(frozen=True, slots=True)
class MetaAnalysis:
    """Mean effect of a kind of tasks, of which the tasks at hand are a sample.

    Attributes:
        effect: The mean effect; precise tasks count more, the less so the more the tasks differ.
        error: Its standard error.
        interval: Its interval; None when all effects are equal.
        deviation: Standard deviation of the tasks' true effects, tau.
        inconsistency: Share of the effects' variance that is not chance, I squared, between 0 and 1.
        q: Cochran's statistic of "all tasks have the same effect".
        p: Its p-value.
    """

    effect: float
    error: float
    interval: Interval | None
    deviation: float
    inconsistency: float
    q: float
    p: float


def random_effects(effects: ArrayLike, errors: ArrayLike, confidence: float = 0.95) -> MetaAnalysis:
    """Random-effects meta-analysis after Paule and Mandel (1982).

    The variance between tasks is the one at which the weighted squares around the mean are what they should be on
    average. For equally precise tasks the interval is that of Hartung and Knapp (2001). Where one task is far more
    precise than others theirs is too narrow; the squares are therefore divided by one minus the task's share of the
    weights, and the degrees of freedom follow from the shares (Tipton 2015), as in `standard_error`.

    Heterogeneity is Q (Cochran 1954) with k - 1 degrees of freedom, and I^2 = max(0, 1 - (k - 1) / Q) (Higgins and
    Thompson 2002).

    Args:
        effects: Effect of each task, all of one metric, shape (k,), at least two.
        errors: Standard error of each effect, shape (k,), above 0.
        confidence: Coverage of the interval.

    Raises:
        ValueError: There are fewer than two tasks, the arrays differ in length, or hold values that make no sense.
    """
    from scipy.special import chdtrc, stdtrit

    effects, errors = _checked(effects, errors)
    if len(effects) < 2 or not errors.all():
        raise ValueError("two tasks at least, with standard errors above 0, are needed")
    variance = _paule_mandel(effects, errors**2)
    shares = _shares(errors**2 + variance)
    effect = float(shares @ effects)
    error = sqrt(np.sum((shares * (effects - effect)) ** 2 / (1 - shares)))
    freedom = satterthwaite(shares)
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    interval = Interval(effect - half, effect + half, confidence, "random effects") if error > 0 else None
    q, expected = _weighted_squares(effects, errors**2), len(effects) - 1
    return MetaAnalysis(
        effect=effect,
        error=error,
        interval=interval,
        deviation=sqrt(variance),
        inconsistency=max(0.0, 1 - expected / q) if q else 0.0,
        q=q,
        p=float(chdtrc(expected, q)),
    )


def _paule_mandel(effects: Array, variances: Array) -> float:
    """The variance between tasks at which the weighted squares are k - 1; 0 where they are fewer without any."""
    expected = len(effects) - 1
    if _weighted_squares(effects, variances) <= expected:
        return 0.0
    low, high = 0.0, float(effects.var(ddof=1))  # which would be the answer if the tasks were measured exactly
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _weighted_squares(effects, variances + middle) > expected:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weighted_squares(effects: Array, variances: Array) -> float:
    return float(np.sum((effects - _shares(variances) @ effects) ** 2 / variances))


def _shares(variances: Array) -> Array:
    """Share of each task in the weighted mean, shape (k,)."""
    weights = 1 / variances
    return weights / weights.sum()


def _checked(effects: ArrayLike, errors: ArrayLike) -> tuple[Array, Array]:
    effects, errors = np.asarray(effects, dtype=float), np.asarray(errors, dtype=float)
    if effects.ndim != 1 or effects.shape != errors.shape or not effects.size:
        raise ValueError(f"one standard error for each effect is needed, not {errors.shape} for {effects.shape}")
    if not (np.isfinite(effects).all() and np.isfinite(errors).all() and np.all(errors >= 0)):
        raise ValueError("an effect is not finite, or a standard error is negative")
    return effects, errors
