"""Whether the probabilities that a model gives to the choices can be believed.

Confidence is the probability of the likeliest choice; a calibrated model is right in 80 of 100 items with a confidence
of 0.8. As for the metrics of probabilities, the answer that was parsed has no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError, counted, shorten
from tunelift.core.records import Sample
from tunelift.core.seeds import derive_seed
from tunelift.evaluation.evaluate import clusters_of
from tunelift.evaluation.metrics.counts import ratio
from tunelift.evaluation.metrics.metric import UnavailableError
from tunelift.evaluation.selective import Selective, selective_accuracy
from tunelift.statistics.intervals import Interval, record_of, score_interval
from tunelift.statistics.resampling import TOLERANCE, resampled_interval

Array = NDArray[np.float64]

BINS = 10
FEWEST = 10  # items a bin; the accuracy of fewer says nothing
DRAWS = 2000
LEVEL = 0.05
PER_BIN = 3  # columns: items, confidence, right ones


@dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities beside what was asked for.

    Attributes:
        probabilities: Shape (items, choices); in the order of the first item's choices where all items have the same
            ones, otherwise in that of each item. 0 where an item has fewer choices.
        offered: Which of the choices there are, shape (items, choices).
        right: Index of the right choice, shape (items,).
        groups: Which items belong together, shape (items,); None where every item stands alone.
    """

    probabilities: Array
    offered: NDArray[np.bool_]
    right: NDArray[np.int64]
    groups: NDArray[np.int64] | None

    @property
    def confidences(self) -> Array:
        """Probability of the likeliest choice, shape (items,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def hits(self) -> Array:
        """1 where the likeliest choice, the first of equal ones, is right, else 0; shape (items,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.right, dtype=float)


@dataclass(frozen=True, slots=True)
class Bin:
    """Items of similar confidence.

    Attributes:
        items: Their number.
        low: Smallest confidence.
        high: Largest confidence.
        confidence: Mean confidence.
        accuracy: Share of them that are right.
        interval: Of the accuracy; None when the items cannot give one.
    """

    items: int
    low: float
    high: float
    confidence: float
    accuracy: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Brier:
    """The Brier score, summed over the choices, in parts: ``score = miscalibration - discrimination + uncertainty``.

    Attributes:
        score: 0 to 2, lower is better.
        miscalibration: What the best monotone recalibration of each choice's probability would take away.
        discrimination: What that recalibrated forecast is better than the shares of the choices alone.
        uncertainty: The score of forecasting those shares for every item.
    """

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the probabilities of one condition can be believed.

    Attributes:
        items: Number of items.
        accuracy: Share of items whose likeliest choice is right.
        confidence: Mean confidence; above the accuracy the model is overconfident.
        bins: By confidence, about as many items in each; equal confidences share a bin.
        ece: Expected calibration error of these bins; too large on average, the more so the fewer the items.
        ece_debiased: The same less an estimate of that excess, see `debiased_ece`; at least 0.
        interval: Of the calibration error, around `ece_debiased`; it begins at 0 where `p` is above 0.05. None when the
            items cannot give one.
        p: How often a calibrated model would have an error of at least `ece`, see `calibrated_p`.
        rms_debiased: Root of the unbiased estimate of the mean squared gap, see `debiased_square`; at least 0.
        brier: The Brier score and its parts.
        selective: What is gained by answering only the items with the highest confidence.
    """

    items: int
    accuracy: float
    confidence: float
    bins: tuple[Bin, ...]
    ece: float
    ece_debiased: float
    interval: Interval | None
    p: float
    rms_debiased: float
    brier: Brier
    selective: Selective

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Calibration:
        """The result that `to_dict` wrote, also when it has been through JSON."""
        parts = {
            "bins": tuple(record_of(Bin, each) for each in data["bins"]),
            "brier": Brier(**data["brier"]),
            "selective": Selective.from_dict(data["selective"]),
        }
        return record_of(cls, {**data, **parts})


def has_probabilities(samples: Sequence[Sample]) -> bool:
    """Whether there are answers, and each has a finite probability for each of its choices."""
    return bool(samples) and all(_is_complete(sample) for sample in samples)


def _is_complete(sample: Sample) -> bool:
    given, choices = sample.probabilities, sample.choices
    return given is not None and choices is not None and len(given) == len(choices) and bool(np.isfinite(given).all())


def predictions_of(samples: Sequence[Sample]) -> Predictions:
    """The probabilities of answers as arrays.

    Raises:
        UnavailableError: There are no answers, or one has no probabilities.
        UserError: A target is none of its item's choices.
    """
    if not has_probabilities(samples):
        ids = [sample.example_id for sample in samples if not _is_complete(sample)]
        what = (
            f"{counted(len(ids), 'answer')} without probabilities ({shorten(ids)})" if ids else "there are no answers"
        )
        raise UnavailableError("calibration", what, "it works where the choices are scored (doc_to_choice)")
    if strange := [sample.example_id for sample in samples if sample.target not in (sample.choices or ())]:
        hint = "see that doc_to_target gives one of doc_to_choice"
        raise UserError("calibration", f"the target is none of the choices ({shorten(strange)})", hint)
    first = samples[0].choices or ()
    is_shared = all(sorted(sample.choices or ()) == sorted(first) for sample in samples)
    width = max(len(sample.choices or ()) for sample in samples)
    probabilities = np.zeros((len(samples), width))
    offered = np.zeros((len(samples), width), dtype=bool)
    right = np.zeros(len(samples), dtype=np.int64)
    for row, sample in enumerate(samples):
        own = sample.choices or ()
        order = first if is_shared else own
        probabilities[row, : len(own)] = [(sample.probabilities or ())[own.index(choice)] for choice in order]
        offered[row, : len(own)] = True
        right[row] = order.index(sample.target)
    return Predictions(probabilities, offered, right, clusters_of(samples))


def measure_calibration(samples: Sequence[Sample], seed: int = 0, bins: int = BINS) -> Calibration:
    """How far the probabilities of one condition can be believed.

    Args:
        samples: Its answers, with probabilities.
        seed: Seed of the bootstrap.
        bins: Number of bins; fewer are made where they would hold fewer than 10 items.

    Raises:
        UnavailableError: There are no answers, or one has no probabilities.
        UserError: A target is none of its item's choices.
    """
    predictions = predictions_of(samples)
    data = bin_columns(predictions, bins)
    sums, p = data.sum(axis=0), calibrated_p(predictions, data, seed)
    return Calibration(
        items=len(samples),
        accuracy=float(predictions.hits.mean()),
        confidence=float(predictions.confidences.mean()),
        bins=_bins(predictions, data),
        ece=float(ece_of_sums(sums)),
        ece_debiased=max(0.0, float(debiased_ece(sums))),
        interval=_error_interval(predictions, data, p, seed),
        p=p,
        rms_debiased=sqrt(max(0.0, float(debiased_square(sums)))),
        brier=brier_parts(predictions),
        selective=selective_accuracy(predictions.confidences, predictions.hits),
    )


def _error_interval(predictions: Predictions, data: Array, p: float, seed: int) -> Interval | None:
    """The interval of the calibration error.

    Near 0 the debiased error is still too large, and its bootstrap interval would often leave out the 0 of a
    calibrated model; the test of calibration has no such fault.
    """
    interval = resampled_interval(
        lambda values, weights: debiased_ece(weights @ values),
        data,
        predictions.groups,
        seed,
        draws=DRAWS,
        limits=(0.0, 1.0),
    )
    return replace(interval, low=0.0) if interval and p > LEVEL else interval


def calibrated_p(predictions: Predictions, data: Array, seed: int) -> float:
    """How often a calibrated model would have a calibration error that is at least the observed one.

    Items that stand alone are right as often as their confidence says (consistency resampling, Bröcker and Smith 2007;
    Vaicenavicius et al. 2019). Of groups, in which items can be right or wrong together, the gaps change sign as a
    whole. The observed error is one of the draws, so that p is never 0.

    Args:
        predictions: Of all items.
        data: Their `bin_columns`.
        seed: Seed of the draws.
    """
    generator = np.random.default_rng(derive_seed(seed, "calibration"))
    place = data.reshape(len(data), -1, PER_BIN)[..., 0].argmax(axis=1)
    confidences, groups, gaps = predictions.confidences, predictions.groups, predictions.confidences - predictions.hits

    def error(of_items: Array) -> float:
        return float(np.abs(np.bincount(place, of_items)).sum())

    def redrawn() -> Array:
        if groups is None:
            return np.asarray(confidences - (generator.random(len(confidences)) < confidences))
        return np.asarray(gaps * (2 * generator.integers(0, 2, groups.max() + 1) - 1)[groups])

    observed = error(gaps) - TOLERANCE
    return (1 + sum(error(redrawn()) >= observed for _ in range(DRAWS - 1))) / DRAWS


def bin_columns(predictions: Predictions, bins: int = BINS) -> Array:
    """What calibration errors are computed from: 1, confidence and hit of each item in the columns of its bin.

    Bins hold about as many items each; an item with the same confidence as the last of a bin belongs to that bin.

    Args:
        predictions: Of all items.
        bins: Number of bins; fewer are made where they would hold fewer than 10 items.

    Returns:
        Shape (items, 3 * bins), with empty columns for bins that were not made.
    """
    confidences = predictions.confidences
    count = len(confidences)
    made = max(1, min(bins, count // FEWEST))
    ordered, starts = np.sort(confidences), np.arange(1, made) * count // made
    place = np.searchsorted((ordered[starts - 1] + ordered[starts]) / 2, confidences)
    data = np.zeros((count, bins, PER_BIN))
    data[np.arange(count), place] = np.stack([np.ones(count), confidences, predictions.hits], axis=1)
    return data.reshape(count, -1)


def _parts(sums: Array) -> tuple[Array, Array, Array, Array]:
    """Items, share of the items, gap and accuracy of each bin, from sums of shape (..., 3 * bins)."""
    columns = np.asarray(sums).reshape(*np.shape(sums)[:-1], -1, PER_BIN)
    items, confidence, hits = (columns[..., column] for column in range(PER_BIN))
    accuracy = ratio(hits, items)
    shares = items / items.sum(axis=-1, keepdims=True)
    return items, shares, np.abs(ratio(confidence, items) - accuracy), accuracy


def ece_of_sums(sums: Array) -> Array:
    """Expected calibration error: mean over the items of the gap between confidence and accuracy of their bin.

    Args:
        sums: Of the rows of `bin_columns`, shape (..., 3 * bins).
    """
    _, shares, gaps, _ = _parts(sums)
    return np.asarray((shares * gaps).sum(axis=-1))


def debiased_ece(sums: Array) -> Array:
    """Expected calibration error less an estimate of its bias (Kumar, Liang and Ma 2019, estimator for p = 1).

    The bias is what the error grows by on average when the accuracy of every bin is drawn anew from a normal
    distribution around the observed one. The authors' code averages draws; that mean is known in closed form, the
    folded normal distribution's (Leone et al. 1961). Items count as independent. It can be negative.

    Args:
        sums: Of the rows of `bin_columns`, shape (..., 3 * bins).
    """
    from scipy.special import ndtr

    items, shares, gaps, accuracy = _parts(sums)
    # Rounding can lift the accuracy of a bin above 1.
    error = np.sqrt(ratio(np.clip(accuracy * (1 - accuracy), 0, None), items))
    distance = np.where(error > 0, ratio(gaps, error), np.inf)
    redrawn = error * sqrt(2 / pi) * np.exp(-(distance**2) / 2) + gaps * (1 - 2 * ndtr(-distance))
    return np.asarray((shares * (2 * gaps - redrawn)).sum(axis=-1))


def debiased_square(sums: Array) -> Array:
    """Unbiased estimate of the mean squared gap between confidence and accuracy (Kumar, Liang and Ma 2019).

    Items count as independent, and a bin with one item as without gap. It can be negative.

    Args:
        sums: Of the rows of `bin_columns`, shape (..., 3 * bins).
    """
    items, shares, gaps, accuracy = _parts(sums)
    variance = ratio(accuracy * (1 - accuracy), items - 1)
    return np.asarray((shares * np.where(items > 1, gaps**2 - variance, 0.0)).sum(axis=-1))


def _bins(predictions: Predictions, data: Array) -> tuple[Bin, ...]:
    columns = data.reshape(len(data), -1, PER_BIN)
    made = []
    for place in range(columns.shape[1]):
        inside = columns[:, place, 0] > 0
        if not inside.any():
            continue
        confidences, hits = predictions.confidences[inside], predictions.hits[inside]
        groups = None if predictions.groups is None else predictions.groups[inside]
        low, high = float(confidences.min()), float(confidences.max())
        interval = score_interval(hits, groups)
        made.append(Bin(int(inside.sum()), low, high, float(confidences.mean()), float(hits.mean()), interval))
    return tuple(made)


def brier_parts(predictions: Predictions) -> Brier:
    """The Brier score in parts that add up exactly and need no bins (Dimitriadis, Gneiting and Jordan 2021, "CORP").

    Each choice is a forecast of its own, recalibrated by isotonic regression; the parts are summed over the choices.
    Where items have different choices, those of one place in their order count as one.
    """
    parts = np.zeros(3)
    for column in range(predictions.probabilities.shape[1]):
        given = predictions.probabilities[:, column]
        happened = np.asarray(predictions.right == column, dtype=float)
        share = happened.mean()
        scores = [np.mean((given - happened) ** 2), np.mean((_recalibrated(given, happened) - happened) ** 2)]
        parts += [*scores, share * (1 - share)]
    score, recalibrated, uncertainty = map(float, parts)
    return Brier(score, score - recalibrated, uncertainty - recalibrated, uncertainty)


def _recalibrated(given: Array, happened: Array) -> Array:
    """The best forecast that is a monotone function of the one given, shape (items,)."""
    from scipy.optimize import isotonic_regression

    _, place, items = np.unique(given, return_inverse=True, return_counts=True)
    means = np.bincount(place, happened) / items
    return np.asarray(isotonic_regression(means, weights=items).x[place])
