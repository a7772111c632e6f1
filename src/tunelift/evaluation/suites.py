"""Suites: a folder of task files that are run as one, with averages over the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.evaluate import Evaluation, data_of, error_of, has_metric, score_of

PREFIX = "builtin/"
BUILTIN = Path(__file__).parents[1] / "suites"


@dataclass(frozen=True, slots=True)
class Average:
    """One metric over the tasks of a suite; every task counts the same, whatever its size.

    Attributes:
        metric: Its name.
        tasks: How many tasks have it.
        mean: Mean of their scores.
        error: Standard error of that mean, from those of the tasks; None where one of them has none.
    """

    metric: str
    tasks: int
    mean: float
    error: float | None

    def __str__(self) -> str:
        error = f" (standard error {self.error:.3f})" if self.error is not None else ""
        return f"average of {self.tasks} tasks: {self.metric} {self.mean:.3f}{error}"


def task_files(name: str) -> list[Path]:
    """The task files that a name means: one file, or those of a folder or of a built-in suite.

    Args:
        name: A task file, a folder of such, or ``builtin/...``.

    Raises:
        UserError: There is no such suite, or the folder holds no task files.
    """
    folder = Path(name)
    if name.startswith(PREFIX):
        folder = BUILTIN / name.removeprefix(PREFIX)
        if not folder.is_dir():
            suites = [f"{PREFIX}{path.name}" for path in BUILTIN.iterdir() if path.is_dir()]
            raise UserError(name, "is not a built-in suite", nearest(name, suites))
    if not folder.is_dir():
        return [folder]
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise UserError(name, "holds no task files (*.yaml)", "name a task file, or a folder of such")
    return files


def averages(evaluations: Sequence[Evaluation]) -> list[Average]:
    """The averages of metrics that at least two tasks have; scores of different metrics are never mixed.

    The error of a mean over G tasks is the root of the sum of their squared errors, divided by G: tasks are a fixed
    set, and their items independent draws.
    """
    names = dict.fromkeys(metric.name for evaluation in evaluations for metric in evaluation.metrics)
    found = []
    for name in names:
        parts = [
            (metric, evaluation)
            for evaluation in evaluations
            for metric in evaluation.metrics
            if metric.name == name and evaluation.samples and has_metric(metric, evaluation.samples)
        ]
        if len(parts) < 2:
            continue
        scores = [score_of(metric, data_of(metric, evaluation.samples)) for metric, evaluation in parts]
        errors = [error_of(name, evaluation.samples) if metric.is_mean else None for metric, evaluation in parts]
        known = [error for error in errors if error is not None]
        total = sqrt(sum(error**2 for error in known)) / len(parts) if len(known) == len(parts) else None
        found.append(Average(name, len(parts), sum(scores) / len(scores), total))
    return found
