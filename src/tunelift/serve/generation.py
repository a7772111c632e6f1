"""Answers token by token, as text that can be shown while it grows.

A token is computed as in evaluation (`engine.answers`), so that a served greedy answer is the one that was
evaluated. `generate` of Transformers is not used because it cannot be kept from applying what a model's generation
configuration asks for, for example a list of suppressed tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tunelift.engine.state import read_prompts

if TYPE_CHECKING:
    from tunelift.models.load import LanguageModel

# What a decoder writes for bytes that are not (yet) a character.
UNFINISHED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Options:
    """How one answer is generated.

    Attributes:
        max_new_tokens: Largest number of tokens, the stop token included.
        stop: Texts that end the answer and are not part of it.
        temperature: 0 takes the most probable token; otherwise the logits are divided by it and a token is drawn.
        top_p: Draw only from the most probable tokens that together reach this probability.
        seed: Of the draws. Each answer has a generator of its own, so that answers do not disturb each other.
    """

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of an answer.

    Attributes:
        text: What has become certain since the last piece: whole characters, and nothing of a stop string.
        completion_tokens: Number of tokens generated so far, without the stop token.
        finish_reason: "stop" or "length" in the last piece, None before.
    """

    text: str
    completion_tokens: int
    finish_reason: str | None = None


def stream_tokens(
    loaded: LanguageModel, prompt_ids: Sequence[int], options: Options, cancelled: Event
) -> Iterator[Piece]:
    """Generate an answer piece by piece. The pieces together are the text that `engine.answers` would give.

    Args:
        loaded: The model.
        prompt_ids: Token ids of the prompt, at least one.
        options: How to generate.
        cancelled: Once set, the iterator ends before the next token, without a last piece.
    """
    if cancelled.is_set():
        return
    stop_token_ids = loaded.stop_token_ids
    token_ids: list[int] = []
    sent = 0
    for token in islice(_tokens(loaded.model, prompt_ids, _chooser(options)), options.max_new_tokens):
        if cancelled.is_set():
            return
        ended = token in stop_token_ids
        if not ended:
            token_ids.append(token)
        text = loaded.tokenizer.decode(token_ids, skip_special_tokens=True)
        found = [text.index(string) for string in options.stop if string in text]
        if ended or found or len(token_ids) == options.max_new_tokens:
            end = min(found, default=len(text))
            yield Piece(text[sent:end], len(token_ids), "stop" if ended or found else "length")
            return
        certain = certain_length(text, options.stop)
        if certain > sent:
            yield Piece(text[sent:certain], len(token_ids))
            sent = certain


def certain_length(text: str, stop: Sequence[str]) -> int:
    """How many characters of a growing text can be shown.

    Held back are the bytes of an unfinished character, and an end that could be the beginning of a stop string.

    Args:
        text: The text so far; it contains no stop string.
        stop: The stop strings.
    """
    whole = text.rstrip(UNFINISHED)
    beginnings = (string[:size] for string in stop for size in range(1, len(string)))
    return len(whole) - max((len(beginning) for beginning in beginnings if whole.endswith(beginning)), default=0)


@torch.inference_mode()
def _tokens(model: Any, prompt_ids: Sequence[int], choose: Callable[[Tensor], Tensor]) -> Iterator[int]:
    """The tokens behind a prompt, without end; each is computed when it is asked for."""
    state = read_prompts(model, [prompt_ids])
    logits = state.logits
    while True:
        token = int(choose(logits))
        yield token
        logits = state.step([0], [token])


def _chooser(options: Options) -> Callable[[Tensor], Tensor]:
    """The function from logits ``[1, vocabulary]`` to the next token ``[1]``."""
    if options.temperature == 0:
        return lambda logits: logits.argmax(-1)
    random = torch.Generator().manual_seed(options.seed)

    def draw(logits: Tensor) -> Tensor:
        # On the CPU, so that a seed draws the same on every device; in double precision, so that no temperature is
        # too small.
        scores = logits[0].double().cpu()
        probabilities, tokens = ((scores - scores.max()) / options.temperature).softmax(-1).sort(descending=True)
        chosen = torch.multinomial(nucleus(probabilities, options.top_p), 1, generator=random)
        return tokens[chosen].to(logits.device)

    return draw


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the most probable tokens that together reach a probability.

    Source: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration.

    Args:
        probabilities: ``[vocabulary]``, in descending order.
        top_p: In (0, 1].

    Returns:
        The same with zeros for what is not kept, not normalised. The most probable token is always kept.
    """
    before = probabilities.cumsum(0) - probabilities
    return probabilities.where(before < top_p, 0.0)
