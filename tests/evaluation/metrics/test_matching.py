from __future__ import annotations

import collections
import re
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.matching import exact_match, overlap_f1, squad_exact_match, squad_words, token_f1
from tunelift.evaluation.metrics.metric import Outcome

ENGLISH = st.text(st.sampled_from("aAnteh catTHE.,'-! \n1é"), max_size=25) | st.lists(
    st.sampled_from(["the", "The", "a", "cat", "cats", "an,", "U.S.", "—", "don't"]), max_size=8
).map(" ".join)


# The official evaluation of SQuAD 2.0 (normalize_answer, compute_exact, compute_f1), written out.
def official_normalise(text: str) -> str:
    lowered = "".join(sign for sign in text.lower() if sign not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", lowered).split())


def official_f1(gold: str, prediction: str) -> float:
    gold_tokens, tokens = official_normalise(gold).split(), official_normalise(prediction).split()
    same = sum((collections.Counter(gold_tokens) & collections.Counter(tokens)).values())
    if not gold_tokens or not tokens:
        return int(gold_tokens == tokens)
    if same == 0:
        return 0
    precision, recall = 1.0 * same / len(tokens), 1.0 * same / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)


@given(ENGLISH, st.lists(ENGLISH, min_size=1, max_size=3))
def test_english_is_the_official_squad_evaluation(answer: str, references: list[str]) -> None:
    outcome = [Outcome(answer, tuple(references))]
    exact = max(official_normalise(reference) == official_normalise(answer) for reference in references)
    assert squad_exact_match("en").of(outcome) == exact
    best = max(official_f1(reference, answer) for reference in references)
    assert token_f1("en").of(outcome) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("北京大学", "北京大学", 1),
        ("北京大学。", "《北京大学》", 1),
        ("在北京大学", "北京大学", 2 * 4 / 9),
        ("北京", "上海", 0),
        ("京北", "北京", 1),  # a bag of characters
        ("1998年", "1998 年", 1),
        ("1998年", "1999年", 2 * 1 / 4),  # a number is one token
        ("苹果iPhone 15手机", "iphone15", 0),  # so is a Latin word
        ("苹果iPhone手机", "iPhone", 2 * 1 / 6),
        ("３．５％", "3.5%", 1),
        ("好好好", "好", 2 * 1 / 4),  # counted as often as in both
        ("", "好", 0),
        ("。", "", 1),
    ],
)
def test_chinese_f1_by_hand(answer: str, reference: str, f1: float) -> None:
    assert token_f1("zh").of([Outcome(answer, (reference,))]) == pytest.approx(f1)
    assert squad_exact_match("zh").of([Outcome(answer, (reference,))]) == (f1 == 1 and answer != "京北")


def test_the_best_reference_counts_and_no_answer_is_wrong() -> None:
    outcomes = [Outcome("black cat", ("dog", "the cat")), Outcome(None, ("",)), Outcome("", ("cat",))]
    assert token_f1("en").statistics(outcomes).tolist() == [[2 / 3], [0.0], [0.0]]
    assert exact_match("en").of([Outcome(None, ("", "cat"))]) == 0
    assert exact_match("en").of([Outcome("Dog.", ("cat", "dog"))]) == 1


@pytest.mark.parametrize(
    ("answer", "reference", "arguments", "equal"),
    [
        (" “Positive”! ", "positive", {}, True),
        ("正面。", "正面", {}, True),
        ("the cat", "cat", {}, False),
        ("Positive", "positive", {"ignore_case": True}, True),
        ("positive.", "positive", {"ignore_case": True}, False),
        ("Positive", "positive", {"ignore_case": False}, False),
        ("it's", "its", {"ignore_punctuation": True}, True),
        ("正面，好", "正面好", {"ignore_punctuation": True}, True),
        ("room 12", "room 3", {"ignore_numbers": True}, True),
        ("answer: 12 km", "12", {"regexes_to_ignore": ["answer: ", " km"]}, True),
        ("answer: 12", "12", {"regexes_to_ignore": "answer: "}, True),
        ("12 km", "12", {"regexes_to_ignore": ["answer: "]}, False),
    ],
)
def test_what_exact_match_ignores(answer: str, reference: str, arguments: dict[str, Any], equal: bool) -> None:
    metric = exact_match("zh" if "正" in answer else "en", **arguments)
    assert metric.of([Outcome(answer, (reference,))]) == equal


@given(
    st.text("aB1.' x", max_size=6),
    st.text("aB1.' x", max_size=6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, ["a"], [r"\d+", "x."]]),
)
def test_exact_match_is_that_of_the_harness(
    answer: str, reference: str, case: bool, punctuation: bool, numbers: bool, patterns: list[str] | None
) -> None:
    from lm_eval.api.metrics import exact_match_hf_evaluate

    arguments = {"ignore_case": case, "ignore_punctuation": punctuation, "ignore_numbers": numbers}
    expected = exact_match_hf_evaluate([answer], [reference], regexes_to_ignore=patterns, **arguments)["exact_match"]
    metric = exact_match("en", regexes_to_ignore=patterns, **arguments)
    assert metric.of([Outcome(answer, (reference,))]) == expected


def test_a_broken_regular_expression() -> None:
    with pytest.raises(UserError, match=r"regexes_to_ignore: '\(' is not a regular expression"):
        exact_match("en", regexes_to_ignore=["("])


def test_scores_are_weighted_means() -> None:
    metric = token_f1("en")
    assert (metric.is_mean, metric.low, metric.high, metric.higher_is_better) == (True, 0.0, 1.0, True)
    values = metric.statistics([Outcome("cat", ("cat",)), Outcome("dog", ("cat",))])
    assert metric.score(values, np.array([[1.0, 1.0], [3.0, 1.0]])).tolist() == [0.5, 0.75]


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_f1_is_symmetric_and_within_its_range(first: list[str], second: list[str]) -> None:
    assert 0 <= overlap_f1(first, second) == overlap_f1(second, first) <= 1
    assert (overlap_f1(first, second) == 1) == (sorted(first) == sorted(second))


def test_articles_stay_in_other_languages() -> None:
    assert squad_words("The cat's A", "en") == ["cats"]
    assert squad_words("a casa", "pt") == ["a", "casa"]
