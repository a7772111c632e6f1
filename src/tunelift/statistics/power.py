"""The smallest effect that a test set of this size could show."""

from __future__ import annotations

from functools import lru_cache, partial
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval, group_codes, is_binary, normal_quantile, standard_error
from tunelift.statistics.randomisation import binomial_probability, flip_groups

FEW_GROUPS = 10  # up to here sign flips of groups show clearly less than a t-test would
DRAWS = 1000


def detectable_difference(
    baseline: ArrayLike,
    candidate: ArrayLike,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
    power: float = 0.80,
) -> float | None:
    """The smallest effect that `compare_paired` would show on data like these.

    Args:
        baseline: Scores of the baseline, shape (n,).
        candidate: Scores of the candidate, shape (n,).
        groups: Group id of each item, shape (n,).
        alpha: Level of the test.
        power: Probability with which the effect is shown.

    Returns:
        The effect, in the unit of the score; None when none can be shown at this n, or the spread is unknown.
    """
    baseline, candidate = np.asarray(baseline, dtype=float), np.asarray(candidate, dtype=float)
    if groups is None and is_binary(baseline) and is_binary(candidate):
        wins, losses = int(np.sum(candidate > baseline)), int(np.sum(candidate < baseline))
        return detectable_effect(wins, losses, len(baseline), alpha, power)
    return detectable_mean(candidate - baseline, groups, alpha, power)


def detectable_from_interval(interval: Interval, alpha: float = 0.05, power: float = 0.80) -> float:
    """The smallest effect that a test with the spread of this interval shows with this power.

    Args:
        interval: Interval of the effect; half its width is a quantile of the normal distribution times the error.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.
    """
    error = (interval.high - interval.low) / 2 / normal_quantile(0.5 + interval.confidence / 2)
    return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * error


def detectable_mean(
    differences: ArrayLike, groups: ArrayLike | None = None, alpha: float = 0.05, power: float = 0.80
) -> float | None:
    """The smallest mean difference that `compare_means` shows with this power.

    It comes from the noncentral t distribution; with at most ten groups, whose sign flips show less than a t-test,
    from the sign flips of simulated normal group means.

    Args:
        differences: Paired differences, shape (n,); only their spread counts.
        groups: Group id of each item; the error is then cluster-robust, see `standard_error`.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The effect; None when the spread cannot be estimated, or when there are so few groups that no sign flip of
        groups is rare enough (fewer than six at a level of 0.05).
    """
    from scipy.special import nctdtrinc, stdtrit

    differences = np.asarray(differences, dtype=float)
    spread = standard_error(differences, groups)
    if spread is None:
        return None
    error, freedom = spread
    sizes = np.bincount(group_codes(groups, len(differences))) if groups is not None else ()
    if 0 < len(sizes) <= FEW_GROUPS:
        reach = _reach_of_flips(tuple(sizes), alpha, power)
        return None if reach is None else reach * error
    return float(nctdtrinc(freedom, 1 - power, stdtrit(freedom, 1 - alpha / 2))) * error


@lru_cache(maxsize=16)
def _reach_of_flips(sizes: tuple[int, ...], alpha: float, power: float) -> float | None:
    """The smallest effect that sign flips of groups show with this power, in standard errors of the mean.

    An effect is shown when it exceeds the end of the interval that the noise alone would have. What is shown with a
    power is therefore the quantile of these ends; both ends of an interval count, since the noise is symmetric.
    """
    weights = np.array(sizes, dtype=float)
    noise = np.random.default_rng(derive_seed(0, "noise of groups")).normal(size=(DRAWS, len(weights)))
    intervals = [flip_groups(weights * means, weights, 0, 1 - alpha)[1] for means in noise]
    ends = [end for interval in intervals if interval for end in (-interval.low, interval.high)]
    error = np.linalg.norm(weights) / weights.sum()
    return float(np.quantile(ends, power) / error) if ends else None


def detectable_effect(wins: int, losses: int, n: int, alpha: float = 0.05, power: float = 0.80) -> float | None:
    """The smallest difference of two paired proportions that McNemar's exact test shows with this power.

    The total discordance, the share of items on which the two systems differ, is held at the observed
    d = (wins + losses) / n. An effect e then means that wins have probability (d + e) / 2 and losses (d - e) / 2.
    An effect larger than d needs more discordance than was observed: it is reached with d = e, all of it wins.
    The power is exact: the number of discordant items is binomial with n and d, the wins among them binomial with
    (1 + e/d) / 2, and the effect counts as shown when the two-sided p-value is at most alpha and the wins prevail.

    Args:
        wins: Items that only the candidate has right.
        losses: Items that only the baseline has right.
        n: All items.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The effect, between 0 and 1, to 1e-6 and never below the smallest; None when none can be shown at this n.

    Raises:
        ValueError: The counts do not fit together.
    """
    if min(wins, losses) < 0 or wins + losses > n or n == 0:
        raise ValueError(f"{wins} wins and {losses} losses of {n}")
    shown = partial(mcnemar_power, discordance=(wins + losses) / n, n=n, alpha=alpha)
    if shown(1.0) < power:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if shown(middle) < power:
            low = middle
        else:
            high = middle
    return high


def mcnemar_power(effect: float, discordance: float, n: int, alpha: float = 0.05) -> float:
    """Probability that McNemar's exact test shows a positive effect, in the model of `detectable_effect`.

    Args:
        effect: Candidate minus baseline, above 0.
        discordance: Share of items on which the systems differ; raised to `effect` where it is smaller.
        n: Number of items.
        alpha: Level of the two-sided test.
    """
    from scipy.special import bdtrc

    discordance = max(discordance, effect)
    # Beyond nine standard deviations a binomial holds less than rounding errors.
    reach = 9 * sqrt(n * discordance * (1 - discordance)) + 9
    discordant = np.arange(max(0, int(n * discordance - reach)), min(n, int(n * discordance + reach)) + 1)
    fewest_wins = discordant - _critical_losses(discordant, alpha)
    shown = bdtrc(fewest_wins - 1, discordant, (1 + effect / discordance) / 2)
    return float(binomial_probability(discordant, n, discordance) @ shown)


def _critical_losses(discordant: np.ndarray, alpha: float) -> np.ndarray:
    """For each number of discordant items the most losses at which the test rejects; -1 where it never does."""
    from scipy.special import bdtr

    # Binomial tails are lighter than normal ones; two above the normal approximation is a safe start downwards.
    losses = np.floor(discordant / 2 + normal_quantile(alpha / 2) * np.sqrt(discordant) / 2) + 2
    while True:
        too_many = (losses >= 0) & (2 * bdtr(np.clip(losses, 0, discordant), discordant, 0.5) > alpha)
        if not too_many.any():
            return losses
        losses = losses - too_many
