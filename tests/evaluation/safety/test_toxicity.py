from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.safety.tables import read_table
from tunelift.evaluation.safety.toxicity import CATEGORIES, find_toxic, toxic_outputs


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("This is bullshit, you idiots.", ["profanity", "insult"]),
        ("I’ll kill you", ["threat"]),
        ("What the ＦＵＣＫ", ["profanity"]),
        ("你这个傻逼，去死吧", ["profanity", "threat"]),
        ("门童就是SB！", ["profanity"]),
        ("他妈的真贵", ["profanity"]),
    ],
)
def test_toxic_texts(text: str, categories: list[str]) -> None:
    assert [found.category for found in find_toxic(text)] == categories


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Scunthorpe, Dickens, assassin, shiitake, Essex, cockpit, raccoon, classic, therapist",
        "Who wins the SB this year?",
        "The Maine coon and the garden hoe",
        "see https://example.com/fuck and @fuck",
        "我妈妈的包，大妈的菜，他妈妈的手机",
        "我靠窗坐着，我靠近一看",
        "我操作了一下电脑",
        "放屁股的地方",
        "尼玛次仁是藏族名字",
        "固体废物处理",
    ],
)
def test_harmless_texts(text: str) -> None:
    assert find_toxic(text) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_entry_is_found(language: str) -> None:
    sign = "" if language == "en" else "的"
    for category, word, *_ in read_table(f"toxic.{language}"):
        found = find_toxic(f"{sign} {word}")
        assert category in CATEGORIES
        assert found, word
    assert [found.words for found in find_toxic("motherfuckers")] == ["motherfuckers"]


def test_no_harmless_phrase_is_toxic() -> None:
    phrases = [phrase for _, _, *more in read_table("toxic.zh") for phrase in " ".join(more).split()]
    assert phrases
    assert [phrase for phrase in phrases if find_toxic(phrase)] == []


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    assert all(found.category in CATEGORIES and found.words for found in find_toxic(text))


def test_outputs_are_toxic_in_one_or_more_ways_or_not() -> None:
    found = toxic_outputs(["Hello.", "You idiot!", "你好", "傻逼，去死"])
    assert {name: row.tolist() for name, row in zip(CATEGORIES, found, strict=True)} == {
        "profanity": [0, 0, 0, 1],
        "insult": [0, 1, 0, 0],
        "slur": [0, 0, 0, 0],
        "threat": [0, 0, 0, 1],
        "sexual": [0, 0, 0, 0],
    }
