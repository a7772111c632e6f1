from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.judges.parsing import parse_verdict


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ("A", "A"),
        ("b", "B"),
        (" **B** ", "B"),
        ("Ａ", "A"),
        ("tie", "tie"),
        ("Tie.", "tie"),
        ("Answer A", "A"),
        ("Answer B.", "B"),
        ("A (answer A is better)", "A"),
        ("B\n\nBecause answer A is wrong.", "B"),
        ("A - it is correct", "A"),
        ("(B)", "B"),
        ("[[A]]", "A"),
        ("I think [[B]] or rather [[A]]", "A"),
        ("[[C]]", "tie"),
        ("Verdict: B", "B"),
        ("Both are fine, but one is wrong.\n**Verdict:** A", "A"),
        ("Verdict: A\nOn reflection...\nVerdict: B", "B"),
        ("Final answer: tie", "tie"),
        ("Answer A is better.", "A"),
        ("Overall, answer B is clearly better than answer A.", "B"),
        ("A gives the better answer.", "A"),
        ("I prefer response B", "B"),
        ("Both answers are equally good.", "tie"),
        ("Neither A nor B is better.", "tie"),
        ("It is a tie.", "tie"),
        ("回答A更好", "A"),
        ("结论：B", "B"),
        ("**判定**：回答B", "B"),
        ("A比B更好。", "A"),
        ("回答A明显不如回答B", "B"),
        ("我选择回答A", "A"),
        ("平局", "tie"),
        ("两个回答一样好", "tie"),
        ("A（回答A更好）", "A"),
        ("", None),
        ("I cannot tell.", None),
        ("A good answer names the city.", None),
        ("Answer: a good response names the city.", None),
        ("a better answer would be shorter", None),
        ("A is not better.", None),
        ("A is no better than B.", None),
        ("Answer A is better. Answer B is better, too.", None),
        ("A is better, and yet it is a tie.", None),
        ("A and B", None),
        ("Both answer the question.", None),
        ("About the same", None),
    ],
)
def test_verdicts(output: str, verdict: str | None) -> None:
    assert parse_verdict(output) == verdict


@given(st.text(alphabet="AB tie[]:.更好比不如score/答案\n", max_size=60))
def test_whatever_is_said_is_read_or_left(output: str) -> None:
    assert parse_verdict(output) in ("A", "B", "tie", None)
