from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunelift.core.errors import UserError
from tunelift.core.recipe import System
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.evaluation.heads import HeadSystem, head_system

CLASSES = {"type": "classification", "labels": ["A", "B"]}
NUMBERS = {"type": "regression"}


def system(folder: Path, model: Path, task: dict[str, Any], head: dict[str, Any], answer: Any = "A") -> HeadSystem:
    """A head on a task of 26 rows, of which every third has another answer."""
    own = task["type"] == "regression"
    rows = [
        {"text": f"row {n}", ("score" if own else "label"): answer if n % 3 else (n if own else "B")} for n in range(26)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    content = {"task": "t", "language": "en", "dataset_path": "rows.jsonl", **task}
    content["split"] = {"train": 12, "validation": 4, "test": 6}
    (folder / "task.yaml").write_text(yaml.safe_dump(content))
    loaded = load_task(folder / "task.yaml")
    data = load_examples(loaded, folder / "splits")
    chosen = System.model_validate({"head": head, "tune": {}})
    return head_system("mine", chosen, loaded, data, data.splits.test, str(model), False)


@pytest.mark.parametrize(
    ("task", "head", "error"),
    [
        (CLASSES, {"kind": "regression"}, r"systems\.mine\.head\.kind: is regression, but .* choice - write class"),
        (CLASSES, {"kind": "entities"}, r"systems\.mine\.head\.kind: is entities, but"),
        (NUMBERS, {"kind": "classification"}, r"systems\.mine\.head\.kind: is classification, .* - write regression"),
        ({**CLASSES, "head": "labels"}, {}, r"task t: head: is labels, but"),
        (NUMBERS, {"focal_gamma": 2.0}, r"systems\.mine\.head: a regression has no classes"),
        (NUMBERS, {"class_weights": "balanced"}, r"systems\.mine\.head: a regression has no classes"),
        (CLASSES, {"class_weights": {"C": 2.0}}, r"systems\.mine\.head\.class_weights\.C: is not an output"),
        (CLASSES, {"max_length": 4}, r"systems\.mine\.head\.max_length: is 4"),
    ],
)
def test_wrong_settings_name_their_place(
    tmp_path: Path, tiny_folder: Path, task: dict[str, Any], head: dict[str, Any], error: str
) -> None:
    with pytest.raises(UserError, match=error):
        system(tmp_path, tiny_folder, task, head, 1.5 if task is NUMBERS else "A")


def test_references_that_are_no_numbers_name_their_row(tmp_path: Path, tiny_folder: Path) -> None:
    with pytest.raises(UserError, match=r"rows\.jsonl:\d+: the reference answer cannot be read as number"):
        system(tmp_path, tiny_folder, NUMBERS, {}, "nan")


def test_settings_that_go_together_are_kept(tmp_path: Path, tiny_folder: Path) -> None:
    made = system(tmp_path, tiny_folder, CLASSES, {"focal_gamma": 2.0, "label_smoothing": 0.1, "dropout": 0.0})
    assert (made.config.kind, made.config.focal_gamma, made.config.label_smoothing) == ("classification", 2.0, 0.1)
    assert (made.config.dropout, made.config.labels) == (0.0, ("A", "B"))
