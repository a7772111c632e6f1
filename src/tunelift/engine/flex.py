"""Attention over a tree by FlexAttention, the kernel for GPUs: what a query sees is a function of two slots.

The segments of a tree stand in depth-first order, so all that continues a slot stands behind it, up to one *end*. A
query sees a key that does not stand behind it, and whose end does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from tunelift.engine.tree import Indices, TokenTree

Seen = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class FlexLayout:
    """The new tokens of a tree as the kernel takes them.

    Attributes:
        masks: What is seen, by the size of the sliding window, and for None without one.
    """

    masks: dict[int | None, BlockMask]

    @property
    def windows(self) -> frozenset[int]:
        """The sizes of the sliding windows that it was made for."""
        return frozenset(window for window in self.masks if window)


def lay_out_flex(
    tree: TokenTree, before: Indices, first_slot: int, windows: Sequence[int], device: torch.device
) -> FlexLayout:
    """Lay out a tree.

    Args:
        tree: The new tokens.
        before: The slots of what they continue.
        first_slot: The slot of the first new token.
        windows: The sizes of the sliding windows that layers of the model have.
        device: Where the model is.
    """
    new, slots = len(tree.token_ids), first_slot + len(tree.token_ids)
    masks = {
        window: create_block_mask(
            what_is_seen(tree, before, first_slot, window, device),
            None,
            None,
            new,
            slots,
            device=device,
            # Otherwise a mask of all queries and keys is made on the way.
            _compile=device.type == "cuda",
        )
        for window in [None, *windows]
    }
    return FlexLayout(masks)


def what_is_seen(tree: TokenTree, before: Indices, first_slot: int, window: int | None, device: torch.device) -> Seen:
    """A function of batch, head, index of the query among the new tokens, and slot of the key.

    Args:
        tree: As in `lay_out_flex`.
        before: As in `lay_out_flex`.
        first_slot: As in `lay_out_flex`.
        window: The size of the sliding window, or None.
        device: Where the indices are.
    """
    slots = first_slot + len(tree.token_ids)
    # A slot that is not continued here ends before it begins.
    ends, positions = np.zeros(slots, dtype=np.int64), np.zeros(slots, dtype=np.int64)
    ends[before], positions[before] = slots, np.arange(len(before))
    ends[first_slot:] = first_slot + _ends(tree)
    positions[first_slot:] = len(before) + tree.positions
    end, position = torch.from_numpy(ends).to(device), torch.from_numpy(positions).to(device)
    # Tensors, since a number would become a part of the compiled kernel.
    first, size = torch.tensor(first_slot, device=device), torch.tensor(window or 0, device=device)

    def on_path(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        slot = query + first
        return (key <= slot) & (slot < end[key])

    def in_window(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        near = position[query + first] - position[key] < size
        return on_path(batch, head, query, key) & near

    return in_window if window else on_path


def attend_flex(
    query: Tensor, key: Tensor, value: Tensor, mask: BlockMask, scale: float, softcap: float | None
) -> Tensor:
    """Attention of all new tokens; gradients on a GPU alone.

    Args:
        query: ``[1, heads, new tokens, size]``.
        key: ``[1, groups, slots, size]``.
        value: ``[1, groups, slots, size]``.
        mask: What is seen.
        scale: Factor on the products of queries and keys.
        softcap: Bound of the products, by a hyperbolic tangent.

    Returns:
        ``[1, heads, new tokens, size]``.
    """
    kernel: Any = _compiled() if query.device.type == "cuda" else flex_attention
    bounded = _bound(softcap) if softcap else None
    result: Tensor = kernel(query, key, value, score_mod=bounded, block_mask=mask, scale=scale, enable_gqa=True)
    return result


@cache
def _compiled() -> Any:
    return torch.compile(flex_attention, dynamic=True)


def _bound(softcap: float) -> Callable[..., Tensor]:
    def bounded(product: Tensor, _batch: Tensor, _head: Tensor, _query: Tensor, _key: Tensor) -> Tensor:
        return torch.tanh(product / softcap) * softcap

    return bounded


def _ends(tree: TokenTree) -> Indices:
    """For each slot of a tree the one behind the last that continues it."""
    ends = np.empty(len(tree.token_ids), dtype=np.int64)
    behind = [int(segment.path[-1]) + 1 for segment in tree.segments]
    for number in range(len(tree.segments) - 1, -1, -1):
        parent = tree.segments[number].parent
        if parent is not None:
            behind[parent] = max(behind[parent], behind[number])
        ends[tree.segments[number].own] = behind[number]
    return ends
