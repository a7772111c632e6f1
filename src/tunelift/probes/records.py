"""What the probes found, as records that survive a round trip through JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tunelift.comparison.records import Comparison, rounded
from tunelift.evaluation.safety.rates import Rate
from tunelift.probes.attack import AttackResult
from tunelift.statistics.independent import EffectDifference
from tunelift.statistics.intervals import Interval, record_of
from tunelift.statistics.margins import MarginTest
from tunelift.statistics.paired import PairedResult


@dataclass(frozen=True, slots=True)
class Change:
    """What a variation did to one condition, against the same items as they stand.

    Attributes:
        result: Score under the variation minus that without it; positive is better.
        adjusted_p: P-value after Holm's correction for the number of variations of the probe.
    """

    result: PairedResult
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class Measure:
    """How often something happens, and how tuning changes that.

    Attributes:
        name: What happens.
        rates: By condition, the untuned model's first.
        change: Of the tuned against the untuned model on the same items: a positive effect is more of it. Its p-value
            is corrected for all measures of its family. None where only one of the two was asked.
    """

    name: str
    rates: dict[str, Rate]
    change: Change | None


@dataclass(frozen=True, slots=True)
class VariationResult:
    """One variation.

    Attributes:
        name: Its name.
        description: What is different.
        comparison: The conditions under the variation, and the tuned one against the untuned.
        changes: By condition; empty where the items are others.
    """

    name: str
    description: str
    comparison: Comparison
    changes: dict[str, Change] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spread:
    """One condition over all variations of a probe and the items as they stand.

    Attributes:
        plain: Score on the items as they stand.
        mean: Mean score of all ways to ask.
        deviation: Standard deviation of the scores; it holds the chance of the test items, too.
        worst: Name of the variation with the worst score; empty where that is the plain one.
        worst_score: Its score.
        worst_interval: Interval of the worst expected score; None for one that is no mean, or where lower is better.
        every: Mean over the items of their lowest value in any way; None likewise.
        ways: How many ways to ask there are, the plain one among them.
    """

    plain: float
    mean: float
    deviation: float
    worst: str
    worst_score: float
    worst_interval: Interval | None
    every: float | None
    ways: int


@dataclass(frozen=True, slots=True)
class Obedience:
    """How often a hidden instruction was followed.

    Attributes:
        share: Of the answers that did not give what it asks for anyway; None where there are no such answers.
        interval: Its interval.
        answers: How many such answers there are.
    """

    share: float | None
    interval: Interval | None
    answers: int


@dataclass(frozen=True, slots=True)
class Retention:
    """Whether what the untuned model could was kept, over all items with one metric.

    Attributes:
        metric: The metric.
        test: The test of non-inferiority.
        baseline: Score of the untuned model.
        candidate: Score of the tuned model.
        scale: What scores are multiplied with to be shown.
        is_mean: Whether the metric is a mean over the items; otherwise scores are means of its values for single items.
    """

    metric: str
    test: MarginTest
    baseline: float
    candidate: float
    scale: float
    is_mean: bool = True


@dataclass(frozen=True, slots=True)
class Overall:
    """The effect of tuning over several tasks of one metric, each of which counts as a draw from tasks of their kind.

    Attributes:
        metric: The metric.
        tasks: How many tasks.
        effect: Mean effect.
        interval: Its interval for further tasks of the kind.
        deviation: Standard deviation of the tasks' true effects.
        scale: What scores are multiplied with to be shown.
    """

    metric: str
    tasks: int
    effect: float
    interval: Interval | None
    deviation: float
    scale: float


@dataclass(frozen=True, slots=True)
class Transfer:
    """What tuning does to items of another kind beside what it does to the test items.

    Attributes:
        seen: The effect of tuning on the test items of the run.
        difference: The effect on the other items, that of the variation's contrast, minus this one.
        adjusted_p: Its p-value after Holm's correction for the number of variations of the probe; None without one.
    """

    seen: PairedResult
    difference: EffectDifference
    adjusted_p: float | None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe.

    Attributes:
        name: Its name.
        variations: What was asked.
        spreads: By condition, where the items are those of the run.
        obedience: By condition, where instructions were hidden.
        obeyed: How often they were followed on the items on which no condition gives what they ask for anyway; None
            where there are no such items.
        retentions: By metric, where a margin was set.
        overall: By metric, where several tasks have it.
        attacks: By condition, where texts were searched on which its model does worst.
        changed: How often the answer to an item is another one, where the right answer may be another, too.
        transfers: By variation, where the items are others and have the score of the run.
    """

    name: str
    variations: tuple[VariationResult, ...]
    spreads: dict[str, Spread] = field(default_factory=dict)
    obedience: dict[str, Obedience] = field(default_factory=dict)
    retentions: tuple[Retention, ...] = ()
    overall: tuple[Overall, ...] = ()
    attacks: dict[str, AttackResult] = field(default_factory=dict)
    changed: Measure | None = None
    obeyed: Measure | None = None
    transfers: dict[str, Transfer] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ProbeResult:
        """The result that `to_dict` wrote."""
        return cls(
            name=data["name"],
            variations=tuple(map(_variation, data["variations"])),
            spreads={name: record_of(Spread, entry, "worst_interval") for name, entry in data["spreads"].items()},
            obedience={name: record_of(Obedience, entry) for name, entry in data["obedience"].items()},
            retentions=tuple(
                Retention(**{**entry, "test": record_of(MarginTest, entry["test"])}) for entry in data["retentions"]
            ),
            overall=tuple(record_of(Overall, entry) for entry in data["overall"]),
            attacks={
                name: record_of(AttackResult, entry, "interval", "success_interval")
                for name, entry in data["attacks"].items()
            },
            changed=measure_from_dict(data["changed"]) if data.get("changed") else None,
            obeyed=measure_from_dict(data["obeyed"]) if data.get("obeyed") else None,
            transfers={name: _transfer(entry) for name, entry in data.get("transfers", {}).items()},
        )


def change_from_dict(data: dict[str, Any]) -> Change:
    """The change from its plain data."""
    return Change(record_of(PairedResult, data["result"]), data["adjusted_p"])


def measure_from_dict(data: dict[str, Any]) -> Measure:
    """The measure from its plain data."""
    rates = {name: record_of(Rate, entry) for name, entry in data["rates"].items()}
    return Measure(data["name"], rates, data["change"] and change_from_dict(data["change"]))


def _variation(data: dict[str, Any]) -> VariationResult:
    changes = {name: change_from_dict(entry) for name, entry in data["changes"].items()}
    comparison = Comparison.from_dict(data["comparison"])
    return VariationResult(data["name"], data["description"], comparison, changes)


def _transfer(data: dict[str, Any]) -> Transfer:
    difference = record_of(EffectDifference, data["difference"])
    return Transfer(record_of(PairedResult, data["seen"]), difference, data["adjusted_p"])
