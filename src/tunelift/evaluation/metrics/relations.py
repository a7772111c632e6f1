"""Metrics of relations: triples of texts, and the classes of SemEval-2010 task 8.

In triples, answer and first reference are lists of ``[subject, predicate, object]``; they are compared as other answers
are, in the form of `normalise_answer`. Repeated triples count once; an answer of None is the empty list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tunelift.core.texts import normalise_answer
from tunelift.evaluation.metrics.classification import class_code, class_counts
from tunelift.evaluation.metrics.counts import Counts, Kind, counts_metric, f1_of_counts, macro
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome

DIRECTION = re.compile(r"\(\s*e[12]\s*,\s*e[12]\s*\)\s*$", re.IGNORECASE)


def counts_of_triples(answer: Iterable[Sequence[Any]], reference: Iterable[Sequence[Any]], predicate: bool) -> Counts:
    """Right triples, answered ones, and ones asked for.

    Args:
        answer: Triples ``[subject, predicate, object]``.
        reference: Likewise.
        predicate: Whether the predicate has to be right, too; without it, pairs of subject and object count.
    """
    answered, asked = _normalised(answer, predicate), _normalised(reference, predicate)
    return len(answered & asked), len(answered), len(asked)


def relation_precision(*, predicate: bool = True) -> Metric:
    """Share of answered triples that are right; arguments as in `relation_f1`; 0 to 1, higher is better."""
    return _metric("precision", predicate)


def relation_recall(*, predicate: bool = True) -> Metric:
    """Share of triples asked for that were found; arguments as in `relation_f1`; 0 to 1, higher is better."""
    return _metric("recall", predicate)


def relation_f1(*, predicate: bool = True) -> Metric:
    """F1 of the triples of all items together ("micro"); 0 to 1, higher is better.

    Args:
        predicate: Whether the predicate has to be right, or subject and object only.
    """
    return _metric("f1", predicate)


def semeval_f1(*, other: str = "Other") -> Metric:
    """The official score of SemEval-2010 task 8 (Hendrickx et al. 2010); 0 to 1, higher is better.

    Its script calls it macro-averaged F1 of the (9+1)-way evaluation taking directionality into account. Classes are
    written like ``Cause-Effect(e1,e2)``; answer and first reference are such classes. The two directions of a relation
    are one class, but an answer with the wrong direction is wrong. For relation r, with TP_r answers that have
    relation and direction right::

        P_r = TP_r / answers that name r in any direction
        R_r = TP_r / references that name r in any direction
        F1  = mean over r of 2 P_r R_r / (P_r + R_r)

    The mean goes over the relations that the (resampled) references name, without `other`. An answer of None counts
    as `other`, as skipped items do in the script.

    Args:
        other: The class of items without a relation, left out of the mean.
    """
    ignored = class_code(other)

    def codes(outcome: Outcome) -> tuple[float, float, float]:
        answer, reference = outcome.answer, str(outcome.references[0])
        relations = _relation(reference), None if answer is None else _relation(str(answer))
        return class_code(relations[0]), class_code(relations[1]), float(_same_class(answer, reference))

    def statistics(outcomes: Sequence[Outcome]) -> Array:
        return np.array([codes(outcome) for outcome in outcomes], dtype=float).reshape(-1, 3)

    def score(values: Array, weights: Array) -> Array:
        counts = class_counts(values[:, 0], values[:, 1], values[:, 2], weights)
        return macro(
            f1_of_counts(counts.right, counts.answered, counts.asked), (counts.asked > 0) & (counts.codes != ignored)
        )

    return Metric("semeval_f1", statistics, score, lambda values: values[:, 2])


def _metric(kind: Kind, predicate: bool) -> Metric:
    name = f"relation_{kind}" + ("" if predicate else "_pairs")
    return counts_metric(
        name, lambda outcome: counts_of_triples(outcome.answer or [], outcome.references[0], predicate), kind
    )


def _normalised(triples: Iterable[Sequence[Any]], predicate: bool) -> set[tuple[str, ...]]:
    parts = [tuple(normalise_answer(str(part)) for part in triple) for triple in triples]
    return {part if predicate else part[:1] + part[2:] for part in parts}


def _relation(label: str) -> str:
    return DIRECTION.sub("", label.strip())


def _same_class(answer: Any, reference: str) -> bool:
    return answer is not None and "".join(str(answer).split()) == "".join(reference.split())
