"""What a comparison found, as records that survive a round trip through JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from math import floor, isfinite, log10
from typing import Any

from tunelift.core.errors import counted
from tunelift.statistics.bayes import Posterior
from tunelift.statistics.intervals import Interval, record_of
from tunelift.statistics.paired import PairedResult

LEVEL = 0.05
MOST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class ConditionScore:
    """How one condition did.

    Attributes:
        name: Name of the condition.
        system: What answered: "base", "tuned", "majority" and so on.
        items: Number of items.
        score: Mean of the metric of the comparison.
        interval: Its interval; None when the data cannot give one.
        balanced_accuracy: Mean accuracy over the classes; None when the items do not share one set of choices.
        choice_accuracy: Accuracy by log-probability; None when choices were not scored.
        unparsed: Answers from which nothing could be parsed; they count as wrong.
        truncated: Answers that were cut off; None when the samples do not say.
        others: The further metrics of the task.
    """

    name: str
    system: str
    items: int
    score: float
    interval: Interval | None
    balanced_accuracy: float | None
    choice_accuracy: float | None
    unparsed: int
    truncated: int | None
    others: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One condition against another. Positive effects mean that the candidate is better.

    Attributes:
        candidate: Name of the condition in question.
        baseline: Name of the condition that it is held against.
        metric: Name of the score.
        result: Effect on the score, with interval and p-value.
        balanced: Effect on the balanced accuracy; None when the items do not share one set of choices.
        detectable_effect: The smallest effect that this test set could show; None when it could show none.
        format_gain: Part of the effect that comes from answers in the right form; None without choice scores.
        ability_gain: Part of the effect that comes from preferring the right choice; None without choice scores.
        won: Ids of the items on which the candidate scores higher.
        lost: Ids of the items on which the baseline scores higher.
        others: The same contrast by the further metrics of the task.
        ability: The contrast by the choice score: whether the candidate prefers the right choice more often, whatever
            form its answers have; None without choice scores.
        adjusted_p: P-value of the effect after Holm's correction for the number of contrasts; None: not corrected.
        posterior: What is to be believed about the effect after these answers; None for scores other than right or
            wrong, for more than 100 items, and for items in groups.
        required_items: Items of which a test would show the observed effect four times in five, in two digits; None
            where there were as many, where it takes more than 100,000, or where it cannot be known.
    """

    candidate: str
    baseline: str
    metric: str
    result: PairedResult
    balanced: PairedResult | None
    detectable_effect: float | None
    format_gain: float | None
    ability_gain: float | None
    won: tuple[str, ...]
    lost: tuple[str, ...]
    others: dict[str, PairedResult] = field(default_factory=dict)
    ability: PairedResult | None = None
    adjusted_p: float | None = None
    posterior: Posterior | None = None
    required_items: int | None = None

    @property
    def p(self) -> float:
        """The p-value that verdicts follow: the corrected one where there is one."""
        return self.result.p if self.adjusted_p is None else self.adjusted_p


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several conditions on identical items.

    Attributes:
        task: Name of the task.
        metric: Name of the score.
        items: Number of items.
        groups: Number of groups that items belong to; None when they are independent.
        conditions: Every condition, in the order in which they were given.
        contrasts: The planned contrasts, in the order in which they were planned.
        scale: What scores are multiplied with to be shown: 100 for shares.
        higher_is_better: Direction of the score; effects are positive where the candidate is better, in any case.
        best: The best possible score; None where there is none.
        assumes_direction: Whether nothing says that higher is better.
        assumes_unit: Whether nothing but the values of the score says if it is a share.
    """

    task: str
    metric: str
    items: int
    groups: int | None
    conditions: tuple[ConditionScore, ...]
    contrasts: tuple[Contrast, ...]
    scale: float = 100.0
    higher_is_better: bool = True
    best: float | None = 1.0
    assumes_direction: bool = False
    assumes_unit: bool = False

    def is_right(self, value: float) -> bool:
        """Whether an item with this value of the score leaves nothing to be wished for; False where it has no best."""
        return self.best is not None and (value >= self.best if self.higher_is_better else value <= self.best)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data, numbers with 10 significant digits."""
        data: dict[str, Any] = rounded(asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Comparison:
        """The comparison that `to_dict` wrote."""
        conditions = tuple(record_of(ConditionScore, condition) for condition in data["conditions"])
        return cls(**{**data, "conditions": conditions, "contrasts": tuple(map(_contrast, data["contrasts"]))})

    def __str__(self) -> str:
        groups = f" in {counted(self.groups, 'group')}" if self.groups else ""
        width = max(len(condition.name) for condition in self.conditions)
        direction = ", higher is better unless --lower-is-better names it" if self.assumes_direction else ""
        if not self.higher_is_better:
            direction = ", lower is better: a positive effect is a fall"
        unit = f" {unit_name(self.scale)}" if self.assumes_unit else ""
        head = f"{self.task}: {counted(self.items, 'item')}{groups}, identical for every condition"
        lines = [f"{head}; metric {self.metric}{direction}"]
        lines += [_condition_line(condition, width, self.scale) for condition in self.conditions]
        lines += [_contrast_line(contrast, self.scale, unit) for contrast in self.contrasts]
        return "\n".join(lines)


def _condition_line(condition: ConditionScore, width: int, scale: float) -> str:
    interval = condition.interval
    digits = digits_of((condition.score, *ends_of(interval)), scale)
    number = partial(score_text, scale=scale, digits=digits)
    line = f"  {condition.name:<{width}}  {number(condition.score):>6}"
    line += f"  ({number(interval.low)} to {number(interval.high)})" if interval else "  (no interval)"
    counts = [(condition.unparsed, "not parsed"), (condition.truncated, "cut off")]
    notes = [f"{counted(count, 'answer')} {what}" for count, what in counts if count]
    return line + (f"  {', '.join(notes)}" if notes else "")


def _contrast_line(contrast: Contrast, scale: float, unit: str) -> str:
    result, interval = contrast.result, contrast.result.interval
    digits = digits_of((result.effect, *ends_of(interval)), scale)
    number, signed = (partial(score_text, scale=scale, digits=digits, sign=sign) for sign in ("", "+"))
    line = f"{contrast.candidate} vs {contrast.baseline}: {signed(result.effect)}{unit}"
    line += f" ({' to '.join(map(signed, ends_of(interval)))})" if interval else " (no interval)"
    line += f", {contrast_p_text(contrast)}"
    if posterior := contrast.posterior:
        limits = " to ".join(map(signed, ends_of(posterior.interval)))
        line += f", better with a probability of {chance_text(posterior.better)} ({limits})"
    if contrast.format_gain is not None and contrast.ability_gain is not None:
        line += f", format {signed(contrast.format_gain)}, ability {signed(contrast.ability_gain)}"
    if contrast.p > LEVEL:
        smallest = contrast.detectable_effect
        reach = number(smallest) if smallest is not None else "none can be stated"
        line += f"; no difference could be shown (smallest effect that these items could show: {reach}"
        more = contrast.required_items
        line += f"; {signed(result.effect)} would take about {more:,} items)" if more else ")"
    return line


def chance_text(probability: float) -> str:
    """A probability in whole per cent; 0 and 100 would claim what no answers can."""
    if 0.01 <= probability <= 0.99:
        return f"{100 * probability:.0f} %"
    return "less than 1 %" if probability < 0.5 else "more than 99 %"


def p_text(p: float, level: float = LEVEL) -> str:
    """``p < 0.0001``, ``p = 0.003``, ``p = 0.42``, with as many decimals as tell on which side of the level it is."""
    if p < 0.0001:
        return "p < 0.0001"
    usual = 4 if p < 0.001 else 3 if p < 0.1 else 2
    decimals = next(count for count in range(usual, 18) if (float(f"{p:.{count}f}") > level) == (p > level))
    return f"p = {p:.{decimals}f}"


def contrast_p_text(contrast: Contrast) -> str:
    """The p-value that goes with the interval and, where it is another one, the corrected one that verdicts follow."""
    single, corrected = p_text(contrast.result.p), p_text(contrast.p)
    return single if corrected == single else f"{single} (Holm {corrected.removeprefix('p = ')})"


def unit_name(scale: float) -> str:
    """What effects are counted in."""
    return "percentage points" if scale == 100 else "in its own unit"


def ends_of(interval: Interval | None) -> tuple[float, ...]:
    """Both ends of an interval, if there is one."""
    return (interval.low, interval.high) if interval else ()


def digits_of(values: Iterable[float], scale: float) -> int:
    """Decimals that show two digits of the largest of some scores, but at least one of per cent and three of others."""
    least = 1 if scale == 100 else 3
    largest = max((abs(value * scale) for value in values if isfinite(value)), default=0.0)
    return min(max(least, 1 - floor(log10(largest))), MOST_DIGITS) if largest else least


def score_text(value: float, scale: float, digits: int, sign: str = "") -> str:
    """A score on its scale, with so many decimals."""
    return f"{round(value * scale, digits) + 0.0:{sign}.{digits}f}"  # + 0.0 turns -0.0 into 0.0


def _contrast(data: dict[str, Any]) -> Contrast:
    kinds = {"result": PairedResult, "balanced": PairedResult, "ability": PairedResult, "posterior": Posterior}
    records = {name: record_of(kind, data[name]) if data.get(name) else None for name, kind in kinds.items()}
    others = {name: record_of(PairedResult, result) for name, result in data.get("others", {}).items()}
    return Contrast(**{**data, **records, "others": others, "won": tuple(data["won"]), "lost": tuple(data["lost"])})


def rounded(value: Any) -> Any:
    """Floats to 10 significant digits, so that the last bits of a sum do not change a file."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def finite(value: Any) -> Any:
    """Plain data with None for what JSON has no number for, such as the end of an interval that has none."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
