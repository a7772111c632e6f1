"""One forward pass over new tokens: of a tree, or of what several trees continue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.attention import NAME
from tunelift.engine.layout import Row, lay_out, rows_behind
from tunelift.engine.projection import causal_model
from tunelift.engine.slots import continued_cache
from tunelift.engine.tree import Indices, TokenTree


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
    rows = rows_behind(tree, np.arange(stem.length), stem.length)
    return forward_rows(model, rows, tree.token_ids, stem.length + tree.positions, stem.length, cache)


def read_stem(model: Any, token_ids: Indices, above: Stem) -> list[Tensor]:
    """Keys and values of tokens, those of one layer behind those of the other.

    Args:
        model: A decoder that takes trees.
        token_ids: ``[tokens]``.
        above: What they continue.
    """
    cache = continued_cache(above.states)
    length = above.length + len(token_ids)
    row = Row(np.arange(length), len(token_ids), above.length)
    forward_rows(model, [row], token_ids, np.arange(above.length, length), above.length, cache)
    return [states[..., above.length :, :] for layer in cache.layers for states in (layer.keys, layer.values)]


def forward_rows(
    model: Any, rows: Sequence[Row], token_ids: Indices, positions: Indices, first_slot: int, cache: Any
) -> Tensor:
    """Hidden states of new tokens, ``[new tokens, width]``, for `projection`.

    Args:
        model: A decoder with a language-model head that takes trees.
        rows: What they continue.
        token_ids: ``[new tokens]``.
        positions: ``[new tokens]``, each token's position in its sequence.
        first_slot: The slot of the first new token, which is the number of tokens in the cache.
        cache: Keys and values of all slots before; it takes up those of the new tokens. None where there are none.
    """
    device = next(model.parameters()).device
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    output = causal_model(model).get_decoder()(
        input_ids=torch.from_numpy(token_ids)[None].to(device),
        position_ids=torch.from_numpy(positions)[None].to(device),
        # Four dimensions: the library takes it for a mask that is ready, and makes none.
        attention_mask=torch.zeros(1, 1, 1, 1, device=device),
        past_key_values=cache,
        use_cache=cache is not None,
        layout=lay_out(rows, first_slot, [window] if window else [], device),
    )
    hidden: Tensor = output.last_hidden_state[0]
    return hidden
