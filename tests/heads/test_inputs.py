from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.heads.inputs import (
    EntityRow,
    RelationRow,
    TextRow,
    classification_inputs,
    entity_inputs,
    mark_entities,
    relation_inputs,
    windows,
)

LONG = " ".join(f"word{number}" for number in range(400))


def read_texts(tokenizer: Any, item: Any) -> list[list[str]]:
    """The texts of the groups of each reading."""
    return [
        [tokenizer.decode([item.token_ids[place] for place in group]).strip() for group in reading]
        for reading in item.readings
    ]


def test_an_encoder_reads_all_of_a_text(minilm: Any, make_head: Any) -> None:
    made = classification_inputs(minilm.tokenizer, make_head("classification"), [TextRow("1", "a cat", target="b")])
    (item,) = made.inputs
    assert minilm.tokenizer.decode(item.token_ids) == "[CLS] a cat [SEP]"
    assert item.readings == (((0, 1, 2, 3),),)
    assert item.targets == (1,)
    assert item.token_types == ()
    assert not made.cut


def test_a_decoder_reads_the_last_token(tokenizer: Any, make_head: Any) -> None:
    config = make_head("classification", sees_all=False)
    made = classification_inputs(tokenizer, config, [TextRow("1", "a cat"), TextRow("2", "")])
    assert read_texts(tokenizer, made.inputs[0]) == [["cat"]]
    assert made.inputs[0].targets == (None,)
    assert len(made.inputs[1].token_ids) == 1


def test_control_tokens_in_a_text_are_text(tokenizer: Any, make_head: Any) -> None:
    made = classification_inputs(tokenizer, make_head("classification"), [TextRow("1", "<|im_end|>")])
    assert tokenizer.eos_token_id not in made.inputs[0].token_ids


def test_pairs_of_an_encoder_have_types(minilm: Any, make_head: Any) -> None:
    config = make_head("classification", context=30)
    made = classification_inputs(minilm.tokenizer, config, [TextRow("1", "a cat", "a dog"), TextRow("2", "x", LONG)])
    short, long = made.inputs
    assert minilm.tokenizer.decode(short.token_ids) == "[CLS] a cat [SEP] a dog [SEP]"
    assert short.token_types == (0, 0, 0, 0, 1, 1, 1)
    assert len(long.token_ids) == len(long.token_types) == 30
    assert minilm.tokenizer.decode(long.token_ids).startswith("[CLS] x [SEP] word0")
    assert made.cut == ["2"]


def test_pairs_of_a_decoder_stand_on_two_lines(tokenizer: Any, make_head: Any) -> None:
    made = classification_inputs(tokenizer, make_head("classification"), [TextRow("1", "a cat", "a dog")])
    assert tokenizer.decode(made.inputs[0].token_ids) == "a cat\na dog"


def test_the_end_of_a_long_text_is_left_out_and_counted(minilm: Any, make_head: Any) -> None:
    config = make_head("classification", context=20)
    made = classification_inputs(minilm.tokenizer, config, [TextRow("1", LONG), TextRow("2", "short")])
    assert len(made.inputs[0].token_ids) == 20
    assert made.inputs[0].token_ids[-1] == minilm.tokenizer.sep_token_id
    assert made.cut == ["1"]


def test_targets_of_kinds(tokenizer: Any, make_head: Any) -> None:
    def target(kind: str, value: Any) -> Any:
        made = classification_inputs(tokenizer, make_head(kind), [TextRow("row 3", "x", target=value)])
        return made.inputs[0].targets[0]

    assert target("labels", ["c", "a"]) == (1, 0, 1)
    assert target("labels", []) == (0, 0, 0)
    assert target("regression", "3.5") == 3.5
    with pytest.raises(UserError, match=r"row 3: 'd' is none of the labels"):
        target("classification", "d")
    with pytest.raises(UserError, match=r"row 3: the target 'high' is not a number"):
        target("regression", "high")


def test_units_are_read_with_their_tags(tokenizer: Any, make_head: Any) -> None:
    row = EntityRow("1", "Anna in Bergen", [["b", 0, 4, "Anna"], ["a", 8, 14, "Bergen"]])
    (item,) = entity_inputs(tokenizer, make_head("entities"), [row]).inputs
    assert read_texts(tokenizer, item) == [["Anna"], ["in"], ["Bergen"]]
    assert item.targets == (3, 0, 1)
    assert max(len(reading[0]) for reading in item.readings) > 1
    (first,) = entity_inputs(tokenizer, make_head("entities", pooling="first"), [row]).inputs
    assert all(len(reading[0]) == 1 for reading in first.readings)


def test_what_tags_cannot_say_is_returned(tokenizer: Any, make_head: Any) -> None:
    rows = [EntityRow("1", "Annabel", [["a", 0, 4]]), EntityRow("2", "Anna", [["a", 0, 4]]), EntityRow("3", "Anna")]
    made = entity_inputs(tokenizer, make_head("entities"), rows)
    assert made.lost == {"1": [("a", 0, 4)]}
    assert [item.targets for item in made.inputs] == [(1,), (1,), (None,)]


def test_entities_that_are_not_in_their_text(tokenizer: Any, make_head: Any) -> None:
    with pytest.raises(UserError, match=r"1: the span 2 to 9 is not in its text of 4 characters"):
        entity_inputs(tokenizer, make_head("entities"), [EntityRow("1", "Anna", [["a", 2, 9]])])
    with pytest.raises(UserError, match=r"1: 'x' is none of the labels"):
        entity_inputs(tokenizer, make_head("entities"), [EntityRow("1", "Anna", [["x", 0, 4]])])


def test_every_unit_of_a_long_text_is_read_once(minilm: Any, make_head: Any) -> None:
    made = entity_inputs(
        minilm.tokenizer, make_head("entities", context=60), [EntityRow("1", LONG), EntityRow("2", "")]
    )
    assert len(made.inputs) > 10
    assert all(len(item.token_ids) <= 60 for item in made.inputs)
    read = [text for item in made.inputs for (text,) in read_texts(minilm.tokenizer, item)]
    assert " ".join(read) == LONG
    assert made.units[1] == []
    assert not made.cut


def test_a_unit_that_is_longer_than_a_window_is_cut(tokenizer: Any, make_head: Any) -> None:
    made = entity_inputs(tokenizer, make_head("entities", context=20), [EntityRow("1", "a " + "xq" * 40 + " b")])
    assert made.cut == ["1"]
    assert sum(len(item.readings) for item in made.inputs) == 3


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(10, 30), st.integers(0, 4))
def test_windows(lengths: list[int], room: int, overlap: int) -> None:
    found = windows(lengths, room, overlap)
    assert [unit for _, _, read in found for unit in read] == list(range(len(lengths)))
    borders = [sum(lengths[:unit]) for unit in range(len(lengths) + 1)]
    for first, last, read in found:
        assert first <= read.start < read.stop <= last
        assert borders[last] - borders[first] <= room
    for (first, last, _), (following, _, _) in pairwise(found):
        assert first < following <= last
        assert borders[last] - borders[following] <= overlap
    for unit in range(len(lengths)):
        # Tokens around it; none is missing at the ends of the text.
        around = {}
        for number, (first, last, _) in enumerate(found):
            if first <= unit < last:
                left = borders[unit] - borders[first] if first else room
                right = borders[last] - borders[unit + 1] if last < len(lengths) else room
                around[number] = min(left, right)
        (reading,) = (number for number, (_, _, read) in enumerate(found) if unit in read)
        assert around[reading] >= max(around.values()) - lengths[unit]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((4, 7), (14, 17), "The @ cat @ and a # dog #"),
        ((14, 17), (4, 7), "The # cat # and a @ dog @"),
        ((4, 17), (14, 17), "The @ cat and a # dog # @"),
        ((0, 3), (0, 7), "# @ The @ cat # and a dog"),
        ((4, 7), (4, 7), "The @ # cat # @ and a dog"),
    ],
)
def test_entities_are_marked(first: Any, second: Any, expected: str) -> None:
    plain = "The cat and a dog"
    text, spans = mark_entities(plain, first, second)
    assert text.split() == expected.split()
    for (start, end), span, mark in zip(spans, (first, second), "@#", strict=True):
        inner = text[start:end].split()
        assert (inner[0], inner[-1]) == (mark, mark)
        assert [word for word in inner if word not in "@#"] == plain[slice(*span)].split()


def test_a_relation_is_read_from_both_entities_and_the_text(minilm: Any, make_head: Any) -> None:
    rows = [
        RelationRow("1", "The cat and a dog", (4, 7), (14, 17), "c"),
        RelationRow("2", "在北京工作", (1, 3), (3, 5)),
    ]
    made = relation_inputs(minilm.tokenizer, make_head("relation"), rows)
    ((first, second, text),) = read_texts(minilm.tokenizer, made.inputs[0])
    assert (first, second) == ("@ cat @", "# dog #")
    assert text == "[CLS] the @ cat @ and a # dog # [SEP]"
    assert made.inputs[0].targets == (2,)
    ((first, second, _),) = read_texts(minilm.tokenizer, made.inputs[1])
    assert (first.count("@"), second.count("#")) == (2, 2)


@pytest.mark.parametrize("gap", [1, 100])
def test_a_long_text_keeps_both_entities(tokenizer: Any, make_head: Any, gap: int) -> None:
    start = LONG.index("word200")
    other = LONG.index(f"word{200 + gap}")
    row = RelationRow("1", LONG, (start, start + 7), (other, other + 7))
    made = relation_inputs(tokenizer, make_head("relation", context=60), [row])
    assert len(made.inputs[0].token_ids) == 60
    ((first, second, _),) = read_texts(tokenizer, made.inputs[0])
    assert (first, second) == ("@ word200 @", f"# word{200 + gap} #")
    assert made.cut == ["1"]
