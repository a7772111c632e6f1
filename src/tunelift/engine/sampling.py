"""The next token: the most probable one, or a draw that depends on its seed and on nothing else in the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

# From logits ``[answers, vocabulary]``, and for each of them the number of the answer and of its next token.
Choose: TypeAlias = Callable[[Tensor, Sequence[tuple[int, int]]], list[int]]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: The logits are divided by it; 0 takes the most probable token.
        top_p: Draw only from the most probable tokens that together reach this probability.
        top_k: Draw only from so many most probable tokens; 0 for all.
        seed: Of the draws. Every token has a draw of its own, decided by the seed, the answer and the token's number,
            so that answers do not disturb each other.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0


def most_probable(logits: Tensor, places: Sequence[tuple[int, int]]) -> list[int]:
    """Greedy decoding."""
    tokens: list[int] = logits.argmax(-1).tolist()
    return tokens


def sampler(settings: Sampling) -> Choose:
    """A function that draws tokens."""
    if settings.temperature == 0:
        return most_probable

    def draw(logits: Tensor, places: Sequence[tuple[int, int]]) -> list[int]:
        uniform = [np.random.default_rng([settings.seed, *place]).random() for place in places]
        # In double precision, so that no temperature is too small.
        scores, tokens = logits.double().sort(dim=-1, descending=True, stable=True)
        probabilities = ((scores - scores[:, :1]) / settings.temperature).softmax(-1)
        if settings.top_k:
            probabilities[:, settings.top_k :] = 0
        cumulative = nucleus(probabilities, settings.top_p).cumsum(-1)
        drawn = torch.tensor(uniform, dtype=torch.float64, device=logits.device)[:, None] * cumulative[:, -1:]
        chosen: list[int] = tokens.gather(-1, torch.searchsorted(cumulative, drawn, right=True))[:, 0].tolist()
        return chosen

    return draw


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the most probable tokens that together reach a probability.

    Source: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration.

    Args:
        probabilities: ``[..., vocabulary]``, in descending order.
        top_p: In (0, 1].

    Returns:
        The same with zeros for what is not kept, not normalised. The most probable token is always kept.
    """
    before = probabilities.cumsum(-1) - probabilities
    return probabilities.where(before < top_p, 0.0)
