"""What the answers to the probes about bias and safety say, as a record that survives a round trip through JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tunelift.comparison.compare import compare_by_metric
from tunelift.comparison.records import rounded
from tunelift.core.records import Sample
from tunelift.evaluation.evaluate import clusters_of, data_of, per_item
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.parsing.refusals import declines
from tunelift.evaluation.safety.copying import copied
from tunelift.evaluation.safety.preferences import prefers_more
from tunelift.evaluation.safety.toxicity import CATEGORIES, toxic_outputs
from tunelift.probes.measures import Answers, changed_answers, measure_events
from tunelift.probes.records import Change, Measure, change_from_dict, measure_from_dict
from tunelift.probes.variation import ProbeName
from tunelift.statistics.multiplicity import holm
from tunelift.statistics.paired import compare_paired


@dataclass(frozen=True, slots=True)
class SwapResult:
    """One kind of swap.

    Attributes:
        kind: What is exchanged: "name", "gender" or "region".
        changed: How often the answer to an item is another one after the swap.
        scores: By condition, the score of the swapped items against that of the same items as they stand; positive is
            better. The p-values are corrected for all kinds of swaps of the condition.
        difference: That effect on the tuned model minus that on the untuned one; None where only one of the two was
            asked, and for a score that is no mean.
    """

    kind: str
    changed: Measure
    scores: dict[str, Change]
    difference: Change | None


@dataclass(frozen=True, slots=True)
class SafetyResult:
    """What tuning does to bias and safety.

    P-values are corrected for all main measures of the run, and for all categories of a measure.

    Attributes:
        metric: The score of the swapped items.
        scale: What that is multiplied with to be shown.
        swaps: Every kind of swap that the items have.
        preferences: How often the more stereotyped of two sentences is the likelier one: overall, then by category.
        refusals: How often unsafe and safe requests are refused.
        toxicity: How many answers to these requests have toxic words: overall, then by category.
        answers: The same of the answers to the items of the run, and how many of them copy training texts; empty where
            these are no free texts.
    """

    metric: str
    scale: float
    swaps: tuple[SwapResult, ...]
    preferences: tuple[Measure, ...]
    refusals: tuple[Measure, ...]
    toxicity: tuple[Measure, ...]
    answers: tuple[Measure, ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SafetyResult:
        """The result that `to_dict` wrote."""
        swaps = tuple(
            SwapResult(
                swap["kind"],
                measure_from_dict(swap["changed"]),
                {name: change_from_dict(score) for name, score in swap["scores"].items()},
                swap["difference"] and change_from_dict(swap["difference"]),
            )
            for swap in data["swaps"]
        )
        parts = ("preferences", "refusals", "toxicity", "answers")
        return cls(data["metric"], data["scale"], swaps, *(tuple(map(measure_from_dict, data[part])) for part in parts))


def measure_safety(
    answers: Mapping[ProbeName, Mapping[str, Answers]],
    plain: Answers,
    metric: Metric,
    training_texts: Sequence[str] | None,
    seed: int,
) -> SafetyResult:
    """What the answers to the probes about bias and safety say.

    Args:
        answers: By name of the probe, of the variation and of the condition, the untuned model's first.
        plain: The answers of the same conditions to the items of the run as they stand.
        metric: The headline of the run's task.
        training_texts: What the model was trained to say; None where the answers of the run are no free texts.
        seed: Seed of tests that draw at random.
    """
    (pairs,), (requests,) = answers["preferences"].values(), answers["requests"].values()
    swaps = [_swap(kind, after, plain, metric, seed) for kind, after in answers.get("swaps", {}).items()]
    preferred, refused, toxic = _preferences(pairs, seed), _refusals(requests, seed), _toxicity(requests, seed)
    own = [] if training_texts is None else _answers(plain, training_texts, seed)
    # The main measures are one family, the categories of each another.
    main = [*(swap.changed for swap in swaps), *preferred[:1], *refused, *toxic[:1], *own]
    known = {measure.name: measure for measure in _corrected(main)}
    corrected = _corrected_scores([replace(swap, changed=known[swap.changed.name]) for swap in swaps])
    return SafetyResult(
        metric=metric.name,
        scale=100.0 if metric.high == 1 and metric.low >= -1 else 1.0,
        swaps=tuple(corrected),
        preferences=(known[preferred[0].name], *_corrected(preferred[1:])),
        refusals=tuple(known[measure.name] for measure in refused),
        toxicity=(known[toxic[0].name], *_corrected(toxic[1:])),
        answers=tuple(known[measure.name] for measure in own),
    )


def _swap(kind: str, after: Answers, plain: Answers, metric: Metric, seed: int) -> SwapResult:
    before = {name: _same_items(plain[name], samples) for name, samples in after.items()}
    scores = {name: compare_by_metric(metric, before[name], samples, seed) for name, samples in after.items()}
    difference = None
    if len(after) == 2 and metric.is_mean:
        sign = 1 if metric.higher_is_better else -1
        first, second = (
            sign * (_values(metric, samples) - _values(metric, before[name])) for name, samples in after.items()
        )
        found = compare_paired(first, second, clusters_of(next(iter(after.values()))), seed)
        difference = Change(found, found.p)
    return SwapResult(
        kind,
        changed_answers(f"answers that change with another {kind}", after, before, seed),
        {name: Change(result, result.p) for name, result in scores.items()},
        difference,
    )


def _same_items(samples: Sequence[Sample], asked: Sequence[Sample]) -> list[Sample]:
    """The answers to the items of others, in their order."""
    known = {sample.example_id: sample for sample in samples}
    return [known[sample.example_id] for sample in asked]


def _values(metric: Metric, samples: Sequence[Sample]) -> np.ndarray:
    return per_item(metric, data_of(metric, samples))


def _preferences(texts: Answers, seed: int) -> list[Measure]:
    """How often the more stereotyped sentence is preferred: over all pairs, then by category."""
    # As `preference_texts` lists them, the more stereotyped sentence of a pair comes first.
    logprobs = [np.array([text.reference_logprob for text in samples], dtype=float) for samples in texts.values()]
    events = [prefers_more(column.reshape(-1, 2)) for column in logprobs]
    kinds = np.array([text.doc["category"] for text in next(iter(texts.values()))[::2]])
    parts = {kind: [each[kinds == kind] for each in events] for kind in dict.fromkeys(kinds.tolist())}
    return [
        measure_events(name, list(texts), part, None, seed)
        for name, part in {"more stereotyped sentence preferred": events, **parts}.items()
    ]


def _refusals(answers: Answers, seed: int) -> list[Measure]:
    safe = np.array([sample.doc["safe"] for sample in next(iter(answers.values()))])
    refused = [np.array([declines(output) for output in outputs], dtype=float) for outputs in _outputs(answers)]
    kinds = {"unsafe requests refused": ~safe, "safe requests refused": safe}
    return [
        measure_events(name, list(answers), [each[kind] for each in refused], None, seed)
        for name, kind in kinds.items()
    ]


def _toxicity(answers: Answers, seed: int) -> list[Measure]:
    """How many answers have toxic words: of any kind, then by category."""
    found = [toxic_outputs(outputs) for outputs in _outputs(answers)]
    parts = {category: [each[at] for each in found] for at, category in enumerate(CATEGORIES)}
    return [
        measure_events(name, list(answers), part, None, seed)
        for name, part in {"toxic answers to requests": [each.max(axis=0) for each in found], **parts}.items()
    ]


def _answers(plain: Answers, training_texts: Sequence[str], seed: int) -> list[Measure]:
    names, groups = list(plain), clusters_of(next(iter(plain.values())))
    toxic = [toxic_outputs(outputs).max(axis=0) for outputs in _outputs(plain)]
    prompts = [[sample.prompt for sample in samples] for samples in plain.values()]
    copies = [
        [copy is not None for copy in copied(said, training_texts, prompts=asked)]
        for said, asked in zip(_outputs(plain), prompts, strict=True)
    ]
    return [
        measure_events("toxic answers to the test items", names, toxic, groups, seed),
        measure_events("answers to the test items that copy training texts", names, copies, groups, seed),
    ]


def _outputs(answers: Answers) -> list[list[str]]:
    return [[sample.output for sample in samples] for samples in answers.values()]


def _corrected(measures: Sequence[Measure]) -> list[Measure]:
    """Measures with p-values that are corrected for their number."""
    changes = iter(_holm([measure.change for measure in measures if measure.change]))
    return [replace(measure, change=next(changes)) if measure.change else measure for measure in measures]


def _corrected_scores(swaps: Sequence[SwapResult]) -> list[SwapResult]:
    """Swaps with p-values of their scores that are corrected for the number of swaps, within each condition."""
    names = list(swaps[0].scores) if swaps else []
    by_name = {name: iter(_holm([swap.scores[name] for swap in swaps])) for name in names}
    differences = iter(_holm([swap.difference for swap in swaps if swap.difference]))
    return [
        replace(
            swap,
            scores={name: next(column) for name, column in by_name.items()},
            difference=next(differences) if swap.difference else None,
        )
        for swap in swaps
    ]


def _holm(changes: Sequence[Change]) -> list[Change]:
    adjusted: list[float] = holm([change.result.p for change in changes]).tolist() if changes else []
    return [replace(change, adjusted_p=p) for change, p in zip(changes, adjusted, strict=True)]
