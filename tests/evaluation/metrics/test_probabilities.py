from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import probabilities
from tunelift.evaluation.metrics.metric import Outcome, UnavailableError

CHOICES = ("no", "yes", "maybe")


def drawn(data: st.DataObject, classes: int, size: int = 25) -> tuple[list[Outcome], np.ndarray, np.ndarray]:
    """Outcomes with coarse probabilities, so that there are ties; the probabilities, and the right choices."""
    counts = data.draw(arrays(np.int64, (size, classes), elements=st.integers(0, 4)))
    given_ = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    right = data.draw(arrays(np.int64, size, elements=st.integers(0, classes - 1)))
    outcomes = [
        Outcome(None, (CHOICES[place],), choices=CHOICES[:classes], probabilities=tuple(row))
        for row, place in zip(given_.tolist(), right, strict=True)
    ]
    return outcomes, given_, right


@pytest.mark.parametrize("classes", [2, 3])
@settings(max_examples=12)
@given(data=st.data())
def test_auc_is_that_of_sklearn_with_weights(classes: int, data: st.DataObject) -> None:
    outcomes, given_, right = drawn(data, classes)
    weights = data.draw(arrays(np.float64, (3, 25), elements=st.sampled_from([0.0, 1.0, 2.0, 0.7])))
    assume(all(len(np.unique(right[row > 0])) == classes for row in weights))
    metric = probabilities.auc(())
    scores = metric.score(metric.statistics(outcomes), weights)
    for score, row in zip(scores, weights, strict=True):
        if classes == 2:
            expected = roc_auc_score(right, given_[:, 1], sample_weight=row)
        else:
            each = [roc_auc_score(right == k, given_[:, k], sample_weight=row) for k in range(classes)]
            expected = np.mean(each)
        assert score == pytest.approx(expected, abs=1e-9)
    whole = given_[:, 1] if classes == 2 else given_
    assert metric.of(outcomes) == pytest.approx(roc_auc_score(right, whole, multi_class="ovr"), abs=1e-9)


@settings(max_examples=25)
@given(st.data())
def test_placements_have_the_area_as_mean(data: st.DataObject) -> None:
    outcomes, _, right = drawn(data, 2)
    assume(len(np.unique(right)) == 2)
    metric = probabilities.auc(CHOICES[:2])
    alone = metric.per_item(metric.statistics(outcomes))
    assert alone[right == 1].mean() == pytest.approx(metric.of(outcomes), abs=1e-9)
    assert alone[right == 0].mean() == pytest.approx(metric.of(outcomes), abs=1e-9)


def test_auc_of_what_cannot_be_ranked() -> None:
    outcomes = [Outcome(None, ("no",), choices=("no", "yes"), probabilities=(0.3, 0.7))] * 2
    metric = probabilities.auc(())
    assert metric.of(outcomes) == 0.5
    assert list(metric.per_item(metric.statistics(outcomes))) == [0.5, 0.5]


def test_auc_takes_choices_in_any_order() -> None:
    outcomes = [
        Outcome(None, ("yes",), choices=("yes", "no"), probabilities=(0.9, 0.1)),
        Outcome(None, ("no",), choices=("no", "yes"), probabilities=(0.8, 0.2)),
    ]
    assert probabilities.auc(("no", "yes")).of(outcomes) == probabilities.auc(()).of(outcomes) == 1
    with pytest.raises(UserError, match="same choices"):
        probabilities.auc(()).of([*outcomes, Outcome(None, ("a",), choices=("a", "b"), probabilities=(0.5, 0.5))])


@pytest.mark.parametrize("classes", [2, 3])
@settings(max_examples=25)
@given(data=st.data())
def test_likelihood_and_brier_are_those_of_sklearn(classes: int, data: st.DataObject) -> None:
    outcomes, given_, right = drawn(data, classes)
    numbers = list(range(classes))
    nll, brier = probabilities.nll(), probabilities.brier()
    assert nll.of(outcomes) == pytest.approx(log_loss(right, given_, labels=numbers), abs=1e-9)
    expected = brier_score_loss(right, given_, labels=numbers, scale_by_half=False)
    assert brier.of(outcomes) == pytest.approx(expected, abs=1e-9)
    assert nll.is_mean
    assert brier.is_mean
    assert not nll.higher_is_better
    assert not brier.higher_is_better


def test_brier_is_that_of_the_harness() -> None:
    from lm_eval.api.metrics import brier_score

    outcomes = [
        Outcome(None, ("yes",), choices=CHOICES, probabilities=(0.2, 0.5, 0.3)),
        Outcome(None, ("maybe",), choices=CHOICES, probabilities=(0.6, 0.4, 0.0)),
    ]
    expected = brier_score([(1, [0.2, 0.5, 0.3]), (2, [0.6, 0.4, 0.0])])
    assert probabilities.brier().of(outcomes) == pytest.approx(expected)


@settings(max_examples=25)
@given(st.data(), st.integers(1, 12))
def test_ece_is_its_definition(data: st.DataObject, bins: int) -> None:
    outcomes, given_, right = drawn(data, 3)
    confidences, hits = given_.max(axis=1), given_.argmax(axis=1) == right
    expected = 0.0
    for k in range(bins):
        inside = [i for i, confidence in enumerate(confidences) if k < confidence * bins <= k + 1]
        if inside:
            expected += len(inside) / len(outcomes) * abs(hits[inside].mean() - confidences[inside].mean())
    assert probabilities.ece(bins=bins).of(outcomes) == pytest.approx(expected, abs=1e-9)


def test_ece_by_hand() -> None:
    rows = [((0.7, 0.3), "no"), ((0.7, 0.3), "yes"), ((0.1, 0.9), "yes"), ((0.45, 0.55), "no")]
    outcomes = [Outcome(None, (asked,), choices=("no", "yes"), probabilities=given_) for given_, asked in rows]
    metric = probabilities.ece()
    assert metric.of(outcomes) == pytest.approx((abs(1.4 - 1) + abs(0.9 - 1) + 0.55) / 4)
    assert metric.per_item(metric.statistics(outcomes)) == pytest.approx([0.3, 0.7, 0.1, 0.55])


def test_a_confidence_at_an_edge_belongs_to_the_bin_below() -> None:
    rows = [((0.5, 0.25, 0.25), "no"), ((0.45, 0.3, 0.25), "yes")]
    outcomes = [Outcome(None, (asked,), choices=CHOICES, probabilities=given_) for given_, asked in rows]
    assert probabilities.ece(bins=2).of(outcomes) == pytest.approx((0.95 - 1) / -2)


def test_an_impossible_answer_has_a_finite_likelihood() -> None:
    outcome = Outcome(None, ("yes",), choices=("no", "yes"), probabilities=(1.0, 0.0))
    assert probabilities.nll().of([outcome]) == pytest.approx(-math.log(2**-52))


def test_what_is_refused() -> None:
    unknown = [Outcome("yes", ("yes",), choices=("no", "yes"))]
    for metric in (probabilities.auc(()), probabilities.nll(), probabilities.brier(), probabilities.ece()):
        with pytest.raises(UserError, match="needs probabilities"):
            metric.of(unknown)
        with pytest.raises(UserError, match="none of the choices"):
            metric.of([Outcome("yes", ("oui",), choices=("no", "yes"), probabilities=(0.5, 0.5))])
    with pytest.raises(UserError, match="bins"):
        probabilities.ece(bins=0)


def test_what_is_no_number_is_no_probability() -> None:
    broken = [Outcome("yes", ("yes",), choices=("no", "yes"), probabilities=(math.nan, math.nan))]
    for metric in (probabilities.auc(()), probabilities.nll(), probabilities.brier(), probabilities.ece()):
        with pytest.raises(UnavailableError, match="are not numbers - load the model in float32"):
            metric.of(broken)
