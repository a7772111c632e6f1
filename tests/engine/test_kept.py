"""What is kept in less memory is gone in between, and gives the same gradients bit by bit."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.functional import gelu, linear, silu

from tunelift.engine.kept import kept_in_less_memory

Activation = Callable[[Tensor], Tensor]
ACTIVATIONS = [silu, gelu, lambda states: gelu(states, approximate="tanh")]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def gated(
    context: AbstractContextManager[object], activation: Activation, dtype: torch.dtype, *batch: int
) -> tuple[list[bool], tuple[Tensor, ...]]:
    """Whether the activated gate and its product with the values are still there before backward; the gradients."""
    weights = [drawn(12, 8), drawn(12, 8), drawn(8, 12)]
    gate, values, down = (weight.to(dtype).requires_grad_() for weight in weights)
    states = drawn(*batch, 5, 8).to(dtype)
    with context:
        activated = activation(linear(states, gate))
        product = activated * linear(states, values)
        result = linear(product, down)
    kept = [StorageWeakRef(states.untyped_storage()) for states in (activated, product)]
    del activated, product
    gone = [memory.expired() for memory in kept]
    return gone, torch.autograd.grad(result.sum(), [gate, values, down])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [(), (1,), (2,)])
def test_a_gated_layer(activation: Activation, dtype: torch.dtype, batch: tuple[int, ...]) -> None:
    gone, ours = gated(kept_in_less_memory(), activation, dtype, *batch)
    assert gone == [True, True]
    _, plain = gated(nullcontext(), activation, dtype, *batch)
    assert all(torch.equal(mine, its) for mine, its in zip(ours, plain, strict=True))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16, torch.float32])
def test_a_norm_in_float32(precision: torch.dtype) -> None:
    def gradient(context: AbstractContextManager[object]) -> tuple[bool, Tensor]:
        states = (drawn(5, 8).to(precision).requires_grad_() * 3).to(precision)
        with context:
            wide = states.float()
            result = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        kept = StorageWeakRef(wide.untyped_storage())
        same = wide is states
        del wide
        return kept.expired() or same, torch.autograd.grad((result * drawn(5, 8)).sum(), states)[0]

    gone, ours = gradient(kept_in_less_memory())
    assert gone
    assert torch.equal(ours, gradient(nullcontext())[1])


def test_a_product_of_different_shapes_or_with_a_constant() -> None:
    def gradients(context: AbstractContextManager[object]) -> tuple[Tensor, ...]:
        states, row = drawn(5, 8).requires_grad_(), drawn(8).requires_grad_()
        with context:
            result = (states * row).sigmoid() * ((states * 3.0).exp() * drawn(5, 8)).square()
        return torch.autograd.grad(result.sum(), [states, row])

    pairs = zip(gradients(kept_in_less_memory()), gradients(nullcontext()), strict=True)
    assert all(torch.equal(mine, its) for mine, its in pairs)


def test_no_long_chain_is_computed_again() -> None:
    states = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with kept_in_less_memory():
        result = states
        for _ in range(40):  # each needs the one before twice
            result = result * result
    (gradient,) = torch.autograd.grad(result.sum(), states)
    assert torch.equal(gradient, torch.full_like(states, 2.0**40))


def test_results_of_which_no_gradient_is_asked_for_are_forgotten() -> None:
    states = drawn(5, 8).requires_grad_()
    with kept_in_less_memory():
        result = torch.rsqrt(states.abs() + 1)  # its gradient needs the result itself
    kept = StorageWeakRef(result.untyped_storage())
    del result
    gc.collect()
    assert kept.expired()


def test_layers_whose_results_are_not_asked_for_are_forgotten() -> None:
    states, weight = (drawn(*shape).to(torch.bfloat16).requires_grad_() for shape in ((5, 8), (8, 8)))
    with kept_in_less_memory():
        doubled = states * 2
        wide = linear(doubled, weight).float()
        wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True))
    torch.autograd.grad(doubled.sum(), states)
    kept = StorageWeakRef(doubled.untyped_storage())
    del doubled, wide
    gc.collect()
    assert kept.expired()


def test_what_is_changed_before_it_is_kept_is_kept_as_it_is_then() -> None:
    states, down = drawn(5, 8).requires_grad_(), drawn(3, 8).requires_grad_()
    with kept_in_less_memory():
        activated = silu(states)
        with torch.no_grad():
            activated.clamp_(max=0.3)
        result = linear(activated, down)
    (gradient,) = torch.autograd.grad(result.sum(), down)
    torch.testing.assert_close(gradient, activated.detach().sum(0).expand(3, -1))


def test_a_change_of_what_is_kept_is_an_error() -> None:
    states, down = drawn(5, 8).requires_grad_(), drawn(3, 8).requires_grad_()
    with kept_in_less_memory():
        shifted = states + 1
        result = linear(shifted, down)
    shifted.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        torch.autograd.grad(result.sum(), down)
