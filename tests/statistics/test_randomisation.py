from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.statistics.paired import mcnemar_exact
from tunelift.statistics.randomisation import binomial_probability, flip_counts, flip_groups


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_few_groups_are_enumerated(differences: list[int]) -> None:
    sums = np.array(differences, dtype=float)
    totals = [abs(np.dot(signs, sums)) for signs in product((-1, 1), repeat=len(sums))]
    p, _ = flip_groups(sums, np.ones(len(sums)), seed=0)
    assert p == pytest.approx(np.mean(np.array(totals) >= abs(sums.sum())))


@given(st.integers(0, 25), st.integers(0, 25))
def test_one_size_of_differences_is_mcnemar(wins: int, losses: int) -> None:
    p = flip_counts(np.array([0.1]), np.array([wins + losses]), 0.1 * (wins - losses), seed=0)
    assert p == pytest.approx(mcnemar_exact(wins, losses))


def test_enumerated_and_drawn_flips_agree() -> None:
    generator = np.random.default_rng(1)
    counts = np.array([6, 5, 3])
    steps = np.array([0.011, 0.02, 0.07])
    signs = np.repeat(steps, counts) * generator.choice([-1, 1], 14, p=[0.25, 0.75])
    exact = flip_counts(steps, counts, float(signs.sum()), seed=0)
    enumerated, _ = flip_groups(signs, np.ones(14), seed=0)
    # Fifteen groups are drawn; the fifteenth changes nothing.
    drawn, _ = flip_groups(np.append(signs, 0.0), np.ones(15), seed=0)
    assert exact == pytest.approx(enumerated)
    assert drawn == pytest.approx(exact, abs=0.01)


def test_too_many_outcomes_are_drawn() -> None:
    counts = np.full(12, 40)
    steps = np.sqrt(np.arange(2, 14)) / 1000
    spread = np.sqrt(np.sum(counts * steps**2))
    # The sum of 480 signs is all but normal; twice its spread is reached with probability 0.0455.
    assert flip_counts(steps, counts, 2 * float(spread), seed=3) == pytest.approx(0.0455, abs=0.006)
    assert flip_counts(steps, counts, 40 * float(steps.sum()), seed=3) == pytest.approx(1 / 20_001)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(5, 9)), min_size=6, max_size=12), st.floats(-0.9, 0.9))
def test_the_interval_holds_what_the_test_does_not_reject(groups: list[tuple[int, int]], effect: float) -> None:
    sums, sizes = np.array(groups, dtype=float).T
    _, interval = flip_groups(sums, sizes, seed=0)
    p, _ = flip_groups(sums - effect * sizes, sizes, seed=0)
    if interval is not None and min(abs(effect - interval.low), abs(effect - interval.high)) > 1e-6:
        assert (interval.low < effect < interval.high) == (p > 0.05)


def test_fewer_than_six_groups_exclude_nothing() -> None:
    p, interval = flip_groups(np.array([3.0, 2.0, 4.0, 3.0, 5.0]), np.full(5, 5.0), seed=0)
    assert (p, interval) == (pytest.approx(2 / 32), None)


def test_drawn_flips_never_give_a_p_value_of_zero() -> None:
    p, _ = flip_groups(np.ones(60), np.ones(60), seed=0)
    assert p == pytest.approx(1 / 20_001)


def test_the_seed_decides() -> None:
    sums = np.random.default_rng(2).normal(0.3, 1, 40)
    first, second, other = (flip_groups(sums, np.ones(40), seed) for seed in (1, 1, 2))
    assert first == second != other


def test_binomial_probabilities_are_a_distribution() -> None:
    shares = binomial_probability(np.arange(31), 30, 0.2)
    assert shares.sum() == pytest.approx(1)
    assert shares @ np.arange(31) == pytest.approx(6)
    assert binomial_probability(np.array([0, 4, 5]), 5, 1.0).tolist() == [0, 0, 1]
