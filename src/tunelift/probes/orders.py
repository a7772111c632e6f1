"""Other orders of the choices, and of the demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.core.templating import used_fields
from tunelift.data.tasks import Task
from tunelift.probes.variation import Variation, count_orders, other_order, read_again

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def choice_orders(
    task: Task, items: Sequence[Example], pool: Sequence[Example], count: int, seed: int
) -> list[Variation]:
    """The choices listed in other orders: the classes of the task, or the choices of every item.

    There are none where the template lists the choices itself, since no key of the task says where they stand.

    Args:
        task: The task.
        items: The items to ask.
        pool: The examples that may be shown as demonstrations.
        count: How many other orders; there are fewer where so many choices have no more.
        seed: Of the run.
    """
    if task.doc_to_choice is None or not items:
        return []
    if task.doc_to_choice == list(task.wording.values()) and "labels" in used_fields(task.doc_to_text, "doc_to_text"):
        names = list(task.wording)
        numbers = _numbers(count, len(names))
        orders = [other_order(names, number, generator(seed, "order of labels")) for number in numbers]
        return [_with_labels(task, items, pool, number, order) for number, order in zip(numbers, orders, strict=True)]
    fields = _listing(task, items)
    if fields is None:
        return []
    numbers = _numbers(count, max(len(item.choices or ()) for item in items))
    return [_with_choices(task, items, pool, number, seed, fields) for number in numbers]


def demonstration_orders(
    task: Task, items: Sequence[Example], pool: Sequence[Example], count: int, shots: int
) -> list[Variation]:
    """The same demonstrations in other orders, no more than so many demonstrations have."""
    return [
        Variation(f"order-{number}", "demonstrations in another order", task, list(items), list(pool), order=number)
        for number in _numbers(count, shots)
    ]


def _numbers(count: int, things: int) -> range:
    """Numbers of other orders, no more than so many things have."""
    return range(1, min(count, count_orders(things)) + 1)


def _with_labels(
    task: Task, items: Sequence[Example], pool: Sequence[Example], number: int, order: Sequence[str]
) -> Variation:
    shuffled = {name: task.wording[name] for name in order}
    changed = task.model_copy(update={"labels": shuffled, "doc_to_choice": list(shuffled.values())})
    shown, asked = read_again(changed, pool), read_again(changed, items)
    return Variation(f"order-{number}", ", ".join(shuffled.values()), changed, asked, shown)


def _with_choices(
    task: Task,
    items: Sequence[Example],
    pool: Sequence[Example],
    number: int,
    seed: int,
    fields: tuple[str, str | None],
) -> Variation:
    listed, answer = fields

    def changed(example: Example) -> Example:
        choices = example.fields[listed]
        order = other_order(range(len(choices)), number, generator(seed, "order of choices", example.id))
        moved = {listed: [choices[at] for at in order]}
        if answer is not None:
            moved[answer] = _moved(example.fields[answer], order)
        return replace(example, fields={**example.fields, **moved})

    asked, shown = ([changed(example) for example in part] for part in (items, pool))
    described = "the choices of every item in an order of its own"
    return Variation(f"order-{number}", described, task, read_again(task, asked), read_again(task, shown))


def _listing(task: Task, items: Sequence[Example]) -> tuple[str, str | None] | None:
    """The field that lists the choices of an item, and the one that says by place which is right; None without."""
    shown = used_fields(task.doc_to_text, "doc_to_text")
    lists = [
        name
        for name in sorted(shown)
        if all(_is_listing(item.fields.get(name), len(item.choices or ())) for item in items)
    ]
    if len(lists) != 1:
        return None
    target = str(task.doc_to_target)
    used = {target} if target in items[0].fields else used_fields(target, "doc_to_target") - {lists[0]}
    places = [
        name
        for name in sorted(used)
        if all(_place(item.fields.get(name), len(item.choices or ())) is not None for item in items)
    ]
    if places:
        return (lists[0], places[0]) if len(places) == 1 else None
    # The right answer is named by its words, which are the same in any order.
    return (lists[0], None) if all(item.target in item.fields[lists[0]] for item in items) else None


def _is_listing(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count > 1


def _place(value: Any, count: int) -> int | None:
    """The place that an answer names: an index from 0, or a letter."""
    text = str(value)
    place = LETTERS.find(text) if len(text) == 1 and text in LETTERS else int(text) if text.isdecimal() else -1
    return place if 0 <= place < count and not isinstance(value, bool) else None


def _moved(value: Any, order: list[int]) -> Any:
    """The answer that names the same choice in another order, in the form that it had."""
    place = order.index(_place(value, len(order)) or 0)
    if isinstance(value, int):
        return place
    return str(place) if str(value).isdecimal() else LETTERS[place]
