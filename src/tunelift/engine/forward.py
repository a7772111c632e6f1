"""One forward pass over new tokens of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunelift.engine.attention import NAME
from tunelift.engine.layout import Row, lay_out, tree_rows
from tunelift.engine.projection import causal_model
from tunelift.engine.tree import Indices, TokenTree


def takes_trees(model: Any) -> bool:
    """Whether the attention of a model is ours, see `support.enable_trees`."""
    return bool(model.config._attn_implementation == NAME)


def forward_tree(model: Any, tree: TokenTree) -> Tensor:
    """Hidden states of a whole tree, ``[slots, width]``.

    Args:
        model: A decoder with a language-model head that takes trees.
        tree: The tree.
    """
    return forward_rows(model, tree_rows(tree), tree.token_ids, tree.positions, 0, None)


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
