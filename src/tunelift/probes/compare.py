"""What the answers to the probes say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress, islice

import numpy as np

from tunelift.comparison.compare import compare, compare_by_metric, corrected
from tunelift.comparison.records import Comparison
from tunelift.core.names import TUNED
from tunelift.core.records import Sample
from tunelift.data.tasks import Task
from tunelift.evaluation.evaluate import clusters_of, data_of, per_item, score_of
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.robustness.injection import follows
from tunelift.evaluation.robustness.summary import injection_success, rate, worst_case
from tunelift.probes.attack import AttackResult, attack_result
from tunelift.probes.measures import Answers, changed_answers, measure_events
from tunelift.probes.records import Change, Measure, Obedience, Overall, ProbeResult, Retention, Spread, VariationResult
from tunelift.probes.variation import ATTACK, NEGATION, Probe, Variation
from tunelift.probes.wordings import renamed_in
from tunelift.statistics.intervals import standard_error
from tunelift.statistics.margins import non_inferiority
from tunelift.statistics.meta import kind_mean
from tunelift.statistics.multiplicity import holm
from tunelift.statistics.resampling import resampled_interval
from tunelift.statistics.variance import template_spread

FOLLOWED = "answers that follow the hidden instruction"

# Metrics of a task, the headline first.
Metrics = Callable[[Task], list[Metric]]


def compare_probe(
    probe: Probe,
    answers: Mapping[str, Answers],
    plain: Answers,
    systems: Mapping[str, str],
    metrics: Metrics,
    seed: int,
) -> ProbeResult:
    """Compare the answers to a probe: with those to the items as they stand, and of the tuned with the untuned model.

    Args:
        probe: The probe.
        answers: By name of the variation, then by condition.
        plain: Answers to the items of the run as they stand, by condition; of a probe about other items empty.
        systems: What answers, by condition: "tuned", "base".
        metrics: Makes the metrics of a task.
        seed: Seed of tests that draw at random.
    """
    asked = {name: [samples[at] for at in probe.positions] for name, samples in plain.items()}
    if probe.name == ATTACK:
        return ProbeResult(probe.name, (), attacks=_attacks(probe.variations[0], answers, asked, metrics))
    if probe.name == NEGATION:
        after = answers[probe.variations[0].name]
        return ProbeResult(probe.name, (), changed=changed_answers("answers that change", after, asked, seed))
    if probe.name == "label-wordings":
        asked = {name: _renamed(samples, probe.variations[0].task) for name, samples in asked.items()}
    changes = _changes(probe, answers, asked, metrics, seed) if probe.same_items else {}
    variations = tuple(
        VariationResult(
            way.name,
            way.description,
            _comparison(way, answers[way.name], systems, metrics, seed),
            {name: column[way.name] for name, column in changes.items()},
        )
        for way in probe.variations
    )
    variations = variations if probe.same_items else _corrected(variations)
    hidden = [way for way in probe.variations if way.demanded]
    return ProbeResult(
        name=probe.name,
        variations=variations,
        spreads=_spreads(probe, answers, asked, metrics) if probe.same_items and not hidden else {},
        obedience={name: _obedience(way, answers[way.name][name], asked[name]) for way in hidden for name in asked},
        obeyed=_obeyed(hidden[0], answers[hidden[0].name], asked, seed) if hidden else None,
        retentions=_retentions(probe, variations, answers, metrics, seed) if probe.margin else (),
        overall=() if probe.same_items or probe.margin else _overall(probe, variations, answers, metrics),
    )


def _corrected(variations: Sequence[VariationResult]) -> tuple[VariationResult, ...]:
    """The effects of tuning on several other tasks with p-values that allow for their number."""
    contrasts = iter(corrected([contrast for way in variations for contrast in way.comparison.contrasts]))
    found = []
    for way in variations:
        own = tuple(islice(contrasts, len(way.comparison.contrasts)))
        found.append(replace(way, comparison=replace(way.comparison, contrasts=own)))
    return tuple(found)


def _renamed(samples: Sequence[Sample], task: Task) -> list[Sample]:
    """Answers with the names that the classes have in another task, in the same order; its metrics know no others."""
    found = []
    for sample in samples:
        names = dict(zip(sample.choices or (), task.wording.values(), strict=False))
        others = {key: renamed_in(getattr(sample, key), names) for key in ("target", "answer", "references", "choices")}
        found.append(replace(sample, **others))
    return found


def _attacks(
    way: Variation, answers: Mapping[str, Answers], asked: Answers, metrics: Metrics
) -> dict[str, AttackResult]:
    """By condition."""
    metric, budget = metrics(way.task)[0], way.attack.attack if way.attack else 0
    return {
        name: attack_result(name, before, answers[way.name][name], metric, budget) for name, before in asked.items()
    }


def _comparison(
    way: Variation, answers: Answers, systems: Mapping[str, str], metrics: Metrics, seed: int
) -> Comparison:
    tuned = [name for name in answers if systems[name] == TUNED]
    planned = [(name, other) for name in tuned for other in answers if other not in tuned]
    return compare(answers, planned, way.task.task, seed, metrics(way.task), systems)


def _changes(
    probe: Probe, answers: Mapping[str, Answers], asked: Answers, metrics: Metrics, seed: int
) -> dict[str, dict[str, Change]]:
    """By condition and variation, with p-values that are corrected for all variations of the condition."""
    changes = {}
    for name, before in asked.items():
        results = {
            way.name: compare_by_metric(metrics(way.task)[0], before, answers[way.name][name], seed)
            for way in probe.variations
        }
        adjusted = holm([result.p for result in results.values()])
        changes[name] = {
            way: Change(result, float(p)) for (way, result), p in zip(results.items(), adjusted, strict=True)
        }
    return changes


def _spreads(probe: Probe, answers: Mapping[str, Answers], asked: Answers, metrics: Metrics) -> dict[str, Spread]:
    """Of each condition over all ways to ask."""
    ways, metric = probe.variations, metrics(probe.variations[0].task)[0]
    return {
        name: _spread({"": samples} | {way.name: answers[way.name][name] for way in ways}, metric)
        for name, samples in asked.items()
    }


def _spread(by_way: dict[str, list[Sample]], metric: Metric) -> Spread:
    data = {way: data_of(metric, samples) for way, samples in by_way.items()}
    scores = {way: score_of(metric, values) for way, values in data.items()}
    lowest = (min if metric.higher_is_better else max)(scores, key=lambda way: scores[way])
    worst_interval = every = None
    if metric.is_mean and metric.higher_is_better:
        table = np.stack([per_item(metric, values) for values in data.values()], axis=1)
        every = float(worst_case(table[:, 0], table[:, 1:].T).mean())
        if len(table) > 1:
            worst_interval = template_spread(table, clusters_of(by_way[""])).worst_interval
    values = list(scores.values())
    return Spread(
        plain=scores[""],
        mean=float(np.mean(values)),
        deviation=float(np.std(values, ddof=1)),
        worst=lowest,
        worst_score=scores[lowest],
        worst_interval=worst_interval,
        every=every,
        ways=len(by_way),
    )


def _obedience(way: Variation, after: Sequence[Sample], before: Sequence[Sample]) -> Obedience:
    counts = injection_success(_followed(way, before), _followed(way, after))
    judged = int(counts[:, 1].sum())
    if not judged:
        return Obedience(None, None, 0)
    interval = resampled_interval(rate, counts, clusters_of(before), limits=(0.0, 1.0))
    return Obedience(float(rate(counts, np.ones((1, len(counts))))[0]), interval, judged)


def _obeyed(way: Variation, after: Answers, before: Answers, seed: int) -> Measure | None:
    """The same on the items that all conditions can be judged by."""
    anyway = np.any([_followed(way, samples) for samples in before.values()], axis=0)
    if anyway.all():
        return None
    judged = {name: list(compress(samples, ~anyway)) for name, samples in after.items()}
    groups = clusters_of(next(iter(judged.values())))
    return measure_events(
        FOLLOWED, list(judged), [_followed(way, samples) for samples in judged.values()], groups, seed
    )


def _followed(way: Variation, samples: Sequence[Sample]) -> list[float]:
    demanded = way.demanded or {}
    return [float(follows(sample.output, *demanded[sample.example_id], sample.choices or ())) for sample in samples]


def _retentions(
    probe: Probe, variations: Sequence[VariationResult], answers: Mapping[str, Answers], metrics: Metrics, seed: int
) -> tuple[Retention, ...]:
    """One for each metric that tasks have as their headline; every item counts the same.

    The margin is in the unit of a score that is a share, and relative to the untuned model's for others, which have
    no common unit.
    """
    margin, found = probe.margin or 0.0, []
    means = {way.name: metrics(way.task)[0].is_mean for way in probe.variations}
    for metric, ways in _by_metric(variations).items():
        candidate, baseline = ways[0].comparison.contrasts[0].candidate, ways[0].comparison.contrasts[0].baseline
        before, after = (
            np.concatenate([_values(answers[way.name][name], metric) for way in ways]) for name in (baseline, candidate)
        )
        first = ways[0].comparison
        differences = after - before if first.higher_is_better else before - after
        allowed = margin if first.scale == 100 else margin * abs(float(before.mean()))
        if allowed > 0:
            clusters = clusters_of([sample for way in ways for sample in _of_task(way.name, answers, baseline)])
            test = non_inferiority(differences, allowed, clusters, seed=seed)
            is_mean = means[ways[0].name]
            found.append(Retention(metric, test, float(before.mean()), float(after.mean()), first.scale, is_mean))
    return tuple(found)


def _of_task(task: str, answers: Mapping[str, Answers], condition: str) -> list[Sample]:
    """Answers whose ids and groups are those of no other task."""
    return [
        replace(
            sample,
            example_id=f"{task}/{sample.example_id}",
            group=None if sample.group is None else f"{task}/{sample.group}",
        )
        for sample in answers[task][condition]
    ]


def _overall(
    probe: Probe, variations: Sequence[VariationResult], answers: Mapping[str, Answers], metrics: Metrics
) -> tuple[Overall, ...]:
    """The mean over the tasks of each metric that is a mean."""
    means = {way.name for way in probe.variations if metrics(way.task)[0].is_mean}
    found = []
    for metric, ways in _by_metric([way for way in variations if way.name in means]).items():
        if len(ways) > 1:
            effects = [way.comparison.contrasts[0].result.effect for way in ways]
            result = kind_mean(effects, [_error(way, answers[way.name], metric) for way in ways])
            scale = ways[0].comparison.scale
            found.append(Overall(metric, len(ways), result.effect, result.interval, result.deviation, scale))
    return tuple(found)


def _error(way: VariationResult, answers: Answers, metric: str) -> float:
    """Standard error of the effect on one task; 0 where all items changed alike, or not at all."""
    contrast = way.comparison.contrasts[0]
    before, after = answers[contrast.baseline], answers[contrast.candidate]
    spread = standard_error(_values(after, metric) - _values(before, metric), clusters_of(before))
    return spread[0] if spread else 0.0


def _by_metric(variations: Sequence[VariationResult]) -> dict[str, list[VariationResult]]:
    """The tasks with a contrast, by headline."""
    found: dict[str, list[VariationResult]] = {}
    for way in variations:
        if way.comparison.contrasts:
            found.setdefault(way.comparison.metric, []).append(way)
    return found


def _values(samples: Sequence[Sample], metric: str) -> np.ndarray:
    return np.array([sample.metrics[metric] for sample in samples], dtype=float)
