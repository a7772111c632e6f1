from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import classification
from tunelift.evaluation.metrics.metric import Metric, Outcome

LABELS = ("joy", "anger", "fear", "other")
UNPARSED = "(no answer)"
items = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, None))), min_size=1, max_size=30)
averages = st.sampled_from(["macro", "micro", "weighted"])


def outcomes_of(pairs: list[tuple[str, str | None]]) -> list[Outcome]:
    return [Outcome(answer, (reference,)) for reference, answer in pairs]


def of_sklearn(function: Callable[..., float], pairs: list[tuple[str, str | None]], **arguments: Any) -> float:
    """The score of scikit-learn; what could not be parsed is a class of its own that is never averaged over."""
    references, answers = zip(*((reference, answer or UNPARSED) for reference, answer in pairs), strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(references, answers, **arguments)


@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
@settings(max_examples=30)
@given(pairs=items, average=averages, known=st.booleans())
def test_averages_are_those_of_sklearn(
    kind: str, pairs: list[tuple[str, str | None]], average: str, known: bool
) -> None:
    metric: Metric = getattr(classification, kind)(LABELS if known else (), average=average)
    present = sorted({name for pair in pairs for name in pair if name})
    arguments = {"labels": present, "average": average, "zero_division": 0}
    expected = of_sklearn(getattr(sklearn_metrics, f"{kind}_score"), pairs, **arguments)
    assert metric.of(outcomes_of(pairs)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(items, averages)
def test_ignored_classes(pairs: list[tuple[str, str | None]], average: str) -> None:
    present = sorted({name for pair in pairs for name in pair if name and name != "other"})
    metric = classification.f1(LABELS, average=average, ignore=("other",))  # type: ignore[arg-type]
    arguments = {"labels": present, "average": average, "zero_division": 0}
    expected = of_sklearn(sklearn_metrics.f1_score, pairs, **arguments) if present else 0
    assert metric.of(outcomes_of(pairs)) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30)
@given(items)
def test_the_other_scores_are_those_of_sklearn(pairs: list[tuple[str, str | None]]) -> None:
    outcomes = outcomes_of(pairs)
    one = of_sklearn(sklearn_metrics.f1_score, pairs, labels=["fear"], average="macro", zero_division=0)
    for metric, expected in (
        (classification.accuracy(), of_sklearn(sklearn_metrics.accuracy_score, pairs)),
        (classification.balanced_accuracy(LABELS), of_sklearn(sklearn_metrics.balanced_accuracy_score, pairs)),
        (classification.mcc(LABELS), of_sklearn(sklearn_metrics.matthews_corrcoef, pairs)),
        (classification.f1(LABELS, of="fear"), one),
    ):
        assert metric.of(outcomes) == pytest.approx(expected, abs=1e-9), metric.name
        assert metric.low - 1e-9 <= metric.of(outcomes) <= metric.high + 1e-9


@given(st.data())
@settings(max_examples=20)
def test_mcc_with_weights_that_are_no_counts(data: st.DataObject) -> None:
    pairs = data.draw(items)
    weights = np.array(data.draw(st.lists(st.floats(0.1, 3), min_size=len(pairs), max_size=len(pairs))))
    metric = classification.mcc(())
    score = metric.score(metric.statistics(outcomes_of(pairs)), weights[None])[0]
    expected = of_sklearn(sklearn_metrics.matthews_corrcoef, pairs, sample_weight=weights)
    constant = len({pair[0] for pair in pairs}) == 1 or len({pair[1] for pair in pairs}) == 1
    assert score == pytest.approx(0 if constant else expected, abs=1e-9)


def test_scope() -> None:
    pairs = [
        ("joy", "joy"),
        ("fear", None),
        ("anger", "other"),
        ("other", "other"),
        ("other", "joy"),
        ("other", "fear"),
    ]
    outcomes = outcomes_of(pairs)  # type: ignore[arg-type]
    assert classification.in_scope_accuracy(LABELS, out_of_scope="other").of(outcomes) == pytest.approx(1 / 3)
    assert classification.out_of_scope_recall(LABELS, out_of_scope="other").of(outcomes) == pytest.approx(1 / 3)
    assert classification.in_scope_accuracy(LABELS, out_of_scope="other").of(outcomes[3:]) == 0


def test_items_alone_and_the_mean() -> None:
    outcomes = outcomes_of([("joy", "joy"), ("fear", None), ("anger", "other")])
    for metric in (classification.f1(LABELS), classification.mcc(LABELS), classification.accuracy()):
        assert list(metric.per_item(metric.statistics(outcomes))) == [1, 0, 0]
        assert metric.is_mean == (metric.name == "accuracy")


def test_statistics_of_two_systems_can_be_mixed() -> None:
    references = ["joy", "fear", "joy", "anger"]
    first = outcomes_of(list(zip(references, ["joy", "joy", "joy", None], strict=True)))
    second = outcomes_of(list(zip(references, ["fear", "fear", "other", "anger"], strict=True)))
    metric = classification.f1(())
    mixed = np.where(np.array([[True], [False], [True], [False]]), metric.statistics(first), metric.statistics(second))
    expected = metric.of([first[0], second[1], first[2], second[3]])
    assert metric.score(mixed, np.ones((1, 4)))[0] == expected == 1


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match='did you mean "anger"'):
        classification.f1(LABELS, ignore=("angre",))
    with pytest.raises(UserError, match="out_of_scope"):
        classification.in_scope_accuracy(("out_of_scope", "joy"), out_of_scope="oos")
    with pytest.raises(UserError, match="average"):
        classification.f1(LABELS, average="micros")  # type: ignore[arg-type]
    with pytest.raises(UserError, match='no class "hate"'):
        classification.f1(LABELS).of([Outcome("joy", ("hate",))])
    invented = [Outcome("hate", ("joy",)), Outcome("joy", ("joy",))]
    assert classification.precision(LABELS).of(invented) == 1
    assert classification.precision(()).of(invented) == 0.5
