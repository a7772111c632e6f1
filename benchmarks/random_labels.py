"""Honest in the other direction: a run whose training labels are random must not end with a claim of ability.

The bundled tweets with the labels of the training and validation split drawn anew (those that there are, shuffled),
tuned and compared as in `examples/tweets`; the test labels are the true ones. Printed is what the run says.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from common.measure import save
from common.workloads import REPOSITORY
from tunelift.api import load_task, run
from tunelift.core.cache import cache_folder
from tunelift.core.recipe import load_recipe
from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.data.examples import load_examples
from tunelift.report.summary import summary_text
from tunelift.report.wording import outcome, reservation

NAME = "random_labels"
EXAMPLE = REPOSITORY / "examples" / "tweets"


def shuffled(examples: list[Example], field: str, draw: Random) -> list[dict[str, Any]]:
    """Rows whose labels are those of other rows."""
    labels = [example.fields[field] for example in examples]
    draw.shuffle(labels)
    return [{**example.fields, field: label} for example, label in zip(examples, labels, strict=True)]


def write_project(folder: Path, seed: int) -> Path:
    """Data with random labels, and the example's task and recipe for it; returns the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    task = load_task(EXAMPLE / "task.yaml")
    splits = load_examples(task, cache_folder() / "splits").splits
    field, draw = str(task.doc_to_target), generator(seed, NAME)
    rows = {
        "train": shuffled(splits.train, field, draw),
        "validation": shuffled(splits.validation, field, draw),
        "test": [example.fields for example in splits.test],
    }
    for name, part in rows.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in part]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = yaml.safe_load((EXAMPLE / "task.yaml").read_text(encoding="utf-8"))
    data = {key: value for key, value in data.items() if key not in ("split", "where")}
    data |= {
        "task": "tweets-with-random-labels",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {name: f"{name}.jsonl" for name in rows}},
        "training_split": "train",
        "validation_split": "validation",
        "test_split": "test",
    }
    (folder / "task.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text((EXAMPLE / "recipe.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return recipe


def main() -> None:
    """Run, print what the run says, and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=7, help="of the shuffled labels")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "benchmarks" / f"{NAME}.json")
    options = parser.parse_args()
    folder = options.output.with_suffix("")
    report = run(load_recipe(write_project(folder, options.seed)), folder / "run")
    print(summary_text(report))
    claimed = [
        f"{contrast.candidate} vs {contrast.baseline}"
        for contrast in report.contrasts
        if contrast.candidate == "tuned" and outcome(contrast) == "better" and not reservation(contrast)
    ]
    print("\nclaims of ability from random labels:", ", ".join(claimed) or "none")
    comparison = report.comparison.to_dict()
    save(options.output, {"benchmark": NAME, "seed": options.seed, "claimed": claimed, "comparison": comparison})


if __name__ == "__main__":
    main()
