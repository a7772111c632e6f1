"""Metrics of the probabilities that a model gives to the choices.

They look at the probabilities alone; the answer that was parsed has no part in them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.counts import ratio
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, UnavailableError, mean_metric, sums_metric
from tunelift.evaluation.metrics.ranks import in_blocks, mid_ranks
from tunelift.statistics.areas import Curve, Mask, placements

# Probability of a right answer that was thought impossible; its logarithm has to be finite. As in scikit-learn.
SMALLEST = float(np.finfo(float).eps)


def auc_of_scores(scores: Array, positive: Mask, weights: Array) -> Array:
    """Area under the ROC curve, by the weighted statistic of Mann and Whitney.

    Args:
        scores: Shape (items,); higher for the positive ones, hopefully.
        positive: Which items are positive, shape (items,).
        weights: Shape (draws, items).

    Returns:
        Shape (draws,); not a number where there are only positive or only negative items.
    """
    of_positive = weights[:, positive]
    positives = of_positive.sum(axis=1)
    pairs = positives * weights[:, ~positive].sum(axis=1)
    # Among themselves the positive items win half of their pairs; what they win beyond that are negative ones.
    wins = (of_positive * mid_ranks(scores, weights, positive)).sum(axis=1) - positives**2 / 2
    return np.divide(wins, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)


def auc(labels: tuple[str, ...]) -> Metric:
    """Area under the ROC curve; 0 to 1, higher is better, 0.5 is what guessing gives.

    With two choices the second is the positive one. With more it is the mean over the choices of one against the
    rest; those that all items or no item of the (resampled) set ask for are left out. The score of one item is its
    placement (see `statistics.areas`), the mean of those of all choices.

    Args:
        labels: The choices in order; empty: those of the first outcome. All outcomes must have the same ones.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        choices = labels or (outcomes[0].choices if outcomes else None) or ()
        return np.array([_row(outcome, choices) for outcome in outcomes], dtype=float)

    def curves(values: Array) -> list[Curve]:
        classes = range(1, 2) if values.shape[1] == 3 else range(values.shape[1] - 1)
        return [(values[:, -1] == k, values[:, k]) for k in classes]

    def score(values: Array, weights: Array) -> Array:
        areas = np.array([auc_of_scores(scores, positive, weights) for positive, scores in curves(values)])
        defined = ~np.isnan(areas)
        return np.where(defined.any(axis=0), ratio(np.nansum(areas, axis=0), defined.sum(axis=0)), 0.5)

    def per_item(values: Array) -> Array:
        return np.mean([placements(positive, scores) for positive, scores in curves(values)], axis=0)

    return Metric("auc", statistics, in_blocks(score), per_item, curves=curves)


def nll() -> Metric:
    """Mean negative log-likelihood of the right choice, in nats ("log loss"); 0 to infinity, lower is better."""
    return mean_metric(
        "nll", lambda outcome: nll_of(*_probabilities("nll", outcome)), high=np.inf, higher_is_better=False
    )


def brier() -> Metric:
    """Mean squared distance of the probabilities from certainty about the right choice; 0 to 2, lower is better.

    Summed over all choices, as in the original definition (Brier 1950) and in lm-evaluation-harness: with two
    choices it is twice what is also called Brier score.
    """
    return mean_metric(
        "brier_score",
        lambda outcome: brier_of(*_probabilities("brier_score", outcome)),
        high=2.0,
        higher_is_better=False,
    )


def ece(*, bins: int = 10) -> Metric:
    """Expected calibration error; 0 to 1, lower is better.

    The confidence is the probability of the likeliest choice, the first of equal ones. Mean over the items of the
    gap between mean confidence and accuracy of their bin (Guo et al. 2017). Bins are of equal width, upper ends
    included, and fixed, so that it is a function of sums. It is not zero for a calibrated model: the smaller the
    set, the larger.

    Args:
        bins: Number of bins.

    Raises:
        UserError: There is no bin.
    """
    if bins < 1:
        raise UserError("metric ece", f"bins: {bins}: there must be at least one", "leave it out for 10")
    inner_edges = np.linspace(0, 1, bins + 1)[1:-1]

    def counts(outcome: Outcome) -> list[float]:
        probabilities, right = _probabilities("ece", outcome)
        chosen = int(np.argmax(probabilities))
        gaps = np.zeros(bins)
        gaps[np.searchsorted(inner_edges, probabilities[chosen])] = probabilities[chosen] - (chosen == right)
        return [*gaps, 1.0]

    def of_sums(sums: Array) -> Array:
        return ratio(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])

    return sums_metric("ece", counts, of_sums, higher_is_better=False)


def nll_of(probabilities: Sequence[float], right: int) -> float:
    """Negative logarithm of the probability at an index, at most 36 nats."""
    return float(-np.log(max(probabilities[right], SMALLEST)))


def brier_of(probabilities: Sequence[float], right: int) -> float:
    """Sum of squared differences from 1 at an index and 0 elsewhere."""
    return sum((probability - (place == right)) ** 2 for place, probability in enumerate(probabilities))


def _row(outcome: Outcome, choices: Sequence[str]) -> list[float]:
    """Probabilities in the order of the choices, and the index of the right one."""
    probabilities, right = _probabilities("auc", outcome)
    own = outcome.choices or ()
    if sorted(own) != sorted(choices):
        what = "needs the same choices in every item"
        raise UserError("metric auc", what, "take it out of metric_list, or use nll, brier or ece")
    return [*(probabilities[own.index(choice)] for choice in choices), float(choices.index(own[right]))]


def _probabilities(metric: str, outcome: Outcome) -> tuple[Sequence[float], int]:
    """Probabilities of the choices and the index of the right one."""
    if outcome.probabilities is None or outcome.choices is None:
        hint = "it works where the choices are scored (doc_to_choice); take it out of metric_list otherwise"
        raise UnavailableError(f"metric {metric}", "needs probabilities of the choices, and an item has none", hint)
    if not np.isfinite(outcome.probabilities).all():
        hint = "load the model in float32 or bfloat16: its numbers have overflowed, or its weights are damaged"
        raise UnavailableError(f"metric {metric}", "the probabilities of an item are not numbers", hint)
    if outcome.references[0] not in outcome.choices:
        hint = "see that doc_to_target gives one of doc_to_choice"
        raise UserError(f"metric {metric}", f'"{outcome.references[0]}" is none of the choices', hint)
    return outcome.probabilities, outcome.choices.index(outcome.references[0])
