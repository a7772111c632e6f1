from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binom, norm
from statsmodels.stats.power import TTestPower

from tunelift.statistics.intervals import Interval
from tunelift.statistics.paired import compare_means, mcnemar_exact
from tunelift.statistics.power import (
    detectable_difference,
    detectable_effect,
    detectable_from_interval,
    detectable_mean,
    mcnemar_power,
)


def exact_power(effect: float, discordance: float, n: int, alpha: float) -> float:
    """Over all numbers of wins and losses, straight from the reported test."""
    total = 0.0
    for discordant in range(n + 1):
        for wins in range(discordant // 2 + 1, discordant + 1):
            if mcnemar_exact(wins, discordant - wins) <= alpha:
                chance = binom.pmf(wins, discordant, (1 + effect / discordance) / 2)
                total += binom.pmf(discordant, n, discordance) * chance
    return total


@pytest.mark.parametrize(
    ("effect", "discordance", "n", "alpha"), [(0.2, 0.3, 40, 0.05), (0.5, 0.5, 25, 0.01), (0.1, 0.9, 30, 0.2)]
)
def test_power_is_that_of_the_reported_test(effect: float, discordance: float, n: int, alpha: float) -> None:
    expected = exact_power(effect, discordance, n, alpha)
    assert mcnemar_power(effect, discordance, n, alpha) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wins", "losses", "n"),
    [(0, 0, 6), (0, 0, 400), (3, 2, 20), (50, 20, 400), (2000, 1500, 5000), (20, 20, 40)],
)
def test_the_detectable_effect_inverts_the_power(wins: int, losses: int, n: int) -> None:
    effect = detectable_effect(wins, losses, n)
    assert effect is not None
    discordance = (wins + losses) / n
    assert mcnemar_power(effect, discordance, n) >= 0.80
    assert mcnemar_power(effect - 3e-6, discordance, n) < 0.80


def test_the_detectable_effect_is_detected_in_four_of_five_simulated_runs() -> None:
    effect = detectable_effect(30, 20, 200)
    assert effect is not None
    shares = [(0.25 + effect) / 2, (0.25 - effect) / 2, 0.75]
    draws = np.random.default_rng(1).multinomial(200, shares, size=4000)
    shown = [mcnemar_exact(wins, losses) <= 0.05 for wins, losses, _ in draws]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.02)


def test_five_items_can_show_nothing() -> None:
    assert detectable_effect(2, 1, 5) is None
    assert detectable_effect(2, 1, 5, alpha=0.2) is not None


def test_more_discordance_hides_larger_effects() -> None:
    effects = [detectable_effect(discordant, 0, 400) for discordant in (0, 40, 120, 300, 400)]
    assert effects == sorted(effects)


def test_it_takes_milliseconds() -> None:
    detectable_effect(10, 10, 100)
    started = time.process_time()
    detectable_effect(900, 700, 5000)
    assert time.process_time() - started < 0.2


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="wins"):
        detectable_effect(6, 5, 10)


@pytest.mark.parametrize("n", [20, 30, 400])
def test_means_are_those_of_statsmodels(n: int) -> None:
    differences = np.random.default_rng(2).normal(0, 2, n)
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8) * differences.std(ddof=1)
    assert detectable_mean(differences) == pytest.approx(expected, rel=1e-4)


def test_grouped_effects_are_larger_and_need_fifty_groups() -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(54), 8)
    differences = generator.normal(0, 1, 54)[groups] + generator.normal(0, 0.3, 432)
    alone, grouped = detectable_mean(differences), detectable_mean(differences, groups)
    assert alone is not None
    assert grouped is not None
    assert grouped > 1.5 * alone
    assert detectable_mean(differences[:392], groups[:392]) is None
    assert detectable_mean(differences[:400], groups[:400]) is not None
    assert detectable_mean([0.5, 0.5]) is None


def test_a_resampled_score_needs_sixty_items_that_differ() -> None:
    interval = Interval(-0.02, 0.02, 0.95, "bootstrap")
    assert detectable_from_interval(interval, 59) is None
    expected = (norm.ppf(0.975) + norm.ppf(0.8)) * 0.02 / norm.ppf(0.975)
    assert detectable_from_interval(interval, 60) == pytest.approx(expected)


def test_the_grouped_effect_is_detected_about_as_often_as_promised() -> None:
    generator = np.random.default_rng(4)
    groups = np.repeat(np.arange(60), 5)

    def draw(effect: float) -> np.ndarray:
        return effect + generator.normal(0, 1, 60)[groups] + generator.normal(0, 1, 300)

    effect = np.mean([detectable_mean(draw(0.0), groups) for _ in range(30)])
    shown = [compare_means(np.zeros(300), draw(float(effect)), groups).p <= 0.05 for _ in range(150)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("many", [60, 100])
def test_groups_of_unequal_size_show_the_effect_about_four_times_in_five(many: int) -> None:
    """Sign flips show less than a t-test would, the more the sizes differ."""
    generator = np.random.default_rng(6)

    def draw(effect: float) -> tuple[np.ndarray, np.ndarray]:
        groups = np.repeat(np.arange(many), generator.geometric(1 / 8, many))
        return effect + generator.normal(0, 0.5, many)[groups] + generator.normal(0, 1, len(groups)), groups

    stated = [detectable_mean(*draw(0.3)) for _ in range(40)]
    effect = float(np.mean([one for one in stated if one is not None]))
    shown = []
    for _ in range(300):
        differences, groups = draw(effect)
        result = compare_means(np.zeros(len(differences)), differences, groups)
        shown.append(result.p <= 0.05 and result.effect > 0)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.08)


def test_the_entry_picks_by_the_scores() -> None:
    baseline, candidate = np.random.default_rng(5).integers(0, 2, (2, 60))
    wins, losses = int(np.sum(candidate > baseline)), int(np.sum(candidate < baseline))
    assert detectable_difference(baseline, candidate) == detectable_effect(wins, losses, 60)
    groups = np.arange(60) // 3
    assert detectable_difference(baseline, candidate, groups) == detectable_mean(candidate - baseline, groups)
    assert detectable_difference(baseline / 2, candidate / 2) == detectable_mean((candidate - baseline) / 2)
