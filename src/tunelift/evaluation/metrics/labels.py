"""Metrics of answers that are several labels at once.

Answer and first reference are lists of label names; order and repetitions do not count. An answer of None is the empty
list. Where nothing was asked for and nothing answered, an item scores 1: scikit-learn's ``zero_division=1``. The
classes are the labels given or, without any, those of the references; an answered label that is none of them is a false
positive of its item, but has no part in averages over classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any, Literal, get_args

import numpy as np

from tunelift.evaluation.metrics.counts import Counts, check_word, counts_metric, macro_metric
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, mean_metric

Average = Literal["micro", "macro", "samples"]


def counts_of_sets(answer: Set[Any], reference: Set[Any]) -> Counts:
    """What is in both sets, in the answer, and in the reference."""
    return len(answer & reference), len(answer), len(reference)


def jaccard_of_sets(answer: Set[Any], reference: Set[Any]) -> float:
    """Size of the intersection over that of the union; 1 if both are empty."""
    return len(answer & reference) / len(answer | reference) if answer | reference else 1.0


def f1_of_sets(answer: Set[Any], reference: Set[Any]) -> float:
    """F1 of one set against another; 1 if both are empty."""
    return 2 * len(answer & reference) / (len(answer) + len(reference)) if answer | reference else 1.0


def label_f1(labels: tuple[str, ...], *, average: Average = "micro") -> Metric:
    """F1 of labels; 0 to 1, higher is better.

    Args:
        labels: The classes of the task.
        average: "micro", all labels of all items together; "macro", the mean over the classes that occur in
            references or answers; "samples", the mean over the items.

    Raises:
        UserError: `average` is none of these.
    """
    check_word("label_f1", "average", average, get_args(Average))

    def counts(outcome: Outcome, classes: Sequence[str]) -> list[Counts]:
        answer, reference = _sets(outcome)
        return [counts_of_sets(answer & {label}, reference & {label}) for label in classes]

    if average == "samples":
        return _mean_metric("label_f1_samples", f1_of_sets)
    if average == "macro":
        return macro_metric("label_f1_macro", lambda outcomes: _classes(labels, outcomes), counts)
    return counts_metric("label_f1_micro", lambda outcome: counts_of_sets(*_sets(outcome)))


def subset_accuracy() -> Metric:
    """Share of items whose labels are all right and complete; 0 to 1, higher is better."""
    return _mean_metric("subset_acc", lambda answer, reference: float(answer == reference))


def jaccard() -> Metric:
    """Mean over the items of what answer and reference share, of all they name; 0 to 1, higher is better."""
    return _mean_metric("jaccard", jaccard_of_sets)


def hamming_loss(labels: tuple[str, ...]) -> Metric:
    """Mean over the items of wrong yes-or-no decisions per class; 0 to 1, lower is better.

    Answered labels that are no classes count as wrong decisions, too, but an item's loss is at most 1.
    """

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        classes = max(1, len(_classes(labels, outcomes)))
        wrong = [len(answer ^ reference) for answer, reference in map(_sets, outcomes)]
        return np.minimum(np.array(wrong, dtype=float) / classes, 1.0).reshape(-1, 1)

    def score(values: Array, weights: Array) -> Array:
        return np.asarray((weights @ values)[:, 0] / weights.sum(axis=1))

    return Metric("hamming_loss", statistics, score, lambda values: values[:, 0], True, higher_is_better=False)


def _sets(outcome: Outcome) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(outcome.answer or ()), frozenset(outcome.references[0])


def _classes(labels: Sequence[str], outcomes: Sequence[Outcome]) -> Sequence[str]:
    return labels or sorted(frozenset[str]().union(*(outcome.references[0] for outcome in outcomes)))


def _mean_metric(name: str, value: Callable[[Set[str], Set[str]], float]) -> Metric:
    return mean_metric(name, lambda outcome: value(*_sets(outcome)))
