"""Which models can be run over trees: found out by trying, never assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.attention import NAME
from tunelift.engine.forward import NOTHING, Stem, forward_tree, read_stem
from tunelift.engine.modes import evaluation_mode, in_float32
from tunelift.engine.plain import plain_logits
from tunelift.engine.projection import project
from tunelift.engine.refusal import RefusedError, failing_as
from tunelift.engine.tree import build_tree

PLAIN = "sdpa"
# Relative to the norm of the plain logits. In float32 the two ways differ by rounding alone, about a millionth.
TOLERANCE = 1e-4


def enable_trees(model: Any) -> None:
    """Give a model the attention that takes trees, if it computes the same with it.

    Args:
        model: A decoder with a language-model head. It is left as it was where it cannot take trees.

    Raises:
        RefusedError: It cannot.
    """
    refuse_other_kinds(model)
    compare_with_plain(model, _probe(model.config.get_text_config().vocab_size))


def refuse_other_kinds(model: Any) -> None:
    """Refuse a decoder whose layers or whose attention are of a kind that takes no trees.

    Raises:
        RefusedError: They are.
    """
    other = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    other -= {"full_attention", "sliding_attention"}
    if other:
        raise RefusedError(f"it has layers of the kind {sorted(other)[0]}")
    if model.config._attn_implementation != plain_attention(model):
        raise RefusedError(f"its attention is {model.config._attn_implementation}")


def plain_attention(model: Any) -> str:
    """The library's attention that a model is compared with, and falls back on."""
    bounded = getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
    return "eager" if bounded else PLAIN


def _probe(vocabulary: int) -> list[list[int]]:
    """Sequences that branch twice, of tokens that every vocabulary has."""
    draw = np.random.default_rng(0)
    size = min(vocabulary, 1000)

    def tokens(count: int) -> list[int]:
        return [int(token) for token in draw.integers(3, size, count)]

    instruction = tokens(24)
    questions = [instruction + tokens(20) for _ in range(3)]
    return [*(question + tokens(length) for question in questions for length in (1, 3, 2)), tokens(5)]


def compare_with_plain(model: Any, sequences: Sequence[Sequence[int]]) -> None:
    """Compare the logits of sequences as a tree with those of the plain way, in float32.

    Args:
        model: A decoder with a language-model head. Afterwards it takes trees, unless this raises an error.
        sequences: Token ids.

    Raises:
        RefusedError: They differ, or cannot be computed; the model computes the plain way from now on.
    """

    def plain() -> Tensor:
        logits = plain_logits(model, sequences, [np.array([len(sequence) - 1]) for sequence in sequences])
        return torch.cat([logits, logits[:1]])

    take_layout(model, plain, lambda: _tree_logits(model, sequences), "over a tree its logits")


def predicts_ahead(model: Any) -> bool:
    """Whether the logits of a language model depend on the tokens that they are to predict.

    Raises:
        RefusedError: They cannot be computed.
    """

    def logits(sequences: list[list[int]]) -> Tensor:
        return plain_logits(model, sequences, [np.arange(len(sequence)) for sequence in sequences])

    with failing_as(RefusedError):
        return looks_ahead(model, logits)


def looks_ahead(model: Any, compute: Callable[[list[list[int]]], Tensor]) -> bool:
    """Whether what a model computes at a token depends on the tokens behind it, as in an encoder.

    Args:
        model: A model of Transformers.
        compute: Gives ``[tokens, width]`` for sequences, one behind the other.
    """
    draw = np.random.default_rng(0)
    size = min(model.config.get_text_config().vocab_size, 1000)
    tokens = [int(token) for token in draw.integers(5, size, 7)]
    changed = [*tokens[:-1], 5 + (tokens[-1] - 4) % (size - 5)]
    with torch.no_grad(), evaluation_mode(model), in_float32(model):
        computed = compute([tokens, changed])
    before, after = computed[: len(tokens) - 1], computed[len(tokens) : -1]
    return bool((after - before).norm() > TOLERANCE * before.norm())


def take_layout(model: Any, plain: Callable[[], Tensor], ours: Callable[[], Tensor], what: str) -> None:
    """Give a model the attention that takes layouts, if it computes the same with it, in float32.

    Args:
        model: A model of Transformers. Afterwards it takes layouts, unless this raises an error.
        plain: Computes with the library's attention.
        ours: Computes the same with ours.
        what: What it computes, for the message.

    Raises:
        RefusedError: They differ, or cannot be computed; the model computes the plain way from now on.
    """
    accepted = False
    try:
        with failing_as(RefusedError), torch.no_grad(), evaluation_mode(model), in_float32(model):
            model.set_attn_implementation(plain_attention(model))
            expected = plain()
            model.set_attn_implementation(NAME)
            difference = ((ours() - expected).norm() / expected.norm()).item()
        if not difference <= TOLERANCE:
            raise RefusedError(f"{what} differ by {difference:.1e} from those of single sequences")
        accepted = True
    finally:
        if not accepted:
            model.set_attn_implementation(plain_attention(model))


def _tree_logits(model: Any, sequences: Sequence[Sequence[int]]) -> Tensor:
    """Logits behind each sequence of a tree, and once more behind the first, whose first half is a stem."""
    tree = build_tree(sequences)
    ends = torch.tensor([tree.path(number)[-1] for number in range(len(sequences))])
    hidden = forward_tree(model, tree)
    hidden = hidden[ends.to(hidden.device)]
    if half := len(sequences[0]) // 2:
        states = read_stem(model, np.array(sequences[0][:half], dtype=np.int64), NOTHING)
        stem = Stem(half, tuple(zip(states[::2], states[1::2], strict=True)))
        behind = forward_tree(model, build_tree([sequences[0][half:]]), stem)
    else:
        behind = hidden[:1]
    return project(model, torch.cat([hidden, behind[-1:]]))
