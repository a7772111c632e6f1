"""The smallest effect that a test set of this size could show."""

from __future__ import annotations

from functools import partial
from math import inf, sqrt

import numpy as np
from numpy.typing import ArrayLike

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval, group_codes, is_binary, normal_quantile, standard_error
from tunelift.statistics.paired import FEW, caution
from tunelift.statistics.randomisation import binomial_probability, flip_groups

# With fewer groups what a test can show depends more on chance than a statement of it may: in simulations of 10 to 25
# groups the effect that was stated for 80 % was shown 68 to 87 % of the time, of 100 groups 77 to 83 %.
FEWEST_GROUPS = 50
# With fewer items (or groups) that differ the interval of a resampled score says more of how it is widened than of what
# the test could show.
FEWEST_DIFFERING = 60
DRAWS = 200
PATTERNS = 1000


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


def detectable_from_interval(
    interval: Interval, differing: int, alpha: float = 0.05, power: float = 0.80
) -> float | None:
    """The smallest effect that a test with the spread of this interval shows with this power.

    Args:
        interval: Interval of the effect; half its width is a quantile of the normal distribution times the error.
        differing: How many items, or groups of them, differ between the two systems.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The effect; None where fewer than 60 items or groups differ.
    """
    if differing < FEWEST_DIFFERING:
        return None
    error = (interval.high - interval.low) / 2 / normal_quantile(0.5 + interval.confidence / 2)
    return (normal_quantile(1 - alpha / 2) + normal_quantile(power)) * error


def detectable_mean(
    differences: ArrayLike, groups: ArrayLike | None = None, alpha: float = 0.05, power: float = 0.80
) -> float | None:
    """The smallest mean difference that `compare_means` shows with this power, with as many differences that are not 0.

    It comes from the noncentral t distribution; with groups, whose sign flips show less than a t-test where they differ
    in size, from sign flips of groups that are drawn again from those at hand.

    Args:
        differences: Paired differences, shape (n,); only their spread counts.
        groups: Group id of each item; the error is then cluster-robust, see `standard_error`.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The effect; None when the spread cannot be estimated, or there are fewer than 20 items or 50 groups.
    """
    from scipy.special import nctdtrinc, stdtrit

    differences = np.asarray(differences, dtype=float)
    spread = standard_error(differences, groups)
    if spread is None or len(differences) < FEW:
        return None
    error, freedom = spread
    if groups is None:
        reach = caution(differences) * stdtrit(freedom, 1 - alpha / 2)
        return float(nctdtrinc(freedom, 1 - power, reach)) * error
    codes = group_codes(groups, len(differences))
    sizes = np.bincount(codes).astype(float)
    if len(sizes) < FEWEST_GROUPS:
        return None
    sums = np.bincount(codes, differences)
    reach = _reach_of_flips(sums - differences.mean() * sizes, sizes, error, alpha, power)
    return None if reach is None else caution(sums) * reach


def _reach_of_flips(noise: np.ndarray, sizes: np.ndarray, error: float, alpha: float, power: float) -> float | None:
    """The smallest effect that sign flips of groups show with this power.

    An effect is shown when it exceeds the end of the interval that the noise alone would have. What is shown with a
    power is therefore the quantile of these ends over noises that are drawn again; both ends of an interval count,
    since the noise is symmetric.

    Args:
        noise: Sums of differences of each group, without the mean, shape (groups,).
        sizes: Items of each group, shape (groups,).
        error: Standard error of the mean, to which the noise is scaled.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.
    """
    noise = noise * error * sizes.sum() / np.linalg.norm(noise)
    generator = np.random.default_rng(derive_seed(0, "noise of groups"))
    ends: list[float] = []
    for _ in range(DRAWS):
        drawn = generator.integers(0, len(sizes), len(sizes))
        interval = flip_groups(noise[drawn], sizes[drawn], 0, 1 - alpha, PATTERNS)[1]
        ends += [-interval.low, interval.high] if interval else [inf, inf]
    reach = float(np.quantile(ends, power, method="higher"))
    return reach if reach < inf else None


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
