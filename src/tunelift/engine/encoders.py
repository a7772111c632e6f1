"""Encoders (BERT kind): sequences one behind the other without padding, each of which attends to itself alone.

Nothing is shared, since what a token of an encoder sees stands on both of its sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.layout import lay_out_pack
from tunelift.engine.padding import pad
from tunelift.engine.refusal import RefusedError
from tunelift.engine.support import PLAIN, take_layout


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
        RefusedError: It does not, or cannot; use it with `Encoder(model, None)`.
    """
    before = model.config._attn_implementation
    if before != PLAIN:
        raise RefusedError(f"its attention is {before}")
    draw = np.random.default_rng(0)
    size = min(model.config.vocab_size, 1000)
    probe = [[int(token) for token in draw.integers(5, size, length)] for length in (7, 3, 12)]
    # Some kinds of models begin to count behind the index of the padding token.
    candidates = [Encoder(model, 0), Encoder(model, (model.config.pad_token_id or 0) + 1)]

    def states(encoder: Encoder) -> Tensor:
        return torch.cat(encode(encoder, probe))

    refused = RefusedError()
    for encoder in candidates:
        try:
            what = "without padding its states"
            take_layout(model, partial(states, Encoder(model, None)), partial(states, encoder), what)
            return encoder
        except RefusedError as error:
            refused = error
    raise refused


def encode(encoder: Encoder, sequences: Sequence[Sequence[int]], types: Sequence[Sequence[int]] = ()) -> list[Tensor]:
    """Hidden states of sequences; they carry gradients where those are enabled.

    Args:
        encoder: The encoder.
        sequences: Token ids, none of them empty.
        types: For each sequence the types of its tokens; none at all where all are 0.

    Returns:
        ``[tokens, width]`` for each sequence.
    """
    model = encoder.model
    device = next(model.parameters()).device
    lengths = [len(sequence) for sequence in sequences]
    if encoder.first_position is None:
        token_ids, mask = pad(sequences)
        options = {"token_type_ids": pad(types)[0].to(device)} if types else {}
        states = model(input_ids=token_ids.to(device), attention_mask=mask.to(device), **options).last_hidden_state
        return [row[:length] for row, length in zip(states, lengths, strict=True)]
    positions = np.concatenate([encoder.first_position + np.arange(length) for length in lengths])
    options = {"token_type_ids": torch.tensor([*chain(*types)], device=device)[None]} if types else {}
    states = model(
        input_ids=torch.tensor([*chain(*sequences)], device=device)[None],
        position_ids=torch.from_numpy(positions).to(device)[None],
        # Four dimensions: the library takes it for a mask that is ready, and makes none.
        attention_mask=torch.zeros(1, 1, 1, 1, device=device),
        layout=lay_out_pack(lengths, device),
        **options,
    ).last_hidden_state[0]
    return list(torch.split(states, lengths))
