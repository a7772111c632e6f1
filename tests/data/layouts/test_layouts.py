from __future__ import annotations

import pytest

from tunelift.core.errors import UserError
from tunelift.core.records import Source
from tunelift.data.formats import Row, Rows
from tunelift.data.layouts import canonical_rows

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
EXAMPLES = {
    "preference": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "messages": {"messages": TURNS},
    "sharegpt": {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
    "natural-instructions": {"Definition": ["Say it."], "input": "q", "output": ["a"]},
    "alpaca": {"instruction": "q", "input": None, "output": "a"},
    "prompt-completion": {"prompt": "q", "completion": "a"},
    "promptsource": {"inputs": "q", "targets": "a"},
    "conll": {"tokens": ["a"], "tags": ["O"]},
    "relation": {"relation": "r", "sentence": "<e1>a</e1> <e2>b</e2>"},
    "triples": {"text": "a b", "spo_list": []},
    "spans": {"text": "a b", "entities": []},
}
OTHERS = [
    {"text": "a", "label": "b"},
    {"text": "a", "label": ["b", "c"]},
    {"text": "a", "label": []},
    {"instruction": "q", "instances": [{"input": "", "output": "a"}]},
    {"question": "q", "answer": "a"},
    {"source": ["a"], "target": ["b"]},
    {"prompt": "q", "label": "safe"},
    {"tokens": ["a"], "ner_tags": [0]},
]


def rows(*fields):
    return Rows([Row(row, Source("a", number)) for number, row in enumerate(fields, start=1)])


@pytest.mark.parametrize("name", EXAMPLES)
def test_layouts_are_recognised_by_their_columns(name):
    given = EXAMPLES[name]
    read, found = canonical_rows(rows(given, given | {"id": 1}))
    assert found == name
    assert len(read.rows) == 2
    assert read.rows[1].fields["id"] == 1
    assert read.rows[0].source == Source("a", 1)


@pytest.mark.parametrize("fields", OTHERS)
def test_other_rows_are_left_as_they_are(fields):
    given = rows(fields)
    assert canonical_rows(given) == (given, None)


def test_the_layout_can_be_given():
    given = rows(EXAMPLES["messages"])
    assert canonical_rows(given, "as-read") == (given, None)
    with pytest.raises(UserError, match='no layout "alpacca" - did you mean "alpaca"'):
        canonical_rows(given, "alpacca")
    with pytest.raises(
        UserError, match=r'a:1: no row can be used in the layout "alpaca": "instruction" is empty \(1\)'
    ):
        canonical_rows(given, "alpaca")


def test_rows_that_cannot_be_used_are_counted_with_their_places():
    good, bad = EXAMPLES["alpaca"], {"instruction": "q", "output": ""}
    given = rows(good, bad, good, {"other": 1}, *[bad] * 6)
    read, found = canonical_rows(Rows(given.rows, {"before": 2}, {"before": ("b:1",)}), "alpaca")
    assert found == "alpaca"
    assert [row.source.row for row in read.rows] == [1, 3]
    assert read.dropped == {"before": 2, '"output" is empty': 7, '"instruction" is empty': 1}
    assert read.places['"output" is empty'] == ("a:2", "a:5", "a:6", "a:7", "a:8")
    assert read.places["before"] == ("b:1",)


def test_a_layout_that_half_of_the_rows_have_is_recognised():
    good = EXAMPLES["triples"]
    assert canonical_rows(rows(good, {"text": 1}))[1] == "triples"
    assert canonical_rows(rows(good, {"text": 1}, {"text": 1}))[1] is None
