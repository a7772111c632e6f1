from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import Evaluation
from tunelift.evaluation.metrics.metric import mean_metric
from tunelift.evaluation.suites import averages, task_files
from tunelift.statistics.intervals import standard_error


def make(task: str, name: str, values: list[float]) -> Evaluation:
    samples = [
        Sample(f"e{at}", at, {}, "x", "c", "x", "x", "stop", metrics={name: value}) for at, value in enumerate(values)
    ]
    return Evaluation(task, "c", "m", samples, len(values), 0.0, [mean_metric(name, lambda outcome: 0.0)])


def test_every_task_counts_the_same() -> None:
    parts = [[1.0, 0.0], [1.0] * 8 + [0.0] * 2]
    (average,) = averages([make("a", "acc", parts[0]), make("b", "acc", parts[1]), make("c", "bleu", [3.0])])
    assert (average.metric, average.tasks, average.mean) == ("acc", 2, pytest.approx(0.65))
    errors: list[Any] = [standard_error(part) for part in parts]
    assert average.error == pytest.approx(sqrt(sum(error[0] ** 2 for error in errors)) / 2)
    assert str(average).startswith("average of 2 tasks: acc 0.650 (standard error 0.")


def test_names_become_task_files(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "rows.jsonl"):
        (tmp_path / name).write_text("")
    assert task_files(str(tmp_path)) == [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    assert task_files("some/task.yaml") == [Path("some/task.yaml")]
    assert len(task_files("builtin/general-en")) == len(task_files("builtin/general-zh")) == 7
    with pytest.raises(UserError, match='did you mean "builtin/general-en"'):
        task_files("builtin/general-em")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no task files"):
        task_files(str(tmp_path / "empty"))


def test_what_is_not_known_has_no_error() -> None:
    (average,) = averages([make("a", "acc", [1.0, 0.0]), make("b", "acc", [1.0])])
    assert (average.mean, average.error) == (0.75, None)
    (average,) = averages([make("a", "acc", [1.0, 1.0]), make("b", "acc", [0.0, 0.0])])
    assert (average.mean, average.error) == (0.5, 0.0)
