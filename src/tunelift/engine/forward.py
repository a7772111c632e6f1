"""One forward pass over sequences with a common beginning, which is computed once.

The layout of a batch is ``[prefix | padding | rest]``: the prefix stands once and is attended to by every row, the
rests are padded on the left, so that all rows end in the same column. Positions continue behind the prefix as if the
padding were not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunelift.engine.batches import common_prefix_length


@dataclass(slots=True)
class Forward:
    """What a forward pass leaves behind.

    Attributes:
        logits: ``[kept positions, vocabulary]``, row by row.
        cache: Keys and values of all tokens.
        attention_mask: ``[rows, prefix + width]``, zero on padding.
        next_positions: ``[rows]``, the position of the token that would follow.
    """

    logits: Tensor
    cache: Any
    attention_mask: Tensor
    next_positions: Tensor


def shared_prefix_length(model: Any, sequences: Sequence[Sequence[int]], limit: int) -> int:
    """How many leading tokens of these sequences may be computed once.

    Args:
        model: The language model. Layers with a sliding window count cached tokens, padding included, so nothing is
            shared where a sequence could outgrow the window.
        sequences: Token ids.
        limit: No token at or behind this index is shared.
    """
    text_config = model.config.get_text_config()
    window = getattr(text_config, "sliding_window", None)
    if window and max(len(sequence) for sequence in sequences) > window:
        return 0
    return min(common_prefix_length(sequences), limit)


def forward(
    model: Any, sequences: Sequence[Sequence[int]], prefix_length: int, keep: Sequence[Sequence[int]]
) -> Forward:
    """Run the model over sequences that agree in their first tokens.

    Args:
        model: A decoder with a language-model head.
        sequences: Token ids, each longer than the prefix.
        prefix_length: Number of leading tokens that all have in common and that are computed once.
        keep: For every sequence the indices (at or behind the prefix) whose logits are wanted.

    Returns:
        Logits at the wanted positions, and what is needed to go on from the last token.
    """
    from transformers import DynamicCache

    device = next(model.parameters()).device
    rows, width = len(sequences), max(len(sequence) for sequence in sequences) - prefix_length
    token_ids = torch.zeros(rows, width, dtype=torch.long)
    mask = torch.ones(rows, prefix_length + width, dtype=torch.long)
    positions = torch.zeros(rows, width, dtype=torch.long)
    kept = torch.zeros(rows, width, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        padding = prefix_length + width - len(sequence)
        token_ids[row, padding:] = torch.tensor(sequence[prefix_length:])
        mask[row, prefix_length : prefix_length + padding] = 0
        positions[row, padding:] = torch.arange(prefix_length, len(sequence))
        kept[row, [index - prefix_length + padding for index in keep[row]]] = True
    cache = DynamicCache(config=model.config)
    if prefix_length:
        prefix = torch.tensor([list(sequences[0][:prefix_length])], device=device)
        # Without the output projection, whose logits nobody needs here.
        model.get_decoder()(input_ids=prefix, past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(rows)
    output = model(
        input_ids=token_ids.to(device),
        attention_mask=mask.to(device),
        position_ids=positions.to(device),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=kept.to(device),
    )
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=device)
    return Forward(output.logits.flatten(0, -2), output.past_key_values, mask.to(device), lengths)
