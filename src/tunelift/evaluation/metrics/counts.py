"""Scores from three counts: what was right, what was answered, and what was asked for.

Right are the true positives; answered are they and the false positives; asked for are they and the false negatives.
Right can be a fraction where a metric gives half a point. A ratio whose denominator is 0 is 0, as in scikit-learn with
``zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, sums_metric

Counts = tuple[float, float, float]
Kind = Literal["precision", "recall", "f1"]


def ratio(numerator: Any, denominator: Any) -> Array:
    """Quotient of arrays of one shape; 0 where the denominator is 0."""
    over, under = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    return np.divide(over, under, out=np.zeros_like(over), where=under != 0)


def f1_of_counts(right: Any, answered: Any, asked: Any) -> Array:
    """F1, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    return ratio(2 * np.asarray(right, dtype=float), np.asarray(answered, dtype=float) + asked)


def score_of_counts(kind: Kind, right: Any, answered: Any, asked: Any) -> Array:
    """Precision, recall or F1; arrays of one shape to an array of that shape."""
    if kind == "f1":
        return f1_of_counts(right, answered, asked)
    return ratio(right, answered if kind == "precision" else asked)


def counts_metric(name: str, counts: Callable[[Outcome], Counts], kind: Kind = "f1") -> Metric:
    """Precision, recall or F1 of counts added up over all items ("micro"); 0 to 1, higher is better.

    An item by itself scores 1 if nothing was asked for and nothing answered.

    Args:
        name: Its name.
        counts: Outcome to what was right, answered and asked for.
        kind: Which of the three.
    """

    def of_sums(sums: Array) -> Array:
        return score_of_counts(kind, sums[..., 0], sums[..., 1], sums[..., 2])

    return replace(
        sums_metric(name, counts, of_sums), per_item=lambda sums: np.where(sums[:, 1:].any(axis=1), of_sums(sums), 1.0)
    )


def macro_metric(
    name: str,
    classes_of: Callable[[Sequence[Outcome]], Sequence[str]],
    counts: Callable[[Outcome, Sequence[str]], Sequence[Counts]],
    kind: Kind = "f1",
) -> Metric:
    """The mean over classes of precision, recall or F1 of each class; 0 to 1, higher is better.

    Averaged are the classes that occur in references or answers; the others are left out. An item by itself scores
    1 if nothing was asked for and nothing answered.

    Args:
        name: Its name.
        classes_of: Outcomes to the classes; the same for all systems, so that their statistics can be mixed.
        counts: Outcome and classes to what was right, answered and asked for of each.
        kind: Which of the three.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        classes = classes_of(outcomes)
        rows = [counts(outcome, classes) for outcome in outcomes]
        return np.array(rows, dtype=float).reshape(len(outcomes), 3 * len(classes))

    def of_sums(sums: Array) -> Array:
        right, answered, asked = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3), -1, 0)
        return macro(score_of_counts(kind, right, answered, asked), answered + asked > 0)

    def score(values: Array, weights: Array) -> Array:
        return of_sums(weights @ values)

    return Metric(name, statistics, score, lambda values: np.where(values.any(axis=1), of_sums(values), 1.0))


def macro(scores: Array, present: NDArray[np.bool_]) -> Array:
    """Mean over the classes that are present, the last axis; 0 where there are none."""
    return ratio((scores * present).sum(axis=-1), present.sum(axis=-1))


def check_word(metric: str, argument: str, word: str, valid: Sequence[str]) -> None:
    """See that an argument is one of the words it can be.

    Raises:
        UserError: It is not.
    """
    if word not in valid:
        raise UserError(f"metric {metric}", f'{argument}: "{word}" is not known', nearest(str(word), valid))


def check_class(metric: str, labels: Sequence[str], *names: str) -> None:
    """See that classes which an argument names are classes of the task, where these are known.

    Raises:
        UserError: One is not.
    """
    for name in names:
        if labels and name not in labels:
            raise UserError(f"metric {metric}", f'the task has no class "{name}"', nearest(name, labels))
