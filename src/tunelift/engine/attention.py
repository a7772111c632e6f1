"""Attention over a token tree, as a function that Transformers' models call in the place of their own.

The models pass what they were called with on to their attention, so the layout of the tree reaches it as a keyword
argument of the model's forward, and no model is changed. A model that is called without one computes as usual.

Shapes: ``heads`` are the query heads, ``groups`` those of keys and values; each of these serves ``heads / groups``
query heads, here called its ``members``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tunelift.engine.layout import Block, Layout

NAME = "tunelift_tree"
# Blocks with more products of queries and keys than this are computed again in the backward pass, not kept.
KEPT_PRODUCTS = 1 << 22


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of the new tokens of a tree.

    Args:
        module: The attention module of the model.
        query: ``[1, heads, new tokens, size]``.
        key: ``[1, groups, slots, size]``.
        value: ``[1, groups, slots, size]``.
        attention_mask: Used without a layout only, which says what is seen.
        layout: The new tokens, or None for the library's own attention.
        scaling: Factor on the products of queries and keys; one over the square root of the size by default.
        dropout: Share of the attention weights that are dropped.
        sliding_window: A key so many tokens back, or further, is not seen.
        softcap: Bound of the products, by a hyperbolic tangent.
        **options: What else models pass.

    Returns:
        ``[1, new tokens, heads, size]``, and None for the attention weights.
    """
    if layout is None:
        options |= {"sliding_window": sliding_window, "softcap": softcap}
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **options)
    _check_window(module, layout, sliding_window)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    results = []
    for block in layout.blocks:
        arguments = (block, query[0], key[0], value[0], scale, dropout, sliding_window, softcap)
        products = block.queries.numel() * (len(block.above) + block.own.shape[1]) * query.shape[1]
        if block.causal and not len(block.above) and softcap is None and sliding_window not in block.own_seen:
            result = _attend_causally(block, query[0], key[0], value[0], scale, dropout)
        elif torch.is_grad_enabled() and products > KEPT_PRODUCTS:
            result = checkpoint(_attend, *arguments, use_reentrant=False)
        else:
            result = _attend(*arguments)
        results.append(result.flatten(0, 1))
    return torch.cat(results).index_select(0, layout.places)[None], None


def _check_window(module: torch.nn.Module, layout: Layout, window: int | None) -> None:
    """Refuse a layer that does not tell its window, or tells one that the layout was not made for."""
    config: Any = module.config
    kinds = getattr(config, "layer_types", None)
    slides = kinds[module.layer_idx] == "sliding_attention" if kinds else bool(getattr(config, "sliding_window", None))
    if slides != bool(window) or (window and window not in layout.windows):
        raise ValueError(f"layer {module.layer_idx} tells a window of {window}, which its configuration does not")


def _attend_causally(block: Block, query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
    """Rows that attend to themselves alone, ``[rows, width, heads, size]``."""
    rows, width = block.queries.shape

    def take(states: Tensor, slots: Tensor) -> Tensor:
        return states.index_select(1, slots.flatten()).view(-1, rows, width, states.shape[-1]).transpose(0, 1)

    members = query.shape[0] // key.shape[0]
    keys, values = take(key, block.own), take(value, block.own)
    if members > 1:
        keys, values = keys.repeat_interleave(members, 1), values.repeat_interleave(members, 1)
    result = torch.nn.functional.scaled_dot_product_attention(
        take(query, block.queries), keys, values, dropout_p=dropout, is_causal=True, scale=scale
    )
    return result.transpose(1, 2)


def _attend(
    block: Block,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """Rows that attend to the keys above and to their own, ``[rows, width, heads, size]``."""
    rows, width = block.queries.shape
    groups, _, size = key.shape
    members = query.shape[0] // groups
    shared, own = len(block.above), block.own.shape[1]

    def take(states: Tensor, slots: Tensor) -> Tensor:
        return states.index_select(1, slots.flatten())

    queries = take(query, block.queries).view(groups, members, rows, width, size).transpose(1, 2) * scale
    own_keys = take(key, block.own).view(groups * rows, own, size)
    own_values = take(value, block.own).view(groups * rows, own, size)
    products = torch.bmm(queries.reshape(groups * rows, members * width, size), own_keys.transpose(1, 2))
    seen = block.own_seen.get(window, block.own_seen[None])
    products = _masked(products.view(groups, rows, members, width, own), seen, softcap)
    if shared:
        above = torch.bmm(queries.reshape(groups, -1, size), take(key, block.above).transpose(1, 2))
        above_seen = block.above_seen.get(window) if window else None
        above = _masked(above.view(groups, rows, members, width, shared), above_seen, softcap)
        products = torch.cat([above, products], dim=-1)
    weights = torch.nn.functional.dropout(products.softmax(-1), dropout)
    result = torch.bmm(weights[..., shared:].reshape(groups * rows, members * width, own), own_values)
    if shared:
        weights_above = weights[..., :shared].reshape(groups, -1, shared)
        result = result.view(groups, -1, size) + torch.bmm(weights_above, take(value, block.above))
    return result.view(groups, rows, members, width, size).permute(1, 3, 0, 2, 4).reshape(rows, width, -1, size)


def _masked(products: Tensor, seen: Tensor | None, softcap: float | None) -> Tensor:
    if softcap is not None:
        products = torch.tanh(products / softcap) * softcap
    if seen is None:
        return products
    return products.masked_fill(~seen[:, None], -torch.inf)


AttentionInterface.register(NAME, tree_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
