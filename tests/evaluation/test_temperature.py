from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from tunelift.core.records import Sample
from tunelift.evaluation.calibration import predictions_of
from tunelift.evaluation.metrics.metric import UnavailableError
from tunelift.evaluation.preferences import choice_probabilities
from tunelift.evaluation.temperature import (
    HIGHEST,
    LOWEST,
    TemperatureCheck,
    check_temperature,
    fit_temperature,
    scaled,
)

CHOICES = ("no", "yes", "maybe")


def drawn(count: int, seed: int, temperature: float, classes: int = 3) -> list[Sample]:
    """Answers of a model whose true probabilities are those at a temperature."""
    generator = np.random.default_rng(seed)
    logprobs = 3 * generator.standard_normal((count, classes)) - 5
    true = np.exp(log_softmax(logprobs / temperature, axis=1))
    right = (true.cumsum(axis=1) < generator.random((count, 1))).sum(axis=1)
    return [
        Sample(
            example_id=f"e{number}",
            doc_id=number,
            doc={},
            target=CHOICES[place],
            condition="tuned",
            output="",
            answer=None,
            finish_reason="stop",
            choices=CHOICES[:classes],
            logprobs=tuple(row),
            probabilities=choice_probabilities(row),
        )
        for number, (row, place) in enumerate(zip(logprobs.tolist(), right, strict=True))
    ]


def arrays(samples: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([each.logprobs for each in samples]), np.array([CHOICES.index(each.target) for each in samples])


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 1.0, 2.5]))
def test_it_is_the_minimum_of_the_loss(seed: int, temperature: float) -> None:
    samples = drawn(60, seed, temperature)
    logprobs, right = arrays(samples)
    fitted = fit_temperature(samples)
    assume(LOWEST < fitted < HIGHEST)

    def loss(log_value: float) -> float:
        return -log_softmax(logprobs / np.exp(log_value), axis=1)[np.arange(60), right].mean()

    best = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-9})
    assert fitted == pytest.approx(np.exp(best.x), rel=1e-4)
    assert loss(np.log(fitted)) == pytest.approx(best.fun, abs=1e-9)


def test_with_two_choices_it_is_a_logistic_regression_without_intercept() -> None:
    samples = drawn(400, 1, 2.0, classes=2)
    logprobs, right = arrays(samples)
    odds = (logprobs[:, 1] - logprobs[:, 0])[:, None]
    model = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10).fit(odds, right)
    assert 1 / fit_temperature(samples) == pytest.approx(model.coef_[0, 0], rel=1e-5)


def test_the_temperature_of_the_model_is_found_again() -> None:
    assert fit_temperature(drawn(4000, 1, 2.5)) == pytest.approx(2.5, rel=0.1)


def test_no_temperature_fits_what_is_always_right_or_says_nothing() -> None:
    always = [replace(each, target=each.choices[int(np.argmax(each.logprobs))]) for each in drawn(50, 1, 1.0)]
    never = [replace(each, target=each.choices[int(np.argmin(each.logprobs))]) for each in drawn(50, 1, 1.0)]
    assert fit_temperature(always) == LOWEST
    assert fit_temperature(never) == HIGHEST


def test_probabilities_at_another_temperature() -> None:
    samples = drawn(30, 1, 1.0)
    logprobs, _ = arrays(samples)
    expected = np.exp(log_softmax(logprobs / 2, axis=1))
    assert scaled(predictions_of(samples), 2.0).probabilities == pytest.approx(expected)
    same = np.array([each.probabilities for each in samples])
    assert scaled(predictions_of(samples), 1.0).probabilities == pytest.approx(same)


def test_items_may_have_different_choices() -> None:
    many, few = drawn(40, 1, 2.0), drawn(40, 2, 2.0, classes=2)
    both = [*many, *(replace(each, example_id=f"two-{each.example_id}") for each in few)]
    fitted = fit_temperature(both)
    rows = [(row, right) for part in (many, few) for row, right in zip(*arrays(part), strict=True)]

    def loss(value: float) -> float:
        return -np.mean([log_softmax(row / value)[right] for row, right in rows])

    best = minimize_scalar(loss, bounds=(LOWEST, HIGHEST), method="bounded", options={"xatol": 1e-9})
    assert fitted == pytest.approx(best.x, rel=1e-4)
    assert scaled(predictions_of(both), 3.0).probabilities[-1, 2] == 0


def test_an_impossible_right_choice_has_a_finite_loss() -> None:
    samples = [replace(each, probabilities=(1.0, 0.0, 0.0), target="yes") for each in drawn(3, 1, 1.0)]
    assert fit_temperature(samples) == HIGHEST
    assert np.isfinite(check_temperature(HIGHEST, samples).nll.baseline)


def test_a_temperature_that_generalises() -> None:
    fitted = fit_temperature(drawn(300, 1, 3.0))
    check = check_temperature(fitted, drawn(500, 2, 3.0), seed=1)
    assert check.ece.effect > 0.05
    assert check.ece.p < 0.01
    assert check.ece.interval is not None
    assert check.ece.interval.low > 0
    assert check.ece.candidate < check.ece.baseline
    assert check.nll.effect > 0
    assert check.nll.effect == pytest.approx(check.nll.baseline - check.nll.candidate)
    test = drawn(500, 2, 3.0)
    logprobs, right = arrays(test)
    assert check.nll.baseline == pytest.approx(-log_softmax(logprobs, axis=1)[np.arange(500), right].mean())


def test_a_temperature_that_does_not_generalise() -> None:
    fitted = fit_temperature(drawn(300, 1, 3.0))
    check = check_temperature(fitted, drawn(500, 2, 1.0), seed=1)
    assert check.ece.effect < 0
    assert check.nll.effect < 0
    assert check.nll.p < 0.01


def test_it_survives_json() -> None:
    fitted = fit_temperature(drawn(40, 1, 2.0))
    check = check_temperature(fitted, drawn(40, 2, 2.0))
    assert TemperatureCheck.from_dict(json.loads(json.dumps(check.to_dict()))) == check
    alone = check_temperature(fitted, drawn(1, 2, 2.0))
    assert alone.ece.interval is None
    assert TemperatureCheck.from_dict(json.loads(json.dumps(alone.to_dict()))) == alone


def test_what_is_refused() -> None:
    unknown = [replace(each, probabilities=None) for each in drawn(3, 1, 1.0)]
    with pytest.raises(UnavailableError, match="3 answers without probabilities"):
        fit_temperature(unknown)
