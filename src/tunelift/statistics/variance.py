"""How much a score depends on the items, on the wording of the instruction, and on the seed of the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tunelift.statistics.intervals import Interval, mean_interval, score_interval, standard_error

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """Where the spread of a table of items and templates comes from; standard deviations in the unit of the score.

    Attributes:
        mean: Mean of the table.
        item: Spread of the items' expected values, sigma_item.
        template: Spread of the templates' expected values, sigma_template.
        residual: Spread of what is left, sigma_residual: items that prefer other templates, and noise.
        error: Standard error of the mean for new items and new templates, never below the one for new items only; None
            when the items' means do not differ or belong to one group.
        interval: Interval of the mean for new items and new templates; None without an error, or with two templates.
    """

    mean: float
    item: float
    template: float
    residual: float
    error: float | None
    interval: Interval | None


def variance_components(table: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95) -> Components:
    """Variance components of a balanced table, from the mean squares of the two-way layout (Searle et al. 1992).

    Items and templates both count as samples, so that the interval speaks of other items and other wordings of the
    same kind. Training seeds in place of templates make it speak of the recipe instead of one tuned model.

    With the mean squares M of items, templates and residual, n items and T templates: residual^2 = M_residual,
    template^2 = max(0, (M_template - M_residual) / n), item^2 = max(0, (M_item - M_residual) / T). The squared error
    is that of the n means of items plus template^2 / T; without groups this is (M_item + M_template - M_residual) /
    (n T). Each of its two parts gets the Student quantile of its own degrees of freedom (Cochran 1964).

    Args:
        table: Scores or paired differences, shape (items, templates), at least two of each.
        groups: Group id of each item, shape (items,).
        confidence: Coverage of the interval.

    Raises:
        ValueError: The table has not two items and two templates, or a hole.
    """
    from scipy.special import stdtrit

    table = _checked(table)
    items, templates = table.shape
    mean, item_means, template_means = float(table.mean()), table.mean(axis=1), table.mean(axis=0)
    residuals = table - item_means[:, None] - template_means + mean
    residual = float(np.sum(residuals**2)) / ((items - 1) * (templates - 1))
    item = max(0.0, float(item_means.var(ddof=1)) - residual / templates)
    template = max(0.0, float(template_means.var(ddof=1)) - residual / items)
    spread = standard_error(item_means, groups)
    error, interval = None, None
    if spread is not None:
        of_templates = sqrt(template / templates)
        error = hypot(spread[0], of_templates)
        probability = 0.5 + confidence / 2
        half = hypot(stdtrit(spread[1], probability) * spread[0], stdtrit(templates - 1, probability) * of_templates)
        # With a single degree of freedom the intervals are huge and still miss more than they may.
        interval = Interval(mean - half, mean + half, confidence, "crossed t") if templates > 2 else None
    return Components(mean, sqrt(item), sqrt(template), sqrt(residual), error, interval)


@dataclass(frozen=True, slots=True)
class TemplateSpread:
    """How much the wording of the instruction matters.

    Attributes:
        scores: Score under each template.
        deviation: Standard deviation of these scores. It holds the chance of the test items too; see `Components` for
            the spread without it.
        best: Position of the template with the highest score. That score flatters; see `selection`.
        worst: Position of the template with the lowest score.
        worst_interval: Interval of the lowest expected score; None when the scores of a template cannot give one.
    """

    scores: tuple[float, ...]
    deviation: float
    best: int
    worst: int
    worst_interval: Interval | None


def template_spread(
    table: ArrayLike,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    interval: Callable[[Array, ArrayLike | None, float], Interval | None] = score_interval,
) -> TemplateSpread:
    """Spread and worst case over templates, which count as given: the interval speaks of these wordings only.

    The worst case lies above the lowest of the lower limits, because each limit holds for the worst template with the
    full confidence (Berger 1982), and below the lowest of the upper limits, which are corrected for their number
    (Bonferroni). It covers at least as often as it says.

    Args:
        table: Scores of one system, shape (items, templates), at least two of each.
        groups: Group id of each item, shape (items,).
        confidence: Coverage of the interval.
        interval: Interval of one column; `mean_interval` for a table of paired differences.

    Raises:
        ValueError: The table has not two items and two templates, or a hole.
    """
    table = _checked(table)
    corrected = 1 - (1 - confidence) / table.shape[1]
    plain = [interval(column, groups, confidence) for column in table.T]
    simultaneous = [interval(column, groups, corrected) for column in table.T]
    lows, highs = [limits.low for limits in plain if limits], [limits.high for limits in simultaneous if limits]
    known = len(lows) == len(highs) == table.shape[1]
    scores = table.mean(axis=0)
    return TemplateSpread(
        scores=tuple(scores.tolist()),
        deviation=float(scores.std(ddof=1)),
        best=int(scores.argmax()),
        worst=int(scores.argmin()),
        worst_interval=Interval(min(lows), min(highs), confidence, "worst of templates") if known else None,
    )


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """How much a score differs between runs that differ only in their seed.

    Attributes:
        mean: Mean of the runs.
        interval: Interval of the score that the recipe gives on these test items; None for one run, or equal ones.
        deviation: Standard deviation of the runs; None for one run, which says nothing of the recipe.
        deviation_interval: Its interval; None where there is none of the mean.
    """

    mean: float
    interval: Interval | None
    deviation: float | None
    deviation_interval: Interval | None


def seed_spread(scores: ArrayLike, confidence: float = 0.95) -> SeedSpread:
    """Spread between runs, with the intervals that normally distributed scores have (Student 1908; chi-square).

    The test items count as given; `variance_components` of a table of items and seeds counts both as samples.

    Args:
        scores: Score of each run, shape (runs,).
        confidence: Coverage of the intervals.

    Raises:
        ValueError: There is no run, or a score is not finite.
    """
    from scipy.special import chdtri

    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise ValueError("scores are a list of at least one finite number")
    interval = mean_interval(scores, None, confidence)
    deviation = float(scores.std(ddof=1)) if len(scores) > 1 else None
    if interval is None or deviation is None:
        return SeedSpread(float(scores.mean()), None, deviation, None)
    freedom = len(scores) - 1
    squares = chdtri(freedom, [0.5 - confidence / 2, 0.5 + confidence / 2])
    low, high = deviation * np.sqrt(freedom / squares)
    return SeedSpread(
        float(scores.mean()), interval, deviation, Interval(float(low), float(high), confidence, "chi-square")
    )


def _checked(table: ArrayLike) -> Array:
    table = np.asarray(table, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"a full table of two items and two templates at least is needed, not one of {table.shape}")
    return table
