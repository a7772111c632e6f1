"""Softmax attention of queries over one set of keys, and its gradients from what forward kept.

Forward gives the result and, for each query, the logarithm of the sum of its exponentials. With these, results over
several sets of keys are joined into the softmax over all of them; and backward computes the weights again instead of
keeping them (Dao et al. 2022, FlashAttention, sections 3.1 and B.4), of one set, from the sums over all of them.

Shapes: queries ``[batch, members, width, size]``, keys and values ``[batch, keys, size]``, which all members of a batch
share; ``seen`` ``[batch or 1, 1, width, keys]`` says which keys a query sees, or is None for all. Sums are in float32
at least.
"""

from __future__ import annotations

import math
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from tunelift.core.hardware import cpu_flags

# Internal names of the library: where it has others, plain products do.
_forward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_backward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None)
# The precisions in which the library's kernel is the faster one. Its backward pass is not in half precision, and its
# forward pass only where tiles of numbers are multiplied by one instruction.
_FULL = (torch.float32, torch.float64)
_FORWARD = (*_FULL, torch.bfloat16) if "amx_bf16" in cpu_flags() else _FULL
# Weights that backward has in memory at once: few enough to stay near the processor from one operation to the next.
_WEIGHTS = 1 << 18
# Weights below exp(-80) count as that: they change no sum, and numbers close to the smallest one take long to compute.
_LOWEST = -80.0


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        queries: What asks.
        keys: What is asked.
        values: What is summed.
        seen: What a query sees; a query that sees nothing has a sum of minus infinity and any finite result.
        causal: A query sees as many keys as its place; `seen` is None.
        scale: Factor on the products of queries and keys.

    Returns:
        Results like the queries, and the logarithms of the sums, ``[batch, members, width]``.
    """
    if _forward and _fits(queries, _FORWARD):
        keys, values = _of_members(keys, queries), _of_members(values, queries)
        result, sums = _forward(queries, keys, values, 0.0, causal, attn_mask=_bias(seen, queries), scale=scale)
        # The kernel gives zero to queries that see nothing, result and sum.
        return result, sums if seen is None else sums.masked_fill(~seen.any(-1), -math.inf)
    weights = _products(queries * scale, keys)
    bias = _bias(_causal(queries) if causal else seen, weights)
    if bias is not None:
        weights.add_(bias)
    highest = weights.amax(-1, keepdim=True).clamp_(min=torch.finfo(weights.dtype).min)
    total = weights.sub_(highest).exp_().sum(-1, keepdim=True)
    result = _rows(weights.to(queries.dtype)).bmm(values).view(queries.shape)
    return result / total.clamp(min=torch.finfo(total.dtype).tiny), (highest + total.log()).squeeze(-1)


def attend_backward(
    upstream: Tensor,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    result: Tensor,
    sums: Tensor,
    seen: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values.

    Args:
        upstream: Gradient of the result.
        queries: As in `attend`.
        keys: As in `attend`; these may be some of the keys only.
        values: As in `attend`.
        result: Over all keys.
        sums: Over all keys.
        seen: As in `attend`.
        causal: As in `attend`.
        scale: As in `attend`.
    """
    if _backward and _fits(queries, _FULL):
        keys, values = _of_members(keys, queries), _of_members(values, queries)
        bias = _bias(seen, queries)
        gradients = _backward(upstream, queries, keys, values, result, sums, 0.0, causal, attn_mask=bias, scale=scale)
        return gradients[0], gradients[1].sum(1), gradients[2].sum(1)
    batch, members, width, _ = queries.shape
    size = max(1, _WEIGHTS // (members * width * keys.shape[1]))
    means = (upstream * result.to(sums.dtype)).sum(-1, keepdim=True)
    given = (upstream, queries * scale, keys, values, means, sums[..., None])
    seen = _causal(queries) if causal else seen
    masks = repeat(None) if seen is None else torch.split(seen.expand(batch, -1, -1, -1), size)
    parts = zip(*(torch.split(states, size) for states in given), masks, strict=False)
    gradients = zip(*(_backward_part(*part) for part in parts), strict=True)
    query_gradient, key_gradient, value_gradient = map(torch.cat, gradients)
    return query_gradient.view(queries.shape) * scale, key_gradient, value_gradient


def _backward_part(
    upstream: Tensor, scaled: Tensor, keys: Tensor, values: Tensor, means: Tensor, sums: Tensor, seen: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of scaled queries, one behind the other, of keys and of values, by products.

    Args:
        upstream: Gradient of the result.
        scaled: The queries times the factor on the products.
        keys: As in `attend`.
        values: As in `attend`.
        means: Of the products of upstream and values, by the weights of all keys, ``[batch, members, width, 1]``.
        sums: Logarithms of the sums over all keys, ``[batch, members, width, 1]``.
        seen: ``[batch, 1, width, keys]``, or None for all.
    """
    # No weight is larger than one, and those of keys that are not seen shall be finite.
    weights = _products(scaled, keys).sub_(sums).clamp_(_LOWEST, 0.0).exp_()
    if seen is not None:
        weights.mul_(seen)
    change = _rows(_products(upstream, values).sub_(means).mul_(weights).to(scaled.dtype))
    weights = _rows(weights.to(scaled.dtype))
    return change.bmm(keys), change.transpose(1, 2).bmm(_rows(scaled)), weights.transpose(1, 2).bmm(_rows(upstream))


def _fits(queries: Tensor, precisions: tuple[torch.dtype, ...]) -> bool:
    """Whether the library's kernel is the faster one; for single queries products are."""
    return queries.device.type == "cpu" and queries.dtype in precisions and queries.shape[2] > 1


def _of_members(states: Tensor, queries: Tensor) -> Tensor:
    return states[:, None].expand(-1, queries.shape[1], -1, -1)


def _bias(seen: Tensor | None, queries: Tensor) -> Tensor | None:
    return None if seen is None else queries.new_zeros(seen.shape).masked_fill_(~seen, -math.inf)


def _causal(queries: Tensor) -> Tensor:
    width = queries.shape[2]
    return torch.ones(1, 1, width, width, dtype=torch.bool, device=queries.device).tril()


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    products = _rows(queries).bmm(keys.transpose(1, 2)).view(*queries.shape[:-1], -1)
    return products.to(torch.promote_types(queries.dtype, torch.float32))


def _rows(states: Tensor) -> Tensor:
    """All queries of a batch one behind the other, since they share their keys."""
    return states.flatten(1, 2)
