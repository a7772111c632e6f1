from __future__ import annotations

from typing import Any

import pytest

from tunelift.evaluation.parsing.written import written


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("a text", "a text"),
        (3.5, "3.5"),
        (["sport", "music"], "sport, music"),
        ([], "none"),
        ([["PER", 0, 3, "Ann"], ["LOC", 7, 9, "北京"]], "PER | Ann (0-3)\nLOC | 北京 (7-9)"),
        ([["Ann", "lives in", "Rome"]], "Ann | lives in | Rome"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_an_answer_is_written_as_people_read_it(answer: Any, text: str) -> None:
    assert written(answer) == text
