"""One number that makes probabilities believable, fitted on items that are not those of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.records import Sample
from tunelift.evaluation.calibration import BINS, DRAWS, Predictions, bin_columns, debiased_ece, predictions_of
from tunelift.statistics.intervals import record_of
from tunelift.statistics.paired import PairedResult, compare_paired
from tunelift.statistics.resampling import compare_resampled

Array = NDArray[np.float64]

# Beyond these it is a choice that is always or never believed, and no finite temperature fits best.
LOWEST, HIGHEST = 0.01, 100.0
SMALLEST = float(np.finfo(float).tiny)  # its logarithm has to be finite


@dataclass(frozen=True, slots=True)
class TemperatureCheck:
    """Whether a temperature helps on items that it was not fitted on; positive effects mean that it does.

    Attributes:
        temperature: Its value.
        ece: Effect on the expected calibration error less its bias, each system in bins of its own.
        nll: Effect on the mean negative log-likelihood, in nats.
    """

    temperature: float
    ece: PairedResult
    nll: PairedResult

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TemperatureCheck:
        """The result that `to_dict` wrote, also when it has been through JSON."""
        return cls(data["temperature"], record_of(PairedResult, data["ece"]), record_of(PairedResult, data["nll"]))


def fit_temperature(samples: Sequence[Sample]) -> float:
    """The temperature with the highest likelihood, between 0.01 and 100 (Guo et al. 2017).

    It is what log-probabilities are divided by, above 1 for a model that is too sure of itself.

    The loss is convex in the inverse temperature, so that the place where its derivative is 0 is the only one; it is
    found by Brent's method.

    Args:
        samples: Answers to validation items, with probabilities; never those of the test.

    Raises:
        UnavailableError: There are no answers, or one has no probabilities.
        UserError: A target is none of its item's choices.
    """
    from scipy.optimize import brentq

    predictions = predictions_of(samples)
    logprobs = _logprobs(predictions)
    asked = logprobs[np.arange(len(logprobs)), predictions.right].mean()

    def slope(log_inverse: float) -> float:
        shares = _softmax(exp(log_inverse) * logprobs)
        # What is not offered has no share, and no finite logarithm.
        return float((shares * np.where(predictions.offered, logprobs, 0.0)).sum(axis=1).mean() - asked)

    low, high = -log(HIGHEST), -log(LOWEST)
    if slope(low) >= 0:
        return HIGHEST
    if slope(high) <= 0:
        return LOWEST
    return exp(-brentq(slope, low, high, xtol=1e-10))


def scaled(predictions: Predictions, temperature: float) -> Predictions:
    """Predictions at another temperature."""
    return replace(predictions, probabilities=_softmax(_logprobs(predictions) / temperature))


def check_temperature(temperature: float, samples: Sequence[Sample], seed: int = 0) -> TemperatureCheck:
    """Whether a temperature makes the probabilities of other items more believable.

    Calibration errors are compared by the paired bootstrap over groups and by approximate randomisation, losses by
    the test of paired means.

    Args:
        temperature: Fitted on validation items.
        samples: Answers to the test items, with their probabilities as they were.
        seed: Seed of the draws.

    Raises:
        UnavailableError: There are no answers, or one has no probabilities.
        UserError: A target is none of its item's choices.
    """
    before = predictions_of(samples)
    after = scaled(before, temperature)
    ece = compare_resampled(
        lambda values, weights: debiased_ece(weights @ values),
        bin_columns(before, BINS),
        bin_columns(after, BINS),
        before.groups,
        seed,
        higher_is_better=False,
        draws=DRAWS,
    )
    losses = [_losses(each.probabilities, each) for each in (before, after)]
    nll = compare_paired(losses[1], losses[0], before.groups, seed)  # the other way round: lower is better
    nll = replace(nll, baseline=nll.candidate, candidate=nll.baseline)
    return TemperatureCheck(temperature, ece, nll)


def _logprobs(predictions: Predictions) -> Array:
    """Logarithms of the probabilities in nats, shape (items, choices); minus infinity for what is not offered."""
    logprobs = np.log(np.maximum(predictions.probabilities, SMALLEST))
    return np.asarray(np.where(predictions.offered, logprobs, -np.inf))


def _softmax(logprobs: Array) -> Array:
    shares = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _losses(probabilities: Array, predictions: Predictions) -> Array:
    """Negative log-likelihood of the right choices in nats, shape (items,)."""
    of_right = probabilities[np.arange(len(probabilities)), predictions.right]
    return np.asarray(-np.log(np.maximum(of_right, SMALLEST)))
