from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.robustness.edits import protected_spans
from tunelift.evaluation.robustness.negation import negate

ENGLISH = [
    ("The food was good.", "The food was not good."),
    ("It isn't cheap", "It is cheap"),
    ("You won't regret it", "You will regret it"),
    ("I'm happy with it.", "I'm not happy with it."),
    ("We'll come back.", "We will not come back."),
    ("I've been here before.", "I've not been here before."),
    ("They have gone home.", "They have not gone home."),
    ("The room has a view.", "The room does not have a view."),
    ("I really love this place.", "I really do not love this place."),
    ("@united She told me twice.", "@united She did not tell me twice."),
    ("It doesn't work.", "It works."),
    ("My wife didn't get the bonus.", "My wife got the bonus."),
    ("THIS IS GOOD", "THIS IS NOT GOOD"),
    ("Mark Doesn't Believe It", "Mark Believes It"),
    ("Which of these is a mammal?", "Which of these is not a mammal?"),
    ("Wow! Great crew. They were kind. It was fun.", "Wow! Great crew. They were not kind. It was fun."),
]
CHINESE = [
    ("房间很干净。", "房间不干净。"),
    ("房间很不干净。", "房间很干净。"),
    ("这不是我的书。", "这是我的书。"),
    ("这是我的书。", "这不是我的书。"),
    ("房间里没有窗户。", "房间里有窗户。"),
    ("房间里有窗户。", "房间里没有窗户。"),
    ("早餐很有特色。", "早餐没有特色。"),
    ("我不喜欢。", "我喜欢。"),
    ("非常喜欢这本书", "不喜欢这本书"),
    ("下次会再来的。", "下次不会再来的。"),
    ("我们可以免费升级。", "我们不能免费升级。"),
    ("推荐大家去住。", "不推荐大家去住。"),
    ("下列说法正确的是", "下列说法不正确的是"),
    ("一般般吧，服务热情，位置好。", "一般般吧，服务不热情，位置好。"),
]
LEFT_ALONE = {
    "en": [
        "Is this good?", "What is the use", "@united Could you help", "@united will the flight leave", "Great food.",
        "Nobody is there.", "It is not only cheap", "I can't even see it", "I do not have any money", "It is too late",
        "If it was good I would stay.", "I haven't heard back yet", "The flight I was on is late", "",
    ],
    "zh": [
        "还是老样子。", "机会很多。", "能不能换房？", "早餐一般。", "房间干净吗", "味道不错。", "性价比较高", "您好！",
        "睡不好。", "送餐超级慢慢", "一点也不好吃", "希望酒店能改进", "我也是醉了", "房间很干净？！", "",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "negated"), ENGLISH)
def test_english(text: str, negated: str) -> None:
    assert negate(text, "en") == negated


@pytest.mark.parametrize(("text", "negated"), CHINESE)
def test_chinese(text: str, negated: str) -> None:
    assert negate(text, "zh") == negated


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, texts in LEFT_ALONE.items() for text in texts])
def test_what_no_rule_is_certain_of_stays(language: str, text: str) -> None:
    assert negate(text, language) is None


def test_protected_strings_and_addresses_stay() -> None:
    assert negate("The food wasn't good.", "en", ["wasn't"]) is None
    assert negate("The food wasn't good. It was fun.", "en", ["wasn't"]) == "The food wasn't good. It was not fun."
    assert negate("房间很干净。", "zh", ["很干净"]) is None


def test_one_negation_is_the_only_change_of_a_real_text(texts: Callable[[str], list[str]]) -> None:
    for language, others in (("en", "zh"), ("zh", "en")):
        found = [(text, negate(text, language)) for text in texts(language)]
        negated = [(text, other) for text, other in found if other is not None]
        assert len(negated) >= len(found) / 10
        assert all(abs(len(text) - len(other)) <= 12 and text != other for text, other in negated)
        if language == "zh":
            assert not any(negate(text, language) for text in texts(others))


@given(st.text(max_size=60), st.sampled_from(["en", "zh"]))
def test_any_text_is_taken(text: str, language: str) -> None:
    negated = negate(text, language, [text[:3]])
    assert negated is None or len(protected_spans(negated, [text[:3]])) >= len(protected_spans(text, [text[:3]]))
