"""Damaged, misleading and negated texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from tunelift.core.evaluation import Robustness
from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.core.templating import used_fields
from tunelift.data.tasks import Task
from tunelift.evaluation.robustness.injection import inject, injections_of, marker, wrong_choice
from tunelift.evaluation.robustness.negation import negate
from tunelift.evaluation.robustness.table import Perturbation, perturb_item, perturbations_of
from tunelift.probes.variation import Variation

# Their references say where in the text something stands.
PLACED_ANSWERS = ("entities", "triples")


def perturbed(
    task: Task, items: Sequence[Example], pool: Sequence[Example], settings: Robustness, seed: int
) -> list[Variation]:
    """The items with their texts perturbed, one variation for each perturbation that changes any of them.

    What is perturbed are the fields that the question shows; choices, labels and right answers stay whole.

    Args:
        task: The task.
        items: The items to ask.
        pool: The examples that may be shown as demonstrations; they stay as they are.
        settings: Which perturbations, and how strong.
        seed: Of the run.

    Raises:
        UserError: A perturbation is unknown.
    """
    names = None if settings.perturbations == "all" else settings.perturbations
    table = perturbations_of(task.language, names)
    if task.answer_kind in PLACED_ANSWERS:
        return []
    shown = text_fields(task, items)
    found = []
    for entry in table:
        changed = [_changed(item, shown, _perturb(entry, settings.strength, seed, item, task)) for item in items]
        count = sum(after.fields != before.fields for after, before in zip(changed, items, strict=True))
        if count:
            description = f"{entry.description}; {count} of {len(items)} texts changed"
            found.append(Variation(entry.name, description, task, changed, list(pool)))
    return found


def injected(task: Task, items: Sequence[Example], pool: Sequence[Example], seed: int) -> list[Variation]:
    """The items with an instruction hidden at the end of their text: to give a wrong choice, or to say a marker."""
    if task.answer_kind in PLACED_ANSWERS or not text_fields(task, items):
        return []
    shown = text_fields(task, items)
    templates = injections_of(task.language)
    changed, demanded = [], {}
    for item in items:
        draw = generator(seed, "injection", item.id)
        wanted = wrong_choice(item.choices or (), (item.target, *item.others), draw) if item.choices else None
        wanted = wanted or marker(draw)
        instruction = draw.choice(templates).demand(wanted)
        field = longest_text(item, shown)
        text = inject(text_of(item, field), instruction, "end", task.language)
        changed.append(replace(item, fields={**item.fields, field: text}))
        demanded[item.id] = (wanted, instruction)
    description = "an instruction to answer something else is hidden in the text"
    return [Variation("injection", description, task, changed, list(pool), demanded=demanded)]


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
    if task.answer_kind in PLACED_ANSWERS:
        return []
    shown = text_fields(task, items)
    order = generator(seed, "items to negate").sample(range(len(items)), len(items))
    chosen = dict(islice(((at, item) for at in order for item in _negated(task, items[at], shown)), limit))
    asked = [chosen[at] for at in sorted(chosen)]
    return [Variation("negated", "a sentence of the text is negated", task, asked, list(pool))] if asked else []


def text_fields(task: Task, items: Sequence[Example]) -> list[str]:
    """The fields with text that the question shows."""
    used = [task.doc_to_text] if any(task.doc_to_text in item.fields for item in items) else None
    names = sorted(used or used_fields(task.doc_to_text, "doc_to_text"))
    return [name for name in names if any(isinstance(item.fields.get(name), str) for item in items)]


def text_of(item: Example, name: str) -> str:
    """The text of a field; empty where the item has none in it."""
    value = item.fields.get(name)
    return value if isinstance(value, str) else ""


def longest_text(item: Example, names: Sequence[str]) -> str:
    """Which of some fields has the longest text."""
    return max(names, key=lambda name: len(text_of(item, name)))


def protected_texts(task: Task, item: Example) -> list[str]:
    """What has to survive in the texts of an item: choices, names of classes, right answers."""
    texts = (*(item.choices or ()), *task.wording.values(), item.target, *item.others)
    return list(dict.fromkeys(filter(None, texts)))


def _negated(task: Task, item: Example, shown: Sequence[str]) -> list[Example]:
    """The item with a sentence negated; empty where none can be."""
    for name in sorted(shown, key=lambda name: len(text_of(item, name)), reverse=True):
        text = negate(text_of(item, name), task.language, protected_texts(task, item))
        if text is not None:
            return [replace(item, fields={**item.fields, name: text})]
    return []


def _perturb(entry: Perturbation, strength: float, seed: int, item: Example, task: Task) -> Callable[[str], str]:
    def perturb(text: str) -> str:
        return perturb_item(item.id, text, entry, strength, seed, protected_texts(task, item))

    return perturb


def _changed(item: Example, names: Sequence[str], change: Callable[[str], str]) -> Example:
    texts = {name: change(item.fields[name]) for name in names if isinstance(item.fields.get(name), str)}
    return replace(item, fields={**item.fields, **texts})
