"""A Bayesian look at two systems on few items: what is to be believed about the difference after these answers?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval

DRAWS = 100_000


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed about the difference of two paired proportions.

    Attributes:
        interval: Central credible interval of the difference.
        better: Probability that the candidate is better, exact.
    """

    interval: Interval
    better: float


def paired_posterior(
    wins: int, losses: int, n: int, seed: int = 0, confidence: float = 0.95, prior: float = 0.5
) -> Posterior:
    """Posterior of the difference of two paired proportions, under a Dirichlet prior on the four cells of the pairs.

    With `prior` items added to each cell (1/2 is Jeffreys' prior) the shares of wins, of losses and of items on which
    the systems agree are Dirichlet(wins + prior, losses + prior, n - wins - losses + 2 prior). The difference is drawn
    from it; the share of wins among the items that differ is Beta(wins + prior, losses + prior), which gives the
    probability that the candidate is better without drawing (Gelman et al., Bayesian Data Analysis, section 3.4).

    Args:
        wins: Items that the candidate has right and the baseline wrong.
        losses: Items that the baseline has right and the candidate wrong.
        n: All items, independent of each other.
        seed: Seed of the 100,000 draws.
        confidence: Probability that the interval holds.
        prior: Items added to each of the four cells, above 0.

    Raises:
        ValueError: The counts do not fit together, or the prior is not positive.
    """
    from scipy.special import betainc

    if min(wins, losses) < 0 or wins + losses > n or n == 0:
        raise ValueError(f"{wins} wins and {losses} losses of {n}")
    if not prior > 0:
        raise ValueError(f"prior {prior} is not above 0")
    cells = [wins + prior, losses + prior, n - wins - losses + 2 * prior]
    shares = np.random.default_rng(derive_seed(seed, "paired posterior")).dirichlet(cells, DRAWS)
    low, high = np.quantile(shares[:, 0] - shares[:, 1], [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Posterior(
        interval=Interval(float(low), float(high), confidence, "Dirichlet posterior"),
        better=float(betainc(losses + prior, wins + prior, 0.5)),
    )
