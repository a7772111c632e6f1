from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.power import TTestPower

from tunelift.statistics.paired import mcnemar_exact
from tunelift.statistics.power import detectable_mean, mcnemar_power
from tunelift.statistics.sample_size import required_items, required_items_for_mean, round_up


@pytest.mark.parametrize(
    ("effect", "discordance", "alpha", "power"),
    [
        (0.1, 0.2, 0.05, 0.8),
        (0.15, 1.0, 0.05, 0.8),
        (0.3, 0.98, 0.05, 0.9),
        (0.3, 1.0, 0.05, 0.8),
        (0.3, 0.95, 0.05, 0.8),
        (0.25, 1.0, 0.2, 0.5),
        (0.3, 0.97, 0.01, 0.95),
        (0.2, 0.1, 0.05, 0.9),
        (1.0, 1.0, 0.05, 0.8),
    ],
)
def test_from_here_on_the_power_is_reached(effect: float, discordance: float, alpha: float, power: float) -> None:
    n = required_items(effect, discordance, alpha, power)
    assert n is not None
    powers = [mcnemar_power(effect, discordance, more, alpha) for more in range(n, 2 * n + 60)]
    assert min(powers) >= power
    assert mcnemar_power(effect, discordance, n - 1, alpha) < power


def test_that_many_items_show_the_effect_in_four_of_five_simulated_runs() -> None:
    n = required_items(0.08, 0.2)
    assert n is not None
    draws = np.random.default_rng(1).multinomial(n, [0.14, 0.06, 0.8], size=4000)
    shown = [wins > losses and mcnemar_exact(wins, losses) <= 0.05 for wins, losses, _ in draws]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.02)


def test_more_discordance_and_smaller_effects_need_more_items() -> None:
    assert [required_items(0.05, share) for share in (0.05, 0.2, 0.5)] == sorted(
        [required_items(0.05, share) or 0 for share in (0.05, 0.2, 0.5)]
    )
    assert (required_items(0.02, 0.2) or 0) > (required_items(0.05, 0.2) or 0)


def test_more_items_than_anybody_labels_are_no_answer() -> None:
    assert required_items(0.001, 0.2) is None
    assert required_items_for_mean(0.001, 1.0) is None


@pytest.mark.parametrize(("number", "rounded"), [(1, 1), (9.2, 10), (99.5, 100), (101, 110), (1736.4, 1800)])
def test_two_digits_are_kept(number: float, rounded: int) -> None:
    assert round_up(number) == rounded


@pytest.mark.parametrize("effect", [2.0, 1.0, 0.5, 0.1, 0.02])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 0.8), (0.01, 0.9)])
def test_means_are_those_of_statsmodels(effect: float, alpha: float, power: float) -> None:
    n = required_items_for_mean(3 * effect, 3.0, alpha, power)
    expected = TTestPower().solve_power(effect_size=effect, alpha=alpha, power=power)
    assert n == np.ceil(expected)


def test_a_test_set_of_that_size_detects_the_effect() -> None:
    n = required_items_for_mean(0.4, 1.0)
    assert n is not None
    pattern = np.random.default_rng(2).normal(0, 1, (2, n))
    for values, size in ((pattern[0], n), (pattern[1][:-1], n - 1)):
        detectable = detectable_mean(values / values.std(ddof=1))
        assert detectable is not None
        assert (detectable <= 0.4) == (size == n)
    draws = np.random.default_rng(3).normal(0.4, 1, (n, 4000))
    assert np.mean(ttest_1samp(draws, 0).pvalue <= 0.05) == pytest.approx(0.8, abs=0.02)


def test_it_takes_less_than_a_second() -> None:
    required_items(0.1, 0.2)
    started = time.process_time()
    required_items(0.005, 0.1)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "arguments", [(0, 0.1), (1.5, 0.1), (0.1, 1.1), (0.1, 0.2, 0), (0.1, 0.2, 0.05, 1), (float("nan"), 0.1)]
)
def test_what_is_no_share_is_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"effect|level"):
        required_items(*arguments)


@pytest.mark.parametrize("arguments", [(0, 1), (1, 0), (1, 1, 2)])
def test_means_refuse_nonsense_too(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"effect|level"):
        required_items_for_mean(*arguments)
