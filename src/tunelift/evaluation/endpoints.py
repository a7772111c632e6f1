"""A model behind an endpoint as a condition of a run: the same items, parsed from what it writes.

An endpoint gives texts and no log-probabilities, so its choices are those that it writes. How messages become tokens is
its own affair; a task that is rendered as plain text elsewhere is asked as a chat here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tunelift.core.errors import UserError
from tunelift.core.progress import progress
from tunelift.core.records import Example, Prompt, Sample
from tunelift.data.reader import transcript
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.evaluate import Evaluation, asked_sample, with_metrics
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.parsing.answers import parse_answer
from tunelift.models.endpoint import Endpoint, Generation, Reply, ask
from tunelift.prompts.build import PromptStyle, messages_of, stop_strings
from tunelift.prompts.chat import Message

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class NoTokenizer:
    """Stands where prompts have a tokenizer; calls of tools are written as text, since the template is not known."""

    chat_template: str = ""


def endpoint_messages(task: Task, example: Example, demonstrations: Sequence[Example]) -> list[Message]:
    """The conversation that asks an item.

    Args:
        task: The task.
        example: The item.
        demonstrations: What is shown before it.
    """
    messages = messages_of(PromptStyle(task, NoTokenizer()), example, demonstrations)
    # The API takes an answer of a tool only behind a call that it made itself.
    return [message if message["role"] in ROLES else {**message, "role": "user"} for message in messages]


def evaluate_endpoint(
    endpoint: Endpoint,
    task: Task,
    test: Sequence[Example],
    positions: Sequence[int],
    demonstrations: Sequence[Sequence[Example]],
    condition: str,
    allow_execution: bool = False,
) -> Evaluation:
    """Let a model behind an endpoint answer the items.

    Args:
        endpoint: Whom to ask.
        task: The task.
        test: The whole test split.
        positions: Which of its items are asked.
        demonstrations: What is shown before each, in the same order; see `choose_demonstrations`.
        condition: Its name.
        allow_execution: Whether programs that the model writes may be run.

    Returns:
        The answers; a sample's prompt is a transcript of its messages, its tokens are as the endpoint counts them.

    Raises:
        UserError: The task asks for log-probabilities, or the endpoint gives no answers; see `ask`.
    """
    if task.output_type == ROLLING:
        what = "an endpoint cannot tell the probability of a text"
        raise UserError(f"task {task.task}", what, f"leave {condition} out of the conditions")
    metrics = make_metrics(task, allow_execution)
    examples = [test[position] for position in positions]
    conversations = [
        endpoint_messages(task, example, shown) for example, shown in zip(examples, demonstrations, strict=True)
    ]
    asked = [
        asked_sample(task, position, example, _prompt(example, messages, shown), condition)
        for position, example, messages, shown in zip(positions, examples, conversations, demonstrations, strict=True)
    ]
    # A headline that needs log-probabilities is told before anything is paid for.
    with_metrics([replace(sample, answer=None) for sample in asked[:1]], metrics[:1])
    generation = Generation(task.generation_kwargs.max_gen_toks, stop_strings(task, chat=True))
    started = time.perf_counter()
    with progress(len(asked), condition, "answer") as bar:
        replies = ask(endpoint, conversations, generation, bar.update)
    seconds = time.perf_counter() - started
    samples = [_answered(*parts, task) for parts in zip(asked, examples, replies, strict=True)]
    return Evaluation(task.task, condition, endpoint.model, with_metrics(samples, metrics), len(test), seconds, metrics)


def _prompt(example: Example, messages: list[Message], demonstrations: Sequence[Example]) -> Prompt:
    shown = tuple(demonstration.id for demonstration in demonstrations)
    return Prompt(example.id, transcript(messages), (), (), demonstrations=shown)


def _answered(sample: Sample, example: Example, reply: Reply, task: Task) -> Sample:
    """A sample with what the endpoint said."""
    counts = {"prompt": reply.prompt_tokens, "completion": reply.completion_tokens}
    return replace(
        sample,
        output=reply.text,
        answer=parse_answer(reply.text, task, example),
        finish_reason=reply.finish_reason,
        tokens={name: count for name, count in counts.items() if count is not None},
    )
