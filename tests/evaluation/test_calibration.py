from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.evaluation.calibration import (
    Calibration,
    Predictions,
    bin_columns,
    brier_parts,
    calibrated_p,
    debiased_ece,
    debiased_square,
    ece_of_sums,
    has_probabilities,
    measure_calibration,
    predictions_of,
)
from tunelift.evaluation.evaluate import outcome_of
from tunelift.evaluation.metrics.metric import UnavailableError
from tunelift.evaluation.metrics.probabilities import brier

CHOICES = ("no", "yes", "maybe")


def sample(number: int, probabilities: tuple[float, ...], right: int, group: str | None = None) -> Sample:
    choices = CHOICES[: len(probabilities)]
    return Sample(
        example_id=f"e{number}",
        doc_id=number,
        doc={},
        target=choices[right],
        condition="tuned",
        output="",
        answer=None,
        finish_reason="stop",
        choices=choices,
        probabilities=probabilities,
        group=group,
    )


def drawn(count: int, seed: int, temperature: float = 1.0, group_size: int = 0) -> list[Sample]:
    """Answers whose true probabilities are those given at another temperature: 1 is a calibrated model."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.standard_normal((count, 3))
    given_, true = (np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (logits, logits / temperature))
    right = (true.cumsum(axis=1) < generator.random((count, 1))).sum(axis=1)
    groups = [f"g{number // group_size}" if group_size else None for number in range(count)]
    return [
        sample(number, tuple(row), int(place), group)
        for number, (row, place, group) in enumerate(zip(given_.tolist(), right, groups, strict=True))
    ]


def binary(confidences: np.ndarray, hits: np.ndarray) -> Predictions:
    probabilities = np.stack([confidences, 1 - confidences], axis=1)
    return Predictions(probabilities, np.ones_like(probabilities, dtype=bool), np.where(hits, 0, 1), None)


def test_estimates_are_those_of_the_authors_code() -> None:
    """Kumar, Liang and Ma: uncertainty-calibration 0.1.4, `plugin_ce`, `unbiased_l2_ce`, `normal_debiased_ce`.

    The last one draws at random; the value is that of 400,000 draws in place of its 1000.
    """
    confidences = np.array([0.5 + 0.49 * (i * 37 % 100) / 100 for i in range(100)])
    hits = np.array([(i**3 + 2 * i) % 7 < 4 or i % 3 == 0 for i in range(100)])
    sums = bin_columns(binary(confidences, hits)).sum(axis=0)
    assert ece_of_sums(sums) == pytest.approx(0.14671)
    assert debiased_square(sums) == pytest.approx(0.11277399843147463**2)
    assert debiased_ece(sums) == pytest.approx(0.106896654, abs=3e-4)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(1, 12), st.booleans())
def test_errors_are_their_definitions(seed: int, count: int, bins: int, coarse: bool) -> None:
    predictions = predictions_of(drawn(count, seed))
    if coarse:  # many equal confidences
        predictions = replace(predictions, probabilities=np.round(predictions.probabilities, 1))
    confidences, hits = predictions.confidences, predictions.hits
    made = max(1, min(bins, count // 10))
    lasts = [np.sort(confidences)[count * k // made - 1] for k in range(1, made)]
    edges = [-1.0, *sorted(set(lasts)), 2.0]
    ece = square = 0.0
    for low, high in pairwise(edges):
        inside = (low < confidences) & (confidences <= high)
        items, accuracy = inside.sum(), hits[inside].mean() if inside.any() else 0.0
        if items:
            gap = abs(confidences[inside].mean() - accuracy)
            ece += items / count * gap
            if items > 1:
                square += items / count * (gap**2 - accuracy * (1 - accuracy) / (items - 1))
    sums = bin_columns(predictions, bins).sum(axis=0)
    assert ece_of_sums(sums) == pytest.approx(ece, abs=1e-9)
    assert debiased_square(sums) == pytest.approx(square, abs=1e-9)
    assert debiased_ece(sums) <= ece_of_sums(sums) + 1e-12


def test_the_bias_is_that_of_drawing_accuracies_anew() -> None:
    sums = bin_columns(predictions_of(drawn(150, 3))).sum(axis=0)
    items, confidence, hits = sums.reshape(-1, 3).T
    accuracy = hits / items
    generator = np.random.default_rng(0)
    again = generator.normal(accuracy, np.sqrt(accuracy * (1 - accuracy) / items), (100_000, len(items)))
    grown = (np.abs(again - confidence / items) * items).sum(axis=1).mean() / items.sum()
    assert debiased_ece(sums) == pytest.approx(2 * ece_of_sums(sums) - grown, abs=3e-4)


def test_an_overconfident_model_is_found_out() -> None:
    result = measure_calibration(drawn(600, 1, temperature=3.0))
    assert result.confidence > result.accuracy + 0.05
    assert result.p < 0.01
    assert result.interval is not None
    assert 0 < result.interval.low < result.ece_debiased < result.interval.high
    assert result.ece_debiased < result.ece
    assert sum(each.items for each in result.bins) == 600
    assert {each.items for each in result.bins} == {60}
    highs, lows = [each.high for each in result.bins[:-1]], [each.low for each in result.bins[1:]]
    assert all(high < low for high, low in zip(highs, lows, strict=True))
    assert all(each.interval.low <= each.accuracy <= each.interval.high for each in result.bins if each.interval)


def test_a_calibrated_model_is_left_alone() -> None:
    result = measure_calibration(drawn(600, 2))
    assert result.p > 0.05
    assert result.interval is not None
    assert result.interval.low == 0
    assert result.ece_debiased < result.ece


@pytest.mark.parametrize("group_size", [0, 4])
def test_the_test_of_calibration_keeps_its_level(group_size: int) -> None:
    found = 0
    for seed in range(40):
        predictions = predictions_of(drawn(80, seed, group_size=group_size))
        found += calibrated_p(predictions, bin_columns(predictions), seed) <= 0.05
    assert found <= 6  # of 40; more has a probability of 0.3 % at 5 %


def test_groups_are_drawn_as_a_whole() -> None:
    once = drawn(100, 5, temperature=3.0)
    thrice = [
        replace(each, example_id=f"{each.example_id}-{copy}", group=each.example_id) for each in once for copy in "abc"
    ]
    alone, together = measure_calibration(once), measure_calibration(thrice)
    assert together.ece == pytest.approx(alone.ece)
    assert alone.interval is not None
    assert together.interval is not None
    width, other = (each.interval.high - each.interval.low for each in (alone, together))
    assert other == pytest.approx(width, rel=0.35)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_brier_parts_are_those_of_scikit_learn(seed: int, count: int) -> None:
    samples = drawn(count, seed)
    predictions = predictions_of(samples)
    predictions = replace(predictions, probabilities=np.round(predictions.probabilities, 1))
    parts = brier_parts(predictions)
    given_, right = predictions.probabilities, predictions.right
    score = miscalibration = uncertainty = 0.0
    for column in range(3):
        happened = (right == column).astype(float)
        recalibrated = IsotonicRegression().fit_transform(given_[:, column], happened)
        score += brier_score_loss(happened, given_[:, column], scale_by_half=True, labels=[0.0, 1.0])
        miscalibration += np.mean((given_[:, column] - happened) ** 2) - np.mean((recalibrated - happened) ** 2)
        uncertainty += happened.var()
    assert parts.score == pytest.approx(score, abs=1e-9)
    assert parts.miscalibration == pytest.approx(miscalibration, abs=1e-9)
    assert parts.uncertainty == pytest.approx(uncertainty, abs=1e-9)
    assert parts.score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty, abs=1e-12)
    assert min(parts.miscalibration, parts.discrimination) >= -1e-12
    whole = brier_parts(predictions_of(samples))
    assert whole.score == pytest.approx(brier().of([outcome_of(each) for each in samples]), abs=1e-9)


def test_brier_parts_of_a_forecast_of_few_values_are_those_of_murphy() -> None:
    confidences = np.repeat([0.6, 0.8], [10, 10])
    hits = np.array([1] * 5 + [0] * 5 + [1] * 9 + [0])
    parts = brier_parts(binary(confidences, hits.astype(bool)))
    assert parts.miscalibration == pytest.approx(2 * (0.1**2 + 0.1**2) / 2)
    assert parts.discrimination == pytest.approx(2 * (0.2**2 + 0.2**2) / 2)
    assert parts.uncertainty == pytest.approx(2 * 0.7 * 0.3)


def test_choices_may_stand_in_any_order_or_differ() -> None:
    one, other = sample(0, (0.2, 0.5, 0.3), 1), sample(1, (0.6, 0.3, 0.1), 0)
    turned = replace(other, choices=("yes", "no", "maybe"), probabilities=(0.3, 0.6, 0.1))
    assert np.array_equal(predictions_of([one, other]).probabilities, predictions_of([one, turned]).probabilities)
    assert np.array_equal(predictions_of([one, other]).right, predictions_of([one, turned]).right)
    short = replace(other, choices=("a", "no"), probabilities=(0.4, 0.6), target="no")
    predictions = predictions_of([one, short])
    assert predictions.probabilities.tolist() == [[0.2, 0.5, 0.3], [0.4, 0.6, 0.0]]
    assert predictions.offered.tolist() == [[True] * 3, [True, True, False]]
    assert predictions.right.tolist() == [1, 1]


def test_it_survives_json_and_few_items() -> None:
    for samples in (drawn(60, 1), drawn(1, 1), drawn(12, 1, group_size=12)):
        result = measure_calibration(samples)
        assert Calibration.from_dict(json.loads(json.dumps(result.to_dict()))) == result
        assert result == measure_calibration(samples)


def test_what_is_refused() -> None:
    known = sample(0, (0.4, 0.6), 0)
    for broken in (replace(known, probabilities=None), replace(known, probabilities=(float("nan"), 1.0))):
        assert not has_probabilities([known, broken])
        with pytest.raises(UnavailableError, match="1 answer without probabilities"):
            measure_calibration([known, broken])
    with pytest.raises(UnavailableError, match="no answers"):
        measure_calibration([])
    with pytest.raises(UserError, match=r"none of the choices \(e0\)"):
        measure_calibration([replace(known, target="oui")])
    assert has_probabilities([known])
