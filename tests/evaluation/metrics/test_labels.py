from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, hamming_loss, jaccard_score
from sklearn.preprocessing import MultiLabelBinarizer

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import labels
from tunelift.evaluation.metrics.metric import Outcome

NAMES = ("art", "music", "sports", "war")
some = st.lists(st.sampled_from(NAMES), max_size=5)
items = st.lists(st.tuples(some, st.one_of(st.none(), some)), min_size=1, max_size=15)


@settings(max_examples=30)
@given(items)
def test_scores_are_those_of_sklearn(pairs: list[tuple[list[str], list[str] | None]]) -> None:
    outcomes = [Outcome(answer, (reference,)) for reference, answer in pairs]
    named = sorted({name for pair in pairs for side in pair for name in side or ()})
    assume(len(named) > 1)
    asked = MultiLabelBinarizer(classes=named).fit_transform([reference for reference, _ in pairs])
    answered = MultiLabelBinarizer(classes=named).fit_transform([answer or [] for _, answer in pairs])
    wide = [np.pad(matrix, ((0, 0), (0, len(NAMES) - len(named)))) for matrix in (asked, answered)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "label_f1_micro": f1_score(asked, answered, average="micro", zero_division=0),
            "label_f1_macro": f1_score(asked, answered, average="macro", zero_division=0),
            "label_f1_samples": f1_score(asked, answered, average="samples", zero_division=1),
            "subset_acc": accuracy_score(asked, answered),
            "jaccard": jaccard_score(asked, answered, average="samples", zero_division=1),
            "hamming_loss": hamming_loss(*wide),
        }
    metrics = [labels.label_f1(NAMES, average=average) for average in ("micro", "macro", "samples")]  # type: ignore[arg-type]
    metrics += [labels.subset_accuracy(), labels.jaccard(), labels.hamming_loss(NAMES)]
    assert {metric.name: metric.of(outcomes) for metric in metrics} == pytest.approx(expected, abs=1e-9)


def test_directions() -> None:
    assert not labels.hamming_loss(NAMES).higher_is_better
    assert labels.jaccard().higher_is_better
    assert labels.jaccard().is_mean
    assert not labels.label_f1(NAMES).is_mean


def test_nothing_asked_and_nothing_answered_is_right() -> None:
    outcomes = [Outcome([], ([],)), Outcome(None, (["art"],)), Outcome(["art", "war"], (["art"],))]
    for average in ("micro", "macro", "samples"):
        metric = labels.label_f1(NAMES, average=average)  # type: ignore[arg-type]
        alone = metric.per_item(metric.statistics(outcomes))
        assert alone[:2] == pytest.approx([1, 0])
        assert 0 < alone[2] < 1


def test_classes_are_those_of_the_references_where_none_are_given() -> None:
    outcomes = [Outcome(["art", "invented"], (["art"],)), Outcome(["art"], (["war"],))]
    assert labels.hamming_loss(()).of(outcomes) == pytest.approx((1 / 2 + 1) / 2)
    assert labels.hamming_loss(()).of([Outcome(["x", "y", "z"], (["art"],))]) == 1
    assert labels.label_f1(()).of(outcomes) == pytest.approx(2 / 5)
    assert labels.label_f1((), average="macro").of(outcomes) == pytest.approx((2 / 3 + 0) / 2)
    metric = labels.label_f1((), average="macro")
    assert metric.statistics(outcomes).shape == metric.statistics([Outcome([], o.references) for o in outcomes]).shape


def test_an_unknown_average_is_refused() -> None:
    with pytest.raises(UserError, match="average"):
        labels.label_f1(NAMES, average="weighted")  # type: ignore[arg-type]
