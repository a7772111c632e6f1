"""An adversarial search for the perturbed text of every item on which a model does worst."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from tunelift.core.evaluation import Robustness
from tunelift.core.recipe import Prompting
from tunelift.core.records import Example, Sample
from tunelift.data.tasks import Task
from tunelift.evaluation.evaluate import clusters_of, data_of, per_item
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.robustness.attack import Item, attack
from tunelift.evaluation.robustness.summary import attack_success, rate, worst_case
from tunelift.models.load import LanguageModel
from tunelift.probes.perturbations import perturbations_for
from tunelift.probes.texts import changeable_fields, longest_text, protected_texts, text_of
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
        metric: Name of the score, of which 0 is the worst and 1 the best; None where every answer is right or wrong.
        right: Mean score of the items as they stand: of right answers their share.
        under_attack: Mean of the lower score of each item, as it stands or on the attacked text.
        interval: Interval of that mean.
        success: Share of the score that the attack took away: of right answers those that it made wrong. None where
            there was nothing to take.
        success_interval: Its interval.
        budget: Texts that were tried for an item, at most.
    """

    condition: str
    items: int
    metric: str | None
    right: float
    under_attack: float
    interval: Interval | None
    success: float | None
    success_interval: Interval | None
    budget: int


def can_be_attacked(task: Task, items: Sequence[Example], metric: Metric) -> bool:
    """Whether a task asks questions with text that may be changed, and a score has a worst value to be lowered to.

    Args:
        task: The task.
        items: Its items.
        metric: Its headline.
    """
    bounded = metric.higher_is_better and metric.low == 0 and isfinite(metric.high)
    return bounded and bool(changeable_fields(task, items))


def item_scores(metric: Metric, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The score of every item alone, between 0 and 1, shape (items,)."""
    return per_item(metric, data_of(metric, samples)) / metric.high


def attacked_items(
    loaded: LanguageModel,
    task: Task,
    prompting: Prompting,
    items: Sequence[Example],
    pool: Sequence[Example],
    settings: Robustness,
    seed: int,
    lost: Collection[str] = (),
) -> list[Example]:
    """The items with the texts that the search found.

    The longest text of an item is perturbed. The loss of a text is the negative log-probability of the right answer:
    among the choices, where there are such, else of its tokens. Answers are not scored on the way, whatever the score:
    that would take a generation for every text.

    Args:
        loaded: The model that is attacked.
        task: The task.
        prompting: How the model is asked.
        items: The items.
        pool: The examples that may be shown as demonstrations.
        settings: Perturbations, their strength, and the budget.
        seed: Of the run.
        lost: Ids of items with a score of 0 as they stand, of which nothing can be taken: they stay as they are.
    """
    table = perturbations_for(task, items, settings)
    by_id = {item.id: item for item in items}
    shown = changeable_fields(task, items)
    fields = {item.id: name for item in items if (name := longest_text(task, item, shown))}

    def changed(identity: str, text: str) -> Example:
        item = by_id[identity]
        return replace(item, fields={**item.fields, fields[identity]: text})

    def losses(ids: Sequence[str], texts: Sequence[str]) -> NDArray[np.float64]:
        asked = [changed(identity, text) for identity, text in zip(ids, texts, strict=True)]
        return answer_losses(loaded, Variation("attack", "", task, asked, list(pool)), prompting, seed)

    searched = [
        Item(item.id, text_of(item, fields[item.id]), tuple(protected_texts(task, item)))
        for item in items
        if item.id in fields and item.id not in lost
    ]
    budget = max(settings.attack, 1)
    found = attack(searched, table, losses, budget, min(ROUNDS, budget), settings.strength, seed)
    texts = {result.id: result.text for result in found}
    return [changed(item.id, texts[item.id]) if item.id in texts else item for item in items]


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
    condition: str, before: Sequence[Sample], after: Sequence[Sample], metric: Metric, budget: int
) -> AttackResult:
    """What an attack did.

    Args:
        condition: The condition.
        before: Its answers to the items as they stand.
        after: Its answers to the attacked texts, in the same order.
        metric: The headline, as for `can_be_attacked`.
        budget: Texts that were tried for an item, at most.
    """
    scores, groups = np.stack([item_scores(metric, samples) for samples in (before, after)]), clusters_of(before)
    kept, counts = worst_case(scores[0], scores[1:]), attack_success(*scores)
    share = float(rate(counts, np.ones((1, len(counts))))[0]) if counts[:, 1].any() else None
    return AttackResult(
        condition=condition,
        items=len(before),
        metric=None if np.isin(scores, (0, 1)).all() else metric.name,
        right=float(scores[0].mean()),
        under_attack=float(kept.mean()),
        interval=score_interval(kept, groups),
        success=share,
        success_interval=None if share is None else resampled_interval(rate, counts, groups, limits=(0.0, 1.0)),
        budget=budget,
    )
