from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm
from scipy.stats import t as student
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.meta_analysis import combine_effects

from tunelift.statistics.intervals import standard_error
from tunelift.statistics.meta import macro_mean, random_effects

tasks = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 0.5)), min_size=2, max_size=15)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("deviation", [0.0, 0.3])
def test_random_effects_are_those_of_statsmodels(seed: int, deviation: float) -> None:
    generator = np.random.default_rng(seed)
    errors = generator.uniform(0.05, 0.4, 3 + seed)
    effects = generator.normal(size=3 + seed) * np.hypot(errors, deviation)
    result = random_effects(effects, errors)
    # With a narrower tolerance statsmodels can step over the solution by a rounding error, and then answers 0.
    expected = combine_effects(effects, errors**2, method_re="iterated", atol=1e-5)
    assert result.effect == pytest.approx(expected.mean_effect_re, rel=1e-4)
    assert result.deviation**2 == pytest.approx(expected.tau2, rel=1e-4)
    assert result.q == pytest.approx(expected.q)
    assert result.p == pytest.approx(chi2.sf(expected.q, 2 + seed))
    assert result.inconsistency == pytest.approx(max(expected.i2, 0))


@given(tasks)
@settings(deadline=None, max_examples=50)
def test_the_variance_between_tasks_makes_the_weighted_squares_what_they_should_be(
    rows: list[tuple[float, float]],
) -> None:
    effects, errors = np.array(rows).T
    result = random_effects(effects, errors)
    weights = 1 / (errors**2 + result.deviation**2)
    assert result.effect == pytest.approx(np.average(effects, weights=weights))
    squares = np.sum(weights * (effects - result.effect) ** 2)
    assert squares == pytest.approx(len(rows) - 1) or (result.deviation == 0 and squares < len(rows) - 1)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12, unique=True), st.floats(0.02, 0.5))
@settings(deadline=None, max_examples=50)
def test_equally_precise_tasks_get_the_interval_of_hartung_and_knapp(effects: list[float], error: float) -> None:
    errors = np.full(len(effects), error)
    result = random_effects(effects, errors)
    expected = combine_effects(np.array(effects), errors**2, method_re="iterated", use_t=True)
    assert result.error == pytest.approx(expected.sd_eff_w_re_hksj, rel=1e-6)
    half = student.ppf(0.975, len(effects) - 1) * result.error
    assert result.interval is None or result.interval.high - result.effect == pytest.approx(half)


def test_unequally_precise_tasks_get_the_correction_of_tipton() -> None:
    """Straight from the definition: adjusted residuals of a weighted regression, Satterthwaite's ratio of traces."""
    effects, errors = np.array([0.3, 0.1, -0.2, 0.5, 0.25]), np.array([0.02, 0.1, 0.3, 0.2, 0.15])
    result = random_effects(effects, errors)
    variances = errors**2 + result.deviation**2
    fit = WLS(effects, np.ones(5), 1 / variances).fit()
    assert result.effect == pytest.approx(fit.params[0])
    shares = (1 / variances) / np.sum(1 / variances)
    residual_maker = np.eye(5) - np.outer(np.ones(5), shares)
    rows = (shares / np.sqrt(1 - shares))[:, None] * residual_maker
    assert result.error == pytest.approx(np.linalg.norm(rows @ effects))
    covariance = rows @ np.diag(variances) @ rows.T
    freedom = np.trace(covariance) ** 2 / np.sum(covariance**2)
    assert result.interval is not None
    assert result.interval.high - result.effect == pytest.approx(student.ppf(0.975, freedom) * result.error)


@pytest.mark.parametrize("errors", [[0.1] * 5, [0.02, 0.1, 0.1, 0.1, 0.1], [0.05, 0.1, 0.2, 0.4, 1.0]])
@pytest.mark.parametrize("deviation", [0.0, 0.1, 0.5])
def test_the_interval_covers_the_mean_of_the_kind_of_tasks(errors: list[float], deviation: float) -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(400, 5)) * np.hypot(errors, deviation)
    intervals = [random_effects(0.2 + row, errors).interval for row in noise]
    covered = [interval is not None and interval.low <= 0.2 <= interval.high for interval in intervals]
    assert np.mean(covered) >= 0.93


def test_tasks_that_agree_more_than_chance_would_have_them_are_homogeneous() -> None:
    result = random_effects([0.2, 0.2, 0.2], [0.1, 0.2, 0.1])
    assert (result.deviation, result.inconsistency, result.q, result.p) == pytest.approx((0, 0, 0, 1), abs=1e-12)
    assert result.interval is None or result.interval.high == pytest.approx(0.2)
    assert result.effect == pytest.approx(0.2)


def test_the_macro_mean_adds_up_variances() -> None:
    result = macro_mean([0.1, 0.3], [0.03, 0.04])
    assert (result.effect, result.error) == pytest.approx((0.2, 0.025))
    assert result.interval.high == pytest.approx(0.2 + norm.ppf(0.975) * 0.025)
    known = macro_mean([0.1, 0.3], [0.03, 0.0], freedoms=[9, 9])
    assert known.interval.high == pytest.approx(0.2 + student.ppf(0.975, 9) * 0.015)


def test_the_macro_mean_of_small_tasks_covers_with_pooled_degrees_of_freedom() -> None:
    generator = np.random.default_rng(2)
    truths, scales, covered = np.array([0.5, -0.2, 0.1]), np.array([1.0, 0.2, 0.5]), []
    for _ in range(1000):
        samples = truths + generator.normal(size=(6, 3)) * scales
        errors, freedoms = zip(*(standard_error(column) or (0, 1) for column in samples.T), strict=True)
        interval = macro_mean(samples.mean(axis=0), errors, freedoms).interval
        covered.append(interval.low <= truths.mean() <= interval.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("effects", "errors"), [([], []), ([1, 2], [1]), ([1, np.nan], [1, 1]), ([1, 2], [1, -1]), ([1, 2], [0, 0])]
)
def test_nonsense_is_refused(effects: list, errors: list) -> None:
    for summary in (macro_mean, random_effects):
        with pytest.raises(ValueError):
            summary(effects, errors)


def test_one_task_says_nothing_of_others() -> None:
    with pytest.raises(ValueError, match="two tasks"):
        random_effects([0.3], [0.1])
    assert macro_mean([0.3], [0.1]).effect == 0.3
