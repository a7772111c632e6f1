from __future__ import annotations

import pytest

from tunelift.evaluation.contamination.boilerplate import boilerplate, without_boilerplate

ENGLISH = "decide whether this review is good or bad:"
CHINESE = "请判断下面这条评论的情感是正面还是负面："
# Different words in every text, so that nothing else is common.
CONTENTS = [f"w{n}x w{n}y w{n}z" for n in range(40)]


@pytest.mark.parametrize("instruction", [ENGLISH, CHINESE])
@pytest.mark.parametrize("side", ["training", "test"])
def test_an_instruction_that_one_side_repeats_is_cut_from_both(instruction: str, side: str) -> None:
    told = [f"{instruction} {content}" for content in CONTENTS]
    parts = (told[:20], CONTENTS[20:30]) if side == "training" else (CONTENTS[:20], told[20:30])
    common = boilerplate(*parts)
    assert without_boilerplate(told, common) == CONTENTS
    assert without_boilerplate(CONTENTS, common) == CONTENTS


def test_punctuation_goes_with_the_word_before_it() -> None:
    told = [f"«{content}» ({ENGLISH})" for content in CONTENTS]
    common = boilerplate(told, [])
    assert without_boilerplate([f"«w w w.» ({ENGLISH}) end"], common) == ["«w w w.» (end"]


def test_a_row_that_is_only_repeated_is_no_boilerplate() -> None:
    assert len(boilerplate([f"{ENGLISH} one"] * 50, [f"{ENGLISH} one"])) == 0


def test_frequency_is_relative_in_large_data() -> None:
    others = [f"v{n}x v{n}y v{n}z" for n in range(3200)]
    rare = [f"{ENGLISH} {content}" for content in CONTENTS[:15]]  # 15 of 3,215: fewer than one of two hundred
    assert len(boilerplate(others + rare, [])) == 0
    assert len(boilerplate(others[:1000] + rare, [])) > 0


def test_an_item_copied_into_many_rows_is_no_boilerplate() -> None:
    item = "how long does it take to boil an egg"
    rows = [f"{content} {item} {content[::-1]}" for content in CONTENTS]
    common = boilerplate(rows, [item, "something else that is asked here"])
    assert without_boilerplate([rows[0], item], common) == [rows[0], item]


def test_an_item_without_input_leaves_the_instruction_boilerplate() -> None:
    told = [f"{ENGLISH} {content}" for content in CONTENTS]
    common = boilerplate(told[:20], [*told[20:], ENGLISH])
    assert without_boilerplate([told[0], ENGLISH], common) == [CONTENTS[0], ENGLISH]
