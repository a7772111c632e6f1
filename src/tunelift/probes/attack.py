"""An adversarial search for the perturbed text of every item on which a model does worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.evaluation import Robustness
from tunelift.core.recipe import Prompting
from tunelift.core.records import Example, Sample
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.evaluate import clusters_of
from tunelift.evaluation.robustness.attack import Item, attack
from tunelift.evaluation.robustness.summary import attack_success, rate, right_under_attack
from tunelift.evaluation.robustness.table import perturbations_of
from tunelift.models.load import LanguageModel
from tunelift.probes.perturbations import PLACED_ANSWERS, longest_text, protected_texts, text_fields, text_of
from tunelift.probes.variation import Variation, variation_prompts
from tunelift.prompts.build import PromptStyle, completion_ids
from tunelift.statistics.intervals import Interval, score_interval
from tunelift.statistics.resampling import resampled_interval

ROUNDS = 4  # perturbations that may be made one after the other


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What an attack did to one condition.

    Attributes:
        condition: The condition.
        items: Number of items.
        right: Share of them that is answered rightly as they stand.
        under_attack: Share that is right as they stand and on the attacked text.
        interval: Interval of that share.
        success: Share of the right answers that the attack made wrong.
        success_interval: Its interval.
        budget: Texts that were tried for an item, at most.
    """

    condition: str
    items: int
    right: float
    under_attack: float
    interval: Interval | None
    success: float
    success_interval: Interval | None
    budget: int


def can_be_attacked(task: Task, items: Sequence[Example]) -> bool:
    """Whether a task asks questions with text whose answers are right or wrong, wherever the text is changed."""
    return task.output_type != ROLLING and task.answer_kind not in PLACED_ANSWERS and bool(text_fields(task, items))


def attacked_items(
    loaded: LanguageModel,
    task: Task,
    prompting: Prompting,
    items: Sequence[Example],
    pool: Sequence[Example],
    settings: Robustness,
    seed: int,
) -> list[Example]:
    """The items with the texts that the search found.

    The longest text of an item is perturbed. The loss of a text is the negative log-probability of the right answer:
    among the choices, where there are such.

    Args:
        loaded: The model that is attacked.
        task: The task.
        prompting: How the model is asked.
        items: The items.
        pool: The examples that may be shown as demonstrations.
        settings: Perturbations, their strength, and the budget.
        seed: Of the run.
    """
    names = None if settings.perturbations == "all" else settings.perturbations
    table = [entry for entry in perturbations_of(task.language, names) if entry.keeps_label]
    by_id = {item.id: item for item in items}
    shown = text_fields(task, items)
    fields = {item.id: longest_text(item, shown) for item in items}

    def changed(identity: str, text: str) -> Example:
        item = by_id[identity]
        return replace(item, fields={**item.fields, fields[identity]: text})

    def losses(ids: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        asked = [changed(identity, text) for identity, text in zip(ids, texts, strict=True)]
        return answer_losses(loaded, Variation("attack", "", task, asked, list(pool)), prompting, seed)

    searched = [Item(item.id, text_of(item, fields[item.id]), tuple(protected_texts(task, item))) for item in items]
    budget = max(settings.attack, 1)
    found = attack(searched, table, losses, budget, min(ROUNDS, budget), settings.strength, seed)
    return [changed(result.id, result.text) for result in found]


def answer_losses(loaded: LanguageModel, asked: Variation, prompting: Prompting, seed: int) -> NDArray[np.float64]:
    """Negative log-probability of the right answer to every item, in nats, shape (items,); 0 for one without tokens."""
    from tunelift.engine.answers import Stopping, answer_prompts

    style = PromptStyle(asked.task, loaded.tokenizer, chat=asked.task.render == "chat")
    prompts = variation_prompts(style, prompting, asked, seed)
    offered = [item.choices or (item.target,) for item in asked.items]
    wordings = list(dict.fromkeys(choice for choices in offered for choice in choices))
    encoded = dict(zip(wordings, completion_ids(style, wordings), strict=True))
    scored = [[choice for choice in choices if encoded[choice]] for choices in offered]
    stopping = Stopping(frozenset(), (), 0, lambda ids: "")
    result = answer_prompts(
        loaded.model,
        [prompt.token_ids for prompt in prompts],
        [[encoded[choice] for choice in choices] for choices in scored],
        stopping,
        lambda count: None,
    )
    found = []
    for answer, choices, item in zip(result.answers, scored, asked.items, strict=True):
        right = answer.logprobs[choices.index(item.target)] if item.target in choices else 0.0
        found.append(float(np.logaddexp.reduce(answer.logprobs)) - right if len(choices) > 1 else -right)
    return np.array(found)


def attack_result(
    condition: str, before: Sequence[Sample], after: Sequence[Sample], metric: str, budget: int
) -> AttackResult:
    """What an attack did.

    Args:
        condition: The condition.
        before: Its answers to the items as they stand.
        after: Its answers to the attacked texts, in the same order.
        metric: The headline, which is 0 or 1 for every item.
        budget: Texts that were tried for an item, at most.
    """
    rights = [[sample.metrics[metric] for sample in samples] for samples in (before, after)]
    kept, counts, groups = right_under_attack(*rights), attack_success(*rights), clusters_of(before)
    return AttackResult(
        condition=condition,
        items=len(before),
        right=float(np.mean(rights[0])),
        under_attack=float(kept.mean()),
        interval=score_interval(kept, groups),
        success=float(rate(counts, np.ones((1, len(counts))))[0]),
        success_interval=resampled_interval(rate, counts, groups, limits=(0.0, 1.0)),
        budget=budget,
    )


def attack_from_dict(data: dict[str, Any]) -> AttackResult:
    """The result from its plain data."""
    intervals = {name: data[name] and Interval(**data[name]) for name in ("interval", "success_interval")}
    return AttackResult(**{**data, **intervals})
