"""Fixtures for evaluation.

make_task     session  make_task(**keys): a task of three choices, rendered as a chat
make_example  session  make_example(id, text, target): an example of it
tiny          session  a random two-layer model with the real tokenizer
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CHOICES = ("negative", "neutral", "very positive")


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Any]:
    def make(**keys: Any) -> Any:
        from tunelift.data.tasks import Task

        defaults = {
            "task": "toy",
            "dataset_path": "unused",
            "doc_to_text": "Sentiment: {{text}}",
            "doc_to_target": "label",
            "doc_to_choice": list(CHOICES),
            "generation_kwargs": {"max_gen_toks": 6},
        }
        return Task.model_validate({**defaults, **keys})

    return make


@pytest.fixture(scope="session")
def make_example() -> Callable[..., Any]:
    def make(
        id: str, text: str, target: str = "neutral", choices: tuple[str, ...] | None = CHOICES, group: str | None = None
    ) -> Any:
        from tunelift.core.records import Example, Source

        return Example(id, {"text": text, "label": target}, target, Source("rows.jsonl", 1), choices, group)

    return make


@pytest.fixture(scope="session")
def tiny(tiny_model: Callable[..., Any], language_model: Callable[..., Any], tokenizer: Any) -> Any:
    return language_model(tiny_model("llama", vocabulary=len(tokenizer)), tokenizer)
