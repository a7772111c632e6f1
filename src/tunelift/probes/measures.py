"""How often something happens under the conditions that a probe asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from tunelift.core.records import Sample
from tunelift.core.texts import normalise_answer
from tunelift.evaluation.evaluate import clusters_of
from tunelift.evaluation.robustness.summary import changed
from tunelift.evaluation.safety.rates import rate
from tunelift.probes.records import Change, Measure
from tunelift.statistics.paired import compare_paired

Answers = Mapping[str, list[Sample]]


def changed_answers(name: str, after: Answers, before: Answers, seed: int) -> Measure:
    """How often the answer to an item is another one when the item is.

    Args:
        name: What happens.
        after: By condition the answers to the changed items, the untuned model's first.
        before: Those to the same items as they stand, in the same order.
        seed: Of the sign flips that compare grouped items.
    """
    other = [changed(_said(before[condition]), _said(samples)) for condition, samples in after.items()]
    return measure_events(name, list(after), other, clusters_of(next(iter(after.values()))), seed)


def measure_events(name: str, conditions: list[str], events: Sequence[ArrayLike], groups: Any, seed: int) -> Measure:
    """A measure from events; its p-value is not corrected yet.

    Args:
        name: What happens.
        conditions: One, or the untuned model's and the tuned one's.
        events: For each 0 or 1 for every item.
        groups: Which items belong together; None where every item stands alone.
        seed: Of the sign flips that compare grouped items.
    """
    rates = {condition: rate(each, groups) for condition, each in zip(conditions, events, strict=True)}
    if len(events) < 2:
        return Measure(name, rates, None)
    result = compare_paired(events[0], events[1], groups, seed)
    return Measure(name, rates, Change(result, result.p))


def _said(samples: Sequence[Sample]) -> list[Any]:
    """The answers, without what makes no difference between two texts."""
    return [normalise_answer(sample.answer) if isinstance(sample.answer, str) else sample.answer for sample in samples]
