"""Attention over a token tree, as a function that Transformers' models call in the place of their own.

The models pass what they were called with on to their attention, so the layout of the tree reaches it as a keyword
argument of the model's forward, and no model is changed. A model that is called without one computes as usual.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tunelift.engine.blocks import TreeAttention, grouped, take, ungrouped
from tunelift.engine.flex import FlexLayout, attend_flex
from tunelift.engine.layout import Block, Layout

NAME = "tunelift_tree"


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout | FlexLayout | None = None,
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
    if layout is None and softcap is not None:
        return _attend_alone(query, key, value, attention_mask, scaling, softcap, dropout), None
    if layout is None:
        options |= {"sliding_window": sliding_window, "softcap": softcap}
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **options)
    _check_window(module, layout, sliding_window)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Under autocast rotary positions leave queries and keys in another precision than values.
    query, key = query.to(value.dtype), key.to(value.dtype)
    if isinstance(layout, FlexLayout):
        if dropout:
            raise ValueError("this layout knows no dropout of attention weights")
        result = attend_flex(query, key, value, layout.masks[sliding_window or None], scale, softcap)
        return result.transpose(1, 2), None
    if not dropout and softcap is None:
        apply: Callable[..., Tensor] = TreeAttention.apply
        return apply(layout, query[0], key[0], value[0], scale, sliding_window)[None], None
    results = []
    for block in layout.blocks:
        arguments = (block, query[0], key[0], value[0], scale, dropout, sliding_window, softcap)
        results.append(checkpoint(_attend_rarely, *arguments, use_reentrant=False).flatten(0, 1))
    return torch.cat(results).index_select(0, layout.places)[None], None


def _check_window(module: torch.nn.Module, layout: Layout | FlexLayout, window: int | None) -> None:
    """Refuse a layer that does not tell its window, or tells one that the layout was not made for."""
    config: Any = module.config
    kinds = getattr(config, "layer_types", None)
    slides = kinds[module.layer_idx] == "sliding_attention" if kinds else bool(getattr(config, "sliding_window", None))
    if slides != bool(window) or (window and window not in layout.windows):
        raise ValueError(f"layer {module.layer_idx} tells a window of {window}, which its configuration does not")


def _attend_alone(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    softcap: float,
    dropout: float,
) -> Tensor:
    """Attention with bounded products without a layout, which the library's kernel does not know."""
    members = query.shape[1] // key.shape[1]
    keys, values = (states.repeat_interleave(members, 1) for states in (key, value))
    products = query @ keys.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    products = products.to(torch.promote_types(products.dtype, torch.float32))
    bounded = torch.tanh(products / softcap) * softcap
    if mask is None and query.shape[2] > 1:
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()
    if mask is not None and mask.dtype == torch.bool:
        # Not minus infinity, which would leave no number for a query that sees nothing, such as padding.
        bounded = bounded.masked_fill(~mask, torch.finfo(bounded.dtype).min)
    elif mask is not None:
        bounded = bounded + mask
    weights = torch.nn.functional.dropout(bounded.softmax(-1).to(value.dtype), dropout)
    return (weights @ values).transpose(1, 2)


def _attend_rarely(
    block: Block,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """Attention of one block with what few models have: dropout of the weights, or a bound of the products."""
    queries = grouped(take(query, block.queries), len(key)) * scale
    shape = queries.shape
    own_keys, own_values = (take(states, block.own).flatten(0, 1) for states in (key, value))
    own = torch.bmm(queries.flatten(0, 1).flatten(1, 2), own_keys.transpose(1, 2)).view(*shape[:-1], -1)
    above = torch.bmm(queries.flatten(1, 3), key[:, block.above].transpose(1, 2)).view(*shape[:-1], -1)
    above_mask = block.above_mask.get(window) if window else None
    mask = block.own_mask.get(window, block.own_mask[None])
    products = torch.cat([_bounded(above, above_mask, softcap), _bounded(own, mask, softcap)], dim=-1)
    weights = torch.nn.functional.dropout(products.softmax(-1), dropout)
    weights_above, weights_own = weights[..., : above.shape[-1]], weights[..., above.shape[-1] :]
    result = torch.bmm(weights_own.flatten(0, 1).flatten(1, 2), own_values).view(shape)
    return ungrouped(result + torch.bmm(weights_above.flatten(1, 3), value[:, block.above]).view(shape))


def _bounded(products: Tensor, mask: Tensor | None, softcap: float | None) -> Tensor:
    if softcap is not None:
        products = torch.tanh(products / softcap) * softcap
    return products if mask is None else products + mask[:, None].to(products.dtype)


AttentionInterface.register(NAME, tree_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
