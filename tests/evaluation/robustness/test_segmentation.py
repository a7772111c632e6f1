from __future__ import annotations

import pytest

from tunelift.evaluation.robustness.segmentation import (
    chinese_signs,
    chinese_words,
    english_words,
    main_language,
    sentences,
)


def test_english_words() -> None:
    text = "@me I don't like self-driving cars, see http://t.co/x <mask> 用xp系统 abc1"
    words = [text[start:end] for start, end in english_words(text)]
    assert words == ["I", "don't", "like", "self", "driving", "cars", "see"]


def test_chinese_signs_and_words() -> None:
    text = "我喜欢iPhone，很好 ok。"
    assert "".join(text[at] for at in chinese_signs(text)) == "我喜欢很好"
    assert [text[start:end] for start, end in chinese_words(text)] == ["我", "喜欢", "很", "好"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello there", "en"),
        ("你好 world", "zh"),
        ("好 is the word here", "en"),
        ("123 :)", None),
        ("http://t.co", None),
    ],
)
def test_main_language(text: str, language: str | None) -> None:
    assert main_language(text) == language


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("It works. Mr. Smith said so! Why?", "en", ["It works.", "Mr. Smith said so!", "Why?"]),
        ("The U.S. team won... Great", "en", ["The U.S. team won...", "Great"]),
        ('He said "No." Then he left.', "en", ['He said "No."', "Then he left."]),
        ("visit a.com now", "en", ["visit a.com now"]),
        ("很好。真的！？ 是吗", "zh", ["很好。", "真的！？", "是吗"]),
        ("“好！”他说。完", "zh", ["“好！”", "他说。", "完"]),
        ("华硕，宏？，不高", "zh", ["华硕，宏？，不高"]),
        ("", "en", []),
        ("  \n", "zh", []),
    ],
)
def test_sentences(text: str, language: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text, language)] == expected


def test_no_sentence_ends_in_a_part_that_stays_whole() -> None:
    text = "I read Who? Me. It was fun."
    spans = sentences(text, "en", [(7, 15)])
    assert [text[start:end] for start, end in spans] == ["I read Who? Me.", "It was fun."]
