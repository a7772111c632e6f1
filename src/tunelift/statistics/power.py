"""The smallest effect that a test set of this size could show."""

from __future__ import annotations

from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import group_codes, is_binary, normal_quantile, standard_error
from tunelift.statistics.randomisation import binomial_probability


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


def detectable_mean(
    differences: ArrayLike, groups: ArrayLike | None = None, alpha: float = 0.05, power: float = 0.80
) -> float | None:
    """The smallest mean difference that a t-test shows with this power, by the noncentral t distribution.

    Args:
        differences: Paired differences, shape (n,); only their spread counts.
        groups: Group id of each item; the error is then cluster-robust, see `standard_error`.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The effect; None when the spread cannot be estimated, or when there are so few groups that no sign flip of
        groups is rare enough.
    """
    from scipy.special import nctdtrinc, stdtrit

    differences = np.asarray(differences, dtype=float)
    spread = standard_error(differences, groups)
    if spread is None:
        return None
    if groups is not None and 2.0 ** -group_codes(groups, len(differences)).max() > alpha:
        return None
    error, freedom = spread
    return float(nctdtrinc(freedom, 1 - power, stdtrit(freedom, 1 - alpha / 2))) * error


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
