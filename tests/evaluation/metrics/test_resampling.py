"""The law of all metrics of structured answers: weights of whole numbers are repetitions of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tunelift.evaluation.metrics import (
    classification,
    constraints,
    entities,
    labels,
    probabilities,
    ranking,
    regression,
    relations,
)
from tunelift.evaluation.metrics.metric import Metric, Outcome

NAMES = ("a", "b", "c", "d")
ITEMS, DRAWS = 14, 6
Draw = Callable[[np.random.Generator], Outcome]


def one(generator: np.random.Generator) -> str:
    return str(generator.choice(NAMES))


def some(generator: np.random.Generator) -> list[str]:
    return [name for name in NAMES if generator.random() < 0.4]


def spans(generator: np.random.Generator) -> list[list[Any]]:
    starts = generator.integers(0, 8, size=generator.integers(0, 4))
    return [[one(generator), int(start), int(start) + 3, ""] for start in starts]


def triples(generator: np.random.Generator) -> list[list[str]]:
    return [[one(generator) for _ in range(3)] for _ in range(generator.integers(0, 4))]


def classified(generator: np.random.Generator) -> Outcome:
    given = generator.dirichlet(np.ones(4))
    answer = one(generator) if generator.random() < 0.9 else None
    return Outcome(answer, (one(generator),), choices=NAMES, probabilities=tuple(given))


def directed(generator: np.random.Generator) -> Outcome:
    sides = [f"{one(generator)}({generator.choice(['e1,e2', 'e2,e1'])})" for _ in range(2)]
    return Outcome(sides[0], (sides[1],))


def checked(generator: np.random.Generator) -> Outcome:
    wanted = [{"kind": "include", "keywords": [name]} for name in some(generator)]
    return Outcome(None, ("",), " ".join(some(generator)), {"constraints": wanted})


CASES: list[tuple[Draw, list[Metric]]] = [
    (
        classified,
        [
            classification.accuracy(),
            classification.balanced_accuracy(NAMES),
            classification.mcc(NAMES),
            classification.in_scope_accuracy(NAMES, out_of_scope="d"),
            classification.out_of_scope_recall(NAMES, out_of_scope="d"),
            *(classification.f1(NAMES, average=average) for average in ("macro", "micro", "weighted")),  # type: ignore[arg-type]
            classification.precision((), ignore=("d",)),
            classification.recall((), of="a"),
            probabilities.auc(NAMES),
            probabilities.nll(),
            probabilities.brier(),
            probabilities.ece(),
        ],
    ),
    (
        lambda generator: Outcome(some(generator), (some(generator),)),
        [
            *(labels.label_f1(NAMES, average=average) for average in ("micro", "macro", "samples")),  # type: ignore[arg-type]
            labels.subset_accuracy(),
            labels.jaccard(),
            labels.hamming_loss(NAMES),
        ],
    ),
    (
        lambda generator: Outcome(spans(generator), (spans(generator),)),
        [
            *(entities.entity_f1(NAMES, scheme=scheme) for scheme in ("strict", "exact", "partial", "type")),  # type: ignore[arg-type]
            entities.entity_f1(NAMES, scheme="partial", average="macro"),
            entities.entity_recall(NAMES, of="b"),
        ],
    ),
    (
        lambda generator: Outcome(triples(generator), (triples(generator),)),
        [relations.relation_f1(), relations.relation_precision(predicate=False)],
    ),
    (directed, [relations.semeval_f1(other="d")]),
    (
        lambda generator: Outcome(list(generator.permutation(NAMES)), (some(generator),)),
        [
            ranking.ndcg(k=3),
            ranking.mrr(),
            ranking.hit_rate(k=1),
            ranking.recall_at_k(k=2),
            ranking.mean_average_precision(),
        ],
    ),
    (
        lambda generator: Outcome(float(generator.integers(5)), (float(generator.integers(5)),)),
        [regression.pearson(), regression.spearman(), regression.mae(), regression.rmse(), regression.r2()],
    ),
    (checked, [constraints.constraints_strict(), constraints.constraints_each()]),
]


@pytest.mark.parametrize(
    ("draw", "metric"),
    [(draw, metric) for draw, metrics in CASES for metric in metrics],
    ids=[metric.name for _, metrics in CASES for metric in metrics],
)
def test_weights_are_repetitions(draw: Draw, metric: Metric) -> None:
    generator = np.random.default_rng(5)
    outcomes = [draw(generator) for _ in range(ITEMS)]
    weights = generator.multinomial(ITEMS, np.full(ITEMS, 1 / ITEMS), size=DRAWS)
    statistics = metric.statistics(outcomes)
    scores = metric.score(statistics, weights.astype(float))
    assert scores.shape == (DRAWS,)
    for score, row in zip(scores, weights, strict=True):
        repeated = [outcome for outcome, times in zip(outcomes, row, strict=True) for _ in range(times)]
        assert score == pytest.approx(metric.of(repeated), abs=1e-9)
        assert metric.low - 1e-9 <= score <= metric.high + 1e-9
    alone = metric.per_item(statistics)
    assert alone.shape == (ITEMS,)
    assert np.isfinite(alone).all()
    if metric.is_mean:
        assert scores == pytest.approx(weights @ alone / ITEMS)
