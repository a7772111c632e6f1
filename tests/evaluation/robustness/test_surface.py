from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from random import Random

from tunelift.evaluation.robustness.surface import (
    case_en,
    punctuation_en,
    punctuation_zh,
    spaces_en,
    spaces_zh,
    width_zh,
)

Texts = Callable[[str], list[str]]


def test_case_changes_nothing_else(texts: Texts) -> None:
    for text in texts("en"):
        changed = case_en(text, Random(1), 1)
        assert changed.casefold() == text.casefold()
    assert {case_en("NASA", Random(seed), 1) for seed in range(10)} == {"nasa", "Nasa"}


def test_punctuation_changes_nothing_else(texts: Texts) -> None:
    for text in texts("en"):
        assert re.sub("[.,;:!?]", "", punctuation_en(text, Random(1), 1)) == re.sub("[.,;:!?]", "", text)
    for text in texts("zh"):
        assert re.sub("[，。！？；：、 ]", "", punctuation_zh(text, Random(1), 1)) == re.sub(
            "[，。！？；：、 ]", "", text
        )


def test_numbers_times_and_smileys_keep_their_marks() -> None:
    for seed in range(10):
        assert punctuation_en("at 10:30 for 3.5 :) or :-( e.g.x", Random(seed), 1) == "at 10:30 for 3.5 :) or :-( e.g.x"


def test_spaces_change_nothing_else(texts: Texts) -> None:
    for text in texts("en"):
        assert "".join(spaces_en(text, Random(1), 1).split()) == "".join(text.split())
    for text in texts("zh"):
        assert "".join(spaces_zh(text, Random(1), 1).split()) == "".join(text.split())
    assert {spaces_en("one two", Random(seed), 1) for seed in range(10)} == {"one  two", "one   two"}
    assert "one,two" in {spaces_en("one, two", Random(seed), 1) for seed in range(10)}


def test_width_changes_nothing_else(texts: Texts) -> None:
    def plain(text: str) -> str:
        return unicodedata.normalize("NFKC", text.translate(str.maketrans("。、“”‘’", ".,\"\"''")))

    for text in texts("zh"):
        assert plain(width_zh(text, Random(1), 1)) == plain(text)
    assert width_zh("很好，ok。（3个）", Random(1), 1) == "很好,ｏｋ.(３个)"
    assert width_zh("Only English, 3 words.", Random(1), 1) == "Only English, 3 words."
