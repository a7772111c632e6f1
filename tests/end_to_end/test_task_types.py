"""Every ready type of task goes through the whole loop with a small random model, by instruction and through a head."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunelift.api import run
from tunelift.comparison.records import Comparison
from tunelift.core.files import read_json
from tunelift.core.store import read_store
from tunelift.data.tasks import load_task, task_types
from tunelift.evaluation.metrics.table import make_metrics

NAMES = ["Ann", "Bob", "Eve", "Tom"]
WORDS = ["river", "lamp", "cloud", "stone", "bread", "glass", "paper", "field", "train", "music"]
ROWS = 26


def text(draw: random.Random) -> str:
    return " ".join(draw.sample(WORDS, 4)) + f" {draw.randrange(10**6)}"


def entity_row(draw: random.Random) -> dict[str, Any]:
    name, words = draw.choice(NAMES), text(draw)
    return {"text": f"{name} {words}", "entities": [{"type": "PER", "start": 0, "end": len(name), "text": name}]}


def relation_row(draw: random.Random) -> dict[str, Any]:
    first, second = draw.sample(WORDS, 2)
    return {"relation": draw.choice("AB"), "sentence": f"the <e1>{first}</e1> of the <e2>{second}</e2> {text(draw)}"}


def table_row(draw: random.Random) -> dict[str, Any]:
    word, number = f"{draw.choice(WORDS)}{draw.randrange(10**6)}", draw.randrange(100)
    rows = f"('{word}', {number}), ('x', 1)"
    schema = f"CREATE TABLE t (name TEXT, size INTEGER); INSERT INTO t VALUES {rows};"
    return {
        "question": f"{text(draw)} {text(draw)}",
        "schema": schema,
        "sql": f"SELECT size FROM t WHERE name = '{word}'",
    }


def code_row(draw: random.Random) -> dict[str, Any]:
    number = draw.randrange(10**6)
    solution = f"def add(x):\n    return x + {number}\n"
    return {"request": f"Add {number}", "solution": solution, "test": f"assert add(1) == {number + 1}"}


MAKERS = {
    "arithmetic": lambda draw: {"question": text(draw), "solution": f"so #### {draw.randrange(99)}"},
    "classification": lambda draw: {"text": text(draw), "label": draw.choice("AB")},
    "code": code_row,
    "commonsense": lambda draw: {"question": text(draw), "choices": draw.sample(WORDS, 3), "answer": draw.randrange(3)},
    "controlled-generation": lambda draw: {
        "request": text(draw),
        "constraints": [{"kind": "words", "at_most": 3}],
        "response": draw.choice(WORDS),
    },
    "dialogue": lambda draw: {
        "messages": [
            {"role": "user", "content": text(draw)},
            {"role": "assistant", "content": draw.choice(WORDS)},
            {"role": "user", "content": text(draw)},
            {"role": "assistant", "content": draw.choice(WORDS)},
        ]
    },
    "entities": entity_row,
    "extractive-qa": lambda draw: {"context": text(draw), "question": "what?", "answers": draw.sample(WORDS, 2)},
    "language-modelling": lambda draw: {"text": text(draw)},
    "multi-label": lambda draw: {"text": text(draw), "tags": draw.sample("AB", draw.randrange(3))},
    "multiple-choice": lambda draw: {
        "question": text(draw),
        "choices": draw.sample(WORDS, 3),
        "answer": draw.randrange(3),
    },
    "pair-classification": lambda draw: {"text_a": text(draw), "text_b": text(draw), "label": draw.choice("AB")},
    "question-answering": lambda draw: {"question": text(draw), "answers": draw.choice(WORDS)},
    "recommendation": lambda draw: {
        "history": draw.sample(WORDS, 3),
        "candidates": [f"{word} {draw.randrange(99)}" for word in draw.sample(WORDS, 3)],
        "answer": draw.randrange(3),
    },
    "regression": lambda draw: {"text": text(draw), "score": draw.random()},
    "relation-classification": relation_row,
    "relation-extraction": lambda draw: {"text": text(draw), "triples": [[*draw.sample(WORDS, 1), "A", "river"]]},
    "summarisation": lambda draw: {"text": text(draw), "summary": draw.choice(WORDS)},
    "text-to-sql": table_row,
    "translation": lambda draw: {"source": text(draw), "translation": text(draw)},
}
LABELLED = ("classification", "multi-label", "pair-classification", "relation-classification")
WITH_HEADS = (*LABELLED, "entities", "regression")


def make_run(folder: Path, model: Path, name: str, language: str) -> tuple[Comparison, Path]:
    draw = random.Random(3)
    lines = [json.dumps(MAKERS[name](draw)) for _ in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    task: dict[str, Any] = {"task": "t", "type": name, "language": language, "dataset_path": "rows.jsonl"}
    # A dialogue of two answers is a group, and few groups show nothing.
    test = 14 if name == "dialogue" else 6
    task |= {"split": {"train": 12, "validation": 4, "test": test}, "generation_kwargs": {"max_gen_toks": 4}}
    if name in LABELLED:
        task["labels"] = ["A", "B"]
    if name == "entities":
        task["labels"] = {"PER": "person"}
    (folder / "task.yaml").write_text(yaml.safe_dump(task, allow_unicode=True), encoding="utf-8")
    conditions: dict[str, Any] = {"tfidf": {}, "zero-shot": {}, "few-shot": {"shots": 1}, "tuned": {}}
    recipe: dict[str, Any] = {"model": str(model), "task": "task.yaml", "evaluate": {"allow_execution": True}}
    recipe["tune"] = {"epochs": 1, "batch_size": 6}
    if name == "language-modelling":
        conditions = {"zero-shot": {}, "tuned": {}}
    if name in WITH_HEADS:
        recipe["systems"] = {"head": {"head": {}}}
        conditions["head"] = {"system": "head"}
    recipe["conditions"] = conditions
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    run(folder / "recipe.yaml", folder / "run")
    return Comparison.from_dict(read_json(folder / "run" / "comparison.json")), folder / "run"


def test_every_type_is_tried() -> None:
    assert sorted(MAKERS) == task_types()


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_type_goes_through_the_whole_loop(name: str, tmp_path: Path, tiny_folder: Path, cache: Path) -> None:
    comparison, folder = make_run(tmp_path, tiny_folder, name, "en")
    expected = [metric.name for metric in make_metrics(load_task(tmp_path / "task.yaml"), allow_execution=True)]
    assert comparison.metric == expected[0]
    assert [*comparison.conditions[0].others] == expected[1:]
    names = [score.name for score in comparison.conditions]
    assert ("head" in names) == (name in WITH_HEADS)
    tuned = next(contrast for contrast in comparison.contrasts if contrast.candidate == "tuned")
    assert 0 < tuned.result.p <= 1
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert all(metric in report for metric in expected[1:])
    rows = {
        condition: [json.loads(line) for line in _samples(folder, condition).read_text(encoding="utf-8").splitlines()]
        for condition in names
    }
    assert len({tuple(row["example_id"] for row in of) for of in rows.values()}) == 1
    assert all(row["references"] or name == "language-modelling" for of in rows.values() for row in of)
    if name not in ("classification", "multi-label"):
        assert all(row["reference_logprob"] < 0 for row in rows["tuned"])


@pytest.mark.parametrize("name", ["classification", "entities", "multi-label", "arithmetic"])
def test_a_chinese_task_asks_in_chinese(name: str, tmp_path: Path, tiny_folder: Path, cache: Path) -> None:
    _, folder = make_run(tmp_path, tiny_folder, name, "zh")
    first = json.loads(_samples(folder, "zero-shot").read_text(encoding="utf-8").splitlines()[0])
    assert any("\u4e00" <= letter <= "\u9fff" for letter in first["arguments"]["gen_args_0"]["arg_0"])


def _samples(folder: Path, condition: str) -> Path:
    files = read_store(folder).files(f"conditions/{condition}")
    return next(file for file in files if file.suffix == ".jsonl")
