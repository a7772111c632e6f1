from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.constraints import (
    constraints_each,
    constraints_strict,
    paragraphs_of,
    satisfied,
    sentences_of,
    words_of,
)
from tunelift.evaluation.metrics.metric import Outcome

ENGLISH = 'Dr. Smith didn\'t pay $3.50. He left early... "Why?" she asked!'
CHINESE = "他三点半走了。为什么？没有人知道！"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Mother-in-law's well-known U2 album, 1999", 5),
        (CHINESE, 14),
        ("GPT-4 是模型", 4),
        ("日本語のテスト", 7),
        ("", 0),
        ("...!?", 0),
    ],
)
def test_words(text: str, count: int) -> None:
    assert len(words_of(text)) == count


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (ENGLISH, ["Dr. Smith didn't pay $3.50.", "He left early...", '"Why?"', "she asked!"]),
        (CHINESE, ["他三点半走了。", "为什么？", "没有人知道！"]),
        ("他说：“走吧。”然后走了", ["他说：“走吧。”", "然后走了"]),
        ("A title\n\nOne line\nof text, e.g. this.", ["A title", "One line\nof text, e.g. this."]),
        ("J. R. Tolkien wrote it. Yes", ["J. R. Tolkien wrote it.", "Yes"]),
        ("等等……然后呢?", ["等等……然后呢?"]),
        ("!!!", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


def test_paragraphs() -> None:
    assert paragraphs_of("one\ntwo\n \nthree\n\n\n") == ["one\ntwo", "three"]
    assert paragraphs_of("第一段。\n第二段。\n") == ["第一段。", "第二段。"]
    assert paragraphs_of(" \n") == []


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        (
            {"kind": "words", "at_least": 2, "at_most": 3},
            ["two words", "三个字"],
            ["one", "这是四个", "now these are four"],
        ),
        ({"kind": "characters", "at_most": 5}, ["a b c d e", "五个汉字。"], ["abcdef"]),
        ({"kind": "sentences", "at_least": 2}, ["One. Two", "好。很好。"], ["One, two."]),
        ({"kind": "paragraphs", "at_least": 2, "at_most": 2}, ["a\n\nb", "甲\n乙"], ["a", "a\n\nb\n\nc"]),
        (
            {"kind": "bullets", "at_least": 2, "at_most": 2},
            ["- a\n* b", "•  甲\n  • 乙"],
            ["- a", "-a\n-b", "1. a\n2. b"],
        ),
        ({"kind": "numbered_items", "at_least": 2}, ["1. a\n2) b", "1、甲\n（2）乙"], ["- a\n- b", "3.5 is a number"]),
        ({"kind": "include", "keywords": ["Art", "new york"]}, ["ART in New  York!"], ["art", "a party in New York"]),
        ({"kind": "include", "keywords": ["你好"], "at_least": 2}, ["你好，你好！"], ["你好", "hello"]),
        ({"kind": "include", "keywords": ["c++"], "at_most": 1}, ["I like C++."], ["c++ c++", "c"]),
        ({"kind": "exclude", "keywords": ["art", "坏"]}, ["the party", "好"], ["Art.", "很坏"]),
        ({"kind": "json_format"}, ['{"a": [1]}', '```json\n{"a": 1}\n```', "3"], ["{'a': 1}", "", "[" * 9999]),
        ({"kind": "starts_with", "phrase": "Dear "}, [" dear all"], ["My dear"]),
        ({"kind": "ends_with", "phrase": "谢谢。"}, ["好的，谢谢。\n"], ["谢谢你"]),
        ({"kind": "upper_case"}, ["ALL 3!"], ["All", "3", "中文"]),
        ({"kind": "lower_case"}, ["all 3!"], ["All", "3"]),
        ({"kind": "no_comma"}, ["a; b", "甲、乙"], ["a, b", "甲，乙"]),
        ({"kind": "quoted"}, ['"yes"', " “好” ", "「好」"], ['"', '"a" b', "'a'"]),
        ({"kind": "language", "code": "zh"}, [CHINESE, "用 Python 写程序"], [ENGLISH, "これはテストです", "", "123"]),
        ({"kind": "language", "code": "en"}, [ENGLISH, "The word 你好 is Chinese"], [CHINESE, "Это русский", "?"]),
    ],
)
def test_kinds(constraint: dict[str, Any], good: list[str], bad: list[str]) -> None:
    assert [satisfied(text, constraint) for text in good] == [True] * len(good)
    assert [satisfied(text, constraint) for text in bad] == [False] * len(bad)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_is_json_is_recognised(value: Any) -> None:
    assert satisfied(json.dumps(value), {"kind": "json_format"})
    assert not satisfied(json.dumps(value) + "}", {"kind": "json_format"})


@given(st.text(max_size=60), st.text(max_size=10))
def test_any_text_can_be_checked(text: str, word: str) -> None:
    assert satisfied(text, {"kind": "include", "keywords": [word]}) != satisfied(
        text, {"kind": "exclude", "keywords": [word]}
    )
    count = len(words_of(text))
    assert satisfied(text, {"kind": "words", "at_least": count, "at_most": count})
    assert not satisfied(text, {"kind": "words", "at_least": count + 1})
    assert len(sentences_of(text)) <= count


def test_metrics() -> None:
    short, polite = {"kind": "words", "at_most": 3}, {"kind": "include", "keywords": ["please"]}
    outcomes = [
        Outcome(None, ("",), "Please sit down", {"constraints": [short, polite]}),
        Outcome(None, ("",), "Sit down", {"constraints": [short, polite]}),
        Outcome(None, ("",), "Sit", {"constraints": [polite]}),
        Outcome(None, ("",), "", {"constraints": []}),
    ]
    assert constraints_strict().of(outcomes) == 2 / 4
    assert constraints_strict().is_mean
    assert constraints_each().of(outcomes) == 3 / 5
    metric = constraints_each()
    assert list(metric.per_item(metric.statistics(outcomes))) == [1, 0.5, 0, 1]


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ({"kind": "word", "at_most": 3}, 'did you mean "words"'),
        ({"at_most": 3}, "unknown kind null"),
        ({"kind": "words", "most": 3}, "most: Unexpected keyword argument"),
        ({"kind": "words", "at_most": "3"}, "at_most: Input should be a valid integer"),
        ({"kind": "include"}, "keywords: Missing required"),
        ({"kind": "language", "code": "fr"}, "'en' or 'zh'"),
    ],
)
def test_constraints_that_make_no_sense(constraint: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        satisfied("text", constraint)


@pytest.mark.parametrize("fields", [{}, {"constraints": "words"}, {"constraints": ["words"]}])
def test_rows_without_constraints(fields: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no list of constraints"):
        constraints_strict().of([Outcome("a", ("a",), "a", fields)])
