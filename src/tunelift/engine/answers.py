"""Answers to prompts: log-probability of given choices, and greedy generation, from one prefill."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tunelift.engine.batches import plan_batches
from tunelift.engine.forward import Forward, forward, shared_prefix_length

TOKEN_BUDGET = 2048


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
    prefix_length = shared_prefix_length(model, prompts, limit=min(map(len, prompts), default=1) - 1)
    for batch in plan_batches([_cost(len(prompt) - prefix_length, len(prompt)) for prompt in prompts], TOKEN_BUDGET):
        started = time.perf_counter()
        sequences = [prompts[index] for index in batch]
        state = forward(model, sequences, prefix_length, [[len(sequence) - 1] for sequence in sequences])
        prefilled = time.perf_counter()
        scores = score_choices(model, state, [choices[index] for index in batch])
        scored = time.perf_counter()
        for index, generated, logprobs in zip(batch, generate(model, state, stopping), scores, strict=True):
            generated.logprobs = logprobs
            answers[index] = generated
        generation_seconds += time.perf_counter() - scored + prefilled - started
        on_progress(len(batch))
    model.train(was_training)
    return Answers(answers, generation_seconds)


def _cost(computed: int, cached: int) -> int:
    """What a row takes from the token budget: its tokens to compute, or an eighth of those to keep in the cache."""
    return max(computed, cached // 8)


def score_choices(model: Any, state: Forward, choices: Sequence[Sequence[Sequence[int]]]) -> list[tuple[float, ...]]:
    """Log-probability of each choice behind each prompt of a batch.

    Args:
        model: The model that computed `state`.
        state: The prefilled prompts, with logits at their last tokens. It is left as it was.
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
    for batch in plan_batches(
        [_cost(len(choice), state.attention_mask.shape[1]) for _, _, choice in longer], TOKEN_BUDGET
    ):
        rows = [longer[index] for index in batch]
        for (row, column, _), score in zip(rows, _score_continuations(model, state, rows), strict=True):
            scores[row][column] += score
    return [tuple(row) for row in scores]


def _score_continuations(model: Any, state: Forward, rows: list[tuple[int, int, Sequence[int]]]) -> list[float]:
    """Log-probability of the second and later tokens of some choices. Padding stands on the right here."""
    device = state.logits.device
    width = max(len(choice) for _, _, choice in rows) - 1
    source = torch.tensor([row for row, _, _ in rows], device=device)
    token_ids = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.zeros(len(rows), width, dtype=torch.long)
    valid = torch.zeros(len(rows), width, dtype=torch.long)
    for index, (_, _, choice) in enumerate(rows):
        token_ids[index, : len(choice) - 1] = torch.tensor(choice[:-1])
        targets[index, : len(choice) - 1] = torch.tensor(choice[1:])
        valid[index, : len(choice) - 1] = 1
    cache = copy.deepcopy(state.cache)
    cache.batch_select_indices(source)
    logits = model(
        input_ids=token_ids.to(device),
        attention_mask=torch.cat([state.attention_mask[source], valid.to(device)], dim=1),
        position_ids=state.next_positions[source, None] + torch.arange(width, device=device),
        past_key_values=cache,
        use_cache=True,
    ).logits
    logprobs = logits.float().log_softmax(-1).gather(-1, targets.to(device)[..., None])[..., 0]
    return (logprobs * valid.to(device)).sum(-1).tolist()


def generate(model: Any, state: Forward, stopping: Stopping) -> list[Answer]:
    """Greedy decoding of a batch of prefilled prompts; finished rows leave the batch.

    Args:
        model: The model that computed `state`.
        state: The prefilled prompts, with logits at their last tokens. Its cache is used up.
        stopping: When an answer ends.
    """
    answers = [Answer() for _ in range(len(state.logits))]
    active = list(range(len(answers)))
    logits, mask, positions = state.logits, state.attention_mask, state.next_positions
    for step in range(stopping.max_new_tokens):
        next_ids = logits.argmax(-1)
        going = [
            row for row, token in enumerate(next_ids.tolist()) if not _append(answers[active[row]], token, stopping)
        ]
        if not going or step + 1 == stopping.max_new_tokens:
            break
        kept = torch.tensor(going, device=logits.device)
        if len(going) < len(active):
            state.cache.batch_select_indices(kept)
        active = [active[row] for row in going]
        mask = torch.cat([mask[kept], mask.new_ones(len(going), 1)], dim=1)
        positions = positions[kept]
        logits = model(
            input_ids=next_ids[kept, None],
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=state.cache,
            use_cache=True,
        ).logits[:, -1]
        positions = positions + 1
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
