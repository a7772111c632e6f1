"""Conditions that were repeated with several seeds of tuning: what holds for the settings, not for one tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import clusters_of, data_of, score_of
from tunelift.evaluation.metrics.metric import Metric
from tunelift.statistics.intervals import record_of
from tunelift.statistics.variance import Components, SeedSpread, seed_spread, variance_components

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeedResult:
    """A condition with several seeds of tuning.

    Attributes:
        condition: Name of the condition that is repeated.
        seeds: Score of the condition and of each of its repetitions, by name; the condition itself first.
        spread: How much these scores differ.
        against: By name of the baseline, the improvement on it, positive where the condition is better, and where its
            spread comes from. The seeds stand in place of templates, so that the interval is one for other items and
            other seeds. None where the score is no mean of the items' scores, or there is only one item.
    """

    condition: str
    seeds: dict[str, float]
    spread: SeedSpread
    against: dict[str, Components | None]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SeedResult:
        """The result that `to_dict` wrote, also when it has been through JSON."""
        spread = record_of(SeedSpread, data["spread"], "interval", "deviation_interval")
        against = {baseline: found and record_of(Components, found) for baseline, found in data["against"].items()}
        return cls(data["condition"], data["seeds"], spread, against)


def compare_seeds(
    samples_by_condition: Mapping[str, Sequence[Sample]],
    repeats: Mapping[str, str],
    baselines: Sequence[str],
    metric: Metric,
) -> tuple[SeedResult, ...]:
    """What several seeds of tuning say about every condition that was repeated with them.

    Args:
        samples_by_condition: The answers, by name of the condition, to identical items; they are paired by
            `example_id`. Every answer has the metric.
        repeats: For each repetition the condition that it repeats.
        baselines: The conditions that are held against; none of them depends on the seed of tuning.
        metric: The score.

    Returns:
        One result for each condition with repetitions, in the order of the conditions.
    """
    originals = [name for name in samples_by_condition if name in repeats.values()]
    if not originals:
        return ()
    reference = samples_by_condition[originals[0]]
    data = _data(samples_by_condition, [sample.example_id for sample in reference], metric)
    groups = clusters_of(reference)
    results = []
    for original in originals:
        names = [original, *(name for name in samples_by_condition if repeats.get(name) == original)]
        scores = {name: score_of(metric, data[name]) for name in names}
        against = {
            baseline: _components([data[name] for name in names], data[baseline], groups, metric)
            for baseline in baselines
        }
        results.append(SeedResult(original, scores, seed_spread(list(scores.values())), against))
    return tuple(results)


def _data(samples_by_condition: Mapping[str, Sequence[Sample]], ids: Sequence[str], metric: Metric) -> dict[str, Array]:
    """What the metric is computed from, for every condition, in the order of these items.

    It is made together, since what columns statistics have can depend on all answers.
    """
    aligned = []
    for samples in samples_by_condition.values():
        by_id = {sample.example_id: sample for sample in samples}
        aligned += [by_id[identity] for identity in ids]
    parts = np.split(data_of(metric, aligned), len(samples_by_condition))
    return dict(zip(samples_by_condition, parts, strict=True))


def _components(
    seeds: Sequence[Array], baseline: Array, groups: NDArray[np.int64] | None, metric: Metric
) -> Components | None:
    if not metric.is_mean or len(baseline) < 2:
        return None
    sign = 1 if metric.higher_is_better else -1
    return variance_components(sign * (np.stack(seeds, axis=1) - baseline[:, None]), groups)
