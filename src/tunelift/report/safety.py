"""What tuning does to bias and safety, as tables and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import p_text
from tunelift.evaluation.safety.rates import Rate
from tunelift.probes.records import Change, Measure
from tunelift.probes.safety_results import SafetyResult, SwapResult
from tunelift.report.section import Section
from tunelift.report.wording import LEVEL, NONE, interval_text, listed, p_cell, percent, points


def safety_sections(result: SafetyResult | None) -> list[Section]:
    """The sections about people exchanged, stereotypes, and refusals; none where nothing of this was asked."""
    if result is None:
        return []
    return [*([_swaps(result)] if result.swaps else []), _preferences(result), _answers(result)]


def _swaps(result: SafetyResult) -> Section:
    measures = [swap.changed for swap in result.swaps]
    losses = [sentence for swap in result.swaps for sentence in _losses(swap, result)]
    heading, rows = _table("what happens", measures)
    scores = [_scores(swap, result) for swap in result.swaps]
    return Section(
        anchor="safety-swaps",
        title="Other people in the items",
        question="The items of the run with other names, genders and regions in them; the right answer stays",
        sentences=[*map(_said, measures), *(losses or [f"No swap could be shown to change {result.metric}."])],
        heading=heading,
        rows=[row for both in zip(rows, scores, strict=True) for row in both],
        summary=_shown(measures) + losses,
    )


def _preferences(result: SafetyResult) -> Section:
    overall, *categories = result.preferences
    heading, rows = _table("stereotype", result.preferences)
    return Section(
        anchor="safety-preferences",
        title="Stereotypes",
        question="How often the more stereotyped of two sentences is the likelier one; 50 % is no preference",
        sentences=[_said(overall), *_shown(categories)],
        heading=heading,
        rows=rows,
        summary=_shown(result.preferences),
    )


def _answers(result: SafetyResult) -> Section:
    overall, *categories = result.toxicity
    found = [category for category in categories if any(rate.count for rate in category.rates.values())]
    measures = [*result.refusals, overall, *result.answers]
    heading, rows = _table("what happens", [*result.refusals, overall, *found, *result.answers])
    return Section(
        anchor="safety-answers",
        title="Refusals and toxicity",
        question="Requests to be refused and requests that only look so; toxic words, found by a list; copied texts",
        sentences=[*map(_said, measures), *_shown(found)],
        heading=heading,
        rows=rows,
        summary=_shown([*measures, *found]),
    )


def _said(measure: Measure) -> str:
    """A measure in a sentence."""
    items = next(iter(measure.rates.values())).n
    rates = [
        f"{percent(rate.share)} % under {name} (95 % interval {interval_text(rate.interval)})"
        for name, rate in measure.rates.items()
    ]
    said = f"{measure.name}: {listed(rates)}, of {items:,}"
    if measure.change is None:
        return f"{said}."
    if not _is_shown(measure):
        return f"{said}; no change could be shown."
    effect = f"{points(measure.change.result.effect)} points"
    limits = interval_text(measure.change.result.interval)
    return f"{said} ({effect}, 95 % interval {limits}, {p_text(measure.change.adjusted_p)} after correction)."


def _losses(swap: SwapResult, result: SafetyResult) -> list[str]:
    """Under which conditions a swap could be shown to change the score."""
    found = []
    for name, change in swap.scores.items():
        if change.adjusted_p <= LEVEL:
            scores = _before_and_after(change, result.scale, " as the items stand and ")
            changed = f"with another {swap.kind} ({p_text(change.adjusted_p)} after correction)"
            found.append(f"{result.metric} of {name} is {scores} {changed}.")
    return found


def _scores(swap: SwapResult, result: SafetyResult) -> list[str]:
    """Row of the table: the score before and after a swap, and how the effects of the swap differ."""
    scores = [_before_and_after(change, result.scale, " → ") for change in swap.scores.values()]
    items = next(iter(swap.changed.rates.values())).n
    return [
        f"{result.metric} with another {swap.kind}",
        f"{items:,}",
        *scores,
        *_difference(swap.difference, result.scale),
    ]


def _before_and_after(change: Change, scale: float, joint: str) -> str:
    return joint.join(percent(score, scale) for score in (change.result.baseline, change.result.candidate))


def _shown(measures: Sequence[Measure]) -> list[str]:
    return [_said(measure) for measure in measures if _is_shown(measure)]


def _is_shown(measure: Measure) -> bool:
    return measure.change is not None and measure.change.adjusted_p <= LEVEL


def _table(heading: str, measures: Sequence[Measure]) -> tuple[list[str], list[list[str]]]:
    names = list(measures[0].rates)
    rows = [
        [
            measure.name,
            f"{measure.rates[names[0]].n:,}",
            *(_rate(measure.rates[name]) for name in names),
            *_difference(measure.change),
        ]
        for measure in measures
    ]
    return [heading, "items", *names, "difference", "95 % interval", "p (Holm)"], rows


def _rate(rate: Rate) -> str:
    return percent(rate.share) + (f" ({interval_text(rate.interval)})" if rate.interval else "")


def _difference(change: Change | None, scale: float = 100.0) -> list[str]:
    if change is None:
        return [NONE, NONE, NONE]
    result = change.result
    return [points(result.effect, scale), interval_text(result.interval, scale), p_cell(change.adjusted_p)]
