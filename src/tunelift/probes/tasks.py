"""Other tasks: those that show what was forgotten, and those that were never tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunelift.core.records import Finding
from tunelift.data.checks import check_answers, refuse_errors
from tunelift.data.examples import draw_positions, load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.suites import task_files
from tunelift.probes.variation import Variation


def other_tasks(names: Sequence[str], limit: int, seed: int, cache: Path) -> tuple[list[Variation], list[Finding]]:
    """The test items of other tasks, and what the checks notice about them.

    Args:
        names: Task files, folders of such, or ``builtin/...``.
        limit: At most so many items of each task, a seeded random subset.
        seed: Of the run.
        cache: A folder that remembers which row goes where.

    Raises:
        UserError: A task or its data cannot be read, or has errors.
    """
    variations, findings = [], []
    for file in dict.fromkeys(file for name in names for file in task_files(name)):
        task = load_task(file)
        splits = load_examples(task, cache).splits
        found = check_answers(splits)
        refuse_errors(found, str(file))
        items = [splits.test[at] for at in draw_positions(len(splits.test), limit, seed)]
        described = str(task.metadata.get("description") or file)
        variations.append(Variation(task.task, described, task, items, splits.train))
        findings += found
    return variations, findings
