from __future__ import annotations

from random import Random

import pytest

from tunelift.evaluation.robustness.negation import negation_en, negation_zh


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("The food was good.", "The food was not good."),
        ("The food was not good.", "The food was good."),
        ("It isn't cheap", "It is cheap"),
        ("You won't regret it", "You will regret it"),
        ("Can't wait!", "Can wait!"),
        ("I cannot say", "I can say"),
        ("They did not come and it was late.", "They did come and it was late."),
        ("THIS IS GOOD", "THIS IS NOT GOOD"),
        ("Is this good?", "Is this good?"),
        ("What is the use", "What is the use"),
        ("@united Could you help", "@united Could you help"),
        ("Nobody is there.", "Nobody is there."),
        ("It is not only cheap", "It is not only cheap"),
        ("Great food.", "Great food."),
    ],
)
def test_english(text: str, changed: str) -> None:
    assert negation_en(text, Random(1), 1) == changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("房间很干净。", "房间很不干净。"),
        ("这不是我的书。", "这是我的书。"),
        ("这是我的书。", "这不是我的书。"),
        ("房间里没有窗户。", "房间里有窗户。"),
        ("房间里有窗户。", "房间里没有窗户。"),
        ("我不喜欢。", "我喜欢。"),
        ("还是老样子。", "还是老样子。"),
        ("机会很多。", "机会很多。"),
        ("能不能换房？", "能不能换房？"),
        ("早餐一般。", "早餐一般。"),
    ],
)
def test_chinese(text: str, changed: str) -> None:
    assert negation_zh(text, Random(1), 1) == changed


def test_one_negation_for_a_sentence() -> None:
    text = "The food was good and the room was big. The staff was rude."
    assert negation_en(text, Random(1), 1) == ("The food was not good and the room was big. The staff was not rude.")
    assert negation_en(text, Random(1), 0.5).count("not") == 1


def test_protected_verbs_stay() -> None:
    assert negation_en("The food wasn't good.", Random(1), 1, ["wasn't"]) == "The food wasn't good."
    assert negation_zh("房间很干净。", Random(1), 1, ["很干净"]) == "房间很干净。"
