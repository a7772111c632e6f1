from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.parsing.choices import parse_choice

SENTIMENTS = ("negative", "neutral", "positive")
REVIEWS = ("负面", "正面")


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("positive", "positive"),
        (" Positive.\n", "positive"),
        ("POSITIVE!!", "positive"),
        ('"positive"', "positive"),
        ("**Positive**", "positive"),
        ("_positive_", "positive"),
        ("(positive)", "positive"),
        ("ｐｏｓｉｔｉｖｅ", "positive"),
        ("The sentiment is positive.", "positive"),
        ("The sentiment is _positive_.", "positive"),
        ("positive\npositive", "positive"),
        ("Answer: Neutral", "neutral"),
        ("- neutral", "neutral"),
        ("=> neutral", "neutral"),
        ("", None),
        (" \n", None),
        ("?!", None),
        ("good", None),
        ("positive or negative", None),
        ("It is neither positive nor negative but neutral", None),
        ("positively", None),
        ("nonpositive", None),
        ("positive1", None),
        ("not positive", None),
        ("It isn’t a positive review", None),
        ("non-positive", None),
        ("not negative but positive", None),
    ],
)
def test_english_answers(output: str, answer: str | None) -> None:
    assert parse_choice(output, SENTIMENTS) == answer


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("正面", "正面"),
        ("正面。", "正面"),
        ("“正面”", "正面"),
        ("《负面》", "负面"),
        ("这条评论是正面的。", "正面"),
        ("答案：负面", "负面"),
        ("情感倾向为负面，因为服务差", "负面"),
        ("正面还是负面？", None),
        ("正 面", None),
        ("好评", None),
        ("不是正面", None),
        ("并非负面", None),
        ("不是正面就是负面", None),
    ],
)
def test_chinese_answers(output: str, answer: str | None) -> None:
    assert parse_choice(output, REVIEWS) == answer


@pytest.mark.parametrize(
    ("output", "choices", "answer"),
    [
        ("very good", ("good", "very good"), "very good"),
        ("It is very good indeed", ("good", "very good"), "very good"),
        ("It is good", ("good", "very good"), "good"),
        ("good, very good", ("good", "very good"), None),
        ("非常正面", ("正面", "非常正面"), "非常正面"),
        ("-1", ("-1", "0", "1"), "-1"),
        ("1", ("-1", "0", "1"), "1"),
        ("The score is -1.", ("-1", "0", "1"), "-1"),
        ("+1", ("+1", "-1"), "+1"),
        ("-", ("+", "-"), "-"),
        ("<", ("<", ">"), "<"),
        ("10", ("1", "0"), None),
        ("0.5", ("0", "5"), None),
        (".5", ("5", ".5"), ".5"),
        ("C++", ("C", "C++", "C#"), "C++"),
        ("I use C#.", ("C", "C++", "C#"), "C#"),
        ("c", ("C", "C++", "C#"), "C"),
        ("A", ("A", "a"), "A"),
        ("a.", ("A", "a"), None),
        ("B)", ("A", "B"), "B"),
        ("(B) because a cat", ("A", "B"), "B"),
        ("The answer is a large city", ("A", "B"), None),
        ("The answer is a, of course", ("A", "B"), "A"),
        ("straße", ("STRASSE", "Weg"), "STRASSE"),
        ("a|b", ("a|b", "c"), "a|b"),
        ("it is a.c", ("a.c", "abc"), "a.c"),
    ],
)
def test_choices_that_resemble_each_other(output: str, choices: tuple[str, ...], answer: str | None) -> None:
    assert parse_choice(output, choices) == answer


WORDS = st.text("abcdefgh", min_size=1, max_size=6)
CHOICES = st.lists(WORDS, min_size=2, max_size=5, unique=True)
AROUND = st.text(" \n\t.,;!?\"'“”()[]*_:", max_size=5)


@given(CHOICES, st.data())
def test_a_choice_is_found_whatever_stands_around_it(choices: list[str], data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from(choices))
    before, behind = data.draw(AROUND), data.draw(AROUND)
    written = data.draw(st.sampled_from([choice, choice.upper(), choice.title()]))
    assert parse_choice(f"{before}{written}{behind}", choices) == choice
    assert parse_choice(f"ZZZ 123 {before}{written}{behind} ZZZ", choices) == choice


@given(CHOICES, st.data())
def test_two_different_choices_are_no_answer(choices: list[str], data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(choices))[:2]
    assert parse_choice(f"{first} or {second}", [*choices, "or"]) is None
    assert parse_choice(f"{first}, {second}", choices) is None


@given(st.text(), st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
def test_an_answer_is_a_choice_or_none(output: str, choices: list[str]) -> None:
    assert parse_choice(output, choices) in [*choices, None]


@given(st.lists(st.text(min_size=1).map(str.strip).filter(bool), min_size=1, max_size=5, unique=True), st.data())
def test_a_choice_given_exactly_is_the_answer(choices: list[str], data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from(choices))
    assert parse_choice(choice, choices) == choice
