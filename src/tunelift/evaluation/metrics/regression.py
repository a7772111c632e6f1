"""Metrics of answers that are numbers.

Answer and first reference are numbers. An answer that is None, not finite or beyond 1e100 is replaced by the argument
`missing` of the factories: by default the smallest or the largest reference of the full set, whichever is farther from
its own, since no answer is a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.counts import ratio
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome
from tunelift.evaluation.metrics.ranks import in_blocks, mid_ranks

LARGEST = 1e100  # numbers of which squares and their sums are still finite


def correlation(first: Array, second: Array, weights: Array) -> Array:
    """Weighted correlation coefficient of Pearson.

    Args:
        first: Shape (items,) or (draws, items).
        second: Likewise.
        weights: Shape (draws, items).

    Returns:
        Shape (draws,); 0 where one of the two is constant.
    """
    total = weights.sum(axis=1)
    means = [(weights * values).sum(axis=1) / total for values in (first, second)]
    deviations = [values - mean[:, None] for values, mean in zip((first, second), means, strict=True)]
    squares = [(weights * deviation**2).sum(axis=1) for deviation in deviations]
    # The deviations of a constant are rounding errors.
    sizes = [(weights * np.square(values)).sum(axis=1) for values in (first, second)]
    squares = [np.where(square > 1e-24 * size, square, 0.0) for square, size in zip(squares, sizes, strict=True)]
    product = (weights * deviations[0] * deviations[1]).sum(axis=1)
    return np.clip(ratio(product, np.sqrt(squares[0]) * np.sqrt(squares[1])), -1.0, 1.0)


def rank_correlation(first: Array, second: Array, weights: Array) -> Array:
    """Weighted rank correlation coefficient of Spearman; arguments as in `correlation`, of shape (items,).

    Ranks are those within the weighted set: of a resampled set it is exactly what that set gives by itself.
    """
    return correlation(mid_ranks(first, weights), mid_ranks(second, weights), weights)


def determination(references: Array, answers: Array, weights: Array) -> Array:
    """Coefficient of determination: 1 less the squared error over that of the mean of the references.

    Returns:
        Shape (draws,); where the references are constant, 1 if there is no error, else 0, as in scikit-learn.
    """
    mean = (weights * references).sum(axis=1) / weights.sum(axis=1)
    spread = (weights * (references - mean[:, None]) ** 2).sum(axis=1)
    spread = np.where(spread > 1e-24 * (weights * references**2).sum(axis=1), spread, 0.0)
    error = weights @ (references - answers) ** 2
    return np.where(spread > 0, 1 - ratio(error, spread), np.where(error > 0, 0.0, 1.0))


def pearson(*, missing: float | None = None) -> Metric:
    """Correlation coefficient of Pearson; -1 to 1, higher is better.

    The score of one item is the product of its two standardised values; their mean is the correlation.

    Args:
        missing: What an answer that could not be parsed counts as; None: the end of the references' range that is
            farther from its own, since no answer is a wrong one.
    """
    return _metric("pearson", missing, in_blocks(_of_columns(correlation)), _standardised_products, low=-1.0)


def spearman(*, missing: float | None = None) -> Metric:
    """Rank correlation coefficient of Spearman; -1 to 1, higher is better; arguments and items as in `pearson`."""

    def per_item(values: Array) -> Array:
        once = np.ones((1, len(values)))
        return _standardised_products(np.column_stack([mid_ranks(column, once)[0] for column in values.T]))

    return _metric("spearman", missing, in_blocks(_of_columns(rank_correlation)), per_item, low=-1.0)


def mae(*, missing: float | None = None) -> Metric:
    """Mean absolute error, in the unit of the answer; 0 to infinity, lower is better; arguments as in `pearson`."""
    return _error("mae", missing, lambda errors: np.abs(errors))


def mse(*, missing: float | None = None) -> Metric:
    """Mean squared error; 0 to infinity, lower is better; arguments as in `pearson`."""
    return _error("mse", missing, lambda errors: errors**2)


def rmse(*, missing: float | None = None) -> Metric:
    """Root of the mean squared error, in the unit of the answer; 0 to infinity, lower is better.

    The score of one item is its absolute error; arguments as in `pearson`.
    """

    def score(values: Array, weights: Array) -> Array:
        return np.sqrt(weights @ (values[:, 0] - values[:, 1]) ** 2 / weights.sum(axis=1))

    def per_item(values: Array) -> Array:
        return np.abs(values[:, 0] - values[:, 1])

    return _metric("rmse", missing, score, per_item, high=np.inf, higher_is_better=False)


def r2(*, missing: float | None = None) -> Metric:
    """Coefficient of determination, see `determination`; minus infinity to 1, higher is better.

    0 is what the mean of the references gives. The score of one item is 1 less its squared error over the variance
    of the references; their mean is the coefficient. Where the references are constant, it is 1 for a right answer,
    else 0. Arguments as in `pearson`.
    """

    def per_item(values: Array) -> Array:
        variance, errors = values[:, 0].var(), (values[:, 0] - values[:, 1]) ** 2
        return 1 - errors / variance if variance > 0 else np.where(errors > 0, 0.0, 1.0)

    return _metric("r2", missing, in_blocks(_of_columns(determination)), per_item, low=-np.inf)


def _error(name: str, missing: float | None, loss: Callable[[Array], Array]) -> Metric:
    def per_item(values: Array) -> Array:
        return loss(values[:, 0] - values[:, 1])

    def score(values: Array, weights: Array) -> Array:
        return np.asarray(weights @ per_item(values) / weights.sum(axis=1))

    return _metric(name, missing, score, per_item, is_mean=True, high=np.inf, higher_is_better=False)


def _metric(
    name: str,
    missing: float | None,
    score: Callable[[Array, Array], Array],
    per_item: Callable[[Array], Array],
    **attributes: Any,
) -> Metric:
    """A metric of references and answers, shape (items, 2)."""

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        references = [_number(outcome.references[0]) for outcome in outcomes]
        if None in references:
            wrong = outcomes[references.index(None)].references[0]
            raise UserError(f"metric {name}", f'the right answer "{wrong}" is no number', "use a metric of texts")
        asked = np.array(references, dtype=float)
        answers = [_number(outcome.answer) for outcome in outcomes]
        substitutes = _far_end(asked) if missing is None else np.full(len(asked), float(missing))
        filled = [far if answer is None else answer for answer, far in zip(answers, substitutes, strict=True)]
        return np.column_stack([asked, filled])

    return Metric(name, statistics, score, per_item, **attributes)


def _far_end(references: Array) -> Array:
    """For each reference the smallest or the largest of all, whichever is farther from it."""
    if not len(references):
        return references
    low, high = references.min(), references.max()
    return np.where(references - low > high - references, low, high)


def _of_columns(score: Callable[[Array, Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda values, weights: score(values[:, 0], values[:, 1], weights)


def _standardised_products(values: Array) -> Array:
    deviations = values - values.mean(axis=0)
    spread = float(np.prod(values.std(axis=0)))
    return deviations.prod(axis=1) / spread if spread > 0 else np.zeros(len(values))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= LARGEST else None
