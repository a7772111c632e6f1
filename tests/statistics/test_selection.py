from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tunelift.statistics.intervals import wilson
from tunelift.statistics.selection import selected_score


def answers(generator: np.random.Generator, truth: np.ndarray, n: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Right or wrong, shape (n, k): candidates share half of the difficulty of an item, and of its group."""
    shared = generator.normal(size=(n, 1))
    if groups is not None:
        shared = (shared + generator.normal(size=(groups.max() + 1, 1))[groups]) / np.sqrt(2)
    latent = (shared + generator.normal(size=(n, len(truth)))) / np.sqrt(2)
    return (latent < norm.ppf(truth)).astype(int)


@pytest.mark.parametrize(
    ("truth", "n", "grouped"),
    [
        (np.full(10, 0.5), 100, False),
        (np.linspace(0.4, 0.6, 10), 100, False),
        (np.linspace(0.85, 0.95, 6), 60, False),
        (np.full(8, 0.5), 100, True),
    ],
)
def test_the_bias_is_removed_and_the_interval_covers(truth: np.ndarray, n: int, grouped: bool) -> None:
    generator = np.random.default_rng(1)
    groups = np.arange(n) // 5 if grouped else None
    naive, corrected, covered = [], [], []
    for seed in range(150):
        result = selected_score(answers(generator, truth, n, groups), groups, seed)
        expected = truth[result.best]
        assert result.interval is not None
        naive.append(result.observed - expected)
        corrected.append(result.corrected - expected)
        covered.append(result.interval.low <= expected <= result.interval.high)
    assert np.mean(naive) > 0.02
    assert -0.012 - noise(corrected) <= np.mean(corrected) <= noise(corrected)
    assert np.mean(covered) >= 0.93


def noise(values: list[float]) -> float:
    """Three standard errors of the mean."""
    return 3 * float(np.std(values) / np.sqrt(len(values)))


def test_a_clear_winner_is_hardly_corrected() -> None:
    scores = answers(np.random.default_rng(2), np.array([0.3, 0.9, 0.4]), 300)
    result = selected_score(scores)
    assert result.best == 1
    assert result.corrected == result.observed == scores[:, 1].mean()


def test_a_single_candidate_is_not_corrected() -> None:
    scores = answers(np.random.default_rng(3), np.array([0.6]), 40)
    result = selected_score(scores)
    expected = wilson(int(scores.sum()), 40)
    assert result.corrected == result.observed
    assert result.interval is not None
    assert (result.interval.low, result.interval.high) == (expected.low, expected.high)


def test_more_candidates_and_fewer_items_are_corrected_more() -> None:
    generator = np.random.default_rng(4)

    def gain(candidates: int, n: int) -> float:
        results = [selected_score(answers(generator, np.full(candidates, 0.5), n)) for _ in range(20)]
        return float(np.mean([result.observed - result.corrected for result in results]))

    assert gain(20, 50) > gain(3, 50) > gain(3, 400) > 0


def test_a_seed_gives_one_result_and_names_of_groups_do_not_matter() -> None:
    scores = answers(np.random.default_rng(5), np.full(5, 0.5), 40)
    groups = np.arange(40) // 4
    assert selected_score(scores, groups, 1) == selected_score(scores, [f"document {g}" for g in groups], 1)
    assert selected_score(scores, groups, 1) != selected_score(scores, groups, 2)


def test_two_groups_can_be_left_out_in_turn() -> None:
    result = selected_score([[1, 0], [1, 0], [0, 1], [0.5, 1]], ["a", "a", "b", "b"])
    # Each candidate wins on one group and loses on the other one.
    assert result.best == 0
    assert result.corrected < result.observed


@pytest.mark.parametrize(
    ("scores", "groups"),
    [([1, 0], None), ([[]], None), ([[1, np.nan], [1, 1]], None), ([[1, 0]], None), ([[1], [0]], [3, 3])],
)
def test_unusable_tables_are_refused(scores: list, groups: list | None) -> None:
    with pytest.raises(ValueError, match=r"table|two independent"):
        selected_score(scores, groups)
