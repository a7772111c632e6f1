"""Tasks of Super-NaturalInstructions, drawn so that those held out share nothing with those that are tuned on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunelift.core.errors import UserError
from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.data.examples import prepare_rows
from tunelift.data.reader import each_row, make_reader
from tunelift.data.sources import read_path
from tunelift.data.tasks import Task

SEED = 7
LONGEST_INPUT, LONGEST_ANSWER = 600, 160  # characters
NEW_TOKENS = 48
# Random orders in which tasks are tried as held-out ones before a draw is given up.
ORDERS = 1000


@dataclass(frozen=True, slots=True)
class InstructionTask:
    """One task.

    Attributes:
        name: Of its file.
        origins: Its categories and its source data sets, each with what it is in front.
        examples: Its usable rows in a random order, which is always the same.
    """

    name: str
    origins: frozenset[str]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """Tasks of one draw.

    Attributes:
        held_out: The tasks that are asked.
        training: The tasks that are tuned on; of these a smaller number takes the first.
        allowed: Number of tasks with enough examples that share nothing with those held out.
    """

    held_out: tuple[InstructionTask, ...]
    training: tuple[InstructionTask, ...]
    allowed: int


def question_task(folder: Path) -> Task:
    """How every task is asked: its definition as the system turn, which all of its prompts share, then the input."""
    return Task.model_validate(
        {
            "task": "unseen-tasks",
            "dataset_path": str(folder),
            "description": "{{instruction}}",
            "doc_to_text": "{{input|trim}}",
            "doc_to_target": "answers",
            "fields": {"answers": "outputs|map('trim')|unique|list"},
            "group_by": "task",
            "where": (
                f"(input|trim)|length > 0 and input|length <= {LONGEST_INPUT} and output|length <= {LONGEST_ANSWER}"
            ),
            # As in the evaluation of Super-NaturalInstructions: stems, and the best of the references.
            "metric_list": [{"metric": "rougeL", "use_stemmer": True}],
            "generation_kwargs": {"max_gen_toks": NEW_TOKENS},
        }
    )


def read_tasks(asked: Task) -> list[InstructionTask]:
    """The tasks of a folder with their usable rows, by name; of rows with the same input the first counts.

    Args:
        asked: As `question_task` makes it.

    Raises:
        UserError: The folder cannot be read, or holds no usable row.
    """
    folder = Path(asked.dataset_path)
    rows = prepare_rows(asked, read_path(folder)).rows
    by_task: dict[str, dict[str, Example]] = defaultdict(dict)
    for example in each_row(rows, make_reader(asked, rows).example):
        by_task[str(example.group)].setdefault(example.fields["input"].strip(), example)
    tasks = []
    for name, by_input in sorted(by_task.items()):
        examples = list(by_input.values())
        generator(SEED, "examples", name).shuffle(examples)
        tasks.append(InstructionTask(name, _origins(folder / f"{name}.json"), tuple(examples)))
    return tasks


def _origins(file: Path) -> frozenset[str]:
    """Categories and sources of a task; the reader's rows lack the sources."""
    content = json.loads(file.read_text(encoding="utf-8"))
    return frozenset(
        f"{key}: {name.strip(' ,').lower()}" for key in ("Categories", "Source") for name in content.get(key, [])
    )


def draw_tasks(
    tasks: Sequence[InstructionTask], number: int, held_out: int, training: int, rows: tuple[int, int]
) -> Draw:
    """Draw tasks to hold out, and tasks to tune on that share neither category nor source with any of them.

    Tasks are gone through in random order; one is held out if enough tasks to tune on are then left. So tasks of small
    categories are held out more often: the data allow nothing else.

    Args:
        tasks: All tasks.
        number: Of the draw.
        held_out: How many to hold out.
        training: How many to tune on.
        rows: How many usable rows a task needs to be held out, and to be tuned on.

    Raises:
        UserError: The tasks allow no such draw.
    """
    askable, tunable = ([task for task in tasks if len(task.examples) >= least] for least in rows)
    for order in range(ORDERS):
        random = generator(SEED, "draw", number, order)
        chosen: list[InstructionTask] = []
        allowed: list[InstructionTask] = []
        for task in random.sample(askable, len(askable)):
            left = unrelated(tunable, [*chosen, task])
            if len(left) >= training:
                chosen, allowed = [*chosen, task], left
            if len(chosen) == held_out:
                return Draw(tuple(chosen), tuple(random.sample(allowed, training)), len(allowed))
    what = f"no {held_out} tasks were found that leave {training} others of other categories and sources"
    hint = f"{len(askable)} can be asked, {len(tunable)} tuned on; ask for fewer tasks, or for fewer examples"
    raise UserError("tasks", what, hint)


def unrelated(tasks: Sequence[InstructionTask], held_out: Sequence[InstructionTask]) -> list[InstructionTask]:
    """The tasks that share neither a category nor a source with any that is held out."""
    taken = frozenset().union(*(task.origins for task in held_out))
    return [task for task in tasks if not task.origins & taken]


def training_examples(draw: Draw, size: int, examples: int, validation: int) -> tuple[list[Example], list[Example]]:
    """As many examples of each of the first tasks, to tune on and to measure the loss on.

    Args:
        draw: The tasks.
        size: How many of the tasks.
        examples: All examples to tune on, a multiple of `size`.
        validation: All examples to measure the loss on, a multiple of `size`.
    """
    each, further = examples // size, validation // size
    tuned = [example for task in draw.training[:size] for example in task.examples[:each]]
    measured = [example for task in draw.training[:size] for example in task.examples[each : each + further]]
    return tuned, measured
