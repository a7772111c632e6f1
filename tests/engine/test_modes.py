from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import Dropout, Linear, Module, ModuleList, Sequential
from torch.nn.functional import linear

from tunelift.engine.modes import computed_by, evaluation_mode, has_own_forward, in_float32


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


class Multiplying(Module):
    """A layer that computes with the weight of a module inside it, which it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Linear(4, 4, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return linear(states, self.inner.weight)


class Network(Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.layers = Linear(4, 4), ModuleList([Multiplying(), Multiplying()])
        self.to(torch.bfloat16)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        states = self.first(states)
        for layer in self.layers:
            states = layer(states)
        return states


def test_for_a_while_in_float32_one_layer_at_a_time() -> None:
    network, states = Network(), torch.randn(2, 4)
    expected = copy.deepcopy(network).float()(states)
    wide: list[int] = []
    for layer in network.layers:
        layer.register_forward_hook(
            lambda *_: wide.append(sum(weight.dtype == torch.float32 for weight in network.parameters()))
        )
    with in_float32(network):
        assert torch.equal(network(states), expected)
    assert wide == [3, 3]  # two of the first module, which is no layer, and one of the layer
    assert {weight.dtype for weight in network.parameters()} == {torch.bfloat16}


def test_after_an_error_weights_are_as_they_were() -> None:
    network = Network()
    network.layers[1].inner.weight = network.layers[0].inner.weight
    before = [weight.data_ptr() for weight in network.parameters()]
    with pytest.raises(RuntimeError), in_float32(network):
        network(torch.randn(2, 3))
    with pytest.raises(RuntimeError), in_float32(network):
        network.layers[1](torch.randn(2, 3))
    assert [weight.data_ptr() for weight in network.parameters()] == before


def test_without_memory_for_all_weights_none_is_widened(monkeypatch: pytest.MonkeyPatch) -> None:
    network, widened, widen = Network(), [], torch.Tensor.float

    def once(weight: torch.Tensor) -> torch.Tensor:
        if widened:
            raise torch.OutOfMemoryError
        widened.append(weight)
        return widen(weight)

    monkeypatch.setattr(torch.Tensor, "float", once)
    with pytest.raises(torch.OutOfMemoryError), in_float32(network):
        raise AssertionError
    assert {weight.dtype for weight in network.parameters()} == {torch.bfloat16}
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in network.modules())
