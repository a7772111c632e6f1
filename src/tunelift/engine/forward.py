"""One forward pass over new tokens: of a tree, or of what several trees continue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.attention import NAME
from tunelift.engine.flex import FlexLayout, lay_out_flex
from tunelift.engine.layout import Layout, lay_out, rows_behind
from tunelift.engine.projection import causal_model
from tunelift.engine.slots import continued_cache
from tunelift.engine.tree import Indices, TokenTree, build_tree


def takes_trees(model: Any) -> bool:
    """Whether the attention of a model is ours, see `support.enable_trees`."""
    return bool(model.config._attn_implementation == NAME)


@dataclass(frozen=True, slots=True)
class Stem:
    """Tokens that have been computed before what continues them.

    Attributes:
        length: Number of tokens.
        states: Keys and values of each layer, ``[1, groups, length, size]``.
    """

    length: int = 0
    states: tuple[tuple[Tensor, Tensor], ...] = ()


NOTHING = Stem()


def forward_tree(model: Any, tree: TokenTree, stem: Stem = NOTHING) -> Tensor:
    """Hidden states of a whole tree, ``[slots, width]``.

    Args:
        model: A decoder with a language-model head that takes trees.
        tree: The tree.
        stem: What it continues.
    """
    cache = continued_cache(stem.states) if stem.length else None
    layout = tree_layout(model, tree, np.arange(stem.length), stem.length)
    return forward_layout(model, layout, tree.token_ids, stem.length + tree.positions, cache)


def read_stem(model: Any, token_ids: Indices, above: Stem) -> list[Tensor]:
    """Keys and values of tokens, those of one layer behind those of the other.

    Args:
        model: A decoder that takes trees.
        token_ids: ``[tokens]``.
        above: What they continue.
    """
    cache = continued_cache(above.states)
    tree = build_tree([token_ids.tolist()])
    layout = tree_layout(model, tree, np.arange(above.length), above.length)
    forward_layout(model, layout, token_ids, above.length + tree.positions, cache)
    return [states[..., above.length :, :] for layer in cache.layers for states in (layer.keys, layer.values)]


def tree_layout(model: Any, tree: TokenTree, before: Indices, first_slot: int) -> Layout | FlexLayout:
    """How the attention of a model takes a tree: by its kernel on a GPU, elsewhere in blocks.

    Args:
        model: A decoder that takes trees.
        tree: The tree.
        before: The slots of what it continues.
        first_slot: The slot of its first token.
    """
    config = model.config.get_text_config()
    dropout = getattr(config, "attention_dropout", 0) or getattr(config, "attn_pdrop", 0)
    if model.device.type == "cuda" and not (model.training and dropout):
        return lay_out_flex(tree, before, first_slot, windows(model), model.device)
    return lay_out(rows_behind(tree, before, first_slot), first_slot, windows(model), model.device)


def windows(model: Any) -> list[int]:
    """The sizes of the sliding windows that layers of a model have."""
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    return [window] if window else []


def forward_layout(
    model: Any, layout: Layout | FlexLayout, token_ids: Indices, positions: Indices, cache: Any
) -> Tensor:
    """Hidden states of new tokens, ``[new tokens, width]``, for `projection`.

    Args:
        model: A decoder with a language-model head that takes trees.
        layout: What they continue.
        token_ids: ``[new tokens]``.
        positions: ``[new tokens]``, each token's position in its sequence.
        cache: Keys and values of all slots before; it takes up those of the new tokens. None where there are none.
    """
    device = model.device
    output = causal_model(model).get_decoder()(
        input_ids=torch.from_numpy(token_ids)[None].to(device),
        position_ids=torch.from_numpy(positions)[None].to(device),
        # Four dimensions: the library takes it for a mask that is ready, and makes none.
        attention_mask=torch.zeros(1, 1, 1, 1, device=device),
        past_key_values=cache,
        use_cache=cache is not None,
        layout=layout,
    )
    hidden: Tensor = output.last_hidden_state[0]
    return hidden
