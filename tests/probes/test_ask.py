"""Asking the questions of the probes."""

from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Prompt
from tunelift.data.tasks import ROLLING, Task
from tunelift.probes.ask import check_length


def test_questions_that_the_model_cannot_take_are_refused_and_texts_are_not() -> None:
    task = Task.model_validate({"task": "t", "dataset_path": "x", "doc_to_text": "{{text}}", "doc_to_target": "label"})
    prompts = [Prompt(f"e{size}", "", tuple(range(size)), ()) for size in (7, 8, 9)]
    check_length(prompts, task, 10, "probe general, t")
    with pytest.raises(UserError, match=r"^probe general, t: 2 questions of task t leave no room"):
        check_length(prompts, task, 8, "probe general, t")
    check_length(prompts, task.model_copy(update={"output_type": ROLLING}), 8, "probe general, t")
