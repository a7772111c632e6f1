"""Hidden states of many sequences at once, in the fastest way that a model takes, which is found out by trying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers.masking_utils import create_bidirectional_mask, create_bidirectional_sliding_window_mask

from tunelift.core.errors import UserError
from tunelift.core.progress import say
from tunelift.engine.attention import NAME
from tunelift.engine.encoders import Encoder, encode, open_encoder
from tunelift.engine.forward import forward_tree
from tunelift.engine.modes import evaluation_mode, in_float32
from tunelift.engine.padding import pad, plan_padded
from tunelift.engine.plan import plan_trees
from tunelift.engine.refusal import RefusedError, failing_as
from tunelift.engine.support import TOLERANCE, looks_ahead, plain_attention, refuse_other_kinds, take_layout
from tunelift.engine.tree import Indices, build_tree

SLIDING, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True, slots=True)
class Way:
    """How a model takes several sequences.

    Attributes:
        kind: "packs" without padding, for encoders; "trees" that compute once what sequences begin with; "padded" side
            by side; or "masked", padded and with a mask that shows every token of a decoder all others.
        sees_all: Every token sees all others.
        first_position: Of a sequence in a pack.
    """

    kind: Literal["packs", "trees", "padded", "masked"]
    sees_all: bool
    first_position: int = 0


PADDED = Way("padded", sees_all=False)


def find_way(name: str, model: Any, bidirectional: bool) -> Way:
    """Find out how a model takes several sequences, and set its attention to it.

    Args:
        name: What to call the model in messages.
        model: A model of Transformers without a head.
        bidirectional: Every token of a decoder is to see all others.

    Raises:
        UserError: A decoder is to be bidirectional and takes no mask for it.
    """
    if model.config._attn_implementation == NAME:
        model.set_attn_implementation(plain_attention(model))
    if _looks_ahead(model, Way("padded", sees_all=True)):
        try:
            return Way("packs", sees_all=True, first_position=open_encoder(model).first_position or 0)
        except RefusedError as error:
            say(f"{name}: sequences are padded, since {error}")
            return Way("padded", sees_all=True)
    if bidirectional:
        _check_masks(name, model)
        return Way("masked", sees_all=True)
    try:
        _open_decoder(model)
        return Way("trees", sees_all=False)
    except RefusedError as error:
        say(f"{name}: shared prefixes are not used, since {error}")
        return PADDED


def plan_sequences(way: Way, sequences: Sequence[Sequence[int]], budget: int) -> list[list[int]]:
    """Which sequences to compute together.

    Args:
        way: How the model takes them.
        sequences: Token ids.
        budget: Largest number of tokens of a group. A longer sequence is a group of its own.

    Returns:
        Groups of their indices; a function of the whole list and of nothing else.
    """
    if way.kind == "trees":
        return plan_trees(sequences, budget)
    return plan_padded(sequences, budget, budget)


def hidden_states(
    model: Any, way: Way, sequences: Sequence[Sequence[int]], token_types: Sequence[Sequence[int]] = ()
) -> tuple[Tensor, list[Indices]]:
    """Hidden states of sequences; they carry gradients where those are enabled.

    Args:
        model: A model of Transformers without a head.
        way: How it takes several sequences.
        sequences: Token ids, none of them empty.
        token_types: For each sequence the types of its tokens, or nothing if all are 0; none at all for the same.

    Returns:
        ``[rows, width]``, and for each sequence the rows of its tokens, in order.
    """
    device = next(model.parameters()).device
    if way.kind == "trees":
        tree = build_tree(sequences)
        return forward_tree(model, tree), [tree.path(number) for number in range(len(sequences))]
    types: list[list[int]] = []
    if any(map(any, token_types)):
        types = [list(of) or [0] * len(tokens) for of, tokens in zip(token_types, sequences, strict=True)]
    if way.sees_all and way.kind != "masked":
        encoder = Encoder(model, way.first_position if way.kind == "packs" else None)
        borders = np.cumsum([0, *map(len, sequences)]).tolist()
        return torch.cat(encode(encoder, sequences, types)), [np.arange(*border) for border in pairwise(borders)]
    token_ids, valid = pad(sequences)
    valid = valid.to(device)
    mask = _open_masks(model, valid) if way.kind == "masked" else valid
    states = model(input_ids=token_ids.to(device), attention_mask=mask, use_cache=False).last_hidden_state
    width = token_ids.shape[1]
    rows = [row * width + np.arange(len(sequence)) for row, sequence in enumerate(sequences)]
    return states.flatten(0, 1), rows


def _open_masks(model: Any, valid: Tensor) -> Any:
    """Masks through which every token sees all of its sequence, or of its window; one for each kind of layers."""
    config = model.config.get_text_config()
    shape = torch.empty(*valid.shape, 0, dtype=model.dtype, device=valid.device)
    options = {"inputs_embeds": shape, "attention_mask": valid, "allow_is_bidirectional_skip": False}
    kinds = getattr(config, "layer_types", None)
    if kinds is None and getattr(config, "sliding_window", None):
        return create_bidirectional_sliding_window_mask(config, **options)
    full = create_bidirectional_mask(config, **options)
    if SLIDING not in (kinds or ()):
        return full
    return {FULL: full, SLIDING: create_bidirectional_sliding_window_mask(config, **options)}


def _probe(model: Any) -> list[list[int]]:
    """Sequences of several lengths, two of which begin with the same."""
    draw = np.random.default_rng(0)
    size = min(model.config.get_text_config().vocab_size, 1000)
    tokens = [[int(token) for token in draw.integers(5, size, length)] for length in (7, 3, 12)]
    return [*tokens, [*tokens[0][:-1], *tokens[1]]]


def _states(model: Any, way: Way, sequences: Sequence[Sequence[int]]) -> Tensor:
    states, rows = hidden_states(model, way, sequences)
    return states[torch.from_numpy(np.concatenate(rows)).to(states.device)]


def _looks_ahead(model: Any, way: Way) -> bool:
    return looks_ahead(model, lambda sequences: _states(model, way, sequences))


def _difference(states: Tensor, others: Tensor) -> float:
    """Relative to the norm of the others."""
    return float((states - others).norm() / others.norm())


def _check_masks(name: str, model: Any) -> None:
    way = Way("masked", sees_all=True)

    def refused(why: str) -> UserError:
        return UserError(name, f"cannot be made bidirectional: {why}", "leave bidirectional out, or take another model")

    with failing_as(refused), torch.no_grad(), evaluation_mode(model), in_float32(model):
        together = _states(model, way, _probe(model))
        alone = torch.cat([_states(model, way, [sequence]) for sequence in _probe(model)])
        sees_all = _looks_ahead(model, way)
    difference = _difference(together, alone)
    if not difference <= TOLERANCE:
        raise refused(f"its states differ by {difference:.1e} between one sequence and several")
    if not sees_all:
        raise refused("its tokens still see those before them only")


def _open_decoder(model: Any) -> None:
    """Give a decoder the attention that takes trees, if it computes the same states with it.

    Raises:
        RefusedError: It does not, and is left as it was.
    """
    refuse_other_kinds(model)
    trees = Way("trees", sees_all=False)
    take_layout(
        model,
        lambda: _states(model, PADDED, _probe(model)),
        lambda: _states(model, trees, _probe(model)),
        "over a tree its states",
    )
