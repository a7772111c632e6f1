from __future__ import annotations

import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from tunelift.statistics.agreement import cohen_kappa, krippendorff_alpha

NAN = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units, missing data.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T


def alpha_by_definition(table: np.ndarray, level: str) -> float:
    """Coincidences counted pair by pair, distances as Krippendorff writes them."""
    units = [[value for value in row if np.isfinite(value)] for row in table]
    units = [unit for unit in units if len(unit) > 1]
    values = sorted({value for unit in units for value in unit})
    counts = {value: sum(unit.count(value) for unit in units) for value in values}

    def distance(one: float, other: float) -> float:
        if level == "nominal":
            return float(one != other)
        if level == "interval":
            return (one - other) ** 2
        low, high = sorted((one, other))
        between = sum(counts[value] for value in values if low <= value <= high)
        return (between - (counts[low] + counts[high]) / 2) ** 2

    total = sum(counts.values())
    observed = sum(distance(*pair) / (len(unit) - 1) for unit in units for pair in permutations(unit, 2)) / total
    named = [value for unit in units for value in unit]
    expected = sum(distance(*pair) for pair in permutations(named, 2)) / (total * (total - 1))
    return 1 - observed / expected


def ratings(seed: int, items: int = 40, raters: int = 3, noise: float = 1.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    table = np.clip(np.round(generator.normal(3, 1.2, (items, 1)) + generator.normal(0, noise, (items, raters))), 1, 5)
    table[generator.random(table.shape) < 0.2] = NAN
    return table


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_the_published_one(level: str, expected: float) -> None:
    found = krippendorff_alpha(PUBLISHED, level, draws=200)
    assert found.value == pytest.approx(expected, abs=5e-4)
    assert found.items == 11


def test_alpha_of_two_observers_is_the_published_one() -> None:
    binary = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
    assert krippendorff_alpha(binary, draws=100).value == pytest.approx(0.095, abs=5e-4)
    named = np.array([[ord(letter) for letter in text] for text in ("aabbdcccedda", "babbbccceddd")]).T
    assert krippendorff_alpha(named, draws=100).value == pytest.approx(0.692, abs=5e-4)


@given(st.integers(0, 10**6), st.sampled_from(["nominal", "ordinal", "interval"]), st.integers(2, 5))
def test_alpha_is_that_of_its_definition(seed: int, level: str, raters: int) -> None:
    table = ratings(seed, 12, raters)
    if (np.isfinite(table).sum(axis=1) > 1).any():
        found = krippendorff_alpha(table, level, draws=2).value
        if found is not None:
            assert found == pytest.approx(alpha_by_definition(table, level), abs=1e-9)


def test_interval_alpha_keeps_its_digits_far_from_zero() -> None:
    table = ratings(3)
    near, far = (krippendorff_alpha(table + shift, "interval", draws=2).value for shift in (0, 1e7))
    assert far == pytest.approx(near, abs=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([None, "linear", "quadratic"]))
def test_kappa_is_that_of_scikit_learn(seed: int, weights: str | None) -> None:
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 4, 25)
    second = np.where(generator.random(25) < 0.5, first, generator.integers(0, 4, 25))
    found = cohen_kappa(first.tolist(), second.tolist(), [0, 1, 2, 3], weights, draws=2).value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found == pytest.approx(cohen_kappa_score(first, second, labels=[0, 1, 2, 3], weights=weights))


def test_kappa_of_a_worked_table() -> None:
    # 20 and 15 agreed, 5 and 10 not: observed 0.70, by chance 0.50.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(first, second)
    assert found.value == pytest.approx(0.4)
    # The standard error of large samples (Fleiss, Cohen and Everitt 1969).
    table = np.array([[0.4, 0.1], [0.2, 0.3]])
    margins = table.sum(axis=0)[:, None] + table.sum(axis=1)[None, :]
    diagonal = np.eye(2, dtype=bool)
    agreed = np.sum((table * (1 - margins * 0.6) ** 2)[diagonal])
    apart = 0.6**2 * np.sum((table * margins**2)[~diagonal])
    error = np.sqrt((agreed + apart - (0.4 - 0.5 * 0.6) ** 2) / 50) / 0.5
    assert found.interval is not None
    assert (found.interval.high - found.interval.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)


def test_groups_of_equal_items_make_the_interval_wider() -> None:
    table = ratings(5, 30)
    repeated, groups = np.repeat(table, 6, axis=0), np.repeat(np.arange(30), 6)
    for measure in (
        lambda groups: krippendorff_alpha(repeated, "ordinal", groups, draws=1000),
        lambda groups: cohen_kappa(*np.nan_to_num(repeated[:, :2]).T.tolist(), groups=groups, draws=1000),
    ):
        alone, grouped = measure(None).interval, measure(groups).interval
        assert alone is not None
        assert grouped is not None
        assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(6), rel=0.2)


def test_intervals_cover_the_agreement_of_many_items() -> None:
    truth = krippendorff_alpha(ratings(0, 100_000), "interval", draws=2).value
    covered = 0
    for seed in range(1, 101):
        interval = krippendorff_alpha(ratings(seed, 60), "interval", draws=400).interval
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert covered >= 88


def test_perfect_agreement_and_nothing_to_agree_on() -> None:
    assert cohen_kappa("abab", "abab", draws=50).value == 1
    assert cohen_kappa("aaaa", "aaaa", draws=50).value is None
    for level in ("nominal", "ordinal", "interval"):
        same = krippendorff_alpha([[1, 1], [2, 2], [0.1, 0.1]], level, draws=50)
        assert (same.value, same.interval) == (1, None)
        assert krippendorff_alpha([[0.1, 0.1], [0.1, 0.1], [3, NAN]], level, draws=50).value is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], []), "same items"),
        (([], []), "same items"),
        ((["a"], ["b"], ["a"]), "'b' is none of the categories"),
        ((["a"], ["b"], None, "cubic"), "no weights"),
    ],
)
def test_kappa_refuses_nonsense(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cohen_kappa(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2],), "a table"),
        (([[1, np.inf]],), "finite"),
        (([[1, NAN], [NAN, 2]],), "rated by two"),
        (([[1, 2]], "ratio"), "no level"),
    ],
)
def test_alpha_refuses_nonsense(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        krippendorff_alpha(*arguments)
