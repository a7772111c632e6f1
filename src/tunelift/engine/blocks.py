"""Attention of blocks of rows: a softmax over each row's own keys and the keys above, computed in two parts.

Shapes: ``heads`` are the query heads, ``groups`` those of keys and values; each of these serves ``heads / groups``
query heads, here called its ``members``. Queries are *grouped* as ``[groups, rows, members, width, size]``, in which
those that share keys lie one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tunelift.engine.kernels import attend, attend_backward
from tunelift.engine.layout import Block, Layout


@dataclass(frozen=True, slots=True)
class _Part:
    """Keys that the rows of a block attend to.

    Attributes:
        slots: ``[rows or 1, keys]``.
        mask: ``[rows or 1, width, keys]``, as `kernels` has it.
        causal: A query sees the keys up to its own.
        shape: ``(rows, members, width)`` of grouped queries of which a row shares its keys.
    """

    slots: Tensor
    mask: Tensor | None
    causal: bool
    shape: tuple[int, int, int]

    def queries(self, states: Tensor) -> Tensor:
        """What was grouped, for `kernels`."""
        return states.reshape(len(states), *self.shape, *states.shape[4:])


class _Total:
    """The gradient of keys or values, in which slots that rows share add up in the precision of the sums.

    Slots are in front: the library adds rows of a matrix many times faster than slices of a tensor.
    """

    def __init__(self, states: Tensor, precision: torch.dtype) -> None:
        self.states = states
        self.total = states.new_zeros(states.shape[1], len(states) * states.shape[2], dtype=precision)

    def add(self, slots: Tensor, changes: Tensor) -> None:
        """Add ``[groups, rows, keys, size]`` to slots ``[rows, keys]``."""
        rows = changes.permute(1, 2, 0, 3).flatten(2).flatten(0, 1)
        self.total.index_add_(0, slots.flatten(), rows.to(self.total.dtype))

    def gradient(self) -> Tensor:
        """As the states are, ``[groups, slots, size]``."""
        groups, slots, _ = self.states.shape
        return self.total.to(self.states.dtype).view(slots, groups, -1).transpose(0, 1)


class TreeAttention(torch.autograd.Function):
    """New tokens that attend to the keys above their blocks and to their rows' own, ``[new tokens, heads, size]``.

    Call ``apply`` with the layout, queries ``[heads, new tokens, size]``, keys and values ``[groups, slots, size]``,
    the scale of the products, and the size of the sliding window or None.
    """

    @staticmethod
    def forward(
        ctx: Any, layout: Layout, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
    ) -> Tensor:
        """Attend."""
        results, sums = zip(
            *(_attend_block(block, query, key, value, scale, window) for block in layout.blocks), strict=True
        )
        rows = [ungrouped(result).to(query.dtype).flatten(0, 1) for result in results]
        output = torch.cat(rows).index_select(0, layout.places)
        ctx.save_for_backward(query, key, value, output, *sums)
        ctx.arguments = layout, scale, window
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of queries, keys and values."""
        query, key, value, output, *sums = ctx.saved_tensors
        layout, scale, window = ctx.arguments
        totals = _Total(key, sums[0].dtype), _Total(value, sums[0].dtype)
        upstreams, results = (_by_block(states, layout, len(key)) for states in (gradient.to(query.dtype), output))
        rows = []
        for block, upstream, result, all_sums in zip(layout.blocks, upstreams, results, sums, strict=True):
            queries = grouped(take(query, block.queries), len(key))
            change = torch.zeros_like(queries)
            for part in _parts(block, queries, window):
                changes = attend_backward(
                    part.queries(upstream),
                    part.queries(queries),
                    part.queries(result),
                    part.queries(all_sums),
                    take(key, part.slots),
                    take(value, part.slots),
                    part.mask,
                    part.causal,
                    scale,
                )
                change += changes[0].view(queries.shape)
                totals[0].add(part.slots, changes[1])
                totals[1].add(part.slots, changes[2])
            rows.append(ungrouped(change).flatten(0, 1))
        query_gradient = torch.cat(rows).index_select(0, layout.places).transpose(0, 1)
        return None, query_gradient, totals[0].gradient(), totals[1].gradient(), None, None


def _attend_block(
    block: Block, query: Tensor, key: Tensor, value: Tensor, scale: float, window: int | None
) -> tuple[Tensor, Tensor]:
    """The grouped result of one block, and the logarithms of the sums over all keys; see `kernels.attend`."""
    queries = grouped(take(query, block.queries), len(key))
    own, *above = _parts(block, queries, window)
    result, sums = _attend(queries, key, value, own, scale)
    for part in above:
        # A query sees at least itself among its own keys, so that their sum is finite.
        more, more_sums = _attend(queries, key, value, part, scale)
        all_sums = torch.logaddexp(sums, more_sums)
        result = result * (sums - all_sums).exp_()[..., None]
        result.addcmul_(more.to(result.dtype), more_sums.sub_(all_sums).exp_()[..., None])
        sums = all_sums
    return result, sums


def _by_block(states: Tensor, layout: Layout, groups: int) -> Iterator[Tensor]:
    """States of the new tokens, ``[new tokens, heads, size]``, grouped for each block, zero in the padding."""
    shapes = [block.queries.shape for block in layout.blocks]
    padded = states.new_zeros(sum(shape.numel() for shape in shapes), *states.shape[1:])
    padded.index_copy_(0, layout.places, states)
    for part, shape in zip(torch.split(padded, [shape.numel() for shape in shapes]), shapes, strict=True):
        yield grouped(part.view(*shape, *states.shape[1:]).permute(2, 0, 1, 3), groups)


def take(states: Tensor, slots: Tensor) -> Tensor:
    """States of slots ``[rows, width]`` out of ``[heads, slots, size]``, as ``[heads, rows, width, size]``."""
    return states.index_select(1, slots.flatten()).view(len(states), *slots.shape, -1)


def grouped(states: Tensor, groups: int) -> Tensor:
    """From ``[heads, rows, width, size]`` to ``[groups, rows, members, width, size]``, contiguous."""
    return states.reshape(groups, -1, *states.shape[1:]).transpose(1, 2).contiguous()


def ungrouped(states: Tensor) -> Tensor:
    """From ``[groups, rows, members, width, size]`` to ``[rows, width, heads, size]``."""
    return states.permute(1, 3, 0, 2, 4).flatten(2, 3)


def _parts(block: Block, queries: Tensor, window: int | None) -> list[_Part]:
    """A row's own keys, and the keys above if there are any."""
    _, rows, members, width, _ = queries.shape
    causal = block.causal and not (window and window in block.own_mask)
    own = _Part(block.own, block.own_mask.get(window, block.own_mask[None]), causal, (rows, members, width))
    if not len(block.above):
        return [own]
    mask = block.above_mask.get(window) if window else None
    if mask is not None:
        mask = mask[:, None].expand(-1, members, -1, -1).flatten(0, 2)[None]
    return [own, _Part(block.above[None], mask, False, (1, 1, rows * members * width))]


def _attend(queries: Tensor, key: Tensor, value: Tensor, part: _Part, scale: float) -> tuple[Tensor, Tensor]:
    keys, values = take(key, part.slots), take(value, part.slots)
    result, sums = attend(part.queries(queries), keys, values, part.mask, part.causal, scale)
    return result.view(queries.shape), sums.view(queries.shape[:-1])
