"""Cost against benefit, as a table, a chart and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10

from tunelift.comparison.costs import BreakEven, ConditionCost, Cost, Costs, Frontier, Unit
from tunelift.comparison.records import Comparison
from tunelift.report.charts import Dot, scatter_chart
from tunelift.report.section import Section
from tunelift.report.wording import NONE, bytes_text, listed, metric_name, percent, seconds_text, unit

COUNTED: dict[Unit, str] = {"money": "money", "joules": "energy", "seconds": "time"}
MOST_PAIRS = 4  # of a tuned condition and one with demonstrations


def cost_sections(costs: Costs | None, comparison: Comparison) -> list[Section]:
    """What answers cost and when tuning has paid for itself; nothing where no two costs are known.

    Args:
        costs: Of the conditions.
        comparison: Where their scores are from.
    """
    frontiers = [each for each in costs.frontiers if _known(each) > 1] if costs else []
    if costs is None or not frontiers:
        return []
    pairs = list(dict.fromkeys((each.tuned, each.few_shot) for each in costs.break_even))
    by_pair = [[each for each in costs.break_even if (each.tuned, each.few_shot) == pair] for pair in pairs]
    sentences = [_break_even(each, comparison) for each in by_pair[:MOST_PAIRS]]
    if len(pairs) > MOST_PAIRS:
        sentences.append(f"The other {len(pairs) - MOST_PAIRS} pairs of such conditions stand in evidence.json.")
    sentences += _frontiers(frontiers)
    units = [each.unit for each in costs.frontiers]
    heading = [
        "condition",
        metric_name(comparison),
        *(f"{_unit_name(each, costs.currency)} per 1,000 answers" for each in units),
        f"by score and {COUNTED[frontiers[0].unit]}",
    ]
    rows = [_condition(each, units, frontiers[0], comparison) for each in costs.conditions]
    rows += [_tuning(each.name, each.cost, each.peak_memory_bytes, costs.conditions, units) for each in costs.tunings]
    question = "What answers cost, and after how many of them tuning has paid for itself"
    chart = _chart(costs, frontiers[0], comparison)
    summary = _summary(by_pair, comparison)
    return [Section("costs", "Cost and benefit", question, sentences, heading, rows, chart, summary)]


def _known(frontier: Frontier) -> int:
    return len(frontier.conditions) + len(frontier.dominated)


def _break_even(pair: Sequence[BreakEven], comparison: Comparison) -> str:
    """A tuned condition against one with demonstrations, in every unit."""
    tuned, few_shot, improvement = pair[0].tuned, pair[0].few_shot, pair[0].improvement
    paid = [f"{each.answers:,} in {COUNTED[each.unit]}" for each in pair if each.answers is not None]
    reasons = dict.fromkeys(each.reason for each in pair if each.reason is not None)
    said = (
        [f"In place of {few_shot}, {tuned} has paid for its tuning after so many answers: {listed(paid)}."]
        if paid
        else []
    )
    for reason in reasons:
        units = listed([COUNTED[each.unit] for each in pair if each.reason == reason])
        said.append(f"In {units}, {tuned} has no break-even with {few_shot}: {reason}.")
    return " ".join([*said, f"{tuned} scores {_how(improvement, comparison)}."])


def _how(improvement: float, comparison: Comparison) -> str:
    amount = f"{percent(abs(improvement), comparison.scale)}{unit(comparison)}"
    return f"{amount} {'better' if improvement > 0 else 'worse'}" if improvement else "the same"


def _frontiers(frontiers: Sequence[Frontier]) -> list[str]:
    """What is worth its cost in the first unit, and in the others where that is something else."""
    first, *others = frontiers
    noun = "choice is" if len(first.conditions) == 1 else "choices are"
    order = ", from the cheapest to the best" if len(first.conditions) > 1 else ""
    rest = "every other condition" if first.dominated else "no condition"
    sentences = [
        f"By score and {COUNTED[first.unit]}, the best {noun} {listed(first.conditions)}{order}: "
        f"{rest} is beaten by one that costs no more and scores no worse."
    ]
    for each in others:
        if set(each.conditions) != set(first.conditions):
            is_ = "it is" if len(each.conditions) == 1 else "they are"
            sentences.append(f"By score and {COUNTED[each.unit]}, {is_} {listed(each.conditions)}.")
    if first.unknown:
        sentences.append(f"What answers cost in {COUNTED[first.unit]} is not known for {listed(first.unknown)}.")
    return sentences


def _condition(cost: ConditionCost, units: Sequence[Unit], frontier: Frontier, comparison: Comparison) -> list[str]:
    name = cost.condition
    beaten = frontier.dominated.get(name)
    place = NONE if name in frontier.unknown else f"beaten by {', '.join(beaten)}" if beaten else "not beaten"
    amounts = [_amount(cost.per_1000, each) for each in units]
    return [name, percent(cost.score, comparison.scale), *amounts, place]


def _tuning(
    name: str, cost: Cost, peak_memory: int | None, conditions: Sequence[ConditionCost], units: Sequence[Unit]
) -> list[str]:
    needing = [each.condition for each in conditions if each.tuning == name]
    memory = NONE if peak_memory is None else f"at most {bytes_text(peak_memory)} of memory"
    what = f"tuning for {listed(needing)}, once" if needing else f"{name}, once"
    return [what, NONE, *(_amount(cost, each) for each in units), memory]


def _unit_name(unit: Unit, currency: str) -> str:
    return {"money": currency, "joules": "Wh", "seconds": "time"}[unit]


def _amount(cost: Cost, unit: Unit) -> str:
    value = _value(cost, unit)
    return seconds_text(value) if unit == "seconds" else NONE if value is None else amount_text(value)


def _value(cost: Cost, unit: Unit) -> float | None:
    """A cost as it is shown: energy in watt-hours, since that is what is paid for."""
    value = cost.of(unit)
    return value / 3600 if unit == "joules" and value is not None else value


def amount_text(value: float) -> str:
    """An amount with the digits that matter: ``1,240``, ``3.20``, ``0.056``."""
    if value == 0:
        return "0"
    if value < 0.00005:
        return "< 0.0001"
    decimals = 0 if value >= 100 else 2 if value >= 1 else min(1 + ceil(-log10(value)), 4)
    return f"{value:,.{decimals}f}"


def _chart(costs: Costs, frontier: Frontier, comparison: Comparison) -> str:
    """Scores over costs, with a staircase through the conditions that are not beaten."""
    scale = comparison.scale
    places = {each.condition: (_value(each.per_1000, frontier.unit), scale * each.score) for each in costs.conditions}
    dots = [
        Dot(name, cost, score, "better" if name in frontier.conditions else "")
        for name, (cost, score) in places.items()
        if cost is not None
    ]
    steps = [(cost, score) for cost, score in (places[name] for name in frontier.conditions) if cost is not None]
    measure = {"money": costs.currency, "joules": "Wh", "seconds": "seconds"}[frontier.unit]
    score = f"{metric_name(comparison)}{' in per cent' if scale == 100 else ''}"
    title = f"{score} over the cost of 1,000 answers, without tuning; what is not beaten is joined"
    return scatter_chart("costs_chart", title, dots, f"{measure} per 1,000 answers", score, steps)


def _summary(by_pair: Sequence[Sequence[BreakEven]], comparison: Comparison) -> list[str]:
    for pair in by_pair:
        for each in pair:
            if each.answers is not None:
                paid = f"{each.tuned} has paid for its tuning after {each.answers:,} answers"
                how = _how(each.improvement, comparison)
                return [f"{paid} in place of {each.few_shot}, in {COUNTED[each.unit]}, and scores {how}."]
    return []
