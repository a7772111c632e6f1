from __future__ import annotations

import pytest

from tunelift.data.layouts.common import UnusableError
from tunelift.data.layouts.relations import ABSENT, SLOTS, fits_relation, from_relation, from_triples

MADE = {
    "text": "The cat sat on a mat.",
    "e1": {"start": 4, "end": 7, "text": "cat"},
    "e2": {"start": 17, "end": 20, "text": "mat"},
    "marked": "The <e1>cat</e1> sat on a <e2>mat</e2>.",
}


@pytest.mark.parametrize(
    "given",
    [
        {"sentence": "The <e1> cat </e1> sat on a <e2>mat</e2>."},
        {"text": "The <e1>cat</e1> sat on a <e2> mat </e2>."},
        {"text": MADE["text"], "head": {"start": 4, "end": 7}, "tail": {"start": 17, "end": 20}},
        {"text": MADE["text"], "h": {"name": "cat", "pos": [4, 7]}, "t": {"name": "mat", "pos": [17, 20]}},
    ],
)
def test_two_entities_by_marks_or_places(given):
    fields = {"relation": "On(e1,e2)", **given}
    assert fits_relation(fields)
    assert from_relation(fields, []) == {**fields, **MADE}


def test_the_second_entity_can_stand_first():
    made = from_relation({"relation": "r", "sentence": "<e2>a</e2> of <e1>b</e1>"}, [])
    assert (made["text"], made["e1"]["start"], made["e2"]["start"]) == ("a of b", 5, 0)
    assert made["marked"] == "<e2>a</e2> of <e1>b</e1>"
    assert from_relation(made, []) == made


@pytest.mark.parametrize(
    "given",
    [
        {"sentence": "<e1>a</e1> <e2>b"},
        {"sentence": "<e1>a</e1> <e1>b</e1> <e2>c</e2>"},
        {"sentence": "<e1>a <e2>b</e2></e1>"},
        {"sentence": "<e1> </e1> <e2>b</e2>"},
        {"text": "ab", "h": {"pos": [0, 2]}, "t": {"pos": [1, 2]}},
        {"text": "ab", "h": {"pos": [0, 1]}, "t": {"pos": [1, 9]}},
        {"text": "ab", "h": {"pos": [0, 1]}},
        {"text": "ab", "h": {"pos": [0, "1"]}, "t": {"pos": [1, 2]}},
        {"relation": "", "sentence": "<e1>a</e1> <e2>b</e2>"},
        {},
    ],
)
def test_relations_that_cannot_be_used(given):
    with pytest.raises(UnusableError):
        from_relation({"relation": "r", **given}, [])


def test_triples():
    text = "张天赋作曲《草原》"
    first = {"subject": "草原", "predicate": "作曲", "object": {"@value": "张天赋"}, "object_type": {"@value": "人物"}}
    second = {"subject": "草原", "predicate": "r", "object": "天"}
    remarks: list[str] = []
    assert from_triples({"text": text, "spo_list": [first, second]}, remarks)["triples"] == [
        ["草原", "作曲", "张天赋"],
        ["草原", "r", "天"],
    ]
    assert remarks == []
    from_triples({"text": text, "spo_list": [{**first, "object": {"@value": "张", "inWork": "x"}}]}, remarks)
    from_triples({"text": text, "spo_list": [{**second, "object": "别的"}]}, remarks)
    assert remarks == [SLOTS, ABSENT]
    assert from_triples({"text": text, "spo_list": []}, [])["triples"] == []


@pytest.mark.parametrize(
    "item", [3, {}, {"subject": "a", "predicate": "", "object": "a"}, {"subject": "a", "object": {}}]
)
def test_triples_that_cannot_be_used(item):
    with pytest.raises(UnusableError):
        from_triples({"text": "a", "spo_list": [item]}, [])


def test_words_beside_marks_stay_apart():
    made = from_relation({"relation": "r", "sentence": "a pair of<e1> moles </e1>and<e2> cats </e2>here."}, [])
    assert made["text"] == "a pair of moles and cats here."
    assert made["marked"] == "a pair of <e1>moles</e1> and <e2>cats</e2> here."


@pytest.mark.parametrize("sentence", ["<e1> " * 20_000 + "<e2>", "<e1>a" + " " * 200_000 + "</e1><e2>b</e2>"])
def test_many_marks_and_much_space_take_no_longer(sentence):
    fields = {"relation": "r", "sentence": sentence}
    if sentence.endswith("</e2>"):
        assert from_relation(fields, [])["text"] == "ab"
    else:
        with pytest.raises(UnusableError):
            from_relation(fields, [])
