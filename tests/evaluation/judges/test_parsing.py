from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.judges.parsing import parse_rating, parse_verdict


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


@pytest.mark.parametrize(
    ("output", "rating"),
    [
        ("4", 4),
        ("４", 4),
        ("4.", 4),
        ("4.5", 4.5),
        ("Rating: 3", 3),
        ("**Score**: 2 - too short", 2),
        ("Score (1-5): 4", 4),
        ("On a scale of 1 to 5, I give 4", 4),
        ("4/5", 4),
        ("3 out of 5", 3),
        ("I give it a 2, since one point is wrong.", 2),
        ("5分", 5),
        ("评分：4", 4),
        ("评分为3分", 3),
        ("It has 2 errors. Score: 3", 3),
        ("", None),
        ("good", None),
        ("0", None),
        ("6", None),
        ("-3", None),
        ("Score: 8", None),
        ("10/5", None),
        ("3 or 4", None),
        ("3 errors, so 3", 3),
        ("gpt4", None),
    ],
)
def test_ratings(output: str, rating: float | None) -> None:
    assert parse_rating(output) == rating


@given(st.text(alphabet="AB tie[]:.更好比不如score15/答案\n", max_size=60))
def test_whatever_is_said_is_read_or_left(output: str) -> None:
    assert parse_verdict(output) in ("A", "B", "tie", None)
    rating = parse_rating(output)
    assert rating is None or 1 <= rating <= 5
