from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from tunelift.comparison.compare import compare
from tunelift.core.records import Example, Sample, Source
from tunelift.data.tasks import Task
from tunelift.diagnosis.errors import Diagnosis, confusion_table, confusions, diagnose, shared_choices
from tunelift.evaluation.evaluate import evaluate_predictor

CLASSES = ("negative", "neutral", "positive")


def sample(number: int, target: str, answer: str | None, **changes: object) -> Sample:
    values = {
        "example_id": f"row-{number}",
        "doc_id": number,
        "doc": {"text": f"text {number}"},
        "target": target,
        "condition": "tuned",
        "output": answer or "",
        "answer": answer,
        "finish_reason": "stop",
        "choices": CLASSES,
        "metrics": {"acc": float(answer == target)},
    }
    return Sample(**(values | changes))


def answers(pairs: Sequence[tuple[str, str | None]]) -> list[Sample]:
    return [sample(number, *pair) for number, pair in enumerate(pairs)]


def run(before: list[Sample], after: list[Sample], systems: dict[str, str] | None = None) -> Diagnosis:
    conditions = {"zero-shot": before, "tuned": after}
    systems = systems or {"zero-shot": "base", "tuned": "tuned"}
    comparison = compare(conditions, [("tuned", "zero-shot")], "tweets", seed=1, systems=systems)
    return diagnose(conditions, comparison, None, Counter(item.target for item in after))


PAIRS = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from([*CLASSES, None])), min_size=1, max_size=60)


@given(PAIRS)
def test_the_table_is_that_of_scikit_learn(pairs: list[tuple[str, str | None]]) -> None:
    labels = [*CLASSES, "not parsed"]
    targets, given_answers = [target for target, _ in pairs], [answer or "not parsed" for _, answer in pairs]
    expected = confusion_matrix(targets, given_answers, labels=labels)[:3]
    assert [list(row) for row in confusion_table(answers(pairs), CLASSES).counts] == expected.tolist()


@given(PAIRS)
def test_the_confusions_are_the_wrong_items_largest_first(pairs: list[tuple[str, str | None]]) -> None:
    samples = answers(pairs)
    cells = confusions(samples, CLASSES)
    counts = [cell.count for cell in cells]
    assert counts == sorted(counts, reverse=True)
    assert counts == [len(cell.ids) for cell in cells]
    wrong = [item.example_id for item in samples if item.answer != item.target]
    assert sorted(item for cell in cells for item in cell.ids) == sorted(wrong)


def test_a_diagnosis_counts_what_is_wrong() -> None:
    before = answers([("negative", "negative"), ("neutral", "negative"), ("positive", None), ("neutral", "neutral")])
    after = answers([("negative", "neutral"), ("neutral", "neutral"), ("positive", None), ("neutral", "negative")])
    after[2] = sample(2, "positive", None, finish_reason="length")
    found = run(before, after)
    assert (found.condition, found.baseline, found.items) == ("tuned", "zero-shot", 4)
    assert found.wrong == ("row-0", "row-2", "row-3")
    assert found.won == ("row-1",)
    assert found.lost == ("row-0", "row-3")
    assert (found.unparsed, found.truncated) == (1, 1)
    assert [(cell.target, cell.answer, cell.ids) for cell in found.confusions] == [
        ("negative", "neutral", ("row-0",)),
        ("neutral", "negative", ("row-3",)),
        ("positive", None, ("row-2",)),
    ]


def test_a_diagnosis_survives_json() -> None:
    before = answers([("negative", None)] * 20 + [("neutral", "negative")] * 20)
    after = answers([("negative", "negative")] * 20 + [("neutral", "negative")] * 20)
    found = run(before, after)
    assert found.proposals
    assert Diagnosis.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_free_answers_have_no_table() -> None:
    before = [sample(0, "a", "b", choices=None), sample(1, "c", "c", choices=None)]
    found = run(before, before)
    assert (found.table, found.confusions, found.wrong) == (None, (), ("row-0",))
    assert Diagnosis.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_choices_that_differ_by_item_are_no_classes() -> None:
    assert shared_choices([sample(0, "a", "a", choices=("a", "b")), sample(1, "c", "c", choices=("c", "d"))]) is None


def test_choices_in_another_order_are_the_same_classes() -> None:
    samples = [sample(0, "a", "b", choices=("a", "b")), sample(1, "b", "b", choices=("b", "a"))]
    assert shared_choices(samples) == ("a", "b")
    assert confusion_table(samples, ("a", "b")).counts == ((0, 1, 0), (0, 1, 0))


@pytest.mark.parametrize(
    ("systems", "studied"),
    [({"zero-shot": "tuned", "tuned": "tuned"}, "zero-shot"), ({"zero-shot": "base", "tuned": "base"}, "tuned")],
)
def test_the_first_tuned_condition_is_studied_or_else_the_last(systems: dict[str, str], studied: str) -> None:
    samples = answers([("negative", "negative"), ("neutral", "negative")])
    assert run(samples, samples, systems).condition == studied


def test_a_classifier_that_knows_more_classes_than_the_test_items_offer() -> None:
    examples = [
        Example(f"e{n}", {"text": "text"}, "negative", Source("rows.jsonl", n), ("negative", "positive"))
        for n in range(2)
    ]
    task = Task(task="t", dataset_path="d", doc_to_text="text", doc_to_target="label", doc_to_choice="choices")
    said = ["neutral", "negative"]
    samples = evaluate_predictor(lambda texts: said, task, examples, [0, 1], ["", ""], "tuned").samples
    found = run(samples, samples)
    assert found.table is not None
    assert (found.table.counts, found.unparsed) == (((1, 0, 1), (0, 0, 0)), 1)


@pytest.mark.parametrize("answer", ["It is positive.", 4.0, ["negative"]])
def test_answers_that_are_no_choices_have_no_confusion_table(answer: object) -> None:
    """The answers of a task with choices may be read as free texts, numbers or lists."""
    before = answers([("negative", "negative"), ("positive", "negative")])
    after = [before[0], replace(before[1], answer=answer)]
    diagnosis = run(before, after)
    assert diagnosis.table is None
    assert diagnosis.confusions == ()
    assert shared_choices(before) == CLASSES
