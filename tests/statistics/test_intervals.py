from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.api import OLS
from statsmodels.stats.proportion import proportion_confint

from tunelift.statistics.intervals import mean_interval, score_interval, standard_error, tango, wilson


@given(st.integers(1, 3000), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_that_of_statsmodels(n: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson(successes, n, confidence)
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


def test_mean_interval_is_that_of_a_regression_on_a_constant() -> None:
    values = np.random.default_rng(1).normal(3, 2, 40)
    interval = mean_interval(values)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx(OLS(values, np.ones(40)).fit().conf_int()[0])


def test_groups_of_one_size_give_the_usual_cluster_robust_interval() -> None:
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(12), 5)
    values = generator.normal(0, 1, 12)[groups] + generator.normal(0, 1, 60)
    fit = OLS(values, np.ones(60)).fit()
    # statsmodels multiplies by (n - 1) / (n - k) too, which is 1 for a constant.
    robust = fit.get_robustcov_results("cluster", groups=groups, use_t=True, df_correction=True)
    interval = mean_interval(values, groups)
    assert interval is not None
    assert interval.method == "clustered t"
    assert (interval.low, interval.high) == pytest.approx(robust.conf_int()[0])


def test_the_correction_for_unequal_groups_is_the_one_of_bell_and_mccaffrey() -> None:
    sizes = np.array([20, 3, 7, 1, 9])
    groups = np.repeat(np.arange(5), sizes)
    values = np.random.default_rng(3).normal(0, 1, 40)
    # Straight from the definition: residual maker, adjusted within groups, working covariance = identity.
    hat = np.full((40, 40), 1 / 40)
    residual_maker = np.eye(40) - hat
    contributions = []
    for group in range(5):
        inside = np.flatnonzero(groups == group)
        block = residual_maker[np.ix_(inside, inside)]
        eigenvalues, vectors = np.linalg.eigh(block)
        root = vectors @ np.diag(eigenvalues**-0.5) @ vectors.T
        contributions.append(np.ones(len(inside)) @ root @ residual_maker[inside] / 40)
    matrix = np.array(contributions)
    variance = float(np.sum((matrix @ values) ** 2))
    covariance = matrix @ matrix.T
    freedom = np.trace(covariance) ** 2 / np.sum(covariance**2)
    assert standard_error(values, groups) == pytest.approx((sqrt(variance), freedom))


@pytest.mark.parametrize(
    ("values", "groups"), [([0.7], None), ([1, 2], [5, 5]), ([0.1] * 9, None), ([1, 2, 1, 2], [0, 0, 1, 1])]
)
def test_no_spread_no_interval(values: list[float], groups: list[int] | None) -> None:
    assert mean_interval(values, groups) is None


def test_as_many_group_ids_as_items_are_needed() -> None:
    with pytest.raises(ValueError, match="group ids"):
        standard_error([1, 2, 3], [1, 2])


def test_score_interval_fits_the_scores() -> None:
    right, groups = [1, 0, 1, 1, 0, 1, 1, 1], ["a", "a", "b", "b", "c", "c", "d", "d"]
    assert score_interval(right) == wilson(6, 8)
    assert score_interval([0.5, 0.25, 1.0]) == mean_interval([0.5, 0.25, 1.0])
    clustered = score_interval(right, groups)
    assert clustered is not None
    assert 0 <= clustered.low < 0.75 < clustered.high <= 1
    all_right = score_interval([1] * 8, groups)
    assert all_right is not None
    assert (all_right.low, all_right.high) == pytest.approx((wilson(4, 4).low, 1.0))


def test_tango_gives_the_published_interval() -> None:
    interval = tango(wins=12, losses=2, n=50)
    assert (interval.low, interval.high) == pytest.approx((0.0611, 0.3447), abs=5e-5)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200))
def test_tango_contains_the_estimate_and_mirrors(wins: int, losses: int, same: int) -> None:
    n = max(1, wins + losses + same)
    interval, mirrored = tango(wins, losses, n), tango(losses, wins, n)
    assert -1 <= interval.low <= (wins - losses) / n <= interval.high <= 1
    assert interval.low < interval.high
    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)


def test_tango_without_discordant_items_has_the_closed_form() -> None:
    z = 1.959963984540054
    assert tango(0, 0, 400).high == pytest.approx(z**2 / (400 + z**2))


def test_tango_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="wins"):
        tango(5, 6, 10)


def test_tango_covers() -> None:
    cells = np.random.default_rng(4).multinomial(50, [0.10, 0.02, 0.88], size=1500)
    intervals = [tango(int(wins), int(losses), 50) for wins, losses, _ in cells]
    assert 0.94 <= np.mean([interval.low <= 0.08 <= interval.high for interval in intervals]) <= 0.98


def test_clustered_intervals_cover_when_one_group_is_large() -> None:
    generator = np.random.default_rng(5)
    groups = np.repeat(np.arange(12), [50, 20] + [5] * 10)
    covered = []
    for _ in range(600):
        latent = generator.normal(0, 1, 12)[groups] + generator.normal(0, 1, len(groups))
        of_mean, of_share = mean_interval(latent, groups), score_interval(latent > 0, groups)
        assert of_mean is not None
        assert of_share is not None
        covered.append([of_mean.low <= 0 <= of_mean.high, of_share.low <= 0.5 <= of_share.high])
    assert np.all(np.mean(covered, axis=0) >= 0.91)


def test_groups_that_are_more_alike_than_chance_count_as_no_more_items_than_there_are() -> None:
    values, groups = np.repeat([1, 0, 1, 0, 1, 0], [5, 5, 5, 5, 6, 4]), np.repeat([0, 1, 2], 10)
    clustered, independent = score_interval(values, groups), score_interval(values)
    assert clustered is not None
    assert independent is not None
    assert clustered.low < independent.low
    assert clustered.high > independent.high
