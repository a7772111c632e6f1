from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial, norm, ttest_1samp
from statsmodels.stats.weightstats import ttost_paired

from tunelift.statistics.intervals import mean_interval, tango
from tunelift.statistics.margins import non_inferiority


def pairs(wins: int, losses: int, n: int) -> np.ndarray:
    return np.repeat([1, -1, 0], [wins, losses, n - wins - losses])


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.1, -0.3])
def test_scores_are_tested_as_statsmodels_and_scipy_do(shift: float) -> None:
    generator = np.random.default_rng(1)
    baseline = generator.random(50)
    candidate = baseline + generator.normal(shift, 0.2, 50)
    found = non_inferiority(candidate - baseline, 0.1)
    assert found.p == pytest.approx(ttost_paired(candidate, baseline, -0.1, 0.1)[1][1])
    assert found.p == pytest.approx(ttest_1samp(candidate - baseline, -0.1, alternative="greater").pvalue)
    assert found.interval == mean_interval(candidate - baseline, None, 0.90)


def test_the_worked_example_of_tango() -> None:
    """Two disinfections of contact lenses, 44 pairs, one discordant, margin 0.1: z = 1.709, p = 0.044 (Tango 1998)."""
    result = non_inferiority(pairs(0, 1, 44), 0.1)
    assert norm.isf(result.p) == pytest.approx(1.709, abs=0.001)
    assert result.verdict == "retained"
    strict = non_inferiority(pairs(0, 1, 44), 0.1, alpha=0.025)
    assert strict.verdict == "undecided"
    assert strict.interval == tango(0, 1, 44, 0.95)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 60), st.sampled_from([0.02, 0.1, 0.3]))
@settings(deadline=None, max_examples=50)
def test_pairs_get_the_score_test_with_the_likeliest_nuisance(wins: int, losses: int, ties: int, margin: float) -> None:
    n = wins + losses + ties

    def unlikeliness(loss: float) -> float:
        """Of a share of losses, when wins are rarer by the margin."""
        agreement = 1 - 2 * loss + margin
        return -wins * log(loss - margin) - losses * log(loss) - (ties * log(agreement) if ties else 0)

    limits = (margin + 1e-9, (1 + margin) / 2 - 1e-9)
    loss = minimize_scalar(unlikeliness, bounds=limits, method="bounded", options={"xatol": 1e-10}).x
    score = ((wins - losses) / n + margin) / sqrt((2 * loss - margin - margin**2) / n)
    assert non_inferiority(pairs(wins, losses, n), margin).p == pytest.approx(norm.sf(score), abs=1e-5)


rows = st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 7)), min_size=1, max_size=40)


@given(rows, st.sampled_from([1.0, 0.3]), st.booleans(), st.sampled_from([0.05, 0.2]))
@settings(deadline=None)
def test_verdicts_can_be_read_off_the_interval(
    rows: list[tuple[int, int]], scale: float, grouped: bool, margin: float
) -> None:
    values, labels = np.array(rows).T
    groups = labels if grouped else None
    found = non_inferiority(values * scale, margin, groups)
    if found.interval is None:
        return
    low, high = found.interval.low, found.interval.high
    near = min(abs(end - limit) for end in (low, high) for limit in (-margin, 0)) < 1e-6
    if not near:
        assert found.verdict == ("retained" if low > -margin else "lost" if high < 0 else "undecided")


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(20), 5)])
@pytest.mark.parametrize(
    ("effect", "margin", "verdict"),
    [
        (0.0, 0.1, "retained"),
        (-0.4, 0.1, "lost"),
        (0.4, 0.1, "retained"),
        (0.0, 0.02, "undecided"),
        (-0.1, 0.1, "lost"),
    ],
)
def test_the_three_verdicts(groups: np.ndarray | None, effect: float, margin: float, verdict: str) -> None:
    noise = np.tile(np.random.default_rng(2).normal(0, 0.3, 50), 2)
    noise -= noise.mean()
    assert non_inferiority(noise + effect, margin, groups).verdict == verdict


def test_a_loss_can_be_shown_and_yet_be_within_the_margin() -> None:
    differences = pairs(10, 30, 2000)
    assert non_inferiority(differences, 0.02).verdict == "retained"
    assert non_inferiority(differences, 0.005).verdict == "lost"


def test_equal_differences_convince_when_there_are_enough() -> None:
    assert non_inferiority([0.25] * 4, 0.1).p == 2**-4
    assert non_inferiority([0.0] * 400, 0.01).verdict == "retained"
    few = non_inferiority([0.01, 0.01], 0.1, [5, 5])
    assert (few.p, few.verdict, few.interval) == (0.5, "undecided", None)


@pytest.mark.parametrize(
    ("sizes", "method"), [([5] * 12, "clustered t"), ([40, 40] + [1] * 10, "sign flips of groups")]
)
def test_a_loss_of_the_margin_is_rarely_called_retained(sizes: list[int], method: str) -> None:
    generator = np.random.default_rng(3)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    retained = []
    for _ in range(400):
        differences = -0.2 + generator.normal(0, 0.3, len(sizes))[groups] + generator.normal(0, 0.5, len(groups))
        result = non_inferiority(differences, 0.2, groups)
        assert result.method == method
        retained.append(result.verdict == "retained")
    assert 0.02 <= np.mean(retained) <= 0.08


@pytest.mark.parametrize("discordance", [0.15, 0.3, 0.6])
def test_pairs_that_lose_the_margin_are_called_retained_as_often_as_the_level_says(discordance: float) -> None:
    """Exact, over all numbers of wins and losses."""
    shares = [(discordance - 0.1) / 2, (discordance + 0.1) / 2, 1 - discordance]
    chance = 0.0
    for wins in range(51):
        for losses in range(51 - wins):
            probability = multinomial.pmf([wins, losses, 50 - wins - losses], 50, shares)
            if probability > 1e-6 and non_inferiority(pairs(wins, losses, 50), 0.1).verdict == "retained":
                chance += probability
    assert 0.04 <= chance <= 0.055


@pytest.mark.parametrize(
    ("differences", "margin", "alpha"),
    [([], 0.1, 0.05), ([0.1, np.nan], 0.1, 0.05), ([[0.1]], 0.1, 0.05), ([0.1], 0, 0.05), ([0.1], 0.1, 0.5)],
)
def test_nonsense_is_refused(differences: list, margin: float, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"differences|margin"):
        non_inferiority(differences, margin, alpha=alpha)


@pytest.mark.parametrize("grouped", [False, True])
def test_few_differences_show_as_little_as_in_a_comparison(grouped: bool) -> None:
    differences = np.zeros(120)
    differences[:24:3] = np.linspace(-0.5, 0.3, 8)
    groups = np.arange(120) // 3 if grouped else None
    test = non_inferiority(differences, 0.04, groups)
    plain = mean_interval(differences, groups, 0.90)
    assert plain is not None
    assert test.interval is not None
    center, factor = differences.mean(), sqrt(1 + 4 / 8)
    assert center - test.interval.low == pytest.approx(factor * (center - plain.low))
    assert test.interval.high - center == pytest.approx(factor * (plain.high - center))
    assert (test.verdict == "retained") == (test.interval.low > -0.04) == (test.p < 0.05)
