from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.parsing.lists import (
    locate,
    parse_entities,
    parse_json,
    parse_labels,
    parse_ranking,
    parse_triples,
)

TEXT = "Ann Lee met Bob in Paris; later Bob left Paris."
TYPES = {"PER": "person", "LOC": "place"}
LABELS = ["urgent", "billing", "refund"]


@pytest.mark.parametrize(
    ("output", "labels"),
    [
        ("refund, urgent", ["urgent", "refund"]),
        ("- Billing\n- refund.", ["billing", "refund"]),
        ("none", []),
        ("None.", []),
        ("无", []),
        ("It is about a refund", ["refund"]),
        ("urgent, other", ["urgent"]),
        ("something else", None),
        ("", None),
    ],
)
def test_labels_are_read_in_the_order_of_the_task(output: str, labels: list[str] | None) -> None:
    assert parse_labels(output, LABELS, {}, strict=False) == labels


def test_strict_labels_admit_nothing_else() -> None:
    assert parse_labels("urgent, other", LABELS, {}, strict=True) is None
    assert parse_labels("It is about a refund", LABELS, {}, strict=True) is None
    assert parse_labels("Urgent, money back", LABELS, {"refund": ["money back"]}, strict=True) == ["urgent", "refund"]


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("person: Ann Lee\nplace: Paris", [["PER", 0, 7, "Ann Lee"], ["LOC", 19, 24, "Paris"]]),
        ("PER: Bob; Bob", [["PER", 12, 15, "Bob"], ["PER", 32, 35, "Bob"]]),
        ('{"person": ["Bob"]}', [["PER", 12, 15, "Bob"]]),
        ('[{"type": "LOC", "text": "paris"}]', [["LOC", 19, 24, "Paris"]]),
        ("1. person: Bob\nand so on", [["PER", 12, 15, "Bob"]]),
        ("person: Zoe", [["PER", -1, -1, "Zoe"]]),
        ("none", []),
        ("planet: Mars", None),
        ("I see no names", None),
    ],
)
def test_entities_are_found_again_in_the_text(output: str, found: list[list[Any]] | None) -> None:
    assert parse_entities(output, TEXT, TYPES, {}, strict=False) == found


def test_strict_entities_admit_nothing_else() -> None:
    assert parse_entities("person: Bob\nand so on", TEXT, TYPES, {}, strict=True) is None
    assert parse_entities("person: Bob\nplanet: Mars", TEXT, TYPES, {}, strict=True) is None
    assert parse_entities("person: Bob\nplace: Paris", TEXT, TYPES, {}, strict=True) is not None


def test_a_mention_said_more_often_than_the_text_has_it_is_nowhere() -> None:
    assert locate([("PER", "Bob")] * 3, TEXT)[2] == ["PER", -1, -1, "Bob"]


def test_a_mention_stands_where_it_is_a_word() -> None:
    assert locate([("ORG", "US")], "A BUS of the US army") == [["ORG", 13, 15, "US"]]
    assert locate([("ORG", "US")], "A BUS") == [["ORG", 3, 5, "US"]]


def test_chinese_entities_may_have_a_wide_colon() -> None:
    assert parse_entities("人名：江泽民", "主席江泽民", {"nr": "人名"}, {}, strict=True) == [["nr", 2, 5, "江泽民"]]


@given(st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.sampled_from(["Bob", "Paris", "Ann"])), min_size=1))
def test_what_is_located_stands_there_once(mentions: list[tuple[str, str]]) -> None:
    located = locate(mentions, TEXT)
    assert [[kind, mention] for kind, _, _, mention in located] == [list(mention) for mention in mentions]
    places = [(kind, start) for kind, start, _, _ in located if start >= 0]
    assert len(set(places)) == len(places)
    assert all(TEXT[start:end] == mention for _, start, end, mention in located if start >= 0)


@pytest.mark.parametrize(
    ("output", "triples"),
    [
        ("Ann | boss of | Bob", [["Ann", "boss", "Bob"]]),
        ("- Ann｜boss of｜Bob\nnothing more", [["Ann", "boss", "Bob"]]),
        ('[["Ann", "boss", "Bob"]]', [["Ann", "boss", "Bob"]]),
        ("none", []),
        ("Ann | likes | Bob", None),
        ("Ann | boss of", None),
        ('[["Ann", 3, "Bob"]]', None),
        ('{"triples": [["Ann", "boss", "Bob"]]}', [["Ann", "boss", "Bob"]]),
        ('[{"subject": "Ann", "predicate": "boss of", "object": "Bob"}]', [["Ann", "boss", "Bob"]]),
        ("| Who | does | whom |\n|:--|---|--:|\n| Ann | boss of | Bob |", [["Ann", "boss", "Bob"]]),
    ],
)
def test_triples(output: str, triples: list[list[str]] | None) -> None:
    assert parse_triples(output, {"boss": "boss of"}, {}, strict=False) == triples


def test_without_labels_any_predicate_is_taken() -> None:
    assert parse_triples("Ann | likes | Bob", {}, {}, strict=True) == [["Ann", "likes", "Bob"]]


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here it is: {"a": [1, 2]} - done', {"a": [1, 2]}),
        ("```json\n[1]\n```", [1]),
        ("3", 3),
        ("3 apples", None),
        ('1. {"a": 1}', {"a": 1}),
        ('true: [1]{"a": 1}', [1]),
        ('{"a": NaN, "b": 1e999}', {"a": "NaN", "b": "1e999"}),
        ('["\\ud800"]', None),
        ("no json { here", None),
        ("[" * 100_000, None),
    ],
)
def test_json_is_found_in_a_text(output: str, value: Any) -> None:
    assert parse_json(output) == value


def test_a_ranking_is_the_order_of_mentions() -> None:
    assert parse_ranking("First C, then A.", ["A", "B", "C"]) == ["C", "A"]
    assert parse_ranking("neither", ["A", "B"]) is None


@given(st.text())
def test_no_output_breaks_a_parser(output: str) -> None:
    parse_labels(output, LABELS, {}, strict=False)
    parse_entities(output, TEXT, TYPES, {}, strict=False)
    parse_triples(output, {}, {}, strict=False)
    parse_json(output)
    parse_ranking(output, LABELS)


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('{"entities": [{"type": "PER", "text": "Bob"}]}', [["PER", 0, 3, "Bob"]]),
        ('{"type": "PER", "text": "Bob"}', [["PER", 0, 3, "Bob"]]),
        ('{"PER": "Bob", "LOC": null}', [["PER", 0, 3, "Bob"]]),
        ('{"PER": [], "LOC": []}', []),
        ("PER: Bob\nLOC: none", [["PER", 0, 3, "Bob"]]),
        ("PER: 无", []),
        ("none of them: Bob", None),
    ],
)
def test_forms_in_which_models_list_entities(output: str, found: list[list[Any]] | None) -> None:
    assert parse_entities(output, "Bob met Ann in Paris", {"PER": "person", "LOC": "place"}, {}, strict=False) == found


def test_a_mention_that_says_nothing_is_one_where_the_text_has_it() -> None:
    assert parse_entities("PER: None", "None came", {"PER": "person"}, {}, strict=False) == [["PER", 0, 4, "None"]]


def test_strict_entities_may_be_json_on_several_lines() -> None:
    output = '{\n  "PER": [\n    "Bob"\n  ]\n}'
    assert parse_entities(output, "Bob", {"PER": "person"}, {}, strict=True) == [["PER", 0, 3, "Bob"]]
    assert parse_entities(f"Here:\n{output}", "Bob", {"PER": "person"}, {}, strict=True) is None


@pytest.mark.parametrize(
    ("output", "found"),
    [("joy and fear", ["joy", "fear"]), ("not joy", None), ("joy, not fear", ["joy"]), ("joy and no fear", ["joy"])],
)
def test_labels_in_a_sentence(output: str, found: list[str] | None) -> None:
    assert parse_labels(output, ["joy", "fear"], {}, strict=False) == found
