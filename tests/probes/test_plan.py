"""Which probes a run makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.recipe import Recipe
from tunelift.core.records import Example, Source, Splits
from tunelift.data.tasks import Task
from tunelift.probes.plan import plan_probes, probed_conditions
from tunelift.probes.tasks import other_tasks

TASK = Task.model_validate(
    {"task": "t", "dataset_path": "x", "doc_to_text": "Of: {{text}}", "doc_to_target": "label"}
    | {"doc_to_choice": ["yes", "no"]}
)
ITEMS = [Example(f"e{at}", {"text": f"word {at}"}, "yes", Source("x", at), ("yes", "no")) for at in range(9)]
OTHER = """
task: other
dataset_path: other.jsonl
test_split: train
doc_to_text: "{{text}}"
doc_to_target: label
"""


def recipe(conditions: dict[str, Any], **evaluate: Any) -> Recipe:
    return Recipe.model_validate({"model": "m", "task": "t", "conditions": conditions, "evaluate": evaluate})


@pytest.fixture
def tasks(tmp_path: Path) -> list[str]:
    """Two task files with one name."""
    (tmp_path / "other.jsonl").write_text('{"text": "a", "label": "b"}\n', encoding="utf-8")
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(OTHER, encoding="utf-8")
    return [str(tmp_path / name) for name in ("one.yaml", "two.yaml")]


def test_what_asks_with_the_best_prompt_is_not_asked_in_other_words() -> None:
    found = probed_conditions(recipe({"best-prompt": {}, "few-shot": {}, "zero-shot": {}, "tuned": {}}))
    assert found == {False: ["zero-shot", "tuned"], True: ["few-shot"]}
    assert probed_conditions(recipe({"best-prompt": {}}))[False] == []


@pytest.mark.parametrize("conditions", [{"majority": {}, "nearest": {}}, {"best-prompt": {}}])
def test_without_a_model_to_ask_a_run_says_so(conditions: dict[str, Any], tmp_path: Path) -> None:
    splits = Splits(ITEMS, [], ITEMS)
    probes, (finding,) = plan_probes(recipe(conditions, templates=2, safety=True), TASK, ITEMS, splits, tmp_path)
    assert (probes, finding.check) == ([], "probe-impossible")
    assert plan_probes(recipe(conditions), TASK, ITEMS, splits, tmp_path) == ([], [])


def test_the_questions_of_a_search_are_counted(tmp_path: Path) -> None:
    asked = recipe({"zero-shot": {}}, robustness={"perturbations": ["typos"], "attack": 20}, probe_limit=5)
    probes, _ = plan_probes(asked, TASK, ITEMS, Splits([], [], ITEMS), tmp_path)
    assert {probe.name: probe.questions for probe in probes} == {"robustness": 10, "attack": 105}


def test_a_temperature_needs_a_tuned_model(tmp_path: Path) -> None:
    splits = Splits(ITEMS, ITEMS, ITEMS)
    probes, (finding,) = plan_probes(recipe({"zero-shot": {}}, temperature=True), TASK, ITEMS, splits, tmp_path)
    assert (probes, "tuned model" in finding.message) == ([], True)


def test_a_task_is_asked_once_and_no_two_have_one_name(tasks: list[str], tmp_path: Path) -> None:
    one = Path(tasks[0])
    (way,), _ = other_tasks([tasks[0], str(one.parent / "." / ".." / one.parent.name / one.name)], 5, 7, tmp_path)
    assert way.name == "other"
    with pytest.raises(UserError, match="as another task"):
        other_tasks(tasks, 5, 7, tmp_path)


def test_a_task_that_cannot_be_scored_is_refused_before_anything_is_asked(tasks: list[str], tmp_path: Path) -> None:
    Path(tasks[0]).write_text(f"{OTHER}metric_list: [{{metric: pass_at_k}}]\n", encoding="utf-8")
    with pytest.raises(UserError, match="pass_at_k"):
        other_tasks(tasks[:1], 5, 7, tmp_path)
