from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.report.columns import align, display_width

TEXT = st.text(alphabet="ab .é負正，한あ\u0301", max_size=8)


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("tuned", 5), ("正面", 4), ("正a", 3), ("e\u0301", 1), ("，", 2), ("·", 1), ("\u200b", 0)],
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_every_column_starts_at_one_place(pairs: list[tuple[str, str]]) -> None:
    lines = align([(first, second, "|") for first, second in pairs], right={1})
    assert all(line.endswith("|") for line in lines)
    assert len({display_width(line) for line in lines}) == 1


def test_right_columns_end_at_one_place() -> None:
    assert align([("正面", "1.0"), ("a", "12.5")], right={1}) == ["正面    1.0", "a      12.5"]


def test_columns_without_content_are_left_out() -> None:
    assert align([("a", "", "b"), ("c", "", "d")]) == ["a   b", "c   d"]


def test_lines_have_no_space_at_the_end() -> None:
    assert align([("a", "long"), ("b", "")]) == ["a   long", "b"]
