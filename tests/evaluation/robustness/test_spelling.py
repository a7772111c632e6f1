from __future__ import annotations

from random import Random

import pytest

from tunelift.evaluation.robustness.spelling import (
    keyboard_en,
    lookalikes_en,
    lookalikes_zh,
    neighbours,
    typos_en,
    typos_zh,
)
from tunelift.evaluation.robustness.word_lists import read_table


def test_neighbours_on_the_keyboard() -> None:
    assert set(neighbours()["g"]) == set("ftyhvb")
    assert set(neighbours()["q"]) == set("wa")
    assert set(neighbours()["p"]) == set("ol")
    assert set(neighbours()["m"]) == set("njk")
    pairs = {(letter, other) for letter, others in neighbours().items() for other in others}
    assert pairs == {(other, letter) for letter, other in pairs}


def test_typos_keep_the_first_letter_and_short_words() -> None:
    text = "The waiter brought cold soup and we had to wait"
    for seed in range(20):
        words = typos_en(text, Random(seed), 1).split()
        assert len(words) == 10
        for word, typo in zip(text.split(), words, strict=True):
            assert (typo == word) == (len(word) < 4)
            assert typo[0] == word[0]
            assert abs(len(typo) - len(word)) <= 1
            assert set(typo) <= set(word)


def test_a_word_of_one_letter_has_nothing_to_swap() -> None:
    assert {typos_en("aaaa", Random(seed), 1) for seed in range(10)} == {"aaa", "aaaaa"}


def test_a_slip_is_a_neighbour_in_the_same_case() -> None:
    for seed in range(20):
        slip = keyboard_en("GREAT", Random(seed), 1)
        (pair,) = [(a, b) for a, b in zip("GREAT", slip, strict=True) if a != b]
        assert pair[1].lower() in neighbours()[pair[0].lower()]
        assert slip.isupper()


def test_letters_that_look_alike() -> None:
    assert {lookalikes_en("ll", Random(seed), 1) for seed in range(20)} == {"1l", "l1", "Il", "lI"}
    assert "corner" not in {lookalikes_en("corner", Random(seed), 1) for seed in range(20)}


def test_characters_that_look_alike() -> None:
    table = {row[0]: row[1] for row in read_table("lookalikes.zh")}
    for seed in range(10):
        changed = lookalikes_zh("自己的酒店", Random(seed), 0.2)
        (pair,) = [(a, b) for a, b in zip("自己的酒店", changed, strict=True) if a != b]
        assert pair[1] in table[pair[0]]


@pytest.mark.parametrize("text", ["我不去", "没有三个人", "无"])
def test_negations_and_numbers_stay(text: str) -> None:
    for seed in range(10):
        changed = lookalikes_zh(text, Random(seed), 1)
        assert [sign for sign in changed if sign in "不没三无"] == [sign for sign in text if sign in "不没三无"]


def test_chinese_typos_stay_within_a_word() -> None:
    assert {typos_zh("酒店", Random(seed), 1) for seed in range(20)} == {"店酒", "酒酒店", "酒店店"}
    # 不错 is a word whose halves may not change places.
    assert {typos_zh("不错", Random(seed), 1) for seed in range(20)} == {"不错", "不错错"}
