from __future__ import annotations

from typing import Any

import pytest

from tunelift.engine.answers import Stopping, answer_prompts


@pytest.mark.parametrize("trees", [True, False])
@pytest.mark.parametrize(
    ("prompts", "choices", "message"),
    [
        ([[5, 6], []], [[], []], "every prompt has at least one token"),
        ([[5, 6]], [[[7], []]], "every choice at least one token"),
        ([[5, 6], [7]], [[[7]]], "every prompt has a list of choices"),
    ],
)
def test_what_has_no_tokens_is_refused(
    tiny_model: Any, trees: bool, prompts: list[list[int]], choices: list[list[list[int]]], message: str
) -> None:
    model = tiny_model("llama", vocabulary=64, trees=trees)
    with pytest.raises(ValueError, match=message):
        answer_prompts(model, prompts, choices, Stopping(frozenset([2]), (), 3, str), lambda done: None)
