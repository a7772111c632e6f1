"""What a metric is: counts or values of every item, and how they add up to a score.

A score is computed from statistics of single items and a weight for each. With all weights 1 it is the score of the
test set; with other weights it is that of a resampled one, so that every metric can be bootstrapped, also one that is
no mean, like F1 or BLEU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError
from tunelift.statistics.areas import Curve

Array = NDArray[np.float64]


class UnavailableError(UserError):
    """A metric needs something that this system's answers do not have, such as probabilities."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer beside what was asked for.

    Attributes:
        answer: The parsed answer, in the form that the task's kind of answer has; None when nothing could be parsed.
        references: The answers that are right, in the same form; the first is the one that is tuned on.
        output: What was said, before parsing.
        fields: The row of data.
        choices: The possible answers, where the task has such.
        probabilities: Of the choices, in their order; None where they are not known.
        target: The first reference as the text that is tuned on and scored, before parsing; None where `references`
            hold it as it is.
        reference_logprob: Log-probability of that text given the prompt, in nats; None where not known.
        values: Metrics that are known already, by name.
    """

    answer: Any
    references: tuple[Any, ...]
    output: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] | None = None
    probabilities: tuple[float, ...] | None = None
    target: str | None = None
    reference_logprob: float | None = None
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: As files and reports call it.
        statistics: Outcomes to numbers of each, shape (items, columns).
        score: Statistics of shape (items, columns) and weights of shape (draws, items) to scores of shape (draws,).
        per_item: Statistics to the score of each item alone, shape (items,).
        is_mean: Whether the score is the weighted mean of `per_item`; paired tests of means apply to it.
        low: The worst possible value where higher is better, the best otherwise.
        high: The other end; infinite where there is none.
        higher_is_better: The direction.
        curves: Statistics to the ROC curves that the score is the mean area of, see `statistics.areas`; their errors
            are known without resampling. None: it is no such score.
    """

    name: str
    statistics: Callable[[Sequence[Outcome]], Array]
    score: Callable[[Array, Array], Array]
    per_item: Callable[[Array], Array]
    is_mean: bool = False
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True
    curves: Callable[[Array], list[Curve]] | None = None

    def of(self, outcomes: Sequence[Outcome]) -> float:
        """The score of a test set."""
        return float(self.score(self.statistics(outcomes), np.ones((1, len(outcomes))))[0])


def mean_metric(
    name: str,
    value: Callable[[Outcome], float],
    *,
    low: float = 0.0,
    high: float = 1.0,
    higher_is_better: bool = True,
) -> Metric:
    """A metric that is the mean of a value of each item.

    Args:
        name: Its name.
        value: Outcome to value; finite.
        low: Lower end of its range.
        high: Upper end.
        higher_is_better: Its direction.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        return np.array([[value(outcome)] for outcome in outcomes], dtype=float).reshape(-1, 1)

    def score(values: Array, weights: Array) -> Array:
        return np.asarray((weights @ values)[:, 0] / weights.sum(axis=1))

    return Metric(name, statistics, score, lambda values: values[:, 0], True, low, high, higher_is_better)


def sums_metric(
    name: str,
    counts: Callable[[Outcome], Sequence[float]],
    of_sums: Callable[[Array], Array],
    *,
    low: float = 0.0,
    high: float = 1.0,
    higher_is_better: bool = True,
) -> Metric:
    """A metric that is a function of counts added up over the items, such as F1, BLEU or perplexity.

    Args:
        name: Its name.
        counts: Outcome to its counts, as many for every outcome.
        of_sums: Sums of shape (..., columns) to scores of shape (...), finite everywhere.
        low: Lower end of its range.
        high: Upper end.
        higher_is_better: Its direction.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        return np.array([counts(outcome) for outcome in outcomes], dtype=float)

    def score(values: Array, weights: Array) -> Array:
        return of_sums(weights @ values)

    return Metric(name, statistics, score, of_sums, False, low, high, higher_is_better)
