"""Compare conditions that answered identical items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from tunelift.comparison.gain import split_gain
from tunelift.comparison.records import Comparison, ConditionScore, Contrast
from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.files import canonical_json
from tunelift.core.records import CHOICE, Sample
from tunelift.statistics.intervals import score_interval
from tunelift.statistics.paired import balancing_weights, compare_balanced, compare_paired
from tunelift.statistics.power import detectable_difference

HEADLINE = "acc"


@dataclass(frozen=True, slots=True)
class _Items:
    """What all conditions share: one entry an item; None where the items have no groups or no common classes."""

    ids: list[str]
    groups: np.ndarray | None
    classes: list[str] | None


@dataclass(frozen=True, slots=True)
class _Answers:
    """One condition, in the order of the items; None where choices were not scored."""

    samples: list[Sample]
    scores: np.ndarray
    choice_scores: np.ndarray | None


def compare(
    samples_by_condition: Mapping[str, Sequence[Sample]],
    planned: Sequence[tuple[str, str]],
    task: str,
    seed: int,
    metric: str = HEADLINE,
    systems: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare conditions that answered identical items.

    Args:
        samples_by_condition: The answers, by name of the condition; items are paired by `example_id`.
        planned: The contrasts to make, as (candidate, baseline).
        task: Name of the task.
        seed: Seed of tests that draw at random.
        metric: Which of `Sample.metrics` to compare; higher is better. Balanced accuracy and the split of the gain
            belong to "acc" and are left out for any other.
        systems: What answered, by name of the condition; the name itself where it is not given.

    Raises:
        UserError: Conditions did not answer identical items, a score is missing, or a contrast names a condition
            that is not there.
    """
    for name in (name for contrast in planned for name in contrast):
        if name not in samples_by_condition:
            raise UserError(task, f'there is no condition "{name}"', nearest(name, samples_by_condition))
    aligned = _align(samples_by_condition)
    items = _items(list(aligned.values()), metric)
    answers = {
        name: _Answers(samples, _scores(name, samples, metric), _choice_scores(samples, metric))
        for name, samples in aligned.items()
    }
    systems = {name: name for name in answers} | dict(systems or {})
    return Comparison(
        task=task,
        metric=metric,
        items=len(items.ids),
        groups=None if items.groups is None else len(set(items.groups.tolist())),
        conditions=tuple(_condition_score(name, systems[name], answers[name], items) for name in answers),
        contrasts=tuple(
            _contrast(candidate, baseline, metric, answers, items, seed) for candidate, baseline in planned
        ),
    )


def _align(samples_by_condition: Mapping[str, Sequence[Sample]]) -> dict[str, list[Sample]]:
    """The samples of every condition in the order of the first one.

    Raises:
        UserError: Items are missing, come twice, or differ in content.
    """
    first = next(iter(samples_by_condition))
    reference = samples_by_condition[first]
    aligned = {}
    for name, samples in samples_by_condition.items():
        where, hint = f'condition "{name}"', "answer the same items under every condition"
        if not samples:
            raise UserError(where, "has no answers", hint)
        counts = Counter(sample.example_id for sample in samples)
        if repeated := [identity for identity, count in counts.items() if count > 1]:
            raise UserError(where, f"answers items more than once: {shorten(repeated)}", "keep one answer an item")
        by_id = {sample.example_id: sample for sample in samples}
        expected = {sample.example_id for sample in reference}
        missing, surplus = sorted(expected - by_id.keys()), sorted(by_id.keys() - expected)
        if missing or surplus:
            kinds = [(missing, "missing"), (surplus, "more")]
            what = ", ".join(f"{len(ids)} {kind} ({shorten(ids)})" for ids, kind in kinds if ids)
            raise UserError(where, f'has other items than "{first}": {what}', hint)
        aligned[name] = [by_id[sample.example_id] for sample in reference]
        different = [a.example_id for a, b in zip(aligned[name], reference, strict=True) if _item(a) != _item(b)]
        if different:
            what = f'{len(different)} items have another text or target than in "{first}": {shorten(different)}'
            raise UserError(where, what, hint)
    return aligned


def _item(sample: Sample) -> tuple[str, str]:
    """What makes an item the same item; as JSON, since a document may have been through a file."""
    return canonical_json(sample.doc), sample.target


def _items(conditions: list[list[Sample]], metric: str) -> _Items:
    reference = conditions[0]
    units = []
    for answers in zip(*conditions, strict=True):
        group = next((answer.group for answer in answers if answer.group is not None), None)
        units.append(("item", answers[0].example_id) if group is None else ("group", group))
    codes = {unit: code for code, unit in enumerate(dict.fromkeys(units))}
    # Groups of one item each are no groups: the exact tests for independent items apply.
    groups = np.array([codes[unit] for unit in units]) if len(codes) < len(units) else None
    shared = {frozenset(sample.choices or ()) for sample in reference}
    has_classes = metric == HEADLINE and len(shared) == 1 and frozenset() not in shared
    classes = [sample.target for sample in reference] if has_classes else None
    return _Items([sample.example_id for sample in reference], groups, classes)


def _scores(name: str, samples: list[Sample], metric: str) -> np.ndarray:
    lacking = [sample.example_id for sample in samples if not isfinite(sample.metrics.get(metric, nan))]
    if lacking:
        available = set.intersection(*(set(sample.metrics) for sample in samples)) - {metric}
        what = f'{len(lacking)} answers have no finite "{metric}": {shorten(lacking)}'
        hint = f"every answer has: {', '.join(sorted(available))}" if available else "score the answers again"
        raise UserError(f'condition "{name}"', what, hint)
    return np.array([sample.metrics[metric] for sample in samples], dtype=float)


def _choice_scores(samples: list[Sample], metric: str) -> np.ndarray | None:
    if metric != HEADLINE or any(CHOICE not in sample.metrics for sample in samples):
        return None
    return np.array([sample.metrics[CHOICE] for sample in samples], dtype=float)


def _condition_score(name: str, system: str, answers: _Answers, items: _Items) -> ConditionScore:
    samples, scores = answers.samples, answers.scores
    known = all(sample.finish_reason for sample in samples)
    return ConditionScore(
        name=name,
        system=system,
        items=len(samples),
        score=float(scores.mean()),
        interval=score_interval(scores, items.groups),
        balanced_accuracy=float(balancing_weights(items.classes) @ scores) if items.classes else None,
        choice_accuracy=None if answers.choice_scores is None else float(answers.choice_scores.mean()),
        unparsed=sum(sample.answer is None for sample in samples),
        truncated=sum(sample.finish_reason == "length" for sample in samples) if known else None,
    )


def _contrast(
    candidate: str, baseline: str, metric: str, answers: dict[str, _Answers], items: _Items, seed: int
) -> Contrast:
    before, after = answers[baseline], answers[candidate]
    result = compare_paired(before.scores, after.scores, items.groups, seed)
    balanced = None
    if items.classes is not None:
        balanced = compare_balanced(before.scores, after.scores, items.classes, items.groups, seed)
    gain = None
    if before.choice_scores is not None and after.choice_scores is not None:
        gain = split_gain(result.effect, float(np.mean(after.choice_scores - before.choice_scores)))
    return Contrast(
        candidate=candidate,
        baseline=baseline,
        metric=metric,
        result=result,
        balanced=balanced,
        detectable_effect=detectable_difference(before.scores, after.scores, items.groups),
        format_gain=gain.format if gain else None,
        ability_gain=gain.ability if gain else None,
        won=tuple(items.ids[index] for index in np.flatnonzero(after.scores > before.scores)),
        lost=tuple(items.ids[index] for index in np.flatnonzero(after.scores < before.scores)),
    )
