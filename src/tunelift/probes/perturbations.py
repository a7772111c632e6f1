"""Damaged, misleading and negated texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from tunelift.core.evaluation import Robustness
from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.data.tasks import Task
from tunelift.evaluation.robustness.injection import inject, injections_of, marker, wrong_choice
from tunelift.evaluation.robustness.negation import negate
from tunelift.evaluation.robustness.table import Perturbation, perturb_item, perturbations_of
from tunelift.probes.texts import changeable_fields, language_of, longest_text, open_fields, protected_texts, text_of
from tunelift.probes.variation import Variation


def perturbed(
    task: Task, items: Sequence[Example], pool: Sequence[Example], settings: Robustness, seed: int
) -> list[Variation]:
    """The items with their texts perturbed, one variation for each perturbation that changes any of them.

    What is perturbed are the fields of `changeable_fields`; choices, labels and right answers in them stay whole.

    Args:
        task: The task.
        items: The items to ask.
        pool: The examples that may be shown as demonstrations; they stay as they are.
        settings: Which perturbations, and how strong.
        seed: Of the run.

    Raises:
        UserError: A perturbation is unknown.
    """
    shown, found = changeable_fields(task, items), []
    for entry in perturbations_for(task, items, settings):
        changed = [_changed(task, item, shown, _perturb(entry, settings.strength, seed, item, task)) for item in items]
        count = sum(after.fields != before.fields for after, before in zip(changed, items, strict=True))
        if count:
            description = f"{entry.description}; {count} of {len(items)} texts changed"
            found.append(Variation(entry.name, description, task, changed, list(pool)))
    return found


def perturbations_for(task: Task, items: Sequence[Example], settings: Robustness) -> list[Perturbation]:
    """The perturbations that a recipe asks for, of the language of the texts.

    Raises:
        UserError: A perturbation is unknown.
    """
    names = None if settings.perturbations == "all" else settings.perturbations
    return perturbations_of(language_of(task, items, changeable_fields(task, items)), names)


def injected(task: Task, items: Sequence[Example], pool: Sequence[Example], seed: int) -> list[Variation]:
    """The items with an instruction hidden at the end of their text: to give a wrong choice, or to say a marker.

    Items without a text that may be changed are left out.
    """
    shown, templates = changeable_fields(task, items), injections_of(task.language)
    changed, demanded = [], {}
    for item in items:
        field = longest_text(task, item, shown)
        if field is None:
            continue
        draw = generator(seed, "injection", item.id)
        wanted = wrong_choice(item.choices or (), (item.target, *item.others), draw) if item.choices else None
        wanted = wanted or marker(draw)
        instruction = draw.choice(templates).demand(wanted)
        text = inject(text_of(item, field), instruction, "end", task.language)
        changed.append(replace(item, fields={**item.fields, field: text}))
        demanded[item.id] = (wanted, instruction)
    description = "an instruction to answer something else is hidden in the text"
    return [Variation("instruction", description, task, changed, list(pool), demanded=demanded)] if changed else []


def negated(task: Task, items: Sequence[Example], pool: Sequence[Example], limit: int, seed: int) -> list[Variation]:
    """The items whose text can be negated, with the first sentence negated that can be; none where no text can.

    In an item with several texts the longest that can be is changed: two negations may leave the answer as it is.

    Args:
        task: The task.
        items: The items.
        pool: The examples that may be shown as demonstrations; they stay as they are.
        limit: At most so many items, a seeded random subset.
        seed: Of the run.

    Raises:
        UserError: The texts are Chinese, and jieba is not installed.
    """
    shown = changeable_fields(task, items)
    language = language_of(task, items, shown)
    order = generator(seed, "items to negate").sample(range(len(items)), len(items))
    chosen = dict(islice(((at, item) for at in order for item in _negated(task, items[at], shown, language)), limit))
    asked = [chosen[at] for at in sorted(chosen)]
    return [Variation("negated", "a sentence of the text is negated", task, asked, list(pool))] if asked else []


def _negated(task: Task, item: Example, shown: Sequence[str], language: str) -> list[Example]:
    """The item with a sentence negated; empty where none can be."""
    for name in sorted(open_fields(task, item, shown), key=lambda name: len(text_of(item, name)), reverse=True):
        text = negate(text_of(item, name), language, protected_texts(task, item))
        if text is not None:
            return [replace(item, fields={**item.fields, name: text})]
    return []


def _perturb(entry: Perturbation, strength: float, seed: int, item: Example, task: Task) -> Callable[[str], str]:
    def perturb(text: str) -> str:
        return perturb_item(item.id, text, entry, strength, seed, protected_texts(task, item))

    return perturb


def _changed(task: Task, item: Example, names: Sequence[str], change: Callable[[str], str]) -> Example:
    texts = {name: change(text_of(item, name)) for name in open_fields(task, item, names)}
    return replace(item, fields={**item.fields, **texts})
