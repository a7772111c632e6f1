from __future__ import annotations

import sys
from random import Random

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.robustness.sounds import (
    UNPLEASANT,
    characters_by_near_sound,
    characters_by_sound,
    common_characters,
    homophones_en,
    homophones_zh,
    near_homophones_zh,
)

pypinyin = pytest.importorskip("pypinyin")


def sounds(text: str) -> list[str]:
    return pypinyin.lazy_pinyin(text, style=pypinyin.Style.TONE3)


def test_common_characters() -> None:
    characters = common_characters()
    assert len(set(characters)) == len(characters)
    assert 3_700 < len(characters) <= 3_755
    assert {"的", "是", "我"} <= set(characters)
    assert not set(characters) & set(UNPLEASANT + "不没五")


def test_tables_of_sounds() -> None:
    assert {"在", "再", "载"} <= set(characters_by_sound()["zai4"])
    assert {"的", "地", "得"} <= set(characters_by_sound()["de"])
    near = characters_by_near_sound()["zhi1"]
    assert {"直", "资", "自"} <= set(near)
    assert not set(near) & set(characters_by_sound()["zhi1"]) - {"吱"}
    assert {"兰", "狼"} <= set(characters_by_near_sound()["nan2"])


def test_same_sound_in_context() -> None:
    """行 is hang in 银行 and xing in 行走."""
    for seed in range(10):
        bank = homophones_zh("银行", Random(seed), 1)
        assert bank[1] in characters_by_sound()["hang2"]
        walk = homophones_zh("行走", Random(seed), 1)
        assert walk[0] in characters_by_sound()["xing2"]
        assert "行" not in bank + walk


def test_near_sounds_differ() -> None:
    for seed in range(10):
        changed = near_homophones_zh("房间干净", Random(seed), 1)
        for old, new in zip(sounds("房间干净"), changed, strict=True):
            assert sounds(new) != [old]


def test_english_homophones() -> None:
    assert {homophones_en("Their car", Random(seed), 1) for seed in range(20)} == {"There car", "They're car"}
    assert homophones_en("no one knows, not one won", Random(1), 1) == "no one knows, not one won"
    assert homophones_en("A great hair-cut", Random(1), 1) == "A grate hair-cut"


def test_missing_package_names_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    with pytest.raises(UserError, match="pip install pypinyin"):
        homophones_zh("房间", Random(1), 1)
