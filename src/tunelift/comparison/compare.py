"""Compare conditions that answered identical items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import inf, nan

import numpy as np

from tunelift.comparison.gain import split_gain
from tunelift.comparison.records import Comparison, ConditionScore, Contrast
from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.files import canonical_json
from tunelift.core.records import CHOICE, Sample
from tunelift.evaluation.evaluate import clusters_of, data_of, has_metric, interval_of, per_item, score_of
from tunelift.evaluation.metrics.metric import Metric, mean_metric
from tunelift.evaluation.metrics.table import direction_of, range_of
from tunelift.statistics.areas import compare_areas
from tunelift.statistics.bayes import Posterior, paired_posterior
from tunelift.statistics.multiplicity import holm
from tunelift.statistics.paired import PairedResult, balancing_weights, compare_balanced, compare_paired
from tunelift.statistics.power import detectable_difference, detectable_from_interval
from tunelift.statistics.resampling import compare_resampled
from tunelift.statistics.sample_size import MOST, required_items, required_items_for_mean, round_up

HEADLINE = "acc"
FEW_ITEMS = 100  # with more, a Bayesian interval says what the other one says


@dataclass(frozen=True, slots=True)
class _Items:
    """What all conditions share: one entry an item; None where the items have no groups or no common classes."""

    ids: list[str]
    groups: np.ndarray | None
    classes: list[str] | None


@dataclass(frozen=True, slots=True)
class _Answers:
    """One condition, in the order of the items: what each metric is computed from, and scores of choices if any."""

    samples: list[Sample]
    data: dict[str, np.ndarray]
    choice_scores: np.ndarray | None


def known_metric(name: str, samples: Iterable[Sample], higher_is_better: bool | None = None) -> Metric:
    """The mean of values that samples hold already.

    Its range is that which the name tells, or else from 0 to 1; it has none where a value lies outside.

    Args:
        name: Of the metric.
        samples: What holds its values.
        higher_is_better: Its direction; None: as the name says, up where it does not tell.
    """
    is_better = direction_of(name) is not False if higher_is_better is None else higher_is_better
    low, high = range_of(name) or (0.0, 1.0)
    if not all(low <= sample.metrics[name] <= high for sample in samples if name in sample.metrics):
        low, high = -inf, inf
    return mean_metric(
        name, lambda outcome: outcome.values.get(name, nan), low=low, high=high, higher_is_better=is_better
    )


def scale_of(metric: Metric) -> float:
    """What scores are multiplied with to be shown: 100 for shares, which are known by their range."""
    return 100.0 if metric.high == 1 and metric.low >= -1 else 1.0


def compare(
    samples_by_condition: Mapping[str, Sequence[Sample]],
    planned: Sequence[tuple[str, str]],
    task: str,
    seed: int,
    metrics: Sequence[Metric] = (),
    systems: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare conditions that answered identical items.

    Args:
        samples_by_condition: The answers, by name of the condition; items are paired by `example_id`.
        planned: The contrasts to make, as (candidate, baseline).
        task: Name of the task.
        seed: Seed of tests that draw at random.
        metrics: What to compare by, the headline first; "acc" unless given. Balanced accuracy and the split of the
            gain belong to "acc" and are left out for any other headline.
        systems: What answered, by name of the condition; the name itself where it is not given.

    Raises:
        UserError: Conditions did not answer identical items, a score is missing, or a contrast names a condition
            that is not there.
    """
    for name in (name for contrast in planned for name in contrast):
        if name not in samples_by_condition:
            raise UserError(task, f'there is no condition "{name}"', nearest(name, samples_by_condition))
    aligned = _align(samples_by_condition)
    metrics = list(metrics) or [known_metric(HEADLINE, chain(*aligned.values()))]
    headline = metrics[0]
    items = _items(list(aligned.values()), headline.name)
    data = {metric.name: _data(aligned, metric) for metric in metrics}
    for name, samples in aligned.items():
        if name not in data[headline.name]:
            raise _lacking(name, samples, headline.name)
    answers = {
        name: _Answers(
            samples,
            {metric.name: data[metric.name][name] for metric in metrics if name in data[metric.name]},
            _choice_scores(samples, headline.name),
        )
        for name, samples in aligned.items()
    }
    systems = {name: name for name in answers} | dict(systems or {})
    contrasts = [_contrast(candidate, baseline, metrics, answers, items, seed) for candidate, baseline in planned]
    best = headline.high if headline.higher_is_better else headline.low
    return Comparison(
        task=task,
        metric=headline.name,
        items=len(items.ids),
        groups=None if items.groups is None else len(set(items.groups.tolist())),
        conditions=tuple(
            _condition_score(name, systems[name], answers[name], items, metrics, seed) for name in answers
        ),
        contrasts=corrected(contrasts),
        scale=scale_of(headline),
        higher_is_better=headline.higher_is_better,
        best=best if np.isfinite([headline.low, headline.high]).all() else None,
    )


def corrected(contrasts: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """Contrasts with p-values that allow for their number; a single one needs no correction."""
    if len(contrasts) < 2:
        return tuple(contrasts)
    adjusted = holm([contrast.result.p for contrast in contrasts]).tolist()
    return tuple(replace(contrast, adjusted_p=p) for contrast, p in zip(contrasts, adjusted, strict=True))


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
    grouped = [
        next((answer for answer in answers if answer.group is not None), answers[0])
        for answers in zip(*conditions, strict=True)
    ]
    groups = clusters_of(grouped)
    shared = {frozenset(sample.choices or ()) for sample in reference}
    has_classes = metric == HEADLINE and len(shared) == 1 and frozenset() not in shared
    classes = [sample.target for sample in reference] if has_classes else None
    return _Items([sample.example_id for sample in reference], groups, classes)


def _data(aligned: dict[str, list[Sample]], metric: Metric) -> dict[str, np.ndarray]:
    """What a metric is computed from, for every condition that has it.

    It is made together, since what columns statistics have can depend on all answers.
    """
    having = {name: samples for name, samples in aligned.items() if has_metric(metric, samples)}
    if not having:
        return {}
    together = data_of(metric, [sample for samples in having.values() for sample in samples])
    parts = zip(having, np.split(together, len(having)), strict=True)
    return {name: data for name, data in parts if np.isfinite(data).all()}


def _lacking(name: str, samples: list[Sample], metric: str) -> UserError:
    """The error for a condition without the headline, or with values of it that are not finite."""
    ids = [sample.example_id for sample in samples if not np.isfinite(sample.metrics.get(metric, nan))]
    available = set.intersection(*(set(sample.metrics) for sample in samples)) - {metric}
    hint = f"every answer has: {', '.join(sorted(available))}" if available else "score the answers again"
    return UserError(f'condition "{name}"', f'{len(ids)} answers have no finite "{metric}": {shorten(ids)}', hint)


def _choice_scores(samples: list[Sample], metric: str) -> np.ndarray | None:
    if metric != HEADLINE or any(CHOICE not in sample.metrics for sample in samples):
        return None
    return np.array([sample.metrics[CHOICE] for sample in samples], dtype=float)


def _condition_score(
    name: str, system: str, answers: _Answers, items: _Items, metrics: Sequence[Metric], seed: int
) -> ConditionScore:
    samples, headline = answers.samples, metrics[0]
    known = all(sample.finish_reason for sample in samples)
    having = [metric for metric in metrics if metric.name in answers.data]
    scores = {metric.name: score_of(metric, answers.data[metric.name]) for metric in having}
    values = answers.data[headline.name]
    balanced = float(balancing_weights(items.classes) @ per_item(headline, values)) if items.classes else None
    return ConditionScore(
        name=name,
        system=system,
        items=len(samples),
        score=scores.pop(headline.name),
        interval=interval_of(headline, values, items.groups, seed),
        balanced_accuracy=balanced,
        choice_accuracy=None if answers.choice_scores is None else float(answers.choice_scores.mean()),
        unparsed=sum(sample.answer is None for sample in samples),
        truncated=sum(sample.finish_reason == "length" for sample in samples) if known else None,
        others=scores,
    )


def compare_by_metric(
    metric: Metric, baseline: Sequence[Sample], candidate: Sequence[Sample], seed: int
) -> PairedResult:
    """A paired comparison of answers by one metric; the items may differ in their texts, as long as they correspond.

    Args:
        metric: The metric; every answer has it.
        baseline: The answers of the baseline.
        candidate: Those of the candidate, to the corresponding items in the same order.
        seed: Seed of tests that draw at random.
    """
    before, after = np.split(data_of(metric, [*baseline, *candidate]), [len(baseline)])
    return _result(metric, before, after, clusters_of(baseline), seed)


def _result(
    metric: Metric, before: np.ndarray, after: np.ndarray, groups: np.ndarray | None, seed: int
) -> PairedResult:
    """A paired comparison by one metric; a positive effect means that the candidate is better."""
    if metric.curves:
        return compare_areas(metric.curves(before), metric.curves(after), groups)
    if not metric.is_mean:
        return compare_resampled(metric.score, before, after, groups, seed, higher_is_better=metric.higher_is_better)
    worse, better = (before, after) if metric.higher_is_better else (after, before)
    result = compare_paired(worse, better, groups, seed)
    return replace(result, baseline=float(before.mean()), candidate=float(after.mean()))


def _contrast(
    candidate: str,
    baseline: str,
    metrics: Sequence[Metric],
    answers: dict[str, _Answers],
    items: _Items,
    seed: int,
) -> Contrast:
    before, after, headline = answers[baseline], answers[candidate], metrics[0]
    results = {
        metric.name: _result(metric, before.data[metric.name], after.data[metric.name], items.groups, seed)
        for metric in metrics
        if metric.name in before.data and metric.name in after.data
    }
    result = results.pop(headline.name)
    first, second = (per_item(headline, part.data[headline.name]) for part in (before, after))
    balanced = None
    if items.classes is not None:
        balanced = compare_balanced(first, second, items.classes, items.groups, seed)
    gain = ability = None
    if before.choice_scores is not None and after.choice_scores is not None:
        ability = compare_paired(before.choice_scores, after.choice_scores, items.groups, seed)
        gain = split_gain(result.effect, ability.effect)
    sign = 1 if headline.higher_is_better else -1
    detectable = _detectable(headline, result, first, second, items)
    return Contrast(
        candidate=candidate,
        baseline=baseline,
        metric=headline.name,
        result=result,
        balanced=balanced,
        detectable_effect=detectable,
        format_gain=gain.format if gain else None,
        ability_gain=gain.ability if gain else None,
        won=tuple(items.ids[index] for index in np.flatnonzero(sign * second > sign * first)),
        lost=tuple(items.ids[index] for index in np.flatnonzero(sign * second < sign * first)),
        others=results,
        ability=ability,
        posterior=_posterior(result, items, seed),
        required_items=_required(result, detectable, second - first, headline.is_mean, items),
    )


def _detectable(
    metric: Metric, result: PairedResult, before: np.ndarray, after: np.ndarray, items: _Items
) -> float | None:
    """The smallest effect that the items could show; of a resampled score from the width of its interval."""
    if metric.is_mean:
        return detectable_difference(before, after, items.groups)
    if result.interval is None:
        return None
    differs = before != after
    differing = differs.sum() if items.groups is None else len(set(items.groups[differs].tolist()))
    return detectable_from_interval(result.interval, int(differing))


def _posterior(result: PairedResult, items: _Items, seed: int) -> Posterior | None:
    """What is to be believed after few right-or-wrong answers that are independent of each other."""
    if result.wins is None or result.losses is None or items.groups is not None or result.n > FEW_ITEMS:
        return None
    return paired_posterior(result.wins, result.losses, result.n, seed)


def _required(
    result: PairedResult, detectable: float | None, differences: np.ndarray, is_mean: bool, items: _Items
) -> int | None:
    """Items that would show the observed effect, if they are more than there were.

    Of groups, and of a score that is no mean, what can be shown falls with the root of their number.
    """
    effect, needed = abs(result.effect), None
    if not effect:
        return None
    if not is_mean or items.groups is not None:
        needed = detectable and result.n * (detectable / effect) ** 2
    elif result.wins is not None and result.losses is not None:
        needed = required_items(effect, (result.wins + result.losses) / result.n)
    elif np.ptp(differences):
        needed = required_items_for_mean(effect, float(differences.std(ddof=1)))
    return round_up(needed) if needed and result.n < needed <= MOST else None
