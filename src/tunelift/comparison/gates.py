"""Requirements that a comparison has to meet, for pipelines that stop where one is not shown to be met.

A requirement is about an improvement, which is positive where the candidate is better, whatever the direction of the
metric. It is met where even the lower end of the interval of the paired difference reaches it: what has not been shown
counts as not being there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import ceil, isfinite, log2, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunelift.comparison.compare import scale_of
from tunelift.comparison.reading import Pair, choose_metric, metric_of, shown_name
from tunelift.comparison.records import digits_of, ends_of, p_text, score_text, unit_name
from tunelift.core.errors import UserError, counted
from tunelift.evaluation.evaluate import clusters_of, data_of
from tunelift.evaluation.metrics.metric import Metric
from tunelift.statistics.intervals import Interval, group_codes, normal_quantile, standard_error, tango
from tunelift.statistics.paired import caution, compare_paired
from tunelift.statistics.power import mcnemar_power

POWER = 0.80
LIKE = 'write, for example, "acc >= +2"'


@dataclass(frozen=True, slots=True)
class Requirement:
    """An improvement that has to be shown.

    Attributes:
        text: As the user wrote it.
        metric: Name of the metric.
        least: The smallest improvement that is enough: percentage points of shares, the metric's own unit of others.
    """

    text: str
    metric: str
    least: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a requirement is met.

    Attributes:
        requirement: As the user wrote it.
        metric: What was compared.
        shown: Whether the comparison shows that it is met.
        needed: The smallest improvement that is enough, in the unit of the score.
        effect: The improvement that was found, in the unit of the score.
        interval: Its interval of confidence 1 - alpha; None where the data cannot give one.
        p: Two-sided p-value of "no difference".
        alpha: The level.
        items: Number of items.
        groups: Number of groups that they belong to; None where they are independent.
        enough: How many items, or groups where there are such, would show it four times in five if effect and spread
            stayed as they are; None where it is shown, where the effect is too small, and where this is not known.
        scale: What scores are multiplied with to be shown: 100 for shares.
    """

    requirement: str
    metric: str
    shown: bool
    needed: float
    effect: float
    interval: Interval | None
    p: float
    alpha: float
    items: int
    groups: int | None
    enough: int | None
    scale: float

    @property
    def reason(self) -> str:
        """Why, in one sentence without a full stop."""
        found = f"{self._signed(self.effect)} {unit_name(self.scale)}"
        if self.interval is None:
            return f"{found}, but there is no interval: {self._missing_interval()}"
        ends = f"{self._signed(self.interval.low)} to {self._signed(self.interval.high)}"
        found += f" ({100 * (1 - self.alpha):g} % interval {ends})"
        return found if self.shown else f"{found}, but {self._shortfall()}"

    def _missing_interval(self) -> str:
        fewest = 1 + ceil(log2(1 / self.alpha))  # of 2^units sign flips, two are as extreme as any can be
        units, noun = (self.items, "item") if self.groups is None else (self.groups, "group")
        if units < fewest:
            return f"{counted(units, noun)} cannot show anything at this level, at least {fewest} are needed"
        return f"all {noun}s differ by the same amount"

    def _shortfall(self) -> str:
        least = f"{self.needed * self.scale:+g}"
        if self.interval is not None and self.interval.low >= self.needed:
            lack = f"the test shows no difference ({p_text(self.p, self.alpha)})"
        else:
            lack = f"its lower end has to reach {least}"
        if self.effect <= self.needed:
            return f"{lack}, which no number of items would change while the effect does not exceed {least}"
        if self.enough is None:
            return f"{lack}, which takes more items"
        noun = "item" if self.groups is None else "group"
        return f"{lack}, for which about {counted(self.enough, noun)} would do if effect and spread stay as they are"

    def _signed(self, value: float) -> str:
        return score_text(value, self.scale, digits_of((self.effect, *ends_of(self.interval)), self.scale), "+")

    def to_dict(self) -> dict[str, Any]:
        """The verdict with its reason as plain data."""
        return asdict(self) | {"reason": self.reason}

    def __str__(self) -> str:
        return f"{self.requirement}: {'shown' if self.shown else 'not shown'}: {self.reason}"


def parse_requirement(text: str) -> Requirement:
    """Read a requirement such as ``acc >= +2`` or ``acc >= -1``.

    Raises:
        UserError: It is none.
    """
    where = f'--require "{text}"'
    metric, sign, number = (part.strip() for part in text.partition(">="))
    if not sign and any(other in text for other in "<>="):
        hint = 'write ">=": the number is an improvement, which is a fall where lower is better'
        raise UserError(where, "compares with another sign than >=", hint)
    if not metric or not sign:
        raise UserError(where, "is not METRIC >= NUMBER", LIKE)
    try:
        least = float(number)
    except ValueError:
        least = nan
    if not isfinite(least):
        raise UserError(where, f'"{number}" is not a number', LIKE)
    return Requirement(text, metric, least)


def judge(pair: Pair, requirement: Requirement, alpha: float = 0.05) -> Verdict:
    """Whether two logs show that the second meets a requirement.

    Args:
        pair: What `read_pair` gives.
        requirement: The requirement.
        alpha: The interval has the confidence 1 - alpha.

    Raises:
        UserError: There is no such metric.
    """
    metric = metric_of(pair, choose_metric(pair, requirement.metric, f'--require "{requirement.text}"'))
    baseline, candidate = (data_of(metric, log.samples) for log in pair)
    verdict = judge_scores(requirement, metric, baseline, candidate, clusters_of(pair[0].samples), alpha)
    return replace(verdict, metric=shown_name(pair, metric))


def judge_scores(
    requirement: Requirement,
    metric: Metric,
    baseline: ArrayLike,
    candidate: ArrayLike,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
) -> Verdict:
    """Whether scores show that a requirement is met: the lower end of the interval of the improvement reaches it.

    The interval is that of `compare_paired`. Where an improvement of 0 or more is asked for, the test of "no
    difference" has to reject that as well: it is exact where Tango's interval is not, and a requirement must not find
    what the comparison denies. For a loss that is allowed see `_allowing_for_missed`.

    Args:
        requirement: The requirement.
        metric: Says the direction, and whether scores are shares.
        baseline: Scores of the baseline, shape (n,).
        candidate: Scores of the candidate on the same items, shape (n,).
        groups: Group id of each item, shape (n,).
        alpha: The interval has the confidence 1 - alpha, and the test this level.

    Raises:
        ValueError: See `compare_paired`.
    """
    worse, better = (baseline, candidate) if metric.higher_is_better else (candidate, baseline)
    differences = np.asarray(better, dtype=float) - np.asarray(worse, dtype=float)
    number = None if groups is None else len(np.unique(np.asarray(groups)))
    result = compare_paired(worse, better, groups, confidence=1 - alpha)
    scale = scale_of(metric)
    needed = requirement.least / scale
    interval = result.interval
    if (metric.low, metric.high) == (0, 1):
        sums = np.bincount(group_codes(groups, result.n), differences)
        interval = _allowing_for_missed(interval, sums, needed, alpha)
    shown = interval is not None and interval.low >= needed and (needed < 0 or result.p <= alpha)
    enough = None
    if interval is not None and not shown:
        enough = _enough(differences, groups, needed, alpha, is_binary=result.wins is not None)
    return Verdict(
        requirement=requirement.text,
        metric=metric.name,
        shown=shown,
        needed=needed,
        effect=result.effect,
        interval=interval,
        p=result.p,
        alpha=alpha,
        items=result.n,
        groups=number,
        enough=enough,
        scale=scale,
    )


def _allowing_for_missed(interval: Interval | None, sums: np.ndarray, needed: float, alpha: float) -> Interval | None:
    """The interval of a difference of shares, low enough for rare losses that no item at hand has.

    Where few items, or groups, differ, rarer and larger losses can have been missed. Only items that differ can be
    worse, and by 1 at most, so that Tango's interval without wins and losses bounds them. It is all that is known where
    none differ; an improvement is shown without it.

    Args:
        interval: The interval; None where all differences are equal.
        sums: Differences of the items, or sums of those of groups.
        needed: The least improvement, below 0 where a loss is allowed.
        alpha: The interval has the confidence 1 - alpha.
    """
    missed = tango(0, 0, len(sums), 1 - alpha)
    if interval is None:
        return None if sums.any() else missed
    if needed < 0 and interval.method != missed.method and caution(sums) > 1:
        return replace(interval, low=min(interval.low, missed.low))
    return interval


def _enough(
    differences: np.ndarray, groups: ArrayLike | None, needed: float, alpha: float, is_binary: bool
) -> int | None:
    """How many items, or groups, would show it with the usual power; None where that is not more than there are.

    The standard error falls with the square root of their number (Card et al. 2020). Without any spread the ends of
    Tango's interval are known: z^2 (1 + effect) / (n + z^2) below the effect. McNemar's exact test takes more items.
    """
    units = len(differences) if groups is None else len(np.unique(np.asarray(groups)))
    effect, quantile = float(differences.mean()), normal_quantile(1 - alpha / 2)
    if effect <= needed:
        return None
    spread = standard_error(differences, groups)
    if spread is None:
        enough = ceil(quantile**2 * ((1 + effect) / (effect - needed) - 1))
    else:
        enough = ceil(units * ((quantile + normal_quantile(POWER)) * spread[0] / (effect - needed)) ** 2)
    if is_binary and groups is None and needed >= 0:
        discordance = float(np.mean(differences != 0))
        while mcnemar_power(effect, discordance, enough, alpha) < POWER:
            enough += max(1, enough // 50)
    return enough if enough > units else None
