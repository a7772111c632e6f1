from __future__ import annotations

import pytest
import torch
from torch.nn import Dropout, Linear, Sequential

from tunelift.engine.modes import computed_by, evaluation_mode, has_own_forward


def test_a_module_is_computed_by_another_function_for_a_while() -> None:
    layer, states = Linear(2, 3), torch.ones(1, 2)
    expected = layer(states)
    with computed_by({layer: lambda states: states + 1}):
        assert has_own_forward(layer)
        assert layer(states).tolist() == [[2.0, 2.0]]
    assert not has_own_forward(layer)
    assert torch.equal(layer(states), expected)


def test_after_an_error_it_is_computed_as_before() -> None:
    layer = Linear(2, 3)
    with pytest.raises(RuntimeError, match="stop"), computed_by({layer: torch.relu}):
        raise RuntimeError("stop")
    assert not has_own_forward(layer)


def test_without_dropout_for_a_while_and_then_each_module_as_before() -> None:
    frozen, tuned = Dropout(0.5), Dropout(0.5)
    model = Sequential(frozen.eval(), tuned.train())
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in (model, frozen, tuned)] == [True, False, True]
