from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, multinomial

from tunelift.statistics.bayes import paired_posterior


def posterior_cdf(value: float, wins: int, losses: int, n: int, prior: float) -> float:
    """P(difference <= value): it is s (2 r - 1) with independent beta variables s (discordance) and r (wins in it)."""
    discordance = beta(wins + losses + 2 * prior, n - wins - losses + 2 * prior)
    share = beta(wins + prior, losses + prior)
    return quad(lambda s: discordance.pdf(s) * share.cdf((value / s + 1) / 2), 0, 1, limit=200)[0]


@pytest.mark.parametrize(("wins", "losses", "n", "prior"), [(12, 2, 50, 0.5), (3, 1, 10, 0.5), (2, 5, 30, 1.0)])
def test_the_interval_is_that_of_the_integral(wins: int, losses: int, n: int, prior: float) -> None:
    interval = paired_posterior(wins, losses, n, prior=prior).interval
    assert posterior_cdf(interval.low, wins, losses, n, prior) == pytest.approx(0.025, abs=0.002)
    assert posterior_cdf(interval.high, wins, losses, n, prior) == pytest.approx(0.975, abs=0.002)


@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 15))
@settings(max_examples=15, deadline=None)
def test_the_probability_is_that_of_draws_from_the_four_cells(wins: int, losses: int, ties: int) -> None:
    n = wins + losses + ties
    result = paired_posterior(wins, losses, n + 1)
    # The agreeing items may be split into both right and both wrong in any way.
    shares = np.random.default_rng(1).dirichlet([wins + 0.5, losses + 0.5, ties + 0.5, 1.5], 40_000)
    assert result.better == pytest.approx(np.mean(shares[:, 0] > shares[:, 1]), abs=0.015)


def test_systems_that_swap_names_mirror_the_result() -> None:
    forth, back = paired_posterior(9, 3, 40), paired_posterior(3, 9, 40)
    assert forth.better == pytest.approx(1 - back.better)
    assert forth.interval.low == pytest.approx(-back.interval.high, abs=0.005)


def test_no_flips_leave_everything_open() -> None:
    result = paired_posterior(0, 0, 10)
    assert result.better == pytest.approx(0.5)
    assert result.interval.low < -0.05 < 0.05 < result.interval.high


def test_a_seed_gives_one_result() -> None:
    assert paired_posterior(4, 1, 20, seed=3) == paired_posterior(4, 1, 20, seed=3)
    assert paired_posterior(4, 1, 20, seed=3) != paired_posterior(4, 1, 20, seed=4)


def test_the_interval_holds_as_often_as_it_says_when_the_prior_does() -> None:
    generator = np.random.default_rng(2)
    covered = []
    for seed in range(200):
        right_only, wrong_only, *rest = generator.dirichlet([0.5] * 4)
        wins, losses, _ = generator.multinomial(20, [right_only, wrong_only, sum(rest)])
        interval = paired_posterior(wins, losses, 20, seed).interval
        covered.append(interval.low <= right_only - wrong_only <= interval.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


def test_two_equal_systems_are_rarely_thought_different() -> None:
    """Exact, over all numbers of wins and losses of 20 items."""
    pairs = [(wins, discordant - wins) for discordant in range(21) for wins in range(discordant + 1)]
    intervals = [paired_posterior(wins, losses, 20).interval for wins, losses in pairs]
    surprising = [pair for pair, found in zip(pairs, intervals, strict=True) if not found.low <= 0 <= found.high]
    for discordance in (0.1, 0.2, 0.4, 0.8):
        shares = [discordance / 2, discordance / 2, 1 - discordance]
        chances = [multinomial.pmf([wins, losses, 20 - wins - losses], 20, shares) for wins, losses in surprising]
        assert 0 < sum(chances) <= 0.055


@pytest.mark.parametrize(
    ("wins", "losses", "n", "prior"), [(6, 5, 10, 0.5), (-1, 0, 5, 0.5), (0, 0, 0, 0.5), (1, 1, 5, 0)]
)
def test_what_cannot_be_is_refused(wins: int, losses: int, n: int, prior: float) -> None:
    with pytest.raises(ValueError):
        paired_posterior(wins, losses, n, prior=prior)
