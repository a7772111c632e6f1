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
from typing import Any

import torch
from torch import Tensor

# Internal names of the library: where it has others, plain products do.
_forward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_backward: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None)


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
    if _has_kernel(queries):
        keys, values = _of_members(keys, queries), _of_members(values, queries)
        result, sums = _forward(queries, keys, values, 0.0, causal, attn_mask=_bias(seen, queries), scale=scale)
        # The kernel gives zero to queries that see nothing, result and sum.
        return result, sums if seen is None else sums.masked_fill(~seen.any(-1), -math.inf)
    weights = _products(queries * scale, keys, _mask(seen, causal, queries))
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
    if _has_kernel(queries):
        keys, values = _of_members(keys, queries), _of_members(values, queries)
        bias = _bias(seen, queries)
        gradients = _backward(upstream, queries, keys, values, result, sums, 0.0, causal, attn_mask=bias, scale=scale)
        return gradients[0], gradients[1].sum(1), gradients[2].sum(1)
    scaled = queries * scale
    weights = _products(scaled, keys, _mask(seen, causal, queries)).sub_(sums[..., None]).exp_()
    value_gradient = _rows(weights.to(queries.dtype)).transpose(1, 2).bmm(_rows(upstream))
    change = _products(upstream, values, None).sub_((upstream * result).sum(-1, keepdim=True)).mul_(weights)
    change = change.to(queries.dtype)
    key_gradient = _rows(change).transpose(1, 2).bmm(_rows(scaled))
    return _rows(change).bmm(keys).view(queries.shape) * scale, key_gradient, value_gradient


def _has_kernel(queries: Tensor) -> bool:
    """Whether the library's own kernel is the faster one; in half precision, and for single queries, products are."""
    fits = queries.device.type == "cpu" and queries.dtype in (torch.float32, torch.float64) and queries.shape[2] > 1
    return fits and _forward is not None and _backward is not None


def _of_members(states: Tensor, queries: Tensor) -> Tensor:
    return states[:, None].expand(-1, queries.shape[1], -1, -1)


def _bias(seen: Tensor | None, queries: Tensor) -> Tensor | None:
    return None if seen is None else queries.new_zeros(seen.shape).masked_fill_(~seen, -math.inf)


def _mask(seen: Tensor | None, causal: bool, queries: Tensor) -> Tensor | None:
    width = queries.shape[2]
    return torch.ones(width, width, dtype=torch.bool, device=queries.device).tril() if causal else seen


def _products(queries: Tensor, keys: Tensor, seen: Tensor | None) -> Tensor:
    products = _rows(queries).bmm(keys.transpose(1, 2)).view(*queries.shape[:-1], -1)
    products = products.to(torch.promote_types(queries.dtype, torch.float32))
    return products if seen is None else products.masked_fill_(~seen, -math.inf)


def _rows(states: Tensor) -> Tensor:
    """All queries of a batch one behind the other, since they share their keys."""
    return states.flatten(1, 2)
