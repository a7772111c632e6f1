from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.core.recipe import Condition, Recipe
from tunelift.core.shorthand import BUILT_IN_CONDITIONS, DEFAULT_CONDITIONS
from tunelift.data.tasks import Task
from tunelift.plan import check_encoders, planned_contrasts


def test_tuned_is_compared_with_everything_and_few_shot_with_zero_shot() -> None:
    conditions = {
        name: Condition.model_validate(spec)
        for name, spec in ((name, BUILT_IN_CONDITIONS[name]) for name in DEFAULT_CONDITIONS)
    }
    kinds = {name: condition.system for name, condition in conditions.items()}
    assert planned_contrasts(conditions, kinds) == [
        ("tuned", "zero-shot"),
        ("tuned", "few-shot"),
        ("tuned", "tfidf"),
        ("tuned", "majority"),
        ("few-shot", "zero-shot"),
    ]


def test_tuned_systems_are_compared_with_each_other_and_elicitation_stays_inside_a_system() -> None:
    specs = {
        "zero-shot": ("base", 0),
        "other-few": ("other", 2),
        "tuned": ("tuned", 0),
        "head": ("head", 0),
    }
    conditions = {
        name: Condition.model_validate({"system": system, "prompting": {"shots": shots}})
        for name, (system, shots) in specs.items()
    }
    kinds = {"zero-shot": "base", "other-few": "base", "tuned": "tuned", "head": "tuned"}
    assert planned_contrasts(conditions, kinds) == [
        ("tuned", "zero-shot"),
        ("tuned", "other-few"),
        ("head", "zero-shot"),
        ("head", "other-few"),
        ("head", "tuned"),
    ]


def test_an_encoder_that_is_not_there_or_knows_another_language_is_refused() -> None:
    task = Task.model_validate({"task": "t", "dataset_path": "x", "doc_to_text": "{{q}}", "doc_to_target": "a"})

    def check(encoder: str, language: str) -> None:
        conditions = {"alike": {"system": "nearest", "encoder": encoder}}
        recipe = Recipe.model_validate({"model": "m", "task": "t", "conditions": conditions})
        check_encoders(recipe, task.model_copy(update={"language": language}), accept_terms=False)

    with pytest.raises(UserError, match=r'^condition "alike": bundled/minilm-l6 knows English alone, .* is "zh"'):
        check("bundled/minilm-l6", "zh")
    with pytest.raises(UserError, match=r"^nowhere: is not a model"):
        check("nowhere", "zh")
