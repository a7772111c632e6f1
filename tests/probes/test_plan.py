"""Which probes a run makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.evaluation import Canaries
from tunelift.core.recipe import Prompting, Recipe
from tunelift.core.records import Example, Source, Splits
from tunelift.data.task_parts import AnswerRules
from tunelift.data.tasks import Task
from tunelift.probes.ask import prompting_of
from tunelift.probes.canaries import plant_canaries
from tunelift.probes.perturbations import negated
from tunelift.probes.plan import Probed, plan_probes, probed_conditions
from tunelift.probes.tasks import other_tasks
from tunelift.probes.variation import UNASKED

TASK = Task.model_validate(
    {"task": "t", "dataset_path": "x", "doc_to_text": "Of: {{text}}", "doc_to_target": "label"}
    | {"doc_to_choice": ["yes", "no"]}
)
ITEMS = [Example(f"e{at}", {"text": f"word {at}"}, "yes", Source("x", at), ("yes", "no")) for at in range(9)]
ALONE = {"injections": False, "negation": False}
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
    assert found == Probed(own=["zero-shot", "tuned"], shown=["few-shot"], others=["zero-shot", "tuned"])
    found = probed_conditions(recipe({"best-prompt": {"shots": 2}, "tuned": {}}))
    assert found == Probed(own=["tuned"], shown=[], others=["best-prompt", "tuned"])


def test_other_tasks_are_asked_of_the_untuned_model_even_if_it_has_the_best_prompt(
    tasks: list[str], tmp_path: Path
) -> None:
    asked = recipe({"best-prompt": {"shots": 2}, "tuned": {}}, held_out=tasks[:1], templates=1, safety=True)
    probes, findings = plan_probes(asked, TASK, ITEMS, Splits(ITEMS, [], ITEMS), tmp_path)
    conditions = {probe.name: probe.conditions for probe in probes}
    both = ["best-prompt", "tuned"]
    assert conditions == {"wordings": ["tuned"], "held-out": both, "preferences": both, "requests": both}
    held_out = next(probe for probe in probes if probe.name == "held-out")
    assert prompting_of(held_out, asked, "best-prompt") == Prompting()
    assert [finding.message for finding in findings] == ["the probe swaps cannot be made"]


def test_without_the_own_model_a_run_says_so(tmp_path: Path) -> None:
    splits, systems = Splits(ITEMS, [], ITEMS), {"other": {"model": "n"}, "head": {"head": {}}}
    conditions = {"majority": {}, "mine": {"system": "other"}, "classes": {"system": "head"}}
    asked = {"model": "m", "task": "t", "conditions": conditions, "systems": systems}
    probing = Recipe.model_validate(asked | {"evaluate": {"templates": 2, "safety": True}})
    probes, (finding,) = plan_probes(probing, TASK, ITEMS, splits, tmp_path)
    assert (probes, finding.check, finding.severity) == ([], "probe-impossible", "warning")
    assert (finding.count, "the recipe's own model" in finding.message) == (2, True)
    assert plan_probes(Recipe.model_validate(asked), TASK, ITEMS, splits, tmp_path) == ([], [])


def test_items_that_only_the_best_prompt_asks_are_not_probed_and_a_run_says_so(tmp_path: Path) -> None:
    asked = recipe({"best-prompt": {}}, templates=2, safety=True)
    probes, findings = plan_probes(asked, TASK, ITEMS, Splits(ITEMS, [], ITEMS), tmp_path)
    assert [probe.name for probe in probes] == ["preferences", "requests"]
    assert [(finding.check, finding.remedy) for finding in findings] == [("probe-impossible", UNASKED)] * 2


def test_a_task_that_is_asked_of_one_model_does_not_show_what_tuning_changes(tasks: list[str], tmp_path: Path) -> None:
    asked = recipe({"tuned": {}}, held_out=tasks[:1])
    _, (finding,) = plan_probes(asked, TASK, ITEMS, Splits(ITEMS, [], ITEMS), tmp_path)
    assert (finding.check, finding.severity) == ("probe-alone", "warning")
    assert "asked of tuned alone" in finding.message


@pytest.mark.parametrize(
    ("metric", "attacked"), [("acc", True), ("token_f1", True), ("chrf", True), ("mcc", False), ("ter", False)]
)
def test_a_score_that_does_not_fall_to_0_is_not_attacked(metric: str, attacked: bool, tmp_path: Path) -> None:
    task = TASK.model_copy(update={"metric_list": [{"metric": metric}]})
    asked = recipe({"zero-shot": {}}, robustness={"perturbations": ["case"], "attack": 4, **ALONE})
    probes, findings = plan_probes(asked, task, ITEMS, Splits([], [], ITEMS), tmp_path)
    assert [probe.name for probe in probes] == ["robustness", "attack"][: 1 + attacked]
    remedies = [finding.remedy for finding in findings if "attack" in finding.message]
    assert ["a score that falls to 0" in remedy for remedy in remedies] == [True] * (not attacked)


def test_the_questions_of_a_search_are_counted(tmp_path: Path) -> None:
    asked = recipe({"zero-shot": {}}, robustness={"perturbations": ["typos"], "attack": 20}, probe_limit=5)
    probes, _ = plan_probes(asked, TASK, ITEMS, Splits([], [], ITEMS), tmp_path)
    assert {probe.name: probe.questions for probe in probes} == {"robustness": 5, "injection": 5, "attack": 105}


def test_negated_are_as_many_items_as_are_asked_for_of_those_that_can_be(tmp_path: Path) -> None:
    said = [f"It was {at}." if at % 3 else f"{at} was it" for at in range(9)]
    items = [replace(item, fields={"text": text}) for item, text in zip(ITEMS, said, strict=True)]
    negating = {"perturbations": ["case"], "injections": False}
    for limit, count in ((100, 6), (4, 4)):
        asked = recipe({"zero-shot": {}, "tuned": {}}, robustness=negating, probe_limit=limit)
        probe = plan_probes(asked, TASK, items, Splits([], [], items), tmp_path)[0][-1]
        (way,) = probe.variations
        assert (probe.name, probe.same_items, probe.conditions) == ("negation", True, ["zero-shot", "tuned"])
        assert len(way.items) == len(probe.positions) == count
        for at, item in zip(probe.positions, way.items, strict=True):
            assert item == replace(items[at], fields={"text": f"It was not {at}."})
    _, (finding,) = plan_probes(asked, TASK, ITEMS, Splits([], [], ITEMS), tmp_path)
    assert finding.message == "the probe negation cannot be made"
    off = recipe({"zero-shot": {}}, robustness={**negating, "negation": False})
    assert [probe.name for probe in plan_probes(off, TASK, items, Splits([], [], items), tmp_path)[0]] == ["robustness"]


def test_only_one_text_of_an_item_is_negated_and_none_where_answers_have_places() -> None:
    task = TASK.model_copy(update={"doc_to_text": "{{text}} {{other}}"})
    fields = {"text": "It was late.", "other": "They did not wait for us at all. We were sad."}
    items = [replace(ITEMS[0], fields=fields)]
    ((item,),) = (way.items for way in negated(task, items, [], 5, 7))
    assert item.fields == {**fields, "other": "They did not wait for us at all. We were not sad."}
    assert negated(task.model_copy(update={"answer": AnswerRules(kind="triples")}), items, [], 5, 7) == []


def test_secrets_are_asked_for_where_they_were_planted_and_a_run_says_where_not(tmp_path: Path) -> None:
    free = TASK.model_copy(update={"doc_to_choice": None})
    items = [replace(item, choices=None) for item in ITEMS]
    settings = Canaries(count=2, copies=1)
    planted, splits = plant_canaries(settings, free, items, 7), Splits(items, [], items)
    asked = recipe({"best-prompt": {}, "tuned": {}}, canaries={"count": 2, "copies": 1})
    (probe,), findings = plan_probes(asked, free, items, splits, tmp_path, planted)
    assert (probe.name, probe.conditions, findings) == ("canaries", ["best-prompt", "tuned"], [])
    _, (finding,) = plan_probes(recipe({"zero-shot": {}}, canaries=True), free, items, splits, tmp_path)
    assert finding.message == "no canaries are planted, since the recipe's own model is not tuned"


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
