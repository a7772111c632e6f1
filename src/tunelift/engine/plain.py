"""The plain way, for models whose attention cannot take trees: sequences side by side, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.encoder_decoder import completion_logits, is_encoder_decoder
from tunelift.engine.tree import Indices


def plan_padded(sequences: Sequence[Sequence[int]], budget: int, most: int) -> list[list[int]]:
    """Group sequences of similar length, the longest first.

    Args:
        sequences: Token ids.
        budget: Largest number of tokens of a group, padding included. A longer sequence is a group of its own.
        most: Largest number of sequences of a group.

    Returns:
        Indices of the sequences; a function of the whole list and of nothing else.
    """
    plan: list[list[int]] = []
    for index in sorted(range(len(sequences)), key=lambda index: (-len(sequences[index]), index)):
        width = len(sequences[plan[-1][0]]) if plan else 0
        if not plan or len(plan[-1]) == most or width * (len(plan[-1]) + 1) > budget:
            plan.append([])
        plan[-1].append(index)
    return plan


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
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, ``[sequences, longest]``, padded behind the sequences."""
    width = max(map(len, sequences))
    token_ids = torch.zeros(len(sequences), width, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        token_ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return token_ids, mask
