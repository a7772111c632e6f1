"""Asking the questions of the probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.recipe import Recipe
from tunelift.core.records import Example, Prompt, Source
from tunelift.data.tasks import ROLLING, Task
from tunelift.probes.ask import check_length, check_questions
from tunelift.probes.variation import Probe, Variation


def test_questions_that_the_model_cannot_take_are_refused_and_texts_are_not() -> None:
    task = Task.model_validate({"task": "t", "dataset_path": "x", "doc_to_text": "{{text}}", "doc_to_target": "label"})
    prompts = [Prompt(f"e{size}", "", tuple(range(size)), ()) for size in (7, 8, 9)]
    check_length(prompts, task, 10, "probe general, t")
    with pytest.raises(UserError, match=r"^probe general, t: 2 questions of task t leave no room"):
        check_length(prompts, task, 8, "probe general, t")
    check_length(prompts, task.model_copy(update={"output_type": ROLLING}), 8, "probe general, t")


def test_the_questions_of_all_probes_are_looked_at_before_any_is_asked(
    tiny_model: Callable[..., Any], tokenizer: Any, language_model: Callable[..., Any]
) -> None:
    model = language_model(tiny_model("llama", vocabulary=len(tokenizer)), tokenizer)
    items = [Example(f"e{at}", {"text": "word " * size}, "yes", Source("x", at)) for at, size in enumerate((9, 600))]
    task = Task.model_validate({"task": "t", "dataset_path": "x", "doc_to_text": "{{text}}", "doc_to_target": "label"})
    recipe = Recipe.model_validate({"model": "m", "task": "t", "conditions": {"zero-shot": {}, "tuned": {}}})
    short, long = (Variation(name, "", task, items[:count], []) for name, count in (("short", 1), ("long", 2)))
    check_questions([Probe("general", [short], False, ["zero-shot", "tuned"], [])], recipe, model)
    with pytest.raises(UserError, match=r"^probe general, long: 1 question of task t leave"):
        check_questions([Probe("general", [short, long], False, ["tuned"], [])], recipe, model)
