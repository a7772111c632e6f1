"""The plain way, for models whose attention cannot take trees: sequences side by side, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.encoder_decoder import completion_logits, is_encoder_decoder
from tunelift.engine.padding import pad
from tunelift.engine.projection import widened
from tunelift.engine.tree import Indices


def plain_logits(model: Any, sequences: Sequence[Sequence[int]], keep: Sequence[Indices]) -> Tensor:
    """Run a model over sequences.

    Args:
        model: A decoder with a language-model head, or an encoder-decoder.
        sequences: Token ids.
        keep: For every sequence the indices whose logits are wanted, in ascending order. Up to the first of them stands
            what the encoder of an encoder-decoder reads.

    Returns:
        ``[wanted tokens, vocabulary]``, sequence by sequence, in float32 at least.
    """
    if is_encoder_decoder(model):
        return completion_logits(model, sequences, keep)
    device = next(model.parameters()).device
    token_ids, mask = pad(sequences)
    wanted = torch.zeros_like(mask, dtype=torch.bool)
    for row, indices in enumerate(keep):
        wanted[row, torch.from_numpy(np.asarray(indices, dtype=np.int64))] = True
    logits = model(
        input_ids=token_ids.to(device),
        attention_mask=mask.to(device),
        use_cache=False,
        logits_to_keep=wanted.to(device),
    ).logits
    if logits.dim() == 3:  # a model that projects every position, whatever is wanted
        logits = logits[wanted.to(device)]
    return widened(logits)
