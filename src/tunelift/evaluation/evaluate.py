"""One condition on the items of a task: every item with its raw output, parsed answer and scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from tunelift.core.errors import counted
from tunelift.core.progress import progress
from tunelift.core.records import CHOICE, Example, Prompt, Sample
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.baselines import Predictor
from tunelift.evaluation.metrics.metric import Metric, Outcome, UnavailableError
from tunelift.evaluation.metrics.table import make_metrics, needs_generation
from tunelift.evaluation.parsing.answers import parse_answer, reference_answers
from tunelift.evaluation.preferences import choice_probabilities, preferred_choices
from tunelift.prompts.build import PromptStyle, answer_ends, completion_ids
from tunelift.statistics.areas import area_interval
from tunelift.statistics.intervals import Interval, score_interval, standard_error
from tunelift.statistics.resampling import resampled_interval

if TYPE_CHECKING:
    from tunelift.engine.answers import Answer
    from tunelift.models.load import LanguageModel

# Tokens that are computed together where the probability of whole texts is measured.
TEXT_BUDGET = 4096


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answers of one condition.

    Attributes:
        task: Name of the task.
        condition: Name of the condition.
        model: What answered.
        samples: One for every item that was asked, in the order of asking.
        available: Number of items in the test split, asked or not.
        seconds: Time to answer: to generate or predict all answers, to score the choices where nothing is generated,
            or to measure all texts. Scoring choices beside generated answers and loading are not part of it.
        metrics: The metrics of the task, the headline first.
    """

    task: str
    condition: str
    model: str
    samples: list[Sample]
    available: int
    seconds: float
    metrics: list[Metric]

    def mean(self, metric: str) -> float:
        """Mean of a per-item metric, for example "acc"."""
        return fmean(sample.metrics[metric] for sample in self.samples)

    @property
    def scores(self) -> dict[str, float]:
        """The score of every metric of the task, then the means of further per-item metrics."""
        known = [metric for metric in self.metrics if self.samples and has_metric(metric, self.samples)]
        of_task = {metric.name: score_of(metric, data_of(metric, self.samples)) for metric in known}
        names = self.samples[0].metrics if self.samples else ()
        return of_task | {name: self.mean(name) for name in names if name not in of_task}

    def __str__(self) -> str:
        counts = [
            (sum(sample.answer is None for sample in self.samples), "not parsed"),
            (sum(sample.finish_reason == "length" for sample in self.samples), "cut off"),
        ]
        parts = [
            counted(len(self.samples), "item"),
            *(self._score_text(name, score) for name, score in self.scores.items()),
            *(f"{counted(count, 'answer')} {what}" for count, what in counts if count),
        ]
        return f"{self.task} · {self.condition}: {', '.join(parts)}"

    def _score_text(self, name: str, score: float) -> str:
        metric = next((metric for metric in self.metrics if metric.name == name), None)
        clusters = clusters_of(self.samples)
        if metric is None:
            interval = score_interval([sample.metrics[name] for sample in self.samples], clusters)
        else:
            interval = interval_of(metric, data_of(metric, self.samples), clusters)
        scale, digits = (100, 1) if metric is None or metric.high == 1 else (1, 3)
        limits = f" ({scale * interval.low:.{digits}f} to {scale * interval.high:.{digits}f})" if interval else ""
        return f"{name} {scale * score:.{digits}f}{limits}"


def clusters_of(samples: Sequence[Sample]) -> np.ndarray | None:
    """Which items belong together, as a number for each, shape (items,); None where every item stands alone."""
    units = [("item", sample.example_id) if sample.group is None else ("group", sample.group) for sample in samples]
    codes = {unit: code for code, unit in enumerate(dict.fromkeys(units))}
    return np.array([codes[unit] for unit in units]) if len(codes) < len(units) else None


def error_of(name: str, samples: Sequence[Sample]) -> float | None:
    """Standard error of the mean of a per-item metric; None for fewer than two items or groups of them."""
    values, clusters = [sample.metrics[name] for sample in samples], clusters_of(samples)
    if len(values if clusters is None else set(clusters.tolist())) < 2:
        return None
    spread = standard_error(values, clusters)
    return spread[0] if spread else 0.0


def outcome_of(sample: Sample) -> Outcome:
    """What metrics see of a sample."""
    return Outcome(
        answer=sample.answer,
        references=sample.references or (sample.target,),
        output=sample.output,
        fields=sample.doc,
        choices=sample.choices,
        probabilities=sample.probabilities,
        target=sample.target,
        reference_logprob=sample.reference_logprob,
        values=sample.metrics,
    )


def has_metric(metric: Metric, samples: Sequence[Sample]) -> bool:
    """Whether every sample has a value of a metric; see `with_metrics` for why one has none."""
    return all(metric.name in sample.metrics for sample in samples)


def data_of(metric: Metric, samples: Sequence[Sample]) -> np.ndarray:
    """What a metric is computed from: of a mean its values, shape (items,); of others statistics, (items, columns)."""
    if metric.is_mean:
        return np.array([sample.metrics.get(metric.name, nan) for sample in samples], dtype=float)
    return metric.statistics([outcome_of(sample) for sample in samples])


def score_of(metric: Metric, data: np.ndarray) -> float:
    """The score of all items together, from what `data_of` gives."""
    return float(data.mean() if metric.is_mean else metric.score(data, np.ones((1, len(data))))[0])


def interval_of(metric: Metric, data: np.ndarray, groups: np.ndarray | None, seed: int = 0) -> Interval | None:
    """The interval of the score of all items together, from what `data_of` gives.

    Args:
        metric: The metric.
        data: What it is computed from.
        groups: Which items belong together, see `clusters_of`.
        seed: Seed of a score that has to be resampled.
    """
    if metric.is_mean:
        return score_interval(data, groups)
    if metric.curves:
        return area_interval(metric.curves(data), groups)
    return resampled_interval(metric.score, data, groups, seed, limits=(metric.low, metric.high))


def per_item(metric: Metric, data: np.ndarray) -> np.ndarray:
    """The score of each item alone, from what `data_of` gives."""
    return data if metric.is_mean else np.asarray(metric.per_item(data), dtype=float)


def evaluate_model(
    loaded: LanguageModel,
    style: PromptStyle,
    test: Sequence[Example],
    positions: Sequence[int],
    prompts: Sequence[Prompt],
    condition: str,
    allow_execution: bool = False,
) -> Evaluation:
    """Let a language model answer prompts; score the choices of the task, or the reference, by log-probability.

    Args:
        loaded: The model.
        style: How the prompts were rendered.
        test: The whole test split.
        positions: Which of its items are asked.
        prompts: Their prompts, in the same order.
        condition: Its name.
        allow_execution: Whether programs that the model writes may be run.
    """
    task = style.task
    metrics = make_metrics(task, allow_execution)
    examples = [test[position] for position in positions]
    asked = [asked_sample(task, *item, condition) for item in zip(positions, examples, prompts, strict=True)]
    if task.output_type == ROLLING:
        samples, seconds = _measure(loaded, prompts, asked)
    else:
        samples, seconds = _ask(loaded, style, examples, prompts, asked, condition)
    return Evaluation(task.task, condition, loaded.name, with_metrics(samples, metrics), len(test), seconds, metrics)


def _measure(loaded: LanguageModel, prompts: Sequence[Prompt], asked: list[Sample]) -> tuple[list[Sample], float]:
    """Samples with the log-probability of their text, and how long that took, in seconds."""
    started = time.perf_counter()
    logprobs = text_logprobs(loaded, prompts)
    seconds = time.perf_counter() - started
    samples = [replace(sample, reference_logprob=logprob) for sample, logprob in zip(asked, logprobs, strict=True)]
    return samples, seconds


def _ask(
    loaded: LanguageModel,
    style: PromptStyle,
    examples: Sequence[Example],
    prompts: Sequence[Prompt],
    asked: list[Sample],
    condition: str,
) -> tuple[list[Sample], float]:
    """Samples with their answers, and how long these took, in seconds."""
    offered = [example.choices or (example.target,) for example in examples]
    wordings = list(dict.fromkeys(choice for choices in offered for choice in choices))
    encoded = dict(zip(wordings, completion_ids(style, wordings), strict=True))
    choices = [[encoded[choice] for choice in given if encoded[choice]] for given in offered]
    answers, seconds = _answers(loaded, style, prompts, choices, condition)
    samples = [
        _answered(sample, style.task, example, answer, encoded)
        for sample, example, answer in zip(asked, examples, answers, strict=True)
    ]
    return samples, seconds


def _answers(
    loaded: LanguageModel,
    style: PromptStyle,
    prompts: Sequence[Prompt],
    choices: Sequence[Sequence[Sequence[int]]],
    condition: str,
) -> tuple[list[Answer], float]:
    from tunelift.engine.answers import Stopping, answer_prompts

    stopping = Stopping(
        token_ids=loaded.stop_token_ids,
        strings=answer_ends(style),
        max_new_tokens=style.task.generation_kwargs.max_gen_toks if needs_generation(style.task) else 0,
        decode=lambda ids: loaded.tokenizer.decode(ids, skip_special_tokens=True),
    )
    with progress(len(prompts), condition, "answer") as bar:
        result = answer_prompts(loaded.model, [prompt.token_ids for prompt in prompts], choices, stopping, bar.update)
    return result.answers, result.seconds


def asked_sample(task: Task, position: int, example: Example, prompt: Prompt, condition: str) -> Sample:
    """A sample without its answer.

    Args:
        task: The task.
        position: Of the item in the test split.
        example: The item.
        prompt: What is asked.
        condition: Name of the condition.
    """
    return Sample(
        example_id=example.id,
        doc_id=position,
        doc=example.fields,
        target=example.target,
        condition=condition,
        output="",
        answer="",
        finish_reason="scored",
        prompt=prompt.text,
        choices=example.choices,
        tokens={"prompt": len(prompt.token_ids), "completion": 0},
        group=example.group,
        template=prompt.template,
        demonstrations=prompt.demonstrations,
        references=reference_answers(task, example),
    )


def _answered(
    sample: Sample, task: Task, example: Example, answer: Answer, encoded: Mapping[str, Sequence[int]]
) -> Sample:
    """A sample with what the model said, and what its log-probabilities say."""
    scored: dict[str, Any] = {}
    if example.choices and answer.logprobs:
        by_rule = preferred_choices(answer.logprobs, example.choices, encoded)
        scored = {
            "logprobs": answer.logprobs,
            "probabilities": choice_probabilities(answer.logprobs),
            "choice_answer": by_rule[CHOICE],
            "metrics": {rule: float(choice == example.target) for rule, choice in by_rule.items()},
            "reference_logprob": answer.logprobs[example.choices.index(example.target)],
        }
    elif answer.logprobs:
        scored = {"reference_logprob": answer.logprobs[0]}
    if not needs_generation(task):
        return replace(sample, **scored, **_by_logprob(task, example, answer))
    return replace(
        sample,
        **scored,
        output=answer.text,
        answer=parse_answer(answer.text, task, example),
        finish_reason=answer.finish_reason,
        tokens={**sample.tokens, "completion": len(answer.token_ids)},
    )


def _by_logprob(task: Task, example: Example, answer: Answer) -> dict[str, Any]:
    """The answer of a task whose choices are scored alone: the most likely, or their order by likelihood per byte."""
    choices = example.choices or ()
    order = sorted(range(len(choices)), key=lambda at: -answer.logprobs[at] / max(len(choices[at].encode()), 1))
    if task.answer_kind == "ranking":
        return {"answer": [choices[at] for at in order], "output": choices[order[0]]}
    likeliest = choices[max(range(len(choices)), key=lambda at: answer.logprobs[at])]
    return {"answer": likeliest, "output": likeliest}


def text_logprobs(loaded: LanguageModel, prompts: Sequence[Prompt]) -> list[float]:
    """Log-probability of whole texts, in nats.

    A text that is longer than the model's context is cut into windows; the first token of a window is known from the
    one before, as in the harness.
    """
    from tunelift.engine.likelihood import supervised_logprobs

    windows = [(index, piece) for index, prompt in enumerate(prompts) for piece in _windows(prompt, loaded.context)]
    totals = [0.0] * len(prompts)
    pieces = [piece for _, piece in windows]
    for (index, _), values in zip(windows, supervised_logprobs(loaded.model, pieces, TEXT_BUDGET), strict=True):
        totals[index] += float(values.sum())
    return totals


def _windows(prompt: Prompt, size: int) -> list[Prompt]:
    starts = range(0, max(len(prompt.token_ids) - 1, 1), size - 1)
    pieces = [prompt.token_ids[start : start + size] for start in starts]
    return [
        Prompt(prompt.example_id, "", piece, (False, *(True for _ in piece[1:]))) for piece in pieces if len(piece) > 1
    ]


def with_metrics(samples: Sequence[Sample], metrics: Sequence[Metric]) -> list[Sample]:
    """Samples with the value of each metric on the item.

    A metric is left out that has no value for every item, or that needs what this system's answers do not have.

    Raises:
        UnavailableError: That metric is the headline.
    """
    outcomes = [outcome_of(sample) for sample in samples]
    values: dict[str, list[float]] = {}
    for metric in metrics if samples else ():
        try:
            found = np.asarray(metric.per_item(metric.statistics(outcomes)), dtype=float)
        except UnavailableError:
            if metric is metrics[0]:
                raise
            continue
        if np.isfinite(found).all():
            values[metric.name] = found.tolist()
    return [
        replace(sample, metrics={**{name: column[at] for name, column in values.items()}, **sample.metrics})
        for at, sample in enumerate(samples)
    ]


def evaluate_predictor(
    predict: Predictor,
    task: Task,
    test: Sequence[Example],
    positions: Sequence[int],
    questions: Sequence[str],
    condition: str,
    allow_execution: bool = False,
) -> Evaluation:
    """Let a classical baseline answer the items; an answer that is none of an item's choices is no answer to it.

    Args:
        predict: Questions to answers.
        task: The task.
        test: The whole test split.
        positions: Which of its items are asked.
        questions: Their rendered questions, in the same order.
        condition: Its name.
        allow_execution: Whether programs among the answers may be run.
    """
    metrics = make_metrics(task, allow_execution)
    started = time.perf_counter()
    outputs = predict(questions)
    seconds = time.perf_counter() - started
    samples = []
    for position, question, output in zip(positions, questions, outputs, strict=True):
        example = test[position]
        prompt = Prompt(example.id, question, (), ())
        exact = output if example.choices is None or output in example.choices else None
        answer = exact if task.answer_kind == "choice" else parse_answer(output, task, example)
        sample = asked_sample(task, position, example, prompt, condition)
        samples.append(replace(sample, output=output, answer=answer, finish_reason="prediction", tokens={}))
    return Evaluation(task.task, condition, condition, with_metrics(samples, metrics), len(test), seconds, metrics)
