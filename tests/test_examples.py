"""Every recipe under examples/ reads, and its task fits its data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.example_data import EXAMPLES, data_of, missing, name_of, recipes
from common.workloads import DATA
from tunelift.core.recipe import load_recipe
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.metrics.table import make_metrics


@pytest.mark.parametrize("path", recipes(), ids=name_of)
def test_an_example_reads_and_its_task_fits_its_data(path: Path, tmp_path: Path) -> None:
    if absent := missing(path, DATA):
        pytest.skip(f"{absent[0]} is not here")
    recipe = load_recipe(path)
    task = load_task(recipe.task)
    data = data_of(path, DATA, tmp_path / "made.jsonl")
    loaded = load_examples(task.model_copy(update={"dataset_path": data}))
    sizes = {part: len(getattr(loaded.splits, part)) for part in ("train", "validation", "test")}
    assert task.split is not None
    assert sizes == task.split.model_dump(include=set(sizes))
    assert make_metrics(task, recipe.evaluate.allow_execution)
    assert not [finding for finding in loaded.findings if finding.severity == "error"]


def test_a_made_file_is_the_same_every_time(tmp_path: Path) -> None:
    script = EXAMPLES / "code" / "make_data.py"
    for name in ("first", "second"):
        subprocess.run([sys.executable, str(script), str(tmp_path / name)], check=True, timeout=120)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
