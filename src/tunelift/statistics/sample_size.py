"""How many test items it takes to show an effect."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, isqrt, log10, sqrt

from tunelift.statistics.power import mcnemar_power

MOST = 100_000  # nobody labels more
SMOOTH = 25  # variance of the number of discordant items above which the power rises with every item


def required_items(effect: float, discordance: float, alpha: float = 0.05, power: float = 0.80) -> int | None:
    """Items that McNemar's exact test needs to show a difference of two paired proportions with this power.

    The power is exact, see `mcnemar_power`. It can fall from one n to the next where the systems differ on nearly all
    items; the answer is the number from which on it is reached for good.

    Args:
        effect: Candidate minus baseline, above 0 and at most 1.
        discordance: Share of items on which the systems differ; raised to `effect` where it is smaller.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The number of items; None when it is more than 100,000.

    Raises:
        ValueError: An argument is out of range.
    """
    if not (0 < effect <= 1 and 0 <= discordance <= 1):
        raise ValueError(f"effect {effect} or discordance {discordance} is no share of items")
    _check_levels(alpha, power)

    def reached(n: int) -> bool:
        return mcnemar_power(effect, discordance, n, alpha) >= power

    n = _smallest(reached)
    share = max(effect, discordance)
    if n is None or n * share * (1 - share) > SMOOTH:
        return n
    # A swing takes no more than the power gains on 4 sqrt(n) / (z_alpha + z_power) items.
    return 1 + next(fewer for fewer in range(n + 4 * isqrt(n) + 4, 0, -1) if not reached(fewer))


def required_items_for_mean(effect: float, deviation: float, alpha: float = 0.05, power: float = 0.80) -> int | None:
    """Items that the paired t-test needs to show a mean difference with this power, from the noncentral t distribution.

    With groups of equal size it answers for groups: give the standard deviation of the groups' mean differences.

    Args:
        effect: Mean difference, above 0, in the unit of the score.
        deviation: Standard deviation of the paired differences, above 0.
        alpha: Level of the two-sided test.
        power: Probability with which the effect is shown.

    Returns:
        The number of items, at least two; None when it is more than 100,000.

    Raises:
        ValueError: An argument is out of range.
    """
    from scipy.special import nctdtrinc, stdtrit

    if not (effect > 0 and deviation > 0):
        raise ValueError(f"effect {effect} or deviation {deviation} is not above 0")
    _check_levels(alpha, power)

    def reached(n: int) -> bool:
        if n < 2:
            return False
        errors_away = nctdtrinc(n - 1, 1 - power, stdtrit(n - 1, 1 - alpha / 2))
        return bool(errors_away * deviation / sqrt(n) <= effect)

    return _smallest(reached)


def round_up(number: float) -> int:
    """Rounded up to two significant digits: an effect that was only observed does not bear more."""
    unit = 10 ** max(0, floor(log10(number)) - 1)
    return ceil(number / unit) * unit


def _smallest(reached: Callable[[int], bool]) -> int | None:
    """The smallest number up to 100,000 at which something is reached that stays so."""
    high = 1
    while not reached(high):
        if high == MOST:
            return None
        high = min(2 * high, MOST)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _check_levels(alpha: float, power: float) -> None:
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"level {alpha} or power {power} is not between 0 and 1")
