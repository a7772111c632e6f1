"""Metrics of answers that are one of several classes.

Answer and first reference are class names. An answer that is None, or that is none of the labels where labels are
given, is wrong: a false negative of the class asked for and a false positive of none. Averages go over the classes that
occur in references or answers, as scikit-learn's do; a class that does not occur in a resampled set is left out of its
average. What cannot be computed, such as the precision of a class that was never answered, is 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.metrics.counts import Kind, check_class, check_word, macro, ratio, score_of_counts
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, mean_metric

Average = Literal["macro", "micro", "weighted"]

NO_CLASS = -1.0


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Weighted counts of every class that occurs.

    Attributes:
        codes: What `class_code` gives for the classes, ascending, shape (classes,).
        right: Right answers, shape (draws, classes).
        answered: Answers, shape (draws, classes).
        asked: References, shape (draws, classes).
    """

    codes: Array
    right: Array
    answered: Array
    asked: Array


def class_code(name: Any) -> float:
    """A class as a number, the same in every set of answers: 48 bits of a digest of its name, -1 for None."""
    if name is None:
        return NO_CLASS
    return float(int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=6).digest()))


def class_counts(asked: Array, answered: Array, right: Array, weights: Array) -> ClassCounts:
    """Counts of classes under several weightings of the items.

    Args:
        asked: Code of the class asked for, shape (items,).
        answered: Code of the class answered, shape (items,).
        right: Whether the answer is right, shape (items,).
        weights: Shape (draws, items).
    """
    from scipy.sparse import csr_array

    codes, places = np.unique(np.concatenate([asked, answered]), return_inverse=True)
    asked_as, answered_as = np.split(places, 2)
    known, once = codes != NO_CLASS, np.ones(len(asked))
    # Of the 3 * classes counts an item has only these three, however many classes there are.
    places = np.stack([asked_as, answered_as + len(codes), asked_as + 2 * len(codes)], axis=1)
    values, starts = np.stack([right, once, once], axis=1), 3 * np.arange(len(asked) + 1)
    counts = csr_array((values.ravel(), places.ravel(), starts), shape=(len(asked), 3 * len(codes)))
    sums = np.asarray(weights @ counts).reshape(len(weights), 3, len(codes))[:, :, known]
    return ClassCounts(codes[known], sums[:, 0], sums[:, 1], sums[:, 2])


def averaged(kind: Kind, counts: ClassCounts, average: Average) -> Array:
    """Precision, recall or F1 averaged over classes: counts to scores of shape (draws,).

    "macro" is the mean over the classes that occur, "weighted" the mean weighted by how often each is asked for,
    "micro" the score of the counts added up.
    """
    if average == "micro":
        return score_of_counts(kind, *(each.sum(axis=1) for each in (counts.right, counts.answered, counts.asked)))
    scores = score_of_counts(kind, counts.right, counts.answered, counts.asked)
    if average == "weighted":
        return ratio((scores * counts.asked).sum(axis=1), counts.asked.sum(axis=1))
    return macro(scores, counts.answered + counts.asked > 0)


def matthews(right: Array, answered: Array, asked: Array, total: Array) -> Array:
    """Matthews' correlation coefficient of several classes (Gorodkin 2004).

    Args:
        right: Right answers, shape (draws,).
        answered: How often each class is answered, shape (draws, classes).
        asked: How often each class is asked for, shape (draws, classes).
        total: Items, shape (draws,).

    Returns:
        From -1 to 1, shape (draws,); 0 where all answers or all references are of one class.
    """
    covariance = right * total - (answered * asked).sum(axis=1)
    spreads = [total**2 - (counts**2).sum(axis=1) for counts in (answered, asked)]
    # Where it should be 0, it may be a rounding error if weights are no whole numbers.
    spreads = [np.where(spread > 1e-12 * total**2, spread, 0.0) for spread in spreads]
    return ratio(covariance, np.sqrt(spreads[0] * spreads[1]))


def accuracy() -> Metric:
    """Share of right answers; 0 to 1, higher is better."""
    return mean_metric("accuracy", lambda outcome: float(outcome.answer == outcome.references[0]))


def balanced_accuracy(labels: tuple[str, ...]) -> Metric:
    """Mean over the classes asked for of the share of right answers; 0 to 1, higher is better."""
    return _metric("balanced_acc", labels, lambda counts, _: macro(ratio(counts.right, counts.asked), counts.asked > 0))


def precision(
    labels: tuple[str, ...], *, average: Average = "macro", ignore: Sequence[str] = (), of: str | None = None
) -> Metric:
    """Share of right answers among the answers of a class; arguments as in `f1`; 0 to 1, higher is better."""
    return _averaged("precision", labels, average, ignore, of)


def recall(
    labels: tuple[str, ...], *, average: Average = "macro", ignore: Sequence[str] = (), of: str | None = None
) -> Metric:
    """Share of right answers among the items of a class; arguments as in `f1`; 0 to 1, higher is better."""
    return _averaged("recall", labels, average, ignore, of)


def f1(
    labels: tuple[str, ...], *, average: Average = "macro", ignore: Sequence[str] = (), of: str | None = None
) -> Metric:
    """Harmonic mean of precision and recall; 0 to 1, higher is better.

    Args:
        labels: The classes of the task; empty where they are not known.
        average: "macro", "micro" or "weighted", see `averaged`.
        ignore: Classes that are left out of the average. Answers of other classes to their items still are false
            positives, and their answers to other items false negatives.
        of: Only this class, instead of an average.

    Raises:
        UserError: `ignore` or `of` names what is no label; or, when outcomes are scored, a reference is none.
    """
    return _averaged("f1", labels, average, ignore, of)


def mcc(labels: tuple[str, ...]) -> Metric:
    """Matthews' correlation coefficient, see `matthews`; -1 to 1, higher is better, 0 is what guessing gives.

    Answers that are no class count as a class of their own.
    """

    def score(counts: ClassCounts, weights: Array) -> Array:
        total = weights.sum(axis=1)
        unanswered = (total - counts.answered.sum(axis=1))[:, None]
        answered = np.concatenate([counts.answered, unanswered], axis=1)
        asked = np.concatenate([counts.asked, np.zeros_like(unanswered)], axis=1)
        return matthews(counts.right.sum(axis=1), answered, asked, total)

    return replace(_metric("mcc", labels, score), low=-1.0)


def in_scope_accuracy(labels: tuple[str, ...], *, out_of_scope: str) -> Metric:
    """Share of right answers among the items that are in scope; 0 to 1, higher is better.

    Args:
        labels: The classes of the task.
        out_of_scope: The class of items that belong to no other one.

    Raises:
        UserError: The task has no such class.
    """
    check_class("in_scope_acc", labels, out_of_scope)

    def score(counts: ClassCounts, _: Array) -> Array:
        inside = counts.codes != class_code(out_of_scope)
        return ratio(counts.right[:, inside].sum(axis=1), counts.asked[:, inside].sum(axis=1))

    return _metric("in_scope_acc", labels, score)


def out_of_scope_recall(labels: tuple[str, ...], *, out_of_scope: str) -> Metric:
    """Share of items out of scope that were recognised as such; 0 to 1, higher is better; arguments as above."""
    return replace(recall(labels, of=out_of_scope), name="out_of_scope_recall")


def _averaged(kind: Kind, labels: tuple[str, ...], average: Average, ignore: Sequence[str], of: str | None) -> Metric:
    check_word(kind, "average", average, get_args(Average))
    check_class(kind, labels, *ignore, *([] if of is None else [of]))
    ignored, wanted = [class_code(name) for name in ignore], class_code(of)

    def score(counts: ClassCounts, _: Array) -> Array:
        kept = ~np.isin(counts.codes, ignored) if of is None else counts.codes == wanted
        parts = [each[:, kept] for each in (counts.right, counts.answered, counts.asked)]
        return averaged(kind, ClassCounts(counts.codes[kept], *parts), average if of is None else "micro")

    return _metric(f"{kind}_{average if of is None else of}", labels, score)


def _metric(name: str, labels: tuple[str, ...], score: Callable[[ClassCounts, Array], Array]) -> Metric:
    """A metric of class counts; an item by itself scores 1 if it is right, else 0."""
    known = set(labels)

    def codes(outcome: Outcome) -> tuple[float, float]:
        answer, reference = outcome.answer, outcome.references[0]
        if known and reference not in known:
            raise UserError(f"metric {name}", f'the task has no class "{reference}"', nearest(str(reference), labels))
        return class_code(reference), class_code(answer if not known or answer in known else None)

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        return np.array([codes(outcome) for outcome in outcomes], dtype=float).reshape(-1, 2)

    def right(values: Array) -> Array:
        return np.asarray(values[:, 0] == values[:, 1], dtype=float)

    return Metric(
        name,
        statistics,
        lambda values, weights: score(class_counts(values[:, 0], values[:, 1], right(values), weights), weights),
        right,
    )
