from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score, root_mean_squared_error

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import regression
from tunelift.evaluation.metrics.metric import Metric, Outcome
from tunelift.evaluation.metrics.ranks import mid_ranks

# Whole numbers, so that there are ties; the others never are so near to each other that rounding matters.
numbers = st.one_of(st.integers(-3, 3), st.integers(-300, 300).map(lambda number: number / 7))
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=25)
METRICS = (
    regression.pearson(),
    regression.spearman(),
    regression.mae(),
    regression.mse(),
    regression.rmse(),
    regression.r2(),
)


def outcomes_of(rows: list[tuple[float, float]]) -> list[Outcome]:
    return [Outcome(answer, (reference,)) for reference, answer in rows]


@settings(max_examples=40)
@given(pairs)
def test_scores_are_those_of_scipy_and_sklearn(rows: list[tuple[float, float]]) -> None:
    references, answers = (np.array(side, dtype=float) for side in zip(*rows, strict=True))
    constant = len(set(references)) == 1 or len(set(answers)) == 1
    expected = {
        "pearson": 0.0 if constant else pearsonr(references, answers).statistic,
        "spearman": 0.0 if constant else spearmanr(references, answers).statistic,
        "mae": mean_absolute_error(references, answers),
        "mse": mean_squared_error(references, answers),
        "rmse": root_mean_squared_error(references, answers),
        "r2": r2_score(references, answers),
    }
    found = {metric.name: metric.of(outcomes_of(rows)) for metric in METRICS}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@settings(max_examples=20)
@given(rows=pairs, data=st.data())
def test_weights_are_repetitions(metric: Metric, rows: list[tuple[float, float]], data: st.DataObject) -> None:
    weights = data.draw(arrays(np.int64, len(rows), elements=st.integers(0, 3)).filter(np.any))
    outcomes = outcomes_of(rows)
    score = metric.score(metric.statistics(outcomes), weights[None].astype(float))[0]
    repeated = [outcome for outcome, times in zip(outcomes, weights, strict=True) for _ in range(times)]
    assert score == pytest.approx(metric.of(repeated), rel=1e-9, abs=1e-9)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=20))
def test_weighted_ranks_are_those_of_the_repeated_list(rows: list[tuple[int, int]]) -> None:
    values, weights = np.array(rows, dtype=float).T
    repeated = rankdata(np.repeat(values, weights.astype(int)))
    ranks = mid_ranks(values, weights[None])[0]
    assert np.repeat(ranks + 0.5, weights.astype(int)) == pytest.approx(repeated)


@settings(max_examples=30)
@given(pairs)
def test_items_have_the_score_as_mean(rows: list[tuple[float, float]]) -> None:
    for metric in METRICS:
        statistics = metric.statistics(outcomes_of(rows))
        alone = metric.per_item(statistics)
        assert alone.shape == (len(rows),)
        same = len({reference for reference, _ in rows}) == 1
        if metric.name != "rmse" and not (metric.name == "r2" and same):
            assert alone.mean() == pytest.approx(metric.of(outcomes_of(rows)), rel=1e-9, abs=1e-9)


def test_many_draws_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    outcomes = outcomes_of(generator.normal(size=(12, 2)).tolist())
    weights = generator.multinomial(12, np.full(12, 1 / 12), size=50).astype(float)
    metric = regression.spearman()
    whole = metric.score(metric.statistics(outcomes), weights)
    monkeypatch.setattr("tunelift.evaluation.metrics.ranks.BLOCK", 40)
    assert metric.score(metric.statistics(outcomes), weights) == pytest.approx(whole)


def test_what_could_not_be_parsed_counts_as_the_farther_end_of_the_references() -> None:
    rows = [(1.0, None), (2.0, 2.0), (6.0, float("nan")), (3.0, "many")]
    outcomes = [Outcome(answer, (reference,)) for reference, answer in rows]
    assert regression.mae().of(outcomes) == pytest.approx((5 + 0 + 5 + 3) / 4)
    assert regression.mae(missing=0).of(outcomes) == pytest.approx((1 + 0 + 6 + 3) / 4)
    silent = [Outcome(None, (number,)) for number in (1, 2, 6)]
    assert regression.r2().of(silent) < 0
    assert regression.pearson().of(silent) < 0


def test_directions_and_ranges() -> None:
    assert [metric.higher_is_better for metric in METRICS] == [True, True, False, False, False, True]
    assert [metric.low for metric in METRICS] == [-1, -1, 0, 0, 0, -np.inf]
    assert [metric.is_mean for metric in METRICS] == [False, False, True, True, False, False]


def test_a_reference_that_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match='"five" is no number'):
        regression.mae().of([Outcome(5.0, ("five",))])


def test_a_number_beyond_all_measure_is_no_answer() -> None:
    outcomes = [Outcome(1e300, (1.0,)), Outcome(float("inf"), (1.0,)), Outcome(2.0, (2.0,))]
    missing = [Outcome(None, (1.0,)), Outcome(None, (1.0,)), Outcome(2.0, (2.0,))]
    for make in (regression.mse, regression.rmse, regression.r2, regression.pearson, regression.spearman):
        assert make().of(outcomes) == make().of(missing)
