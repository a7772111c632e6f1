from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.data.layouts.common import UnusableError
from tunelift.data.layouts.spans import (
    BROKEN_RULES,
    OTHER_TEXT,
    OUTSIDE,
    common_scheme,
    fits_spans,
    from_spans,
    from_tags,
    join_tokens,
    to_spans,
    to_tags,
)
from tunelift.data.tagging import tags_of_spans

PARIS = {"type": "LOC", "start": 3, "end": 8, "text": "Paris"}


def entities(tokens, tags, scheme):
    made = from_tags({"tokens": tokens, "tags": tags}, [], scheme)
    return made["text"], [(each["type"], each["text"], each["start"]) for each in made["entities"]]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["in", "Paris", "."], "in Paris ."),
        (list("高勇，男，1966年生"), "高勇，男，1966年生"),
        (["我", "使用", "Python", "编程", "。"], "我使用Python编程。"),
        (["New", "York", "纽约"], "New York纽约"),
        (["a", "b"], "a b"),
        (["カ", "タ"], "カタ"),
        (["a b", "c"], "a b c"),
        (["한국", "서울"], "한국 서울"),
        ([], ""),
    ],
)
def test_words_are_joined_as_their_script_does(tokens, text):
    joined, starts = join_tokens(tokens)
    assert joined == text
    assert [joined[start : start + len(token)] for token, start in zip(tokens, starts, strict=True)] == tokens


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("BIO", ["B-PER", "B-LOC", "I-LOC", "O"]),
        ("IOB1", ["I-PER", "I-LOC", "I-LOC", "O"]),
        ("BIOES", ["S-PER", "B-LOC", "E-LOC", "O"]),
        ("BMES", ["S-PER", "B-LOC", "E-LOC", "O"]),
    ],
)
def test_every_scheme(scheme, tags):
    tokens = ["Ann", "New", "York", "!"]
    assert entities(tokens, tags, scheme) == ("Ann New York !", [("PER", "Ann", 0), ("LOC", "New York", 4)])


def test_characters_of_chinese():
    text, found = entities(list("高勇：男"), ["B-NAME", "E-NAME", "O", "O"], "BMES")
    assert (text, found) == ("高勇：男", [("NAME", "高勇", 0)])


def test_the_scheme_is_that_whose_rules_are_broken_least():
    def rows(*tags):
        return [{"tokens": ["a"] * len(each), "tags": each} for each in tags]

    assert common_scheme(rows(["B-X", "I-X"], ["B-X", "B-X"])) == "BIO"
    assert common_scheme(rows(["I-X", "I-X"], ["I-X", "B-X"])) == "IOB1"
    assert common_scheme(rows(["B-X", "I-X", "E-X"], ["S-X"])) == "BIOES"
    assert common_scheme(rows(["B-X", "M-X", "E-X"], ["S-X"])) == "BMES"
    assert common_scheme(rows(["B-X", "I-X"], ["B-X"], ["I-X"], ["B-X"])) == "BIO"
    assert common_scheme([{"tags": None}]) == "BIO"


def test_tags_that_break_the_rules_are_remarked():
    remarks: list[str] = []
    made = from_tags({"tokens": ["a", "b"], "tags": ["O", "I-X"]}, remarks)
    assert remarks == [BROKEN_RULES]
    assert [each["text"] for each in made["entities"]] == ["b"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tokens": ["a"], "tags": ["O", "O"]}, "not as many tags as words"),
        ({"tokens": ["a"], "tags": ["X"]}, "is no tag of the scheme"),
        ({"tokens": ["a"], "tags": [3]}, "not lists of texts"),
        ({"tokens": "a", "tags": ["O"]}, "not lists of texts"),
        ({"tokens": ["a"]}, "not lists of texts"),
    ],
)
def test_tags_that_cannot_be_used(fields, reason):
    with pytest.raises(UnusableError, match=reason):
        from_tags(fields, [])


@pytest.mark.parametrize(
    "spans",
    [
        {"label": {"LOC": {"Paris": [[3, 7]]}}},
        {"entities": [{"start": 3, "end": 8, "type": "LOC"}]},
        {"entities": [{"start": 3, "end": 8, "label": "LOC", "text": "Paris"}]},
        {"entities": [{"start_offset": 3, "end_offset": 8, "label": "LOC", "id": 1}]},
        {"label": [[3, 8, "LOC"]]},
        {"entities": [[3, 8, "LOC"]]},
    ],
)
def test_every_kind_of_span(spans):
    fields = {"text": "in Paris", **spans}
    assert fits_spans(fields)
    assert from_spans(fields, []) == {**fields, "entities": [PARIS]}


def test_spans_that_do_not_fit_the_text_are_left_out_and_remarked():
    label = {"LOC": {"Paris": [[3, 7], [2, 6]], "x": [[7, 8]], "": [[3, 2]]}, "PER": {}}
    remarks: list[str] = []
    assert from_spans({"text": "in Paris", "label": label}, remarks)["entities"] == [PARIS]
    assert remarks == [OTHER_TEXT, OUTSIDE, OUTSIDE]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "", "entities": []},
        {"text": None, "entities": []},
        {"text": "a", "entities": [{"start": "0", "end": 1, "type": "X"}]},
        {"text": "a", "entities": [{"start": 0, "end": True, "type": "X"}]},
        {"text": "a", "label": {"X": ["a"]}},
        {"text": "a", "label": {"X": {"a": [[0]]}}},
        {"text": "a", "label": "X"},
        {"text": "a", "label": ["X"]},
    ],
)
def test_spans_that_cannot_be_used(fields):
    with pytest.raises(UnusableError):
        from_spans(fields, [])


def test_words_of_a_text_that_has_none():
    text = "高勇在Paris, 1966年。"
    spans = [{"type": "X", "start": 0, "end": 2}, {"type": "Y", "start": 3, "end": 8}]
    made = to_tags({"text": text, "entities": spans}, "BIO")
    assert made["tokens"] == ["高", "勇", "在", "Paris", ",", "1966", "年", "。"]
    assert made["tags"] == ["B-X", "I-X", "O", "B-Y", "O", "O", "O", "O"]
    within = to_tags({"text": "CSOL2011", "entities": [{"type": "X", "start": 0, "end": 4}]}, "BIO")
    assert within == {"tokens": ["CSOL", "2011"], "tags": ["B-X", "O"]}
    with pytest.raises(UnusableError, match="begin and end with a word"):
        to_tags({"text": "a b", "entities": [{"type": "X", "start": 1, "end": 3}]}, "BIO")
    with pytest.raises(UnusableError, match="overlap"):
        to_tags({"text": "a b", "entities": [{"type": "X", "start": 0, "end": 3}] * 2}, "BIO")


WORDS = st.text(min_size=1).filter(lambda text: text.strip())
SCHEMES = st.sampled_from(["BIO", "IOB1", "BIOES", "BMES"])


@st.composite
def sentences(draw):
    tokens = draw(st.lists(WORDS | st.sampled_from("高勇，a1"), min_size=1, max_size=8))
    edges = sorted(draw(st.sets(st.integers(0, len(tokens)))))
    pairs = [pair for pair in pairwise(edges) if draw(st.booleans())]
    scheme = draw(SCHEMES)
    spans = [(draw(st.sampled_from(["PER", "LOC"])), start, end) for start, end in pairs]
    return tokens, tags_of_spans(spans, len(tokens), scheme), scheme


@given(sentences())
def test_tags_as_spans_and_back_are_the_same(sentence):
    tokens, tags, scheme = sentence
    row = to_spans(from_tags({"tokens": tokens, "tags": tags}, [], scheme))
    back = from_spans(json.loads(json.dumps(row)), [])
    assert back["entities"] == row["entities"]
    assert to_tags(back, scheme) == {"tokens": tokens, "tags": tags}
