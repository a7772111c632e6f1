"""Answers token by token, as text that can be shown while it grows.

A token is computed as in evaluation (`engine.answers`), so that a served greedy answer is the one that was
evaluated. `generate` of Transformers is not used because it cannot be kept from applying what a model's generation
configuration asks for, for example a list of suppressed tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from threading import Event
from typing import TYPE_CHECKING, Any

import torch

from tunelift.engine.sampling import Choose, Sampling, sampler
from tunelift.engine.state import open_state

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
        seed: Of the draws.
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
    choose = sampler(Sampling(options.temperature, options.top_p, seed=options.seed))
    for token in islice(_tokens(loaded.model, prompt_ids, choose), options.max_new_tokens):
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
def _tokens(model: Any, prompt_ids: Sequence[int], choose: Choose) -> Iterator[int]:
    """The tokens behind a prompt, without end; each is computed when it is asked for."""
    state = open_state(model)
    logits = state.read([0], [prompt_ids])
    for place in count():
        tokens = choose(logits, [(0, place)])
        yield tokens[0]
        logits = state.step([0], tokens)
