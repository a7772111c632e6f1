"""Attention of one block of rows, with a backward pass for which no products of queries and keys are kept.

The softmax over a row's own keys and the keys above is one softmax, computed in two parts. Forward keeps the result
and, for every query, the highest product and the sum of the exponentials below it; from these backward computes the
weights again (Dao et al. 2022, FlashAttention, section 3.1, with large plain products in the place of its tiles).

Shapes: ``heads`` are the query heads, ``groups`` those of keys and values; each of these serves ``heads / groups``
query heads, here called its ``members``. Queries are *grouped* as ``[groups, rows, members, width, size]``, in which
those that share keys lie one behind the other.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tunelift.engine.layout import Block

# The slots of keys, ``[rows or 1, keys]``, and which of them a query sees, ``[rows or 1, width, keys]``, or all.
Part: TypeAlias = tuple[Tensor, Tensor | None]


class BlockAttention(torch.autograd.Function):
    """Rows that attend to their own keys and to the keys above, ``[rows, width, heads, size]``.

    Call ``apply`` with the block, queries ``[heads, new tokens, size]``, keys and values ``[groups, slots, size]``, the
    scale of the products, and the size of the sliding window or None.
    """

    @staticmethod
    def forward(
        ctx: Any, block: Block, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
    ) -> Tensor:
        """Attend."""
        queries = grouped(take(query, block.queries), len(key)) * scale
        # A query sees at least itself among its own keys, so that the highest product is finite.
        own, *above = _parts(block, window)
        highest, total, result = _softmax_sums(queries, key, value, own)
        for part in above:
            second, more_total, more_result = _softmax_sums(queries, key, value, part)
            new = torch.maximum(highest, second)
            first_factor, second_factor = highest.sub_(new).exp_(), second.sub_(new).exp_()
            total = total.mul_(first_factor).addcmul_(more_total, second_factor)
            result = result.mul(first_factor).addcmul_(more_result, second_factor)
            highest = new
        result = result / total
        ctx.save_for_backward(query, key, value, result, highest, total)
        ctx.arguments = block, scale, window
        return ungrouped(result).to(query.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys and values."""
        query, key, value, result, highest, total = ctx.saved_tensors
        block, scale, window = ctx.arguments
        queries = grouped(take(query, block.queries), len(key)) * scale
        # Divided here by the sums, so that the exponentials can stand for the weights below.
        upstream = (grouped(gradient.permute(2, 0, 1, 3), len(key)) / total).to(query.dtype)
        mean = (upstream * result).sum(-1, keepdim=True)
        key_gradient, value_gradient = torch.zeros_like(key), torch.zeros_like(value)
        query_gradient = torch.zeros_like(queries)
        for slots, seen in _parts(block, window):
            keys, values = take(key, slots), take(value, slots)
            weights = _products(queries, keys, seen).sub_(highest).exp_()
            _add(value_gradient, slots, _transposed_product(weights.to(query.dtype), upstream, slots))
            change = _products(upstream, values, None).sub_(mean).mul_(weights).to(query.dtype)
            _add(key_gradient, slots, _transposed_product(change, queries, slots))
            query_gradient += _weighted(change, keys, query.dtype)
        scattered = torch.zeros_like(query)
        _add(scattered, block.queries, (ungrouped(query_gradient) * scale).permute(2, 0, 1, 3))
        return None, scattered, key_gradient, value_gradient, None, None


def take(states: Tensor, slots: Tensor) -> Tensor:
    """States of slots ``[rows, width]`` out of ``[heads, slots, size]``, as ``[heads, rows, width, size]``."""
    return states.index_select(1, slots.flatten()).view(len(states), *slots.shape, -1)


def grouped(states: Tensor, groups: int) -> Tensor:
    """From ``[heads, rows, width, size]`` to ``[groups, rows, members, width, size]``, contiguous."""
    return states.reshape(groups, -1, *states.shape[1:]).transpose(1, 2).contiguous()


def ungrouped(states: Tensor) -> Tensor:
    """From ``[groups, rows, members, width, size]`` to ``[rows, width, heads, size]``."""
    return states.permute(1, 3, 0, 2, 4).flatten(2, 3)


def _parts(block: Block, window: int | None) -> list[Part]:
    own = block.own, block.own_seen.get(window, block.own_seen[None])
    above = block.above[None], block.above_seen.get(window) if window else None
    return [own, above] if len(block.above) else [own]


def _softmax_sums(queries: Tensor, key: Tensor, value: Tensor, part: Part) -> tuple[Tensor, Tensor, Tensor]:
    """The highest product of each query, the sum of the exponentials below it, and the values weighted with them."""
    slots, seen = part
    weights = _products(queries, take(key, slots), seen)
    highest = weights.amax(-1, keepdim=True).clamp_(min=torch.finfo(weights.dtype).min)
    weights.sub_(highest).exp_()
    return highest, weights.sum(-1, keepdim=True), _weighted(weights, take(value, slots), queries.dtype)


def _products(queries: Tensor, keys: Tensor, seen: Tensor | None) -> Tensor:
    """Grouped queries with keys ``[groups, rows or 1, keys, size]``: ``[groups, rows, members, width, keys]``."""
    flat = keys.flatten(0, 1)
    products = torch.bmm(queries.view(len(flat), -1, queries.shape[-1]), flat.transpose(1, 2))
    products = products.view(*queries.shape[:-1], -1).to(torch.promote_types(queries.dtype, torch.float32))
    return products if seen is None else products.masked_fill_(~seen[:, None], -torch.inf)


def _weighted(weights: Tensor, values: Tensor, dtype: torch.dtype) -> Tensor:
    """Sums of values ``[groups, rows or 1, keys, size]``, grouped like their weights."""
    flat = values.flatten(0, 1)
    return torch.bmm(weights.to(dtype).view(len(flat), -1, weights.shape[-1]), flat).view(*weights.shape[:-1], -1)


def _transposed_product(weights: Tensor, states: Tensor, slots: Tensor) -> Tensor:
    """What arrives at keys, ``[groups, rows or 1, keys, size]``, of grouped states through weights."""
    count = len(weights) * len(slots)
    flat = weights.view(count, -1, weights.shape[-1])
    return torch.bmm(flat.transpose(1, 2), states.view(count, -1, states.shape[-1])).view(
        len(weights), *slots.shape, -1
    )


def _add(total: Tensor, slots: Tensor, states: Tensor) -> None:
    """Add ``[heads, rows, width, size]`` to the slots ``[rows, width]`` of ``[heads, slots, size]``."""
    total.index_add_(1, slots.flatten(), states.flatten(1, 2))
