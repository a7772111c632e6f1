"""Fixtures for judges.

answers   session  answers(condition, outputs, groups=None): samples of a condition with these outputs, one an item
judging   session  judging(say): a judge that calls say(first, second) with the two answers as it is shown them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tunelift.core.records import Sample

PART = re.compile(r"=== (?:Answer|回答)([AB]| [AB]).*? ===\n(.*?)\n=== (?:End of answer|回答[AB]结束)", re.DOTALL)


@pytest.fixture(scope="session")
def answers() -> Callable[..., list[Sample]]:
    def make(condition: str, outputs: Sequence[str], groups: Sequence[str] | None = None) -> list[Sample]:
        return [
            Sample(
                f"e{at}", at, {}, f"target {at}", condition, output, output, "stop",
                prompt=f"question {at}" + "?" * len(condition), group=groups[at] if groups else None,
            )
            for at, output in enumerate(outputs)
        ]  # fmt: skip

    return make


@pytest.fixture(scope="session")
def judging() -> Callable[..., Any]:
    def make(say: Callable[[str, str], str]) -> Any:
        def judge(conversations: Sequence[list[dict[str, Any]]]) -> list[str]:
            shown = [PART.findall(messages[-1]["content"]) for messages in conversations]
            return [say(parts[0][1], parts[1][1]) for parts in shown]

        return judge

    return make
