"""One condition on the items of a task: every item with its raw output, parsed answer and scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from tunelift.core.errors import counted
from tunelift.core.progress import progress
from tunelift.core.records import CHOICE, Example, Prompt, Sample
from tunelift.core.texts import normalise_answer
from tunelift.data.tasks import Task
from tunelift.evaluation.baselines import Predictor
from tunelift.evaluation.parsing import parse_answer
from tunelift.prompts.build import PromptStyle, completion_ids, stop_strings
from tunelift.statistics.intervals import score_interval

if TYPE_CHECKING:
    from tunelift.models.load import LanguageModel


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answers of one condition.

    Attributes:
        task: Name of the task.
        condition: Name of the condition.
        model: What answered.
        samples: One for every item that was asked, in the order of asking.
        available: Number of items in the test split, asked or not.
        seconds: Time to generate (or predict) all answers; scoring choices and loading are not part of it.
    """

    task: str
    condition: str
    model: str
    samples: list[Sample]
    available: int
    seconds: float

    def mean(self, metric: str) -> float:
        """Mean of a per-item metric, for example "acc"."""
        return fmean(sample.metrics[metric] for sample in self.samples)

    def __str__(self) -> str:
        names = list(self.samples[0].metrics) if self.samples else []
        counts = [
            (sum(sample.answer is None for sample in self.samples), "not parsed"),
            (sum(sample.finish_reason == "length" for sample in self.samples), "cut off"),
        ]
        parts = [
            counted(len(self.samples), "item"),
            *(self._score_text(name) for name in names),
            *(f"{counted(count, 'answer')} {what}" for count, what in counts if count),
        ]
        return f"{self.task} · {self.condition}: {', '.join(parts)}"

    def _score_text(self, metric: str) -> str:
        values = [sample.metrics[metric] for sample in self.samples]
        groups = [sample.group for sample in self.samples if sample.group is not None]
        interval = score_interval(values, groups if len(groups) == len(values) else None)
        limits = f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})" if interval else ""
        return f"{metric} {100 * self.mean(metric):.1f}{limits}"


def evaluate_model(
    loaded: LanguageModel,
    style: PromptStyle,
    test: Sequence[Example],
    positions: Sequence[int],
    prompts: Sequence[Prompt],
    condition: str,
) -> Evaluation:
    """Let a language model answer prompts, and score the choices of the task by log-probability.

    Args:
        loaded: The model.
        style: How the prompts were rendered.
        test: The whole test split.
        positions: Which of its items are asked.
        prompts: Their prompts, in the same order.
        condition: Its name.
    """
    from tunelift.engine.answers import Stopping, answer_prompts

    examples = [test[position] for position in positions]
    generation = style.task.generation_kwargs
    stopping = Stopping(
        token_ids=loaded.stop_token_ids,
        strings=stop_strings(style.task, style.chat),
        max_new_tokens=generation.max_gen_toks,
        decode=lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True),
    )
    wordings = list(dict.fromkeys(choice for example in examples for choice in example.choices or ()))
    encoded = dict(zip(wordings, completion_ids(style, wordings), strict=True))
    choices = [[encoded[choice] for choice in example.choices or ()] for example in examples]
    with progress(len(prompts), condition, "answer") as bar:
        result = answer_prompts(loaded.model, [prompt.token_ids for prompt in prompts], choices, stopping, bar.update)
    samples = []
    for position, example, prompt, answer in zip(positions, examples, prompts, result.answers, strict=True):
        parsed = parse_answer(answer.text, example.choices)
        by_rule = preferred_choices(answer.logprobs, example.choices, encoded) if example.choices else {}
        samples.append(
            Sample(
                example_id=example.id,
                doc_id=position,
                doc=example.fields,
                target=example.target,
                condition=condition,
                output=answer.text,
                answer=parsed,
                finish_reason=answer.finish_reason,
                prompt=prompt.text,
                choices=example.choices,
                logprobs=answer.logprobs or None,
                choice_answer=by_rule.get(CHOICE),
                tokens={"prompt": len(prompt.token_ids), "completion": len(answer.token_ids)},
                metrics=_metrics(example, parsed, by_rule),
                group=example.group,
                template=prompt.template,
                demonstrations=prompt.demonstrations,
            )
        )
    return Evaluation(style.task.task, condition, loaded.name, samples, len(test), result.generation_seconds)


def evaluate_predictor(
    predict: Predictor,
    task: Task,
    test: Sequence[Example],
    positions: Sequence[int],
    questions: Sequence[str],
    condition: str,
) -> Evaluation:
    """Let a classical baseline answer the items; an answer that is none of an item's choices is no answer to it.

    Args:
        predict: Questions to answers.
        task: The task.
        test: The whole test split.
        positions: Which of its items are asked.
        questions: Their rendered questions, in the same order.
        condition: Its name.
    """
    started = time.perf_counter()
    outputs = predict(questions)
    seconds = time.perf_counter() - started
    samples = []
    for position, question, output in zip(positions, questions, outputs, strict=True):
        example = test[position]
        answer = output if example.choices is None or output in example.choices else None
        samples.append(
            Sample(
                example_id=example.id,
                doc_id=position,
                doc=example.fields,
                target=example.target,
                condition=condition,
                output=output,
                answer=answer,
                finish_reason="prediction",
                prompt=question,
                choices=example.choices,
                metrics=_metrics(example, answer, {}),
                group=example.group,
            )
        )
    return Evaluation(task.task, condition, condition, samples, len(test), seconds)


def preferred_choices(
    logprobs: Sequence[float], choices: Sequence[str], encoded: Mapping[str, Sequence[int]]
) -> dict[str, str]:
    """The choice that each rule prefers: by the metric that says whether it is right.

    A sum of log-probabilities favours short choices. Divided by the number of tokens, or of bytes in UTF-8, which
    does not depend on the tokenizer, it does not.

    Args:
        logprobs: Of the choices, in nats, summed over their tokens.
        choices: The choices.
        encoded: Token ids of each choice.
    """
    lengths = {
        CHOICE: [1] * len(choices),
        f"{CHOICE}_tokens": [len(encoded[choice]) for choice in choices],
        f"{CHOICE}_bytes": [len(choice.encode()) for choice in choices],
    }
    return {
        rule: choices[max(range(len(choices)), key=lambda place: logprobs[place] / max(sizes[place], 1))]
        for rule, sizes in lengths.items()
    }


def _metrics(example: Example, answer: str | None, by_rule: Mapping[str, str]) -> dict[str, float]:
    """A failed parse is a wrong answer; a free answer may differ from the reference in case and punctuation."""
    right = answer == example.target
    if not example.choices:
        right = answer is not None and normalise_answer(answer) == normalise_answer(example.target)
    return {"acc": float(right), **{rule: float(choice == example.target) for rule, choice in by_rule.items()}}
