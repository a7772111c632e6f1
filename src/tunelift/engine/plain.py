"""The plain way, for models whose attention cannot take trees: sequences side by side, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunelift.engine.tree import Indices


def plain_logits(model: Any, sequences: Sequence[Sequence[int]], keep: Sequence[Indices]) -> Tensor:
    """Run a model over sequences.

    Args:
        model: A decoder with a language-model head.
        sequences: Token ids.
        keep: For every sequence the indices whose logits are wanted.

    Returns:
        ``[wanted tokens, vocabulary]``, sequence by sequence.
    """
    device = next(model.parameters()).device
    width = max(map(len, sequences))
    token_ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        token_ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    logits = model(input_ids=token_ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
    rows = torch.repeat_interleave(torch.arange(len(keep)), torch.tensor([len(indices) for indices in keep]))
    columns = torch.cat([torch.from_numpy(indices) for indices in keep])
    return logits[rows.to(device), columns.to(device)]
