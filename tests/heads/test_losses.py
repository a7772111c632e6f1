from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from tunelift.core.recipe import HeadSettings
from tunelift.heads.losses import balanced_weights, loss_sum
from tunelift.heads.settings import make_config

LOGITS = torch.randn(20, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
CLASSES = [number % 3 for number in range(20)]
PRESENT = [(number & 1, number >> 1 & 1, number >> 2 & 1) for number in range(20)]
WEIGHTS = (0.5, 1.0, 3.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_cross_entropy_is_the_library_s(make_head: Any, smoothing: float, weights: tuple[float, ...]) -> None:
    config = make_head("classification", label_smoothing=smoothing).model_copy(update={"class_weights": weights})
    expected = functional.cross_entropy(
        LOGITS,
        torch.tensor(CLASSES),
        weight=torch.tensor(weights, dtype=torch.float64) if weights else None,
        label_smoothing=smoothing,
        reduction="sum",
    )
    torch.testing.assert_close(loss_sum(config, LOGITS, CLASSES), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_binary_cross_entropy_is_the_library_s(make_head: Any, smoothing: float, weights: tuple[float, ...]) -> None:
    config = make_head("labels", label_smoothing=smoothing).model_copy(update={"class_weights": weights})
    expected = functional.binary_cross_entropy_with_logits(
        LOGITS,
        torch.tensor(PRESENT, dtype=torch.float64) * (1 - smoothing) + smoothing / 2,
        pos_weight=torch.tensor(weights, dtype=torch.float64) if weights else None,
        reduction="sum",
    )
    torch.testing.assert_close(loss_sum(config, LOGITS, PRESENT), expected / 3)


def test_a_regression_is_of_standardised_targets(make_head: Any) -> None:
    config = make_head("regression").model_copy(update={"mean": 10.0, "deviation": 2.0})
    loss = loss_sum(config, torch.tensor([[1.0], [0.0]]), [12.0, 8.0])
    assert loss.item() == pytest.approx(0.0 + 1.0)


@pytest.mark.parametrize(("kind", "targets"), [("classification", CLASSES), ("labels", PRESENT)])
def test_focal_loss_is_its_definition(make_head: Any, kind: str, targets: list[Any]) -> None:
    loss = loss_sum(make_head(kind, focal_gamma=2.0), LOGITS, targets)
    if kind == "labels":
        right = torch.where(torch.tensor(targets).bool(), LOGITS.sigmoid(), 1 - LOGITS.sigmoid())
        expected = (-((1 - right) ** 2) * right.log()).mean(-1).sum()
    else:
        right = LOGITS.softmax(-1)[torch.arange(len(targets)), torch.tensor(targets)]
        expected = (-((1 - right) ** 2) * right.log()).sum()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("kind", ["classification", "labels"])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_of_certain_predictions_are_numbers(make_head: Any, kind: str, gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0, -200.0]], requires_grad=True)
    for target in (0, 1):
        targets: list[Any] = [target] if kind == "classification" else [(1 - target, target, target)]
        loss_sum(make_head(kind, focal_gamma=gamma), logits, targets).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
def test_balanced_weights_are_scikit_learn_s(classes: list[int]) -> None:
    config = make_config(HeadSettings(), ["a", "b", "c"], True, 512)
    weights = balanced_weights(config, classes)
    known = np.unique(classes)
    expected = compute_class_weight("balanced", classes=known, y=classes)
    assert [weights[number] for number in known] == pytest.approx(expected)
    assert np.mean([weights[number] for number in classes]) == pytest.approx(1.0)


def test_balanced_weights_of_labels_make_presence_and_absence_equal(make_head: Any) -> None:
    weights = balanced_weights(make_head("labels"), [(1, 0, 1), (0, 0, 1), (0, 0, 1), (0, 0, 1)])
    assert weights == (3.0, 1.0, 1.0)
