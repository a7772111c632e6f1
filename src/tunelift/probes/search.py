"""The best prompt, found on the validation split: wordings of the question, with and without demonstrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tunelift.core.errors import UserError
from tunelift.core.recipe import Condition, Prompting
from tunelift.core.records import Example, Prompt
from tunelift.data.tasks import Task
from tunelift.evaluation.evaluate import clusters_of, data_of, evaluate_model, per_item, score_of
from tunelift.evaluation.metrics.metric import Metric
from tunelift.models.load import LanguageModel
from tunelift.probes.variation import Variation, variation_prompts
from tunelift.probes.wordings import other_wordings
from tunelift.prompts.build import PromptStyle
from tunelift.statistics.intervals import Interval, record_of
from tunelift.statistics.selection import selected_score

OWN = "own"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One prompt that was tried.

    Attributes:
        wording: Name of the wording; "own" is that of the task.
        description: The wording, in a line.
        shots: Number of demonstrations.
        score: On the validation items.
    """

    wording: str
    description: str
    shots: int
    score: float


@dataclass(frozen=True, slots=True)
class PromptSearch:
    """What the search found.

    Attributes:
        condition: The condition that it was made for.
        items: Number of validation items.
        candidates: What was tried.
        best: Place of the candidate that was chosen; the first one among equals.
        corrected: Its score without the gain from having been selected; None for a score that is no mean.
        interval: Interval of its expected score, valid in spite of the selection; None likewise.
        scale: What scores are multiplied with to be shown.
    """

    condition: str
    items: int
    candidates: tuple[Candidate, ...]
    best: int
    corrected: float | None
    interval: Interval | None
    scale: float

    def to_dict(self) -> dict[str, Any]:
        """The search as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PromptSearch:
        """The search that `to_dict` wrote."""
        candidates = tuple(Candidate(**candidate) for candidate in data["candidates"])
        return record_of(cls, {**data, "candidates": candidates})


def check_searchable(conditions: Mapping[str, Condition], validation: Sequence[Example]) -> None:
    """Refuse to look for a prompt without validation items, before anything is computed.

    Raises:
        UserError: A condition asks with the best prompt, and there are none.
    """
    searched = [name for name, condition in conditions.items() if condition.prompting.wordings]
    if searched and not validation:
        what = "looks for the best prompt on the validation split, which is empty"
        raise UserError(f'condition "{searched[0]}"', what, "give split.validation or validation_split in the task")


def candidates_of(
    task: Task, prompting: Prompting, items: Sequence[Example], pool: Sequence[Example]
) -> list[tuple[Variation, Prompting]]:
    """The prompts that are tried: every wording, without demonstrations and with those of the prompting.

    Args:
        task: The task.
        prompting: How many other wordings; its demonstrations.
        items: The items to ask.
        pool: The examples that may be shown as demonstrations.
    """
    own = Variation(OWN, task.doc_to_text, task, list(items), list(pool))
    wordings = [own, *other_wordings(task, items, pool, prompting.wordings)]
    shots = dict.fromkeys([0, prompting.shots])
    return [(wording, prompting.model_copy(update={"shots": count})) for count in shots for wording in wordings]


def search_prompt(
    loaded: LanguageModel,
    candidates: Sequence[tuple[Variation, Prompting]],
    metric: Metric,
    condition: str,
    seed: int,
    allow_execution: bool = False,
) -> PromptSearch:
    """Try prompts on validation items and choose the best.

    Args:
        loaded: The model.
        candidates: Of `candidates_of`, with validation items.
        metric: What is compared.
        condition: The condition that this is for.
        seed: Seed of the run.
        allow_execution: Whether programs that the model writes may be run.
    """
    tried, columns = [], []
    for wording, prompting in candidates:
        style = PromptStyle(wording.task, loaded.tokenizer, chat=wording.task.render == "chat")
        prompts = variation_prompts(style, prompting, wording, seed)
        positions = range(len(wording.items))
        evaluation = evaluate_model(loaded, style, wording.items, positions, prompts, condition, allow_execution)
        data = data_of(metric, evaluation.samples)
        tried.append(Candidate(wording.name, wording.description, prompting.shots, score_of(metric, data)))
        columns.append(per_item(metric, data))
    sign = 1 if metric.higher_is_better else -1
    best = int(np.argmax([sign * candidate.score for candidate in tried]))
    groups = clusters_of(evaluation.samples)
    corrected = interval = None
    independent = len(evaluation.samples) if groups is None else len(set(groups.tolist()))
    if metric.is_mean and metric.higher_is_better and independent > 1:
        selected = selected_score(np.stack(columns, axis=1), groups, seed)
        corrected, interval = selected.corrected, selected.interval
    scale = 100.0 if metric.high == 1 and metric.low >= -1 else 1.0
    return PromptSearch(condition, len(evaluation.samples), tuple(tried), best, corrected, interval, scale)


def chosen_prompts(
    search: PromptSearch,
    candidates: Sequence[tuple[Variation, Prompting]],
    style: PromptStyle,
    items: Sequence[Example],
    seed: int,
) -> tuple[PromptStyle, list[Prompt]]:
    """The prompts of the test items in the way that was chosen, and how they are rendered."""
    wording, prompting = candidates[search.best]
    asked = replace(wording, items=list(items))
    chosen = replace(style, task=wording.task)
    return chosen, variation_prompts(chosen, prompting, asked, seed)
