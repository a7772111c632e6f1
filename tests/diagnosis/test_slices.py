"""Kinds of items, and whether the effect on them is another than on the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tunelift.comparison.compare import known_metric
from tunelift.core.records import Example, Sample, Source
from tunelift.data.tasks import Task
from tunelift.diagnosis.records import SliceEffect
from tunelift.diagnosis.slices import ANSWER, LENGTH, compare_slices, find_slices
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.statistics.multiplicity import benjamini_hochberg
from tunelift.statistics.paired import compare_binary

CLASSES = ("no", "yes")


def task_of(**keys: Any) -> Task:
    return Task.model_validate(
        {"task": "t", "dataset_path": "x", "doc_to_text": "Yes or no? {{text}}", "doc_to_target": "label"} | keys
    )


def items_of(count: int, **columns: Sequence[Any]) -> list[Example]:
    return [
        Example(
            f"e{at}",
            {
                "text": "x" * (at + 1),
                "label": CLASSES[at % 2],
                **{name: values[at] for name, values in columns.items()},
            },
            CLASSES[at % 2],
            Source("x", at + 1),
        )
        for at in range(count)
    ]


def answers(items: Sequence[Example], rights: Sequence[float], **changes: Any) -> list[Sample]:
    return [
        Sample(
            example_id=item.id,
            doc_id=at,
            doc=item.fields,
            target=item.target,
            condition="c",
            output="yes",
            answer="yes",
            finish_reason="stop",
            metrics={"acc": float(rights[at])},
            **changes,
        )
        for at, item in enumerate(items)
    ]


def effects(items: Sequence[Example], before: Sequence[float], after: Sequence[float]) -> tuple[SliceEffect, ...]:
    samples = answers(items, before), answers(items, after)
    return compare_slices(find_slices(task_of(), items), known_metric("acc", samples[0]), *samples, seed=7)


def test_items_are_told_apart_by_answer_by_fields_of_few_values_and_by_length() -> None:
    sources = ["web", "book", None] * 40
    found = find_slices(task_of(), items_of(120, source=sources, number=list(range(120)), nested=[{}] * 120))
    kinds = {(part.by, part.value): len(part.ids) for part in found}
    assert kinds == {
        (ANSWER, "no"): 60,
        (ANSWER, "yes"): 60,
        ("source", "book"): 40,
        ("source", "web"): 40,
        (LENGTH, "up to 40 characters"): 40,
        (LENGTH, "41 to 80 characters"): 40,
        (LENGTH, "over 80 characters"): 40,
    }  # the field "label" has the values of the right answer


def test_small_kinds_and_those_that_leave_little_beside_them_are_left_out() -> None:
    rare = ["rare"] * 19 + ["common"] * 41
    assert not [part for part in find_slices(task_of(), items_of(60, source=rare)) if part.by == "source"]
    assert find_slices(task_of(), items_of(30)) == []
    assert find_slices(task_of(), []) == []


def test_effects_are_paired_within_a_kind_and_held_against_the_rest() -> None:
    items = items_of(200)
    before = [0.0, 1.0] * 100  # all that are "yes" are right already
    after = [float(at % 4 < 2 or at % 2) for at in range(200)]
    found = {(each.by, each.value): each for each in effects(items, before, after)}
    no, yes = found[ANSWER, "no"], found[ANSWER, "yes"]
    assert no.effect == compare_binary(before[::2], after[::2])
    assert (no.effect.effect, yes.effect.effect) == (0.5, 0.0)
    assert (no.difference.effect, yes.difference.effect) == (0.5, -0.5)
    adjusted = benjamini_hochberg([each.difference.p for each in found.values()])
    assert [each.adjusted_p for each in found.values()] == pytest.approx(adjusted.tolist())
    assert no.adjusted_p is not None
    assert no.adjusted_p < 0.0001
    assert all(
        each.adjusted_p is not None and each.adjusted_p > 0.05 for (by, _), each in found.items() if by == LENGTH
    )


def test_a_difference_is_not_told_where_groups_stand_on_both_sides() -> None:
    items = items_of(80, turn=[1, 2] * 40)
    rights = [0.0] * 80, [float(at % 8 > 0 if at % 2 == 0 else at % 6 == 1) for at in range(80)]
    for groups, is_known in (
        ([at // 2 for at in range(80)], False),
        ([at % 2 + at // 4 * 2 for at in range(80)], True),
    ):
        samples = [
            [replace(sample, group=f"g{group}") for sample, group in zip(answers(items, part), groups, strict=True)]
            for part in rights
        ]
        found = compare_slices(find_slices(task_of(), items), known_metric("acc", samples[0]), *samples, seed=7)
        (turn, *_) = [each for each in found if each.by == ANSWER]  # odd and even items, as the field is
        assert (turn.difference.p is not None, turn.adjusted_p is not None) == (is_known, is_known)
        assert turn.effect.effect == 0.75


def test_what_stands_out_by_chance_is_rare() -> None:
    """Where all kinds gain alike, at most one run in twenty names any, up to the chance of 200 runs."""
    draws = np.random.default_rng(5)
    named = 0
    for _ in range(200):
        items = items_of(120, source=draws.choice(["a", "b", "c"], 120).tolist())
        found = effects(items, draws.random(120) < 0.4, draws.random(120) < 0.6)
        named += any(each.adjusted_p is not None and each.adjusted_p <= 0.05 for each in found)
    assert named <= 18


def test_scores_that_are_no_mean_are_not_asked_of_a_single_class() -> None:
    task = task_of(metric_list=[{"metric": "f1"}], doc_to_choice=list(CLASSES))
    items = items_of(80, source=["a", "b"] * 40)
    for item in items:
        item.fields["source"] = "a" if int(item.id[1:]) < 40 else "b"
    samples = answers(items, [1.0] * 80, choices=CLASSES)
    found = compare_slices(find_slices(task, items), make_metrics(task)[0], samples, samples, seed=7)
    assert {each.by for each in found} == {"source", LENGTH}
