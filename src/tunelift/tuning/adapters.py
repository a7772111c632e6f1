"""The low-rank update of an adapter as one step of the gradient's graph.

PEFT computes ``result + B(A(x)) * scale`` operation by operation, and every operation makes a new wide result. Here one
matrix product adds to the result in its place, which needs less memory and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.autograd.function import once_differentiable


class LowRankUpdate(torch.autograd.Function):
    """Adds ``scale * x A^T B^T`` to a result, in its place.

    Call ``apply`` with the result ``[..., outputs]``, the input ``[..., inputs]``, A ``[rank, inputs]``, B ``[outputs,
    rank]`` and the scale.
    """

    @staticmethod
    def forward(ctx: Any, result: Tensor, x: Tensor, first: Tensor, second: Tensor, scale: float) -> Tensor:
        """Add."""
        flat, narrow = x.reshape(-1, x.shape[-1]), first.to(x.dtype)
        inner = flat @ narrow.T
        result.view(-1, result.shape[-1]).addmm_(inner, second.to(x.dtype).T, alpha=scale)
        ctx.mark_dirty(result)
        ctx.save_for_backward(x, inner, first, second)
        ctx.scale = scale
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of result, input, A and B."""
        x, inner, first, second = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])
        inner_gradient = (flat @ second.to(flat.dtype)).mul_(ctx.scale)
        x_gradient = None
        if ctx.needs_input_grad[1]:
            x_gradient = (inner_gradient @ first.to(flat.dtype)).view_as(x)
        first_gradient = inner_gradient.T @ x.reshape(-1, x.shape[-1])
        # Of wide outputs the product is faster this way round.
        second_gradient = (inner.T @ flat).mul_(ctx.scale).T
        return gradient, x_gradient, first_gradient.to(first.dtype), second_gradient.to(second.dtype), None


class _Fused:
    """What PEFT calls in the place of its own update; it knows nothing of merging, which is not done meanwhile."""

    @staticmethod
    def forward(module: Any, active_adapter: str, x: Tensor, result: Tensor, **_: Any) -> Tensor:
        apply: Callable[..., Tensor] = LowRankUpdate.apply
        first, second = module.lora_A[active_adapter].weight, module.lora_B[active_adapter].weight
        # Adapters compute in the precision of the result, as autocast has them do.
        given = module.lora_dropout[active_adapter](x).to(result.dtype)
        return apply(result, given, first, second, module.scaling[active_adapter])


@contextmanager
def fused_adapters(model: Any) -> Iterator[None]:
    """Compute the updates of plain LoRA on linear layers in one step each, for a while.

    Args:
        model: A model with or without an adapter.
    """
    changed = [
        (module, name)
        for module in model.modules()
        if isinstance(module, Linear)
        for name in module.active_adapters
        if name in module.lora_A and name not in module.lora_variant and module.lora_B[name].bias is None
    ]
    for module, name in changed:
        module.lora_variant[name] = _Fused()
    try:
        yield
    finally:
        for module, name in changed:
            del module.lora_variant[name]
