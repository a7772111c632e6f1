"""A linear layer with a low-rank adapter as one step of the gradient's graph.

PEFT computes ``W x + B(A(x)) * scale`` operation by operation, and every operation makes a new wide result, forward and
backward. Here matrix products add to the layer's result and to the gradient of its input, in their place, which needs
less time and memory and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.autograd.function import once_differentiable

from tunelift.engine.modes import computed_by, has_own_forward


class AdaptedLinear(torch.autograd.Function):
    """``x W^T + bias + scale * given A^T B^T``.

    Call ``apply`` with the input ``[..., inputs]``; what the adapter is given, like the input, or None for the input
    itself; the frozen weight ``[outputs, inputs]`` and bias ``[outputs]`` or None; A ``[rank, inputs]``, B ``[outputs,
    rank]`` and the scale. The adapter computes in the precision of the layer, as autocast has it do.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        given: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        first: Tensor,
        second: Tensor,
        scale: float,
    ) -> Tensor:
        """Compute the layer, and add the adapter's update to its result."""
        result = torch.nn.functional.linear(x, weight, bias)
        states = (x if given is None else given).to(result.dtype)
        first, second = first.to(result.dtype), (second * scale).to(result.dtype)
        inner = states.reshape(-1, x.shape[-1]) @ first.T
        result.view(-1, result.shape[-1]).addmm_(inner, second.T)
        ctx.save_for_backward(states, inner, weight, first, second)
        ctx.shape, ctx.scale, ctx.apart = x.shape, scale, given is not None
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both inputs, A and B."""
        states, inner, weight, first, second = ctx.saved_tensors
        flat, states = (part.reshape(-1, part.shape[-1]) for part in (gradient, states))
        inner_gradient = flat @ second
        x_gradient = flat @ weight.to(flat.dtype) if ctx.needs_input_grad[0] else None
        given_gradient = inner_gradient @ first if ctx.needs_input_grad[1] else None
        if x_gradient is not None and not ctx.apart:
            x_gradient.addmm_(inner_gradient, first)
        # Of wide outputs the product is faster this way round.
        second_gradient = (inner.T @ flat).mul_(ctx.scale).T
        return (
            None if x_gradient is None else x_gradient.view(ctx.shape),
            None if given_gradient is None else given_gradient.view(ctx.shape),
            None,
            None,
            inner_gradient.T @ states,
            second_gradient,
            None,
        )


def _forward(layer: Any, adapter: str, x: Tensor) -> Tensor:
    base, dropout = layer.base_layer, layer.lora_dropout[adapter]
    given = None if isinstance(dropout, torch.nn.Identity) else dropout(x)
    apply: Callable[..., Tensor] = AdaptedLinear.apply
    first, second = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
    return apply(x, given, base.weight, base.bias, first, second, layer.scaling[adapter])


def fused_adapters(model: Any) -> AbstractContextManager[None]:
    """A context in which linear layers with plain LoRA are one step each, and no adapter is switched or merged.

    Args:
        model: A model with or without an adapter.
    """
    layers = [module for module in model.modules() if isinstance(module, Linear) and _is_plain(module)]
    return computed_by({layer: partial(_forward, layer, layer.active_adapters[0]) for layer in layers})


def _is_plain(layer: Linear) -> bool:
    """Whether a frozen linear layer has one adapter, without a bias, that is on and not merged into it.

    What another library has exchanged already, as those do that move weights between devices, is not plain.
    """
    base, adapters = layer.base_layer, layer.active_adapters
    return (
        type(base) is torch.nn.Linear
        and not has_own_forward(layer)
        and not has_own_forward(base)
        and not any(weight.requires_grad for weight in base.parameters())
        and len(adapters) == 1
        and adapters[0] in layer.lora_A
        and not (layer.lora_variant or layer.disable_adapters or layer.merged)
        and layer.lora_B[adapters[0]].bias is None
    )
