"""What the answers to the probes about bias and safety say, as a record that survives a round trip through JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunelift.comparison.compare import compare_by_metric
from tunelift.comparison.records import paired_result_of, rounded
from tunelift.core.records import Sample
from tunelift.core.texts import normalise_answer
from tunelift.evaluation.evaluate import clusters_of, data_of, per_item
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.robustness.summary import changed
from tunelift.evaluation.safety.copying import copied
from tunelift.evaluation.safety.preferences import Pair, preference_change, preferences
from tunelift.evaluation.safety.rates import Rate, RateChange, rate, rate_change
from tunelift.evaluation.safety.refusals import Request, refusal_change, refusal_summary
from tunelift.evaluation.safety.toxicity import toxicity_change, toxicity_summary
from tunelift.probes.compare import Answers
from tunelift.probes.records import Change
from tunelift.probes.variation import ProbeName
from tunelift.statistics.intervals import Interval
from tunelift.statistics.multiplicity import holm
from tunelift.statistics.paired import compare_paired

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Measure:
    """How often something happens, and how tuning changes that.

    Attributes:
        name: What happens.
        rates: By condition, the untuned model's first.
        change: Of the tuned against the untuned model on the same items: a positive effect is more of it. Its p-value
            is corrected for all main measures of the run, or for all categories of a measure. None where only one of
            the two was asked.
    """

    name: str
    rates: dict[str, Rate]
    change: Change | None


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
                _measure(swap["changed"]),
                {name: _change(score) for name, score in swap["scores"].items()},
                swap["difference"] and _change(swap["difference"]),
            )
            for swap in data["swaps"]
        )
        parts = ("preferences", "refusals", "toxicity", "answers")
        return cls(data["metric"], data["scale"], swaps, *(tuple(map(_measure, data[part])) for part in parts))


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
    preferred, refused, toxic = _preferences(pairs), _refusals(requests), _toxicity(requests, seed)
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
    other = [changed(_said(before[name]), _said(samples)) for name, samples in after.items()]
    groups = clusters_of(next(iter(after.values())))
    difference = None
    if len(after) == 2 and metric.is_mean:
        sign = 1 if metric.higher_is_better else -1
        first, second = (
            sign * (_values(metric, samples) - _values(metric, before[name])) for name, samples in after.items()
        )
        found = compare_paired(first, second, groups, seed)
        difference = Change(found, found.p)
    return SwapResult(
        kind,
        _rates(f"answers that change with another {kind}", list(after), other, groups, seed),
        {name: Change(result, result.p) for name, result in scores.items()},
        difference,
    )


def _same_items(samples: Sequence[Sample], asked: Sequence[Sample]) -> list[Sample]:
    """The answers to the items of others, in their order."""
    known = {sample.example_id: sample for sample in samples}
    return [known[sample.example_id] for sample in asked]


def _said(samples: Sequence[Sample]) -> list[Any]:
    """The answers, without what makes no difference between two texts."""
    return [normalise_answer(sample.answer) if isinstance(sample.answer, str) else sample.answer for sample in samples]


def _values(metric: Metric, samples: Sequence[Sample]) -> np.ndarray:
    return per_item(metric, data_of(metric, samples))


def _preferences(texts: Answers) -> list[Measure]:
    # As `preference_texts` lists them, the more stereotyped sentence of a pair comes first.
    twos = [list(zip(samples[::2], samples[1::2], strict=True)) for samples in texts.values()]
    pairs = [Pair(more.doc["pair"], more.target, less.target, more.doc["category"]) for more, less in twos[0]]
    before, *after = (
        np.array([[more.reference_logprob, less.reference_logprob] for more, less in column], dtype=float)
        for column in twos
    )
    found = preference_change(pairs, before, after[0]) if after else preferences(pairs, before)
    name = "more stereotyped sentence preferred"
    return _measures(name, list(texts), {OVERALL: found.overall, **found.categories})


def _refusals(answers: Answers) -> list[Measure]:
    names, (before, *after) = list(answers), _outputs(answers)
    requests = [
        Request(sample.example_id, sample.doc["request"], sample.doc["safe"], sample.doc["kind"])
        for sample in answers[names[0]]
    ]
    found = refusal_change(requests, before, after[0]) if after else refusal_summary(requests, before)
    return [
        *_measures("unsafe requests refused", names, {OVERALL: found.unsafe}),
        *_measures("safe requests refused", names, {OVERALL: found.safe}),
    ]


def _toxicity(answers: Answers, seed: int) -> list[Measure]:
    before, *after = _outputs(answers)
    found = toxicity_change(before, after[0], seed=seed) if after else toxicity_summary(before)
    return _measures("toxic answers to requests", list(answers), {OVERALL: found.overall, **found.categories})


def _answers(plain: Answers, training_texts: Sequence[str], seed: int) -> list[Measure]:
    names, groups = list(plain), clusters_of(next(iter(plain.values())))
    before, *after = outputs = _outputs(plain)
    found = toxicity_change(before, after[0], groups, seed) if after else toxicity_summary(before, groups)
    prompts = [[sample.prompt for sample in samples] for samples in plain.values()]
    copies = [
        [copy is not None for copy in copied(said, training_texts, prompts=asked)]
        for said, asked in zip(outputs, prompts, strict=True)
    ]
    return [
        *_measures("toxic answers to the test items", names, {OVERALL: found.overall}),
        _rates("answers to the test items that copy training texts", names, copies, groups, seed),
    ]


def _outputs(answers: Answers) -> list[list[str]]:
    return [[sample.output for sample in samples] for samples in answers.values()]


def _rates(name: str, conditions: list[str], events: Sequence[ArrayLike], groups: Any, seed: int) -> Measure:
    """A measure from 0 or 1 for each item, by condition."""
    before, *after = events
    found = rate_change(before, after[0], groups, seed) if after else rate(before, groups)
    return _measures(name, conditions, {OVERALL: found})[0]


def _measures(name: str, conditions: list[str], found: Mapping[str, Rate | RateChange]) -> list[Measure]:
    """A measure and its categories, which bear their own names; p-values are not corrected yet."""
    return [
        Measure(
            name if category == OVERALL else category,
            dict(zip(conditions, [part] if isinstance(part, Rate) else [part.before, part.after], strict=True)),
            None if isinstance(part, Rate) else Change(part.change, part.change.p),
        )
        for category, part in found.items()
    ]


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


def _measure(data: dict[str, Any]) -> Measure:
    rates = {
        name: Rate(**{**entry, "interval": entry["interval"] and Interval(**entry["interval"])})
        for name, entry in data["rates"].items()
    }
    return Measure(data["name"], rates, data["change"] and _change(data["change"]))


def _change(data: dict[str, Any]) -> Change:
    return Change(paired_result_of(data["result"]), data["adjusted_p"])
