"""Answers to prompts: log-probability of given choices, and greedy generation, from one reading of the prompts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch

from tunelift.engine.state import PlainState, TreeState, read_prompts
from tunelift.engine.tree import plan_trees

# Slots of the prompts that are answered together.
SLOT_BUDGET = 4096
# Logits that choices are scored from at once: a quarter of a gigabyte in float32.
LOGITS = 1 << 26


@dataclass(frozen=True, slots=True)
class Stopping:
    """When an answer ends.

    Attributes:
        token_ids: Stop tokens; they are not part of the answer.
        strings: Texts that end the answer and are not part of it.
        max_new_tokens: Largest number of tokens, the stop token included.
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
    """Answers in the order of the prompts, and how long generating them took."""

    answers: list[Answer]
    generation_seconds: float


@torch.inference_mode()
def answer_prompts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    stopping: Stopping,
    on_progress: Callable[[int], object],
) -> Answers:
    """Score the choices of every prompt and generate an answer to it.

    Args:
        model: A decoder with a language-model head.
        prompts: Token ids of each prompt.
        choices: For each prompt the token ids of its choices; empty where it has none.
        stopping: When an answer ends.
        on_progress: Called with the number of prompts that have been answered since the last call.
    """
    was_training = model.training
    model.eval()
    answers = [Answer() for _ in prompts]
    generation_seconds = 0.0
    for batch in plan_trees(prompts, SLOT_BUDGET):
        started = time.perf_counter()
        state = read_prompts(model, [prompts[index] for index in batch])
        read = time.perf_counter()
        scores = score_choices(state, [choices[index] for index in batch])
        scored = time.perf_counter()
        for index, generated, logprobs in zip(batch, generate(state, stopping), scores, strict=True):
            generated.logprobs = logprobs
            answers[index] = generated
        generation_seconds += time.perf_counter() - scored + read - started
        on_progress(len(batch))
    model.train(was_training)
    return Answers(answers, generation_seconds)


def score_choices(state: TreeState | PlainState, choices: Sequence[Sequence[Sequence[int]]]) -> list[tuple[float, ...]]:
    """Log-probability of each choice behind each prompt.

    Args:
        state: The prompts. It is left as it was.
        choices: For each prompt the token ids of its choices.

    Returns:
        For each prompt the sum over the tokens of each choice, in nats.
    """
    first = state.logits.float().log_softmax(-1)
    scores = [[first[row, choice[0]].item() for choice in row_choices] for row, row_choices in enumerate(choices)]
    longer = [
        (row, column, choice)
        for row, row_choices in enumerate(choices)
        for column, choice in enumerate(row_choices)
        if len(choice) > 1
    ]
    for part in _parts([len(choice) for _, _, choice in longer], LOGITS // state.logits.shape[-1]):
        rows = longer[part]
        logits = state.score([row for row, _, _ in rows], [choice[:-1] for _, _, choice in rows])
        targets = torch.tensor([token for _, _, choice in rows for token in choice[1:]], device=logits.device)
        logprobs = logits.float().log_softmax(-1).gather(-1, targets[:, None])[:, 0].cpu()
        ends = accumulate(len(choice) - 1 for _, _, choice in rows)
        for (row, column, choice), end in zip(rows, ends, strict=True):
            scores[row][column] += logprobs[end - len(choice) + 1 : end].sum().item()
    return [tuple(row) for row in scores]


def _parts(sizes: Sequence[int], budget: int) -> list[slice]:
    """Consecutive items whose sizes sum up to the budget at most; a larger item is a part of its own."""
    borders, filled = [0], 0
    for index, size in enumerate(sizes):
        if filled + size > budget and index > borders[-1]:
            borders.append(index)
            filled = 0
        filled += size
    return [slice(first, last) for first, last in zip(borders, [*borders[1:], len(sizes)], strict=True) if last > first]


def generate(state: TreeState | PlainState, stopping: Stopping) -> list[Answer]:
    """Greedy decoding behind prompts; finished ones are left out of the next step.

    Args:
        state: The prompts; it is used up.
        stopping: When an answer ends.
    """
    answers = [Answer() for _ in range(len(state.logits))]
    active = list(range(len(answers)))
    logits = state.logits
    for step in range(stopping.max_new_tokens):
        next_ids = logits.argmax(-1).tolist()
        going = [
            (row, token)
            for row, token in zip(active, next_ids, strict=True)
            if not _append(answers[row], token, stopping)
        ]
        if not going or step + 1 == stopping.max_new_tokens:
            break
        active = [row for row, _ in going]
        logits = state.step(active, [token for _, token in going])
    for answer in answers:
        answer.text = _cut(stopping.decode(answer.token_ids), stopping.strings)
    return answers


def _append(answer: Answer, token: int, stopping: Stopping) -> bool:
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
    return False


def _cut(text: str, strings: tuple[str, ...]) -> str:
    ends = [text.index(string) for string in strings if string in text]
    return text[: min(ends)] if ends else text
