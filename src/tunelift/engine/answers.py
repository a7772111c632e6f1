"""Answers to prompts: log-probability of given choices, and generation, from one reading of the prompts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.few_rows import fast_few_rows
from tunelift.engine.modes import evaluation_mode
from tunelift.engine.projection import rows_at_once
from tunelift.engine.sampling import Choose, most_probable
from tunelift.engine.state import State, open_state

# Tokens of choices that are scored together.
SCORED_TOGETHER = 4096


@dataclass(frozen=True, slots=True)
class Stopping:
    """When an answer ends.

    Attributes:
        token_ids: Stop tokens; they are not part of the answer.
        strings: Texts that end the answer and are not part of it.
        max_new_tokens: Largest number of tokens, the stop token included; 0 where choices are scored alone.
        decode: Token ids to text.
    """

    token_ids: frozenset[int]
    strings: tuple[str, ...]
    max_new_tokens: int
    decode: Callable[[list[int]], str]


@dataclass(slots=True)
class Answer:
    """What the model says to one prompt.

    Attributes:
        logprobs: Log-probability of each choice, in nats, summed over its tokens.
        token_ids: The generated tokens without the stop token.
        text: The generated text, up to a stop string.
        finish_reason: "stop" or "length".
    """

    logprobs: tuple[float, ...] = ()
    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = "length"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers in the order of the prompts.

    Attributes:
        answers: The answers.
        seconds: How long they took. Scoring choices counts only where nothing is generated: there it is the answer.
    """

    answers: list[Answer]
    seconds: float


@torch.inference_mode()
def answer_prompts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    stopping: Stopping,
    on_progress: Callable[[int], object],
    choose: Choose = most_probable,
) -> Answers:
    """Score the choices of every prompt and generate an answer to it.

    Prompts are read in groups; answers that have ended leave, and the next group enters as soon as there is room.

    Args:
        model: A decoder with a language-model head, or an encoder-decoder.
        prompts: Token ids of each prompt.
        choices: For each prompt the token ids of its choices; empty where it has none.
        stopping: When an answer ends.
        on_progress: Called with the number of prompts that have been answered since the last call.
        choose: Takes the next tokens; the most probable ones by default, see `sampling.sampler`.

    Raises:
        ValueError: A prompt or a choice has no token, or there are not as many lists of choices as prompts.
    """
    if not all(len(prompt) for prompt in prompts):
        raise ValueError("every prompt has at least one token")
    if len(choices) != len(prompts) or not all(len(choice) for given in choices for choice in given):
        raise ValueError("every prompt has a list of choices, and every choice at least one token")
    started, scoring_seconds = time.perf_counter(), 0.0
    state = open_state(model)
    waiting = deque(state.plan(prompts))
    answers = [Answer() for _ in prompts]
    active: list[int] = []
    logits = torch.empty(0)
    with evaluation_mode(model), fast_few_rows(model):
        while waiting or active:
            while waiting and state.has_room([prompts[index] for index in waiting[0]], stopping.max_new_tokens):
                batch = waiting.popleft()
                read = state.read(batch, [prompts[index] for index in batch])
                begun = _time_behind(read)
                for index, scores in zip(batch, score_choices(state, batch, read, choices), strict=True):
                    answers[index].logprobs = scores
                scoring_seconds += time.perf_counter() - begun
                logits = torch.cat([logits, read]) if active else read
                active += batch
                if not stopping.max_new_tokens:
                    break
            going = _append(answers, active, logits, stopping, choose)
            ended = [index for index in active if index not in going]
            state.drop(ended)
            on_progress(len(ended))
            active = list(going)
            if active:
                logits = state.step(active, list(going.values()))
    for answer in answers:
        answer.text = _cut(stopping.decode(answer.token_ids), stopping.strings)
    seconds = time.perf_counter() - started
    return Answers(answers, seconds - scoring_seconds if stopping.max_new_tokens else seconds)


def _time_behind(values: Tensor) -> float:
    """The time when values have been computed, which a GPU does later than it is told to."""
    if values.is_cuda:
        torch.cuda.synchronize(values.device)
    return time.perf_counter()


def score_choices(
    state: State, numbers: Sequence[int], logits: Tensor, choices: Sequence[Sequence[Sequence[int]]]
) -> list[tuple[float, ...]]:
    """Log-probability of each choice behind some prompts.

    Args:
        state: Where the prompts have been read. It is left as it was.
        numbers: Which prompts.
        logits: ``[prompts, vocabulary]``, behind each prompt.
        choices: For every prompt, by its number, the token ids of its choices.

    Returns:
        For each of the prompts the sum over the tokens of each choice, in nats.
    """
    asked = [(row, choice) for row, number in enumerate(numbers) for choice in choices[number]]
    if not asked:
        return [() for _ in numbers]
    rows = torch.tensor([row for row, _ in asked], device=logits.device)
    first_tokens = torch.tensor([choice[0] for _, choice in asked], device=logits.device)
    scores = (logits[rows, first_tokens] - logits.logsumexp(-1)[rows]).double().cpu().numpy()
    longer = [place for place, (_, choice) in enumerate(asked) if len(choice) > 1]
    parts: list[Tensor] = []
    budget = min(SCORED_TOGETHER, rows_at_once(state.model))
    for part in _parts([len(asked[place][1]) - 1 for place in longer], budget):
        members = [asked[place] for place in longer[part]]
        parts.append(state.score([numbers[row] for row, _ in members], [choice for _, choice in members]))
    if longer:
        later = torch.cat(parts).double().cpu().numpy()
        starts = np.cumsum([0, *(len(asked[place][1]) - 1 for place in longer)])[:-1]
        scores[longer] += np.add.reduceat(later, starts)
    ends = np.cumsum([len(choices[number]) for number in numbers])
    return [tuple(part.tolist()) for part in np.split(scores, ends[:-1])]


def _parts(sizes: Sequence[int], budget: int) -> list[slice]:
    """Consecutive items whose sizes sum up to the budget at most; a larger item is a part of its own."""
    borders, filled = [0], 0
    for index, size in enumerate(sizes):
        if filled + size > budget and index > borders[-1]:
            borders.append(index)
            filled = 0
        filled += size
    return [slice(first, last) for first, last in zip(borders, [*borders[1:], len(sizes)], strict=True) if last > first]


def _append(
    answers: list[Answer], active: Sequence[int], logits: Tensor, stopping: Stopping, choose: Choose
) -> dict[int, int]:
    """Give each active answer its next token; returns those that go on with the token they go on with."""
    if not stopping.max_new_tokens:
        return {}
    tokens = choose(logits, [(index, len(answers[index].token_ids)) for index in active])
    return {
        index: token for index, token in zip(active, tokens, strict=True) if not _ends(answers[index], token, stopping)
    }


def _ends(answer: Answer, token: int, stopping: Stopping) -> bool:
    """Add a token to an answer; True when the answer has ended."""
    if token in stopping.token_ids:
        answer.finish_reason = "stop"
        return True
    answer.token_ids.append(token)
    if stopping.strings:
        text = stopping.decode(answer.token_ids)
        if any(string in text for string in stopping.strings):
            answer.finish_reason = "stop"
            return True
    return len(answer.token_ids) == stopping.max_new_tokens


def _cut(text: str, strings: tuple[str, ...]) -> str:
    ends = [text.index(string) for string in strings if string in text]
    return text[: min(ends)] if ends else text
