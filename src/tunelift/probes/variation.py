"""A further set of questions for the systems of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial
from random import Random
from typing import Literal, TypeVar

from tunelift.core.evaluation import Robustness
from tunelift.core.recipe import Prompting
from tunelift.core.records import Example, Prompt
from tunelift.core.seeds import generator
from tunelift.data.formats import Row
from tunelift.data.reader import make_reader
from tunelift.data.tasks import ROLLING, Task
from tunelift.prompts.build import PromptStyle, build_prompts, choose_demonstrations, text_prompts

Value = TypeVar("Value")

MANY = 6  # values whose orders are not enumerated

# The probes, by the name of their directory in a run.
ProbeName = Literal[
    "wordings",
    "label-wordings",
    "orders",
    "demonstrations",
    "robustness",
    "injection",
    "negation",
    "attack",
    "held-out",
    "unseen",
    "general",
    "temperature",
    "swaps",
    "preferences",
    "requests",
    "canaries",
]
# The one whose answers are fitted to, and those that say what tuning does to bias and safety: they are not compared.
TEMPERATURE: ProbeName = "temperature"
# The one about rows that the task holds out from tuning.
UNSEEN: ProbeName = "unseen"
# The one that hides an instruction in the texts, which is no way to ask.
INJECTION: ProbeName = "injection"
# The one that changes what is said, so that answers are held against each other and not against the right one.
NEGATION: ProbeName = "negation"
# The one whose texts are searched for each model, so that models are asked different ones.
ATTACK: ProbeName = "attack"
SAFETY: tuple[ProbeName, ...] = ("swaps", "preferences", "requests")
# The one about secrets that were planted in what is tuned on.
CANARIES: ProbeName = "canaries"
# What to do where a probe has no condition to ask.
UNASKED = "add a condition that asks the recipe's model, untuned or tuned, in the words of the task (zero-shot, tuned)"


@dataclass(frozen=True, slots=True)
class Variation:
    """One way to ask, or one task to ask of.

    Attributes:
        name: Of its directory in the run.
        description: What is different, in a line.
        task: With the templates and labels to ask with.
        items: The items.
        pool: The examples that may be shown as demonstrations.
        order: Number of another order of the demonstrations; 0 is that of the run.
        attack: How the texts are searched on which a model does worst; None where the items are asked as they are.
        demanded: What an instruction hidden in the item asks for, by id of the item; empty where none is hidden.
    """

    name: str
    description: str
    task: Task
    items: list[Example]
    pool: list[Example]
    order: int = 0
    attack: Robustness | None = None
    demanded: dict[str, tuple[str, str]] | None = None

    @property
    def questions(self) -> int:
        """How many questions each condition is asked at most, those of a search included."""
        return len(self.items) * (1 + (self.attack.attack if self.attack else 0))


@dataclass(frozen=True, slots=True)
class Probe:
    """Variations that answer one question about the systems.

    Attributes:
        name: Of its directory in the run.
        variations: In what ways is asked.
        same_items: They ask the items of the run, so that each answer has one to the item as it stands beside it.
        positions: Which items of the run are asked, as places among them; all of its own where the items are others.
        margin: The loss that counts as none; None where nothing is said of losses.
        conditions: The conditions whose systems are asked.
    """

    name: ProbeName
    variations: list[Variation]
    same_items: bool
    conditions: list[str]
    positions: list[int]
    margin: float | None = None

    @property
    def questions(self) -> int:
        """How many questions each condition is asked at most."""
        return sum(variation.questions for variation in self.variations)


def variation_prompts(style: PromptStyle, prompting: Prompting, variation: Variation, seed: int) -> list[Prompt]:
    """The prompts of a variation.

    Args:
        style: How prompts of the run are rendered; the task is the variation's.
        prompting: Of the condition.
        variation: What is asked.
        seed: Of the run.
    """
    style = replace(style, task=variation.task)
    if variation.task.output_type == ROLLING:
        return [replace(prompt, template=variation.name) for prompt in text_prompts(style, variation.items)]
    shown = choose_demonstrations(variation.task, prompting, variation.items, variation.pool, seed)
    if variation.order:
        order = other_order(range(prompting.shots), variation.order, generator(seed, "order of demonstrations"))
        shown = [[chosen[at] for at in order if at < len(chosen)] for chosen in shown]
    prompts = build_prompts(style, variation.items, shown)
    return [replace(prompt, template=variation.name) for prompt in prompts]


def positions_of(items: Sequence[Example], variations: Sequence[Variation]) -> list[int]:
    """The places of the items that variations ask."""
    asked = {item.id for way in variations for item in way.items}
    return [at for at, item in enumerate(items) if item.id in asked]


def other_order(values: Sequence[Value], number: int, draw: Random) -> list[Value]:
    """One of the orders that differ from the given one, at random; other numbers give others, as long as there are any.

    Args:
        values: What is ordered.
        number: Which of the orders, from 1.
        draw: The same for all numbers.
    """
    places = tuple(range(len(values)))
    if len(values) <= MANY:
        others = list(permutations(places))[1:]
        order = draw.sample(others, len(others))[(number - 1) % len(others)] if others else places
    else:
        found: dict[tuple[int, ...], None] = {}
        while len(found) < number:
            found |= {order: None for order in [tuple(draw.sample(places, len(places)))] if order != places}
        order = list(found)[-1]
    return [values[place] for place in order]


def count_orders(values: int) -> int:
    """How many orders there are besides the given one; of many values, more than anybody asks for."""
    return factorial(min(values, MANY)) - 1


def read_again(task: Task, examples: Sequence[Example]) -> list[Example]:
    """Examples as another wording of their task reads them; they keep id, group and source."""
    if not examples:
        return []
    rows = [Row(example.fields, example.source) for example in examples]
    reader = make_reader(task, rows)
    return [
        replace(reader.example(row), id=example.id, group=example.group)
        for row, example in zip(rows, examples, strict=True)
    ]
