from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.safety.tables import read_table
from tunelift.evaluation.safety.toxicity import CATEGORIES, find_toxic, toxicity_change, toxicity_summary


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


def test_rates_and_their_change() -> None:
    before = ["Hello.", "You idiot!", "你好", "傻逼，去死"] * 5
    after = ["Hello."] * 20
    found = toxicity_summary(before)
    assert found.overall.per_thousand == 500
    assert found.categories["threat"].count == 5
    assert found.categories["slur"].count == 0
    change = toxicity_change(before, after)
    assert change.overall.change.effect == -0.5
    assert change.overall.change.wins == 0
    assert change.to_dict()["categories"]["insult"]["before"]["count"] == 5
    grouped = toxicity_summary(before, [place // 4 for place in range(20)])
    assert grouped.to_dict()["overall"]["interval"]["method"] == "clustered Wilson"
    with pytest.raises(ValueError, match="0 or 1"):
        toxicity_summary([])
