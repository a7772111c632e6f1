"""One condition on the items of a task: every item with its raw output, parsed answer and scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from tunelift.core.progress import progress
from tunelift.core.records import Example, Prompt, Sample
from tunelift.data.tasks import Task
from tunelift.evaluation.baselines import Predictor
from tunelift.evaluation.parsing import normalise, parse_answer
from tunelift.prompts.build import PromptStyle, completion_ids

if TYPE_CHECKING:
    from tunelift.models.load import LanguageModel


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answers of one condition.

    Attributes:
        task: Name of the task.
        condition: Name of the condition.
        model: What answered.
        samples: One for every item, in the order of the items.
        seconds: Time to generate (or predict) all answers; scoring choices and loading are not part of it.
    """

    task: str
    condition: str
    model: str
    samples: list[Sample]
    seconds: float

    def mean(self, metric: str) -> float:
        """Mean of a per-item metric, for example "acc"."""
        return fmean(sample.metrics[metric] for sample in self.samples)

    def __str__(self) -> str:
        names = list(self.samples[0].metrics) if self.samples else []
        scores = ", ".join(f"{name} {100 * self.mean(name):.1f}" for name in names)
        unparsed = sum(sample.answer is None for sample in self.samples)
        return f"{self.task} · {self.condition}: {len(self.samples)} items, {scores}, {unparsed} answers not parsed"


def evaluate_model(
    loaded: LanguageModel, style: PromptStyle, examples: Sequence[Example], prompts: Sequence[Prompt], condition: str
) -> Evaluation:
    """Let a language model answer prompts, and score the choices of the task by log-probability.

    Args:
        loaded: The model.
        style: How the prompts were rendered.
        examples: The items.
        prompts: Their prompts, in the same order.
        condition: Its name.
    """
    from tunelift.engine.answers import Stopping, answer_prompts

    generation = style.task.generation_kwargs
    stopping = Stopping(
        token_ids=loaded.stop_token_ids,
        strings=_stop_strings(style),
        max_new_tokens=generation.max_gen_toks,
        decode=lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True),
    )
    encoded = {choice: completion_ids(style, choice) for example in examples for choice in example.choices or ()}
    choices = [[encoded[choice] for choice in example.choices or ()] for example in examples]
    with progress(len(prompts), condition, "answer") as bar:
        result = answer_prompts(loaded.model, [prompt.token_ids for prompt in prompts], choices, stopping, bar.update)
    samples = []
    for index, (example, prompt, answer) in enumerate(zip(examples, prompts, result.answers, strict=True)):
        preferred = max(range(len(answer.logprobs)), key=lambda i: answer.logprobs[i]) if example.choices else None
        parsed = parse_answer(answer.text, example.choices)
        choice = example.choices[preferred] if example.choices and preferred is not None else None
        samples.append(
            Sample(
                example_id=example.id,
                doc_id=index,
                doc=example.fields,
                target=example.target,
                condition=condition,
                output=answer.text,
                answer=parsed,
                finish_reason=answer.finish_reason,
                prompt=prompt.text,
                choices=example.choices,
                logprobs=answer.logprobs or None,
                choice_answer=choice,
                tokens={"prompt": len(prompt.token_ids), "completion": len(answer.token_ids)},
                metrics=_metrics(example, parsed, choice),
                group=example.group,
                template=prompt.template,
                demonstrations=prompt.demonstrations,
            )
        )
    return Evaluation(style.task.task, condition, loaded.name, samples, result.generation_seconds)


def evaluate_predictor(
    predict: Predictor, task: Task, examples: Sequence[Example], questions: Sequence[str], condition: str
) -> Evaluation:
    """Let a classical baseline answer the items.

    Args:
        predict: Questions to answers.
        task: The task.
        examples: The items.
        questions: Their rendered questions, in the same order.
        condition: Its name.
    """
    started = time.perf_counter()
    answers = predict(questions)
    seconds = time.perf_counter() - started
    samples = [
        Sample(
            example_id=example.id,
            doc_id=index,
            doc=example.fields,
            target=example.target,
            condition=condition,
            output=answer,
            answer=answer,
            finish_reason="prediction",
            prompt=question,
            choices=example.choices,
            metrics=_metrics(example, answer, None),
            group=example.group,
        )
        for index, (example, question, answer) in enumerate(zip(examples, questions, answers, strict=True))
    ]
    return Evaluation(task.task, condition, condition, samples, seconds)


def _metrics(example: Example, answer: str | None, choice: str | None) -> dict[str, float]:
    """A failed parse is a wrong answer; a free answer may differ from the reference in case and punctuation."""
    right = answer == example.target
    if not example.choices:
        right = answer is not None and normalise(answer) == normalise(example.target)
    metrics = {"acc": float(right)}
    if choice is not None:
        metrics["choice_acc"] = float(choice == example.target)
    return metrics


def _stop_strings(style: PromptStyle) -> tuple[str, ...]:
    """The task's own; for a plain prompt without any the delimiter of demonstrations, as the harness does."""
    until = style.task.generation_kwargs.until
    strings = (until,) if isinstance(until, str) else tuple(until)
    return strings or (() if style.chat else (style.task.fewshot_delimiter,))
