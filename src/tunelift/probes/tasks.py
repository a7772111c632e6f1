"""Other tasks: those that show what was forgotten, and those that were never tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunelift.core.errors import UserError
from tunelift.core.records import Finding
from tunelift.data.checks import check_answers, refuse_errors
from tunelift.data.examples import draw_positions, load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.parsing.answers import check_references, check_scoring
from tunelift.evaluation.suites import task_files
from tunelift.probes.variation import Variation


def other_tasks(
    names: Sequence[str], limit: int, seed: int, cache: Path, allow_execution: bool = False
) -> tuple[list[Variation], list[Finding]]:
    """The test items of other tasks, and what the checks notice about them.

    Args:
        names: Task files, folders of such, or ``builtin/...``.
        limit: At most so many items of each task, a seeded random subset.
        seed: Of the run.
        cache: A folder that remembers which row goes where.
        allow_execution: Whether programs that a model wrote may be run.

    Raises:
        UserError: A task or its data cannot be read, or has errors, or two tasks have one name.
    """
    variations: dict[str, Variation] = {}
    findings = []
    files = {file.resolve(): file for name in names for file in task_files(name)}
    for file in files.values():
        task = load_task(file)
        if task.task in variations:
            what = f'is named "{task.task}", as another task that is asked with it'
            raise UserError(file, what, "give each task a name of its own")
        splits = load_examples(task, cache).splits
        items = [splits.test[at] for at in draw_positions(len(splits.test), limit, seed)]
        found = check_answers(splits)
        found += check_references(items, task) or check_scoring(items, task, make_metrics(task, allow_execution))
        refuse_errors(found, str(file))
        described = str(task.metadata.get("description") or file)
        variations[task.task] = Variation(task.task, described, task, items, splits.train)
        findings += found
    return list(variations.values()), findings
