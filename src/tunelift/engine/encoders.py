"""Encoders (BERT kind): sequences one behind the other without padding, each of which attends to itself alone.

Nothing is shared, since what a token of an encoder sees stands on both of its sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.attention import NAME
from tunelift.engine.layout import lay_out_pack
from tunelift.engine.modes import evaluation_mode, in_float32
from tunelift.engine.plain import pad
from tunelift.engine.support import PLAIN, TOLERANCE, LayoutRefusedError


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder and how it takes sequences.

    Attributes:
        model: Token ids to hidden states.
        first_position: The position of a sequence's first token, where positions are given; None for a model that
            takes sequences side by side only.
    """

    model: Any
    first_position: int | None


def open_encoder(model: Any) -> Encoder:
    """Find out, in float32, whether an encoder computes the same over sequences without padding.

    Args:
        model: An encoder of Transformers, without a head.

    Raises:
        LayoutRefusedError: It does not, or cannot; use it with `Encoder(model, None)`.
    """
    before = model.config._attn_implementation
    if before != PLAIN:
        raise LayoutRefusedError(f"its attention is {before}")
    draw = np.random.default_rng(0)
    size = min(model.config.vocab_size, 1000)
    probe = [[int(token) for token in draw.integers(5, size, length)] for length in (7, 3, 12)]
    # Some kinds of models begin to count behind the index of the padding token.
    candidates = [Encoder(model, 0), Encoder(model, (model.config.pad_token_id or 0) + 1)]
    chosen, reason = None, ""
    try:
        with torch.no_grad(), evaluation_mode(model), in_float32(model):
            plain = torch.cat(encode(Encoder(model, None), probe))
            model.set_attn_implementation(NAME)
            for encoder in candidates:
                difference = ((torch.cat(encode(encoder, probe)) - plain).norm() / plain.norm()).item()
                if difference <= TOLERANCE:
                    chosen = encoder
                    return encoder
        reason = f"without padding its states differ by {difference:.1e} from those of single sequences"
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    finally:
        if chosen is None:
            model.set_attn_implementation(PLAIN)
    raise LayoutRefusedError(reason)


def encode(encoder: Encoder, sequences: Sequence[Sequence[int]]) -> list[Tensor]:
    """Hidden states of sequences; they carry gradients where those are enabled.

    Args:
        encoder: The encoder.
        sequences: Token ids, none of them empty.

    Returns:
        ``[tokens, width]`` for each sequence.
    """
    model = encoder.model
    device = next(model.parameters()).device
    lengths = [len(sequence) for sequence in sequences]
    if encoder.first_position is None:
        token_ids, mask = pad(sequences)
        states = model(input_ids=token_ids.to(device), attention_mask=mask.to(device)).last_hidden_state
        return [row[:length] for row, length in zip(states, lengths, strict=True)]
    positions = np.concatenate([encoder.first_position + np.arange(length) for length in lengths])
    states = model(
        input_ids=torch.tensor([token for sequence in sequences for token in sequence], device=device)[None],
        position_ids=torch.from_numpy(positions).to(device)[None],
        # Four dimensions: the library takes it for a mask that is ready, and makes none.
        attention_mask=torch.zeros(1, 1, 1, 1, device=device),
        layout=lay_out_pack(lengths, device),
    ).last_hidden_state[0]
    return list(torch.split(states, lengths))
