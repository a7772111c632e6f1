"""Other orders of choices and demonstrations."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core.records import Example, Source
from tunelift.data.formats import Row
from tunelift.data.reader import make_reader
from tunelift.data.tasks import Task
from tunelift.probes.orders import choice_orders, demonstration_orders
from tunelift.probes.variation import other_order
from tunelift.prompts.build import question_text

LETTERS = '[{% for choice in choices %}"{{ "ABCDEFG"[loop.index0] }}"{% if not loop.last %}, {% endif %}{% endfor %}]'


def read(task: Task, rows: list[dict[str, Any]]) -> list[Example]:
    made = [Row(row, Source("x", number)) for number, row in enumerate(rows, start=1)]
    reader = make_reader(task, made)
    return [reader.example(row) for row in made]


def make_task(**keys: Any) -> Task:
    given = {"task": "t", "dataset_path": "x", "doc_to_target": "answer", "doc_to_choice": "choices"}
    return Task.model_validate({"doc_to_text": "{{question}} {{ choices | join(', ') }}", **given, **keys})


def rows_of(answers: list[Any]) -> list[dict[str, Any]]:
    return [
        {"question": f"q{number}", "choices": [f"{number}-{name}" for name in "abcd"], "answer": answer}
        for number, answer in enumerate(answers)
    ]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 2**31))
def test_the_right_choice_stays_the_right_one(answers: list[int], seed: int) -> None:
    task = make_task()
    items = read(task, rows_of(answers))
    for way in choice_orders(task, items, [], 3, seed):
        for before, after in zip(items, way.items, strict=True):
            assert after.target == before.target
            assert after.choices is not None
            assert before.choices is not None
            assert set(after.choices) == set(before.choices)
            assert after.choices != before.choices
            assert question_text(way.task, after) == f"{after.fields['question']} {', '.join(after.choices)}"
            assert (after.id, after.source) == (before.id, before.source)


@pytest.mark.parametrize(("answer", "kind"), [("C", "letter"), (2, "index"), ("2", "index as text")])
def test_an_answer_that_names_a_place_moves_with_its_choice(answer: Any, kind: str) -> None:
    task = make_task(
        doc_to_choice=LETTERS,
        doc_to_target="{% set index = answer | int(-1) %}{{ 'ABCD'[index] if 0 <= index else answer }}",
    )
    (item,) = read(task, rows_of([answer]))
    (way,) = choice_orders(task, [item], [], 1, 5)
    (moved,) = way.items
    place = moved.fields["answer"]
    index = "ABCD".index(place) if kind == "letter" else int(place)
    assert type(place) is type(answer)
    assert moved.fields["choices"][index] == item.fields["choices"][2]
    assert moved.target == "ABCD"[index]


def test_classes_are_listed_in_another_order_everywhere() -> None:
    labels = ["bad", "fair", "good"]
    task = make_task(
        labels=labels, doc_to_text="{{ labels | join('/') }}: {{question}}", doc_to_target="label", doc_to_choice=labels
    )
    items = read(task, [{"question": "x", "label": "good"}])
    ways = choice_orders(task, items, items, 2, 7)
    assert [way.name for way in ways] == ["order-1", "order-2"]
    for way in ways:
        order = list(way.task.wording)
        assert sorted(order) == labels
        assert order != labels
        assert question_text(way.task, way.items[0]) == f"{'/'.join(order)}: x"
        assert way.items[0].choices == tuple(order)
        assert way.items[0].target == "good"


def test_choices_that_the_template_lists_itself_keep_their_order() -> None:
    task = make_task(doc_to_text="bad or good? {{question}}", doc_to_target="label", doc_to_choice=["bad", "good"])
    assert choice_orders(task, read(task, [{"question": "x", "label": "good"}]), [], 2, 7) == []


def test_demonstrations_are_the_same_in_another_order() -> None:
    task = make_task()
    items = read(task, rows_of([0, 1]))
    assert [way.order for way in demonstration_orders(task, items, items, 2, 4)] == [1, 2]


@pytest.mark.parametrize(("labels", "orders"), [(["bad", "good"], 1), (["bad", "fair", "good"], 5)])
def test_no_order_of_the_classes_is_asked_twice(labels: list[str], orders: int) -> None:
    task = make_task(
        labels=labels, doc_to_text="{{ labels | join('/') }}: {{question}}", doc_to_target="label", doc_to_choice=labels
    )
    ways = choice_orders(task, read(task, [{"question": "x", "label": "good"}]), [], 9, 7)
    assert len({tuple(way.task.wording) for way in ways}) == len(ways) == orders


def test_two_choices_and_two_demonstrations_have_one_other_order() -> None:
    task = make_task()
    items = read(task, [{"question": "q", "choices": ["a", "b"], "answer": 1}])
    assert [way.items[0].choices for way in choice_orders(task, items, [], 9, 7)] == [("b", "a")]
    assert len(demonstration_orders(task, items, items, 9, 2)) == 1
    assert all(other_order(range(2), number, Random(number)) == [1, 0] for number in range(1, 9))
    assert other_order(range(1), 1, Random(0)) == [0]


@pytest.mark.parametrize(("values", "count"), [(2, 1), (3, 5), (4, 23), (7, 40), (30, 40)])
def test_every_number_is_another_order(values: int, count: int) -> None:
    orders = {tuple(other_order(range(values), number, Random(5))) for number in range(1, count + 1)}
    assert len(orders) == count
    assert tuple(range(values)) not in orders
    assert all(sorted(order) == list(range(values)) for order in orders)
