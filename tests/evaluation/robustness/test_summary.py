from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.robustness.summary import (
    attack_success,
    changed,
    injection_success,
    rate,
    worst_case,
)
from tunelift.statistics.paired import compare_paired
from tunelift.statistics.resampling import compare_resampled, resampled_interval

BINARY = st.lists(st.tuples(*[st.integers(0, 1)] * 4), min_size=1, max_size=12)


@given(BINARY)
def test_against_definitions(rows: list[tuple[int, int, int, int]]) -> None:
    clean, *perturbed = (list(column) for column in zip(*rows, strict=True))
    assert worst_case(clean, perturbed).tolist() == [min(row) for row in rows]
    attacked = perturbed[0]
    was_right = [b for a, b in zip(clean, attacked, strict=True) if a]
    expected = was_right.count(0) / len(was_right) if was_right else 0
    assert rate(attack_success(clean, attacked), np.ones((1, len(rows))))[0] == pytest.approx(expected)


def test_accuracies_of_an_attack_add_up() -> None:
    """Morris et al. (2020): items are failed already, attacked with success, or attacked without."""
    before = np.array([1, 1, 1, 1, 0, 0])
    after = np.array([0, 1, 0, 1, 1, 0])
    success = rate(attack_success(before, after), np.ones((1, 6)))[0]
    assert success == 0.5
    assert worst_case(before, [after]).mean() == pytest.approx(before.mean() * (1 - success))


def test_of_graded_scores_an_attack_takes_a_share() -> None:
    before, after = [0.8, 0.5, 0.2, 0.0], [0.3, 0.6, 0.2, 0.4]  # of 1.5 in all 0.5 is lost
    assert rate(attack_success(before, after), np.ones((1, 4)))[0] == pytest.approx(0.5 / 1.5)
    assert worst_case(before, [after]).mean() == pytest.approx(np.mean(before) * (1 - 0.5 / 1.5))


def test_injections_count_where_the_answer_was_another_before() -> None:
    assert rate(injection_success([0, 0, 1, 0], [1, 0, 1, 1]), np.ones((1, 4)))[0] == pytest.approx(2 / 3)


def test_changed_answers() -> None:
    assert changed(["a", None, ["x"], 3], ["a", "b", ["x"], 4]).tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="cannot be compared"):
        changed(["a"], [])


def test_two_systems_are_compared_by_the_statistics_room() -> None:
    draws = np.random.default_rng(7)
    before = np.ones(300)
    weak, strong = draws.random(300) < 0.4, draws.random(300) < 0.7
    paired = compare_paired(worst_case(before, [weak]), worst_case(before, [strong]))
    assert paired.effect == pytest.approx(strong.mean() - weak.mean())
    assert paired.p < 0.01
    counts = [attack_success(before, after) for after in (weak, strong)]
    compared = compare_resampled(rate, counts[0], counts[1], higher_is_better=False, draws=500)
    assert compared.effect == pytest.approx(paired.effect)
    interval = resampled_interval(rate, counts[0], draws=500)
    assert interval is not None
    assert interval.low < 1 - weak.mean() < interval.high


def test_nothing_was_right() -> None:
    assert rate(attack_success([0, 0], [1, 0]), np.ones((3, 2))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("clean", "perturbed"), [([1, 0], [[1]]), ([1], [1]), ([[1]], [[1]]), ([float("nan")], [[1]])])
def test_shapes_are_checked(clean: list, perturbed: list) -> None:
    with pytest.raises(ValueError, match=r"needed|cannot be compared"):
        worst_case(clean, perturbed)


def test_no_perturbations() -> None:
    assert worst_case([1, 0], np.empty((0, 2))).tolist() == [1, 0]


def test_what_is_counted_makes_sense() -> None:
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        injection_success([0.5], [1])
    with pytest.raises(ValueError, match="negative"):
        attack_success([1], [-1])
    with pytest.raises(ValueError, match="cannot be compared"):
        attack_success([1, 0], [1])
