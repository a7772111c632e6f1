from __future__ import annotations

from random import Random

import pytest

from tunelift.evaluation.robustness.wording import (
    VOWEL,
    contractions_en,
    recase,
    spellings_en,
    synonyms_en,
    synonyms_zh,
)


def every(function, text: str) -> set[str]:
    return {function(text, Random(seed), 1) for seed in range(30)}


def test_english_synonyms_keep_case_and_article() -> None:
    assert every(synonyms_en, "A vast sum") == {"An immense sum"}
    assert every(synonyms_en, "an immense sum") == {"a vast sum"}
    assert every(synonyms_en, "HUGE") == {"ENORMOUS", "GIGANTIC"}
    assert every(synonyms_en, "On TV") == {"On television"}
    assert every(synonyms_en, "I think so") == {"I believe so"}


def test_the_longest_phrase_is_replaced() -> None:
    assert every(synonyms_en, "It is over and over") == {
        "It is again and again",
        "It is time and again",
    }


def test_parts_of_words_are_left_alone() -> None:
    text = "self-car carpet car's scar"
    assert every(synonyms_en, text) == {text}


def test_chinese_synonyms_are_whole_words() -> None:
    assert every(synonyms_zh, "房间非常干净") == {f"屋子{much}洁净" for much in ("十分", "极其", "极为")}
    assert every(synonyms_zh, "五十分钟") == {"五十分钟"}  # 十分 is a synonym of 非常 elsewhere


@pytest.mark.parametrize(("british", "american"), [("My favourite colour", "My favorite color"), ("GREY", "GRAY")])
def test_spellings(british: str, american: str) -> None:
    assert spellings_en(british, Random(1), 1) == american
    assert spellings_en(american, Random(1), 1) == british


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("It is fine", "It's fine"),
        ("It's fine", "It is fine"),
        ("I can't go", "I cannot go"),
        ("We don’t know", "We do not know"),
        ("DON'T GO", "DO NOT GO"),
        ("They've left", "They have left"),
        ("They have a car", "They have a car"),
        ("Yes, it is.", "Yes, it is."),
        ("It's been long", "It's been long"),
        ("Let's go", "Let us go"),
        ("They let us go", "They let us go"),
        ("its own", "its own"),
    ],
)
def test_contractions(text: str, changed: str) -> None:
    assert contractions_en(text, Random(1), 1) == changed


def test_recase() -> None:
    assert recase("Big", "big", "large") == "Large"
    assert recase("BIG", "big", "large") == "LARGE"
    assert recase("big", "big", "large") == "large"
    assert recase("TV", "TV", "television") == "television"


@pytest.mark.parametrize(
    ("word", "vowel"),
    [
        *[(word, True) for word in ("apple", "hour", "umbrella", "unhappy", "only")],
        *[(word, False) for word in ("university", "one", "useful", "European", "house")],
    ],
)
def test_sounds_of_first_letters(word: str, vowel: bool) -> None:
    assert bool(VOWEL.match(word)) == vowel
