from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tunelift.statistics.preferences import bradley_terry

# Agresti (2002), table 10.10: how often each team of baseball's American League beat each other one in 1987.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ]
)
# The estimates that Agresti prints, Baltimore set to 0.
PUBLISHED = dict(zip(TEAMS, (1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0), strict=True))


def comparisons(wins: np.ndarray, names: tuple[str, ...]) -> tuple[list[str], list[str], list[float]]:
    pairs = [(one, other) for one, row in enumerate(wins) for other, count in enumerate(row) for _ in range(count)]
    return [names[one] for one, _ in pairs], [names[other] for _, other in pairs], [1.0] * len(pairs)


def by_minimising(first: list[int], second: list[int], scores: list[float], size: int, prior: float) -> np.ndarray:
    """The same likelihood, maximised by another method."""

    def loss(strengths: np.ndarray) -> float:
        difference = strengths[first] - strengths[second]
        value = np.sum(np.logaddexp(0, -difference) * scores + np.logaddexp(0, difference) * (1 - np.array(scores)))
        apart = np.subtract.outer(strengths, strengths)[~np.eye(size, dtype=bool)]
        return float(value + prior / 2 * np.logaddexp(0, -apart).sum() + strengths.sum() ** 2)

    return minimize(loss, np.zeros(size), method="BFGS", options={"gtol": 1e-8}).x


def test_strengths_are_the_published_ones() -> None:
    found = {
        strength.system: strength.value for strength in bradley_terry(*comparisons(WINS, TEAMS), prior=1e-6, draws=2)
    }
    assert list(found) == list(TEAMS)
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)
    for team, expected in PUBLISHED.items():
        assert found[team] - found["Baltimore"] == pytest.approx(expected, abs=0.005)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0]))
def test_strengths_are_those_of_another_method(seed: int, prior: float) -> None:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 4, 30)
    second = (first + generator.integers(1, 4, 30)) % 4
    scores = generator.choice([0, 0.5, 1], 30)
    names = [f"s{number}" for number in range(4)]
    found = bradley_terry(
        [names[place] for place in first], [names[place] for place in second], scores, prior=prior, draws=2
    )
    named = sorted(int(strength.system[1:]) for strength in found)
    if named == [0, 1, 2, 3]:
        expected = by_minimising(list(first), list(second), list(scores), 4, prior)
        values = {strength.system: strength.value for strength in found}
        assert [values[name] for name in names] == pytest.approx((expected - expected.mean()).tolist(), abs=1e-4)


def test_two_systems_have_the_logarithm_of_their_odds() -> None:
    # 6 wins, 2 ties, 2 losses: 7 to 3.
    better, worse = bradley_terry(["a"] * 10, ["b"] * 10, [1.0] * 6 + [0.5] * 2 + [0.0] * 2, prior=1e-6)
    assert (better.system, worse.system) == ("a", "b")
    assert better.value - worse.value == pytest.approx(log(7 / 3), abs=1e-6)


def test_the_side_on_which_a_system_stands_does_not_matter() -> None:
    first, second, scores = ["a", "b", "a", "c"], ["b", "c", "c", "a"], [1, 0.5, 1, 0]
    found, turned = (
        bradley_terry(*sides, values, draws=50)
        for sides, values in (((first, second), scores), ((second, first), [1 - score for score in scores]))
    )
    for one, other in zip(found, turned, strict=True):
        assert one.system == other.system
        assert one.value == pytest.approx(other.value)
        assert one.interval is not None
        assert other.interval is not None
        assert (one.interval.low, one.interval.high) == pytest.approx((other.interval.low, other.interval.high))


def test_a_system_that_always_wins_has_a_finite_strength_and_no_interval() -> None:
    for prior, odds in ((0.1, 10.05 / 0.05), (1e-6, 2e7)):
        better, worse = bradley_terry(["a"] * 10, ["b"] * 10, [1.0] * 10, prior=prior)
        assert better.value - worse.value == pytest.approx(log(odds), rel=1e-4)
        assert (better.interval, worse.interval) == (None, None)


def test_systems_that_were_never_compared_are_told_apart_by_nothing() -> None:
    found = {each.system: each.value for each in bradley_terry(["a", "c"], ["b", "d"], [1, 1], draws=2)}
    assert found["a"] == pytest.approx(found["c"])
    assert found["b"] == pytest.approx(found["d"])


def test_intervals_are_those_of_theory_and_wider_for_groups() -> None:
    generator = np.random.default_rng(1)
    scores = (generator.random(100) < 0.6).astype(float)
    (better, _) = bradley_terry(["a"] * 100, ["b"] * 100, scores)
    share = scores.mean()
    error = 1 / np.sqrt(100 * share * (1 - share)) / 2  # of half the logarithm of the odds
    assert better.interval is not None
    assert (better.interval.high - better.interval.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)
    repeated, groups = np.repeat(scores, 5), np.repeat(np.arange(100), 5)
    (grouped, _) = bradley_terry(["a"] * 500, ["b"] * 500, repeated, groups)
    assert grouped.interval is not None
    width = grouped.interval.high - grouped.interval.low
    assert width == pytest.approx(better.interval.high - better.interval.low, rel=0.1)


def test_intervals_cover_the_strengths_that_judgements_were_drawn_from() -> None:
    truth = np.array([0.6, 0.0, -0.6])
    generator = np.random.default_rng(2)
    first = np.tile([0, 0, 1], 40)
    second = np.tile([1, 2, 2], 40)
    names = ["a", "b", "c"]
    covered = []
    for seed in range(60):
        likely = 1 / (1 + np.exp(truth[second] - truth[first]))
        scores = (generator.random(120) < likely).astype(float)
        found = bradley_terry(
            [names[place] for place in first], [names[place] for place in second], scores, draws=200, seed=seed
        )
        for each in found:
            assert each.interval is not None
            covered.append(each.interval.low <= truth[names.index(each.system)] <= each.interval.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), "no comparisons"),
        ((["a"], ["b"], [1, 0]), "no comparisons"),
        ((["a"], ["a"], [1]), "with itself"),
        ((["a"], ["b"], [2]), "between 0 and 1"),
        ((["a"], ["b"], [np.nan]), "between 0 and 1"),
        ((["a"], ["b"], [1], None, 0), "above 0"),
    ],
)
def test_nonsense_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bradley_terry(*arguments)
