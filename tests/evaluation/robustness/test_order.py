from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from tunelift.evaluation.robustness.order import (
    clause_order_en,
    clause_order_zh,
    sentence_order_en,
    sentence_order_zh,
    word_order_en,
    word_order_zh,
)

Texts = Callable[[str], list[str]]


@pytest.mark.parametrize("perturb", [word_order_en, sentence_order_en])
def test_english_words_stay(perturb: Callable[..., str], texts: Texts) -> None:
    for text in texts("en"):
        assert Counter(re.findall(r"\w+|\W", perturb(text, Random(1), 1))) == Counter(re.findall(r"\w+|\W", text))


@pytest.mark.parametrize("perturb", [word_order_zh, sentence_order_zh, clause_order_zh])
def test_chinese_characters_stay(perturb: Callable[..., str], texts: Texts) -> None:
    for text in texts("zh"):
        assert Counter(perturb(text, Random(1), 1)) == Counter(text)


def test_words_change_places_with_neighbours() -> None:
    assert {word_order_en("one car stopped", Random(seed), 1) for seed in range(20)} == {
        "car one stopped",
        "one stopped car",
    }
    assert word_order_en("stop, now", Random(1), 1) == "stop, now"
    assert word_order_en("self-driving car", Random(1), 1) == "self-driving car"
    assert word_order_zh("房间干净", Random(1), 1) == "干净房间"


def test_negations_keep_their_places() -> None:
    assert {word_order_en("it was not good", Random(seed), 1) for seed in range(20)} == {"was it not good"}
    assert {word_order_zh("我不喜欢", Random(seed), 1) for seed in range(20)} == {"我不喜欢"}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("If it rains again, we stay at home.", "We stay at home if it rains again."),
        ("Although it was late, we had a great time!", "We had a great time although it was late!"),
        ("If it rains, we stay at home.", "We stay at home if it rains."),
        ("When it comes, stay.", "When it comes, stay."),
        ("If it rains again, and it will, we stay.", "If it rains again, and it will, we stay."),
        ("The room was small, the bed was large.", "The room was small, the bed was large."),
    ],
)
def test_english_clauses(text: str, changed: str) -> None:
    assert clause_order_en(text, Random(1), 1) == changed


def test_protected_clauses_keep_their_case() -> None:
    text = "When you call them, iPhone support is quick."
    assert clause_order_en(text, Random(1), 1, ["iPhone support"]) == "iPhone support is quick when you call them."
    text = "When it rains again, we stay at home."
    assert clause_order_en(text, Random(1), 1, ["When it rains"]) == text


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("房间很大，早餐很好。", "早餐很好，房间很大。"),
        ("房间很大，但是早餐很差。", "房间很大，但是早餐很差。"),
        ("大，早餐很好。", "大，早餐很好。"),
        ("1. 房间很大，早餐很好。", "1. 房间很大，早餐很好。"),
    ],
)
def test_chinese_clauses(text: str, changed: str) -> None:
    assert clause_order_zh(text, Random(1), 1) == changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("Rooms are big. Breakfast was cold!", "Breakfast was cold! Rooms are big."),
        ("Rooms are big. But breakfast was cold!", "Rooms are big. But breakfast was cold!"),
        ("Rooms are big. Breakfast was cold", "Rooms are big. Breakfast was cold"),
    ],
)
def test_english_sentences(text: str, changed: str) -> None:
    assert sentence_order_en(text, Random(1), 1) == changed


def test_chinese_sentences() -> None:
    assert sentence_order_zh("房间很大。早餐很好！", Random(1), 1) == "早餐很好！房间很大。"
    assert sentence_order_zh("房间很大。不过早餐不好！", Random(1), 1) == "房间很大。不过早餐不好！"


def test_a_protected_part_over_two_sentences_is_not_cut() -> None:
    text = "I saw Help! Now. Rooms are big."
    assert "Help! Now" in sentence_order_en(text, Random(1), 1, ["Help! Now"])
    assert "Help! Now" not in sentence_order_en("I saw Help! Now we go.", Random(1), 1)
