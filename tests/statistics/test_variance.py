from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from scipy.stats import t as student
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from tunelift.statistics.intervals import mean_interval, score_interval, standard_error
from tunelift.statistics.variance import seed_spread, template_spread, variance_components


def draw(
    generator: np.random.Generator, items: int, templates: int, item: float, template: float, residual: float
) -> np.ndarray:
    return (
        0.1
        + generator.normal(0, item, (items, 1))
        + generator.normal(0, template, (1, templates))
        + generator.normal(0, residual, (items, templates))
    )


def test_components_are_those_of_the_mean_squares_of_statsmodels() -> None:
    table = draw(np.random.default_rng(1), 12, 4, 0.4, 0.2, 0.3)
    rows = [(i, t, value) for (i, t), value in np.ndenumerate(table)]
    frame = pd.DataFrame(rows, columns=["item", "template", "score"])
    squares = anova_lm(ols("score ~ C(item) + C(template)", frame).fit())["mean_sq"]
    of_items, of_templates, of_residuals = squares["C(item)"], squares["C(template)"], squares["Residual"]
    result = variance_components(table)
    assert result.mean == pytest.approx(table.mean())
    assert result.residual**2 == pytest.approx(of_residuals)
    assert result.template**2 == pytest.approx((of_templates - of_residuals) / 12)
    assert result.item**2 == pytest.approx((of_items - of_residuals) / 4)
    assert result.error is not None
    assert result.error**2 == pytest.approx((of_items + of_templates - of_residuals) / 48)


def test_the_error_is_never_below_the_one_for_new_items() -> None:
    generator = np.random.default_rng(2)
    for _ in range(50):
        table = draw(generator, 8, 3, 0.4, 0.0, 0.5)
        of_items = standard_error(table.mean(axis=1))
        result = variance_components(table)
        assert of_items is not None
        assert result.error is not None
        assert result.error >= of_items[0]
        if result.template == 0:
            assert result.error == pytest.approx(of_items[0])
            assert result.interval is not None
            assert result.interval.high - result.mean == pytest.approx(student.ppf(0.975, 7) * of_items[0])


def test_components_are_recovered_on_average() -> None:
    generator = np.random.default_rng(3)
    results = [variance_components(draw(generator, 40, 6, 0.4, 0.2, 0.3)) for _ in range(600)]
    means = np.mean([(r.item**2, r.template**2, r.residual**2, (r.error or 0) ** 2) for r in results], axis=0)
    truth = 0.4**2 / 40 + 0.2**2 / 6 + 0.3**2 / 240
    assert means == pytest.approx([0.16, 0.04, 0.09, truth], rel=0.1)


@pytest.mark.parametrize("templates", [3, 5, 10])
@pytest.mark.parametrize("template", [0.0, 0.05, 0.2])
def test_the_interval_covers_the_mean_over_other_items_and_templates(templates: int, template: float) -> None:
    generator = np.random.default_rng(4)
    covered = []
    for _ in range(600):
        interval = variance_components(draw(generator, 60, templates, 0.4, template, 0.3)).interval
        assert interval is not None
        covered.append(interval.low <= 0.1 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.99


def test_groups_of_items_widen_the_interval_as_they_should() -> None:
    generator = np.random.default_rng(5)
    groups = np.repeat(np.arange(15), 4)
    covered = []
    for _ in range(600):
        table = draw(generator, 60, 4, 0.2, 0.05, 0.3) + generator.normal(0, 0.3, 15)[groups, None]
        interval = variance_components(table, groups).interval
        assert interval is not None
        covered.append(interval.low <= 0.1 <= interval.high)
    assert 0.93 <= np.mean(covered) <= 0.99


def test_what_cannot_be_known_is_not_claimed() -> None:
    table = np.random.default_rng(6).random((6, 2))
    assert variance_components(table).interval is None
    assert variance_components(table, ["one"] * 6).error is None
    assert variance_components(np.tile([0.1, 0.2, 0.4], (5, 1))).error is None


def test_the_spread_of_templates() -> None:
    table = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 1, 0]])
    result = template_spread(table)
    assert result.scores == pytest.approx((0.8, 0.6, 0.2))
    assert (result.best, result.worst) == (0, 2)
    assert result.deviation == pytest.approx(np.std([0.8, 0.6, 0.2], ddof=1))
    low, high = score_interval(table[:, 2]), score_interval(table[:, 2], confidence=1 - 0.05 / 3)
    assert result.worst_interval is not None
    assert low is not None
    assert high is not None
    assert (result.worst_interval.low, result.worst_interval.high) == (low.low, high.high)
    assert template_spread([[0.5, 0.5], [0.5, 0.5]]).worst_interval is None


@pytest.mark.parametrize("truth", [(0.7, 0.7, 0.7), (0.9, 0.7, 0.5), (0.95, 0.93, 0.9)])
def test_the_worst_case_is_covered(truth: tuple[float, ...]) -> None:
    generator = np.random.default_rng(7)
    covered = []
    for _ in range(500):
        difficulty = 0.5 * generator.random((80, 1)) + 0.5 * generator.random((80, 3))
        # The sum of two uniform variables has a triangular distribution, whose quantiles are those of the score.
        cut = np.where(np.array(truth) < 0.5, np.sqrt(np.array(truth) / 2), 1 - np.sqrt((1 - np.array(truth)) / 2))
        interval = template_spread((difficulty < cut).astype(int)).worst_interval
        assert interval is not None
        covered.append(interval.low <= min(truth) <= interval.high)
    assert np.mean(covered) >= 0.93


def test_differences_get_another_interval() -> None:
    differences = np.random.default_rng(8).integers(-1, 2, (50, 3))
    result = template_spread(differences, interval=mean_interval)
    expected = [mean_interval(column) for column in differences.T]
    assert result.worst_interval is not None
    assert result.worst_interval.low == min(interval.low for interval in expected if interval)


def test_seeds_have_the_intervals_of_the_normal_distribution() -> None:
    scores = [0.71, 0.68, 0.74, 0.70]
    result = seed_spread(scores)
    variance = np.var(scores, ddof=1)
    assert result.deviation == pytest.approx(np.sqrt(variance))
    assert result.interval == mean_interval(scores)
    assert result.deviation_interval is not None
    assert result.deviation_interval.low == pytest.approx(np.sqrt(3 * variance / chi2.ppf(0.975, 3)))
    assert result.deviation_interval.high == pytest.approx(np.sqrt(3 * variance / chi2.ppf(0.025, 3)))


def test_the_interval_of_the_spread_of_seeds_covers() -> None:
    runs = np.random.default_rng(9).normal(0.7, 0.02, (1000, 4))
    intervals = [seed_spread(row).deviation_interval for row in runs]
    assert np.mean([i is not None and i.low <= 0.02 <= i.high for i in intervals]) == pytest.approx(0.95, abs=0.02)


def test_one_seed_says_nothing_of_others() -> None:
    assert seed_spread([0.7]).deviation is None
    assert seed_spread([0.7]).interval is None
    assert seed_spread([0.7, 0.7]).deviation_interval is None
    assert seed_spread([0.7, 0.7]).deviation == 0


@pytest.mark.parametrize("table", [[[1, 2]], [[1], [2]], [[1, 2], [3, np.nan]], [1, 2]])
def test_incomplete_tables_are_refused(table: list) -> None:
    for function in (variance_components, template_spread):
        with pytest.raises(ValueError, match="table"):
            function(table)


@pytest.mark.parametrize("scores", [[], [np.inf, 1], [[1, 2]]])
def test_unusable_scores_are_refused(scores: list) -> None:
    with pytest.raises(ValueError, match="scores"):
        seed_spread(scores)
