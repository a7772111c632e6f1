"""Which models can be run over trees: found out by trying, never assumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from tunelift.engine.attention import NAME
from tunelift.engine.forward import forward_tree
from tunelift.engine.plain import plain_logits
from tunelift.engine.tree import build_tree

PLAIN = "sdpa"
# Relative to the norm of the plain logits. In float32 the two ways differ by rounding alone, about a millionth.
TOLERANCE = 1e-4


class TreesRefusedError(Exception):
    """The model cannot be run over trees; the message says why."""


def enable_trees(model: Any) -> None:
    """Give a model the attention that takes trees, if it computes the same with it.

    Args:
        model: A decoder with a language-model head. It is left as it was where it cannot take trees.

    Raises:
        TreesRefusedError: It cannot.
    """
    config = model.config.get_text_config()
    other = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if other:
        raise TreesRefusedError(f"it has layers of the kind {sorted(other)[0]}")
    before = model.config._attn_implementation
    if before != PLAIN:
        raise TreesRefusedError(f"its attention is {before}")
    try:
        compare_with_plain(model, _probe(config.vocab_size))
        model.set_attn_implementation(NAME)
    except (TreesRefusedError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError) as error:
        model.set_attn_implementation(before)
        raise TreesRefusedError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


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

    Raises:
        TreesRefusedError: They differ; the model computes the plain way from now on.
    """
    was_training = model.training
    model.eval()
    tree = build_tree(sequences)
    ends = np.array([tree.path(number)[-1] for number in range(len(sequences))])
    with torch.inference_mode(), in_float32(model):
        model.set_attn_implementation(PLAIN)
        plain = plain_logits(model, sequences, [np.array([len(sequence) - 1]) for sequence in sequences])
        model.set_attn_implementation(NAME)
        ours = forward_tree(model, tree, ends)
    model.train(was_training)
    difference = ((ours - plain).norm() / plain.norm()).item()
    if not difference <= TOLERANCE:
        model.set_attn_implementation(PLAIN)
        raise TreesRefusedError(f"over a tree its logits differ by {difference:.1e} from those of single sequences")


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Compute in float32 for a while; weights of fewer bits come back exactly as they were."""
    lower = [weight for weight in model.parameters() if weight.dtype in (torch.bfloat16, torch.float16)]
    kept = [weight.data for weight in lower]
    try:
        for weight in lower:
            weight.data = weight.data.float()
        yield
    finally:
        for weight, data in zip(lower, kept, strict=True):
            weight.data = data
