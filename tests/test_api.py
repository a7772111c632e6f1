from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tunelift as tl
from tunelift.core.errors import UserError
from tunelift.core.recipe import load_recipe
from tunelift.data.examples import load_examples

UNTUNED = {"majority": {}, "zero-shot": {}}


@pytest.fixture(scope="session")
def model(tiny_folder: Path) -> Any:
    return tl.load_model(str(tiny_folder), "float32")


def write_distinct_rows(path: Path) -> None:
    """90 rows in three classes of which no two are near duplicates."""
    draw = random.Random(5)
    rows = [
        {"text": f"{word} {draw.randrange(10**9)} {draw.randrange(10**9)} {draw.randrange(10**9)}", "label": label}
        for label, word in (("negative", "awful"), ("neutral", "plain"), ("positive", "great"))
        for _ in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def task(task_file: Callable[..., Path], cache: Path, tmp_path: Path) -> Any:
    path = task_file(generation_kwargs={"max_gen_toks": 4})
    write_distinct_rows(tmp_path / "rows.jsonl")
    return tl.load_task(path)


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": "x"}, "tune(epochs=...): \"epochs\" is 'x', but input should be a valid integer"),
        ({"epochs": 0}, 'tune(epochs=...): "epochs" is 0, but input should be greater than 0'),
        ({"epoch": 1}, 'tune(epoch=...): unknown key "epoch" - did you mean "epochs"?'),
        ({"method": {"lora": {"rnk": 3}}}, 'tune(method=...): unknown key "method.lora.rnk" - did you mean "rank"?'),
    ],
)
def test_a_wrong_setting_of_tune_is_named(model: Any, task: Any, settings: dict[str, Any], message: str) -> None:
    assert error_of(lambda: tl.tune(model, task, **settings)).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"select": "foo"}, "evaluate(select=...): \"select\" is 'foo', but input should be 'random'"),
        ({"shots": -1}, 'evaluate(shots=...): "shots" is -1, but input should be greater than or equal to 0'),
        ({"limit": -1}, 'evaluate(limit=...): "limit" is -1, but input should be greater than 0'),
        ({"limit": 0}, 'evaluate(limit=...): "limit" is 0, but input should be greater than 0'),
    ],
)
def test_a_wrong_argument_of_evaluate_is_named(model: Any, task: Any, arguments: dict[str, Any], message: str) -> None:
    assert error_of(lambda: tl.evaluate(model, task, **arguments)).startswith(message)


@pytest.mark.parametrize("call", [tl.evaluate, tl.tune], ids=["evaluate", "tune"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"doc_to_text": "word " * 700 + "{{text}}"}, "prompts are longer than the model's context of 512 tokens"),
        ({"doc_to_choice": ["", "negative", "neutral", "positive"]}, "a choice is empty"),
        ({"doc_to_target": "{{'positive'}}"}, 'rows have the same answer "positive"'),
    ],
)
def test_what_makes_no_sense_is_refused(
    model: Any, task: Any, tmp_path: Path, call: Callable[..., Any], changes: dict[str, Any], message: str
) -> None:
    settings = {"epochs": 1, "folder": tmp_path / "tuned"} if call is tl.tune else {"limit": 4}
    error = error_of(lambda: call(model, task.model_copy(update=changes), **settings))
    assert error.startswith("task tiny: ")
    assert message in error
    assert not (tmp_path / "tuned").exists()


def test_tuning_on_rows_of_the_test_split_is_refused(model: Any, tmp_path: Path, cache: Path) -> None:
    rows = [json.dumps({"text": f"text number {n}", "label": "no" if n % 2 else "yes"}) + "\n" for n in range(40)]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "task.yaml").write_text(
        f"task: leak\ndataset_path: {tmp_path}\ndoc_to_text: text\ndoc_to_target: label\nlanguage: en\n"
    )
    error = error_of(lambda: tl.tune(model, tl.load_task(tmp_path / "task.yaml"), epochs=1))
    assert error.startswith("task leak: test rows (of 40) also stand in train")


def test_a_subset_is_numbered_by_the_whole_test_split(model: Any, task: Any) -> None:
    evaluation = tl.evaluate(model, task, limit=6)
    test = load_examples(task).splits.test
    assert (len(evaluation.samples), evaluation.available) == (6, 30)
    assert all(test[sample.doc_id].id == sample.example_id for sample in evaluation.samples)
    assert [sample.doc_id for sample in evaluation.samples] != list(range(6))


@pytest.fixture
def recipe(recipe_file: Callable[..., Path], tiny_folder: Path, cache: Path) -> Path:
    path = recipe_file(model=str(tiny_folder), conditions=UNTUNED, limit=8)
    write_distinct_rows(path.parent / "rows.jsonl")
    return path


def test_keys_of_a_recipe_are_replaced_as_data(recipe: Path, tmp_path: Path) -> None:
    for given in (recipe, load_recipe(recipe)):
        assert tl.run(given, tmp_path / "run", limit=None, conditions={"majority": {}}).comparison.items == 30
        assert tl.run(given, tmp_path / "run", conditions={"majority": None}).comparison.items == 8


def test_keys_that_a_recipe_does_not_have_are_refused(recipe: Path, tmp_path: Path) -> None:
    for given in (recipe, load_recipe(recipe)):
        error = error_of(lambda given=given: tl.run(given, tmp_path / "run", limit=10, sed=4))
        assert error.startswith('run(sed=...): unknown key "sed" - did you mean "seed"?')
    assert not (tmp_path / "run").exists()
