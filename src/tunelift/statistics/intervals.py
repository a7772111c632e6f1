"""Confidence intervals of one score and of a difference of two paired proportions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import copysign, inf, sqrt
from statistics import NormalDist
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower end, in the unit of the score.
        high: Upper end.
        confidence: Its coverage, for example 0.95.
        method: How it was computed.
    """

    low: float
    high: float
    confidence: float
    method: str


def record_of(kind: Callable[..., Record], data: Mapping[str, Any], *intervals: str) -> Record:
    """A record with intervals from its plain data, as `dataclasses.asdict` gives it.

    Args:
        kind: The record.
        data: Its fields by name.
        intervals: Those that are an interval or None; "interval" unless given.
    """
    known = {name: data[name] and Interval(**data[name]) for name in intervals or ("interval",)}
    return kind(**{**data, **known})


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return NormalDist().inv_cdf(probability)


def normal_probability(value: float) -> float:
    """Probability that a standard normal variable is at most so large."""
    return NormalDist().cdf(value)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Interval of a proportion (Wilson 1927); sensible also at 0 and n successes.

    Raises:
        ValueError: There are no items, or not 0 <= successes <= n.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n}")
    low, high = _wilson_limits(successes / n, n, normal_quantile(0.5 + confidence / 2))
    return Interval(low, high, confidence, "Wilson")


def _wilson_limits(proportion: float, n: float, z: float) -> tuple[float, float]:
    centre = (proportion + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(proportion * (1 - proportion) / n + z**2 / (4 * n**2))
    low = 0.0 if proportion == 0 else centre - half
    high = 1.0 if proportion == 1 else centre + half
    return low, high


def standard_error(values: ArrayLike, groups: ArrayLike | None = None) -> tuple[float, float] | None:
    """Standard error of a mean and its degrees of freedom.

    Items of one group count as dependent: the error is cluster-robust with the small-sample correction CR2 and the
    degrees of freedom of Bell and McCaffrey (2002). For groups of equal size this is the usual correction C/(C-1)
    with C-1 degrees of freedom; where sizes differ, that one is far too small when one group is large.

    Args:
        values: Scores, shape (n,).
        groups: Group id of each item, shape (n,). None: all items are independent.

    Returns:
        The standard error and the degrees of freedom; None when it cannot be estimated, because there are fewer
        than two groups or they do not differ.
    """
    values = np.asarray(values, dtype=float)
    codes = group_codes(groups, len(values))
    shares = np.bincount(codes) / len(values)
    if len(shares) < 2:
        return None
    deviations = np.bincount(codes, values - values.mean()) / len(values)
    error = sqrt(np.sum(deviations**2 / (1 - shares)))
    if error <= 1e-12 * np.abs(values).max():
        return None
    return error, satterthwaite(shares)


def satterthwaite(shares: np.ndarray) -> float:
    """Degrees of freedom of a cluster-robust error with the correction CR2 (Bell and McCaffrey 2002).

    Args:
        shares: The weight of each group in the mean, shape (groups,), summing up to 1; each below 1.
    """
    leverage = shares**2 / (1 - shares)
    return float(1 / (np.sum(shares**2) + np.sum(leverage) ** 2 - np.sum(leverage**2)))


def group_codes(groups: ArrayLike | None, n: int) -> np.ndarray:
    """Group ids as integers from 0; without groups every item is its own group.

    Raises:
        ValueError: There are not as many ids as items.
    """
    if groups is None:
        return np.arange(n)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    if codes.shape != (n,):
        raise ValueError(f"{codes.size} group ids for {n} items")
    return codes


def mean_interval(values: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95) -> Interval | None:
    """Student interval of a mean, cluster-robust when group ids are given.

    Args:
        values: Scores, shape (n,).
        groups: Group id of each item, shape (n,).
        confidence: Coverage.

    Returns:
        The interval; None when the spread cannot be estimated, see `standard_error`.
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    spread = standard_error(values, groups)
    if spread is None:
        return None
    error, freedom = spread
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    mean = float(values.mean())
    return Interval(mean - half, mean + half, confidence, "t" if groups is None else "clustered t")


def score_interval(values: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95) -> Interval | None:
    """Interval of the mean of per-item scores, by what the scores are.

    Right-or-wrong scores get Wilson's interval; with groups, Wilson's interval for the effective sample size (that
    of independent items with the same standard error, and no more than there are; the number of groups where none can
    be estimated) and a Student quantile, after Korn and Graubard (1998). All other scores get `mean_interval`.
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    if not is_binary(values):
        return mean_interval(values, groups, confidence)
    if groups is None:
        return wilson(int(values.sum()), len(values), confidence)
    proportion = float(values.mean())
    spread = standard_error(values, groups)
    if spread is None:
        effective, quantile = float(len(np.unique(np.asarray(groups)))), normal_quantile(0.5 + confidence / 2)
    else:
        error, freedom = spread
        effective = min(float(len(values)), proportion * (1 - proportion) / error**2)
        quantile = float(stdtrit(freedom, 0.5 + confidence / 2))
    low, high = _wilson_limits(proportion, effective, quantile)
    return Interval(low, high, confidence, "clustered Wilson")


def is_binary(values: np.ndarray) -> bool:
    """Whether all scores are 0 or 1."""
    return bool(np.all((values == 0) | (values == 1)))


def tango(wins: int, losses: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of the difference of two paired proportions (Tango 1998).

    Args:
        wins: Items that the candidate has right and the baseline wrong.
        losses: Items that the baseline has right and the candidate wrong.
        n: All items.
        confidence: Coverage.

    Returns:
        The interval of candidate minus baseline, within [-1, 1]; it has a width even without wins and losses.

    Raises:
        ValueError: The counts do not fit together.
    """
    if min(wins, losses) < 0 or wins + losses > n or n == 0:
        raise ValueError(f"{wins} wins and {losses} losses of {n}")
    z = normal_quantile(0.5 + confidence / 2)
    effect = (wins - losses) / n
    low = _falling_root(lambda delta: tango_score(wins, losses, n, delta) - z, -1.0, effect)
    high = _falling_root(lambda delta: tango_score(wins, losses, n, delta) + z, effect, 1.0)
    return Interval(low, high, confidence, "Tango")


def tango_score(wins: int, losses: int, n: int, delta: float) -> float:
    """How many standard errors the observed difference lies above `delta`; the error is the one under `delta`."""
    a = 2 * n
    b = -wins - losses + (2 * n - wins + losses) * delta
    c = -losses * delta * (1 - delta)
    q = (sqrt(max(b**2 - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * q + delta * (1 - delta))
    distance = wins - losses - n * delta
    if variance <= 0:
        return copysign(inf, distance) if distance else 0.0
    return distance / sqrt(variance)


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
