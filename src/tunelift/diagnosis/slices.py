"""Kinds of test items on which the effect is another than on the rest, found by looking at many: for exploration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tunelift.comparison.compare import compare_by_metric
from tunelift.core.records import Example, Sample
from tunelift.data.contents import questions_of
from tunelift.data.tasks import Task
from tunelift.diagnosis.records import SliceEffect
from tunelift.evaluation.metrics.metric import Metric
from tunelift.statistics.independent import EffectDifference, compare_effects
from tunelift.statistics.multiplicity import benjamini_hochberg
from tunelift.statistics.paired import PairedResult

ANSWER = "right answer"
LENGTH = "length"
FEWEST = 20  # items in a slice and beside it; fewer say little
MOST_VALUES = 12  # of a field that tells kinds of items apart
LONGEST_VALUE = 40  # characters


@dataclass(frozen=True, slots=True)
class Slice:
    """Items that have something in common.

    Attributes:
        by: What: the right answer, the length of the question, or the name of a field.
        value: Which one.
        ids: The items.
    """

    by: str
    value: str
    ids: frozenset[str]


def find_slices(task: Task, items: Sequence[Example]) -> list[Slice]:
    """The kinds that items fall into: by right answer, by fields with few values, by length.

    Kinds that hold the same items as an earlier one are left out, as are those of fewer than 20 items and those that
    leave fewer than 20 beside them.

    Args:
        task: The task.
        items: The items that were asked.

    Raises:
        UserError: A template of the task does not fit the items.
    """
    lengths = [len(question.strip()) for question in questions_of(task, items)]
    found = _by_value(ANSWER, [item.target for item in items], items)
    for name in dict.fromkeys(name for item in items for name in item.fields):
        found += _by_value(name, [item.fields.get(name) for item in items], items)
    found += _by_length(lengths, items)
    first = {part.ids: part for part in reversed(found)}
    return [part for part in found if first[part.ids] is part and FEWEST <= len(part.ids) <= len(items) - FEWEST]


def compare_slices(
    slices: Sequence[Slice], metric: Metric, baseline: Sequence[Sample], candidate: Sequence[Sample], seed: int
) -> tuple[SliceEffect, ...]:
    """The effect on each kind of items, and how far it exceeds that on all others.

    A kind by its right answer is left out where the score is no mean over the items: of a single class, F1 averaged
    over the classes says nothing. Areas under curves have no kinds, since some of these may be of a single class. How
    far the effect exceeds the other is not told where a group stands on both sides, which are not independent then.

    Args:
        slices: The kinds.
        metric: The score.
        baseline: The answers of the baseline.
        candidate: Those of the candidate, to the same items in the same order.
        seed: Seed of tests that draw at random.
    """
    found = []
    for part in () if metric.curves else slices:
        if metric.is_mean or part.by != ANSWER:
            inside, outside = (_effect(metric, baseline, candidate, part.ids, side, seed) for side in (True, False))
            difference = compare_effects(inside, outside)
            if _is_straddled(baseline, part.ids):
                difference = EffectDifference(difference.effect, None, None)
            found.append(SliceEffect(part.by, part.value, inside, difference, None))
    known = [each.difference.p for each in found if each.difference.p is not None]
    adjusted = iter(benjamini_hochberg(known).tolist())
    return tuple(each if each.difference.p is None else replace(each, adjusted_p=next(adjusted)) for each in found)


def _by_value(by: str, values: Sequence[object], items: Sequence[Example]) -> list[Slice]:
    """Slices by a value that is one of a few short texts, whole numbers or yes and no; none by any other."""
    known = [value for value in values if value is not None]
    if not all(isinstance(value, str | bool | int) and len(str(value)) <= LONGEST_VALUE for value in known):
        return []
    names = sorted(set(map(str, known)))
    if len(names) > MOST_VALUES:
        return []
    pairs = list(zip(items, values, strict=True))
    return [
        Slice(by, name, frozenset(item.id for item, value in pairs if value is not None and str(value) == name))
        for name in names
    ]


def _by_length(lengths: Sequence[int], items: Sequence[Example]) -> list[Slice]:
    """Thirds of the items by the length of their questions."""
    if not lengths:
        return []
    low, high = (int(cut) for cut in np.quantile(lengths, [1 / 3, 2 / 3], method="lower"))
    bounds = [(0, low), (low + 1, high), (high + 1, max(lengths))]
    names = [f"up to {low:,} characters", f"{low + 1:,} to {high:,} characters", f"over {high:,} characters"]
    sized = list(zip(items, lengths, strict=True))
    return [
        Slice(LENGTH, name, frozenset(item.id for item, length in sized if first <= length <= last))
        for name, (first, last) in zip(names, bounds, strict=True)
    ]


def _is_straddled(samples: Sequence[Sample], ids: frozenset[str]) -> bool:
    """Whether a group of items stands in a slice and beside it."""
    sides = [
        {sample.group for sample in samples if sample.group is not None and (sample.example_id in ids) is side}
        for side in (True, False)
    ]
    return not sides[0].isdisjoint(sides[1])


def _effect(
    metric: Metric, baseline: Sequence[Sample], candidate: Sequence[Sample], ids: frozenset[str], side: bool, seed: int
) -> PairedResult:
    """The effect on the items of a slice, or on the others."""
    before, after = (
        [sample for sample in samples if (sample.example_id in ids) is side] for samples in (baseline, candidate)
    )
    return compare_by_metric(metric, before, after, seed)
