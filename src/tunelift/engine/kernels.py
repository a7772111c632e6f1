"""Softmax attention of queries over one set of keys, and its gradients from what forward kept.

Forward gives the result and, for each query, the logarithm of the sum of its exponentials. With these, results over
several sets of keys are joined into the softmax over all of them; and backward computes the weights again instead of
keeping them (Dao et al. 2022, FlashAttention, sections 3.1 and B.4), of one set, from the sums over all of them.

Shapes: queries ``[groups, rows, members, width, size]``, keys and values ``[groups, rows, keys, size]``, which all
members share. A ``mask`` ``[rows or 1, width, keys]`` in float32 is added to the products: minus infinity where a query
does not see a key, otherwise zero; None where everything is seen. Sums are in float32 at least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
# Weights that are in memory at once: few enough to stay near the processor from one operation to the next.
_WEIGHTS = 1 << 20
# Powers of two take a third of the time of exponentials.
_LOG2_E = math.log2(math.e)
# Weights below two to this count as that: they change no sum, and numbers close to the smallest one take long.
_LOWEST = -115.0


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        queries: What asks.
        keys: What is asked.
        values: What is summed.
        mask: What a query sees; a query that sees nothing has a sum of minus infinity and any finite result.
        causal: The mask says that a query sees as many keys as its place, and no more.
        scale: Factor on the products of queries and keys.

    Returns:
        Results like the queries, and the logarithms of the sums, ``[groups, rows, members, width]``.
    """
    if _forward and _fits(queries, _FORWARD):
        options = {"attn_mask": None if causal else _for_kernel(mask, queries), "scale": scale}
        result, sums = _forward(*_flat(queries, keys, values), 0.0, causal, **options)
        sums = sums.view(queries.shape[:-1])
        if mask is not None:
            # The kernel gives zero to queries that see nothing, result and sum.
            sums = sums.masked_fill(mask.amax(-1).isneginf()[:, None], -math.inf)
        return result.view(queries.shape), sums
    precision = torch.promote_types(queries.dtype, torch.float32)
    result = torch.empty_like(queries, dtype=precision)
    sums = result.new_empty(queries.shape[:-1])
    for groups, rows in _chunks(queries, keys):
        scaled, part = queries[groups, rows] * scale, _of_rows(mask, rows)
        weights = _products(scaled, keys[groups, rows])
        if part is not None:
            weights.add_(part)
        # Of a query that sees nothing the highest is minus infinity, with which there is no number to go on.
        highest = weights.amax(-1, keepdim=True).clamp_(min=torch.finfo(precision).min / 2)
        total = _powers(weights, highest).exp2_().sum(-1, keepdim=True)
        summed = _rows(weights.to(queries.dtype)).bmm(values[groups, rows].flatten(0, 1)).view(scaled.shape)
        torch.div(summed, total.clamp(min=torch.finfo(precision).tiny), out=result[groups, rows])
        torch.add(highest, total.log_(), out=sums[groups, rows, ..., None])
    return result, sums


def attend_backward(
    upstream: Tensor,
    queries: Tensor,
    result: Tensor,
    sums: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values.

    Args:
        upstream: Gradient of the result.
        queries: As in `attend`.
        result: Over all keys.
        sums: Over all keys.
        keys: As in `attend`; these may be some of the keys only.
        values: As in `attend`.
        mask: As in `attend`.
        causal: As in `attend`.
        scale: As in `attend`.
    """
    if _backward and _fits(queries, _FULL):
        options = {"attn_mask": None if causal else _for_kernel(mask, queries), "scale": scale}
        flat = _flat(queries, keys, values)
        gradients = _backward(
            upstream.flatten(0, 1), *flat, result.flatten(0, 1), sums.flatten(0, 1), 0.0, causal, **options
        )
        query_gradient, key_gradient, value_gradient = gradients
        return (
            query_gradient.view(queries.shape),
            key_gradient.sum(1).view(keys.shape),
            value_gradient.sum(1).view(keys.shape),
        )
    means = (upstream * result.to(sums.dtype)).sum(-1, keepdim=True)
    given = (upstream, queries * scale, means, sums[..., None], keys, values)
    gradients = torch.empty_like(queries), torch.empty_like(keys), torch.empty_like(values)
    for chunk in _chunks(queries, keys):
        parts = _backward_chunk(_of_rows(mask, chunk[1]), *[states[chunk] for states in given])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient[chunk] = part.view_as(gradient[chunk])
    return gradients[0].mul_(scale), gradients[1], gradients[2]


def _backward_chunk(
    mask: Tensor | None, upstream: Tensor, scaled: Tensor, means: Tensor, sums: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of scaled queries, one behind the other, of keys and of values, by products.

    Args:
        mask: As it is added to the products.
        upstream: Gradient of the result.
        scaled: The queries times the factor on the products.
        means: Of the products of upstream and values, by all weights, ``[groups, rows, members, width, 1]``.
        sums: Logarithms of the sums over all keys, ``[groups, rows, members, width, 1]``.
        keys: As in `attend`.
        values: As in `attend`.
    """
    # No weight is larger than one, and those of keys that are not seen shall be finite before they are masked.
    weights = _powers(_products(scaled, keys), sums).clamp_(_LOWEST, 0.0)
    if mask is not None:
        weights.add_(mask)
    weights.exp2_()
    change = _rows(_products(upstream, values).sub_(means).mul_(weights).to(scaled.dtype))
    weights = _rows(weights.to(scaled.dtype))
    return (
        change.bmm(keys.flatten(0, 1)),
        change.transpose(1, 2).bmm(_rows(scaled)),
        weights.transpose(1, 2).bmm(_rows(upstream)),
    )


def _chunks(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice]]:
    """Groups and rows whose weights are in memory at once: all rows of some groups, or some rows of one."""
    groups, rows, members, width, _ = queries.shape
    of_a_row = members * width * keys.shape[2]
    rows_at_once = min(rows, max(1, _WEIGHTS // of_a_row))
    groups_at_once = max(1, _WEIGHTS // (of_a_row * rows))
    for group in range(0, groups, groups_at_once):
        for row in range(0, rows, rows_at_once):
            yield slice(group, group + groups_at_once), slice(row, row + rows_at_once)


def _of_rows(mask: Tensor | None, rows: slice) -> Tensor | None:
    """The mask of some rows, for all members."""
    return None if mask is None else (mask[rows] if len(mask) > 1 else mask)[:, None]


def _fits(queries: Tensor, precisions: tuple[torch.dtype, ...]) -> bool:
    """Whether the library's kernel is the faster one; for single queries products are."""
    return queries.device.type == "cpu" and queries.dtype in precisions and queries.shape[3] > 1


def _flat(queries: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All three as the library's kernel takes them, ``[groups * rows, members, width or keys, size]``."""
    members = queries.shape[2]
    keys, values = (states.flatten(0, 1)[:, None].expand(-1, members, -1, -1) for states in (keys, values))
    return queries.flatten(0, 1), keys, values


def _for_kernel(mask: Tensor | None, queries: Tensor) -> Tensor | None:
    if mask is None:
        return None
    mask = mask.to(queries.dtype)[None, :, None]
    return mask[0] if mask.shape[1] == 1 else mask.expand(len(queries), -1, -1, -1, -1).flatten(0, 1)


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    products = _rows(queries).bmm(keys.flatten(0, 1).transpose(1, 2)).view(*queries.shape[:-1], -1)
    return products.to(torch.promote_types(queries.dtype, torch.float32))


def _powers(products: Tensor, subtracted: Tensor) -> Tensor:
    """Exponents of two for the exponentials of differences, in the place of the products."""
    return torch.add(subtracted * -_LOG2_E, products, alpha=_LOG2_E, out=products)


def _rows(states: Tensor) -> Tensor:
    """All queries of a row one behind the other, since they share their keys, ``[groups * rows, queries, ...]``."""
    return states.flatten(2, 3).flatten(0, 1)
