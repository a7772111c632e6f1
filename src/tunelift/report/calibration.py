"""How far probabilities can be believed, as a table, a chart and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tunelift.comparison.records import p_text
from tunelift.evaluation.calibration import LEVEL, Calibration
from tunelift.evaluation.temperature import HIGHEST, LOWEST, TemperatureCheck
from tunelift.report.charts import KINDS, Curve, reliability_chart
from tunelift.report.section import Section
from tunelift.report.wording import interval_text, number_text, p_cell, percent
from tunelift.statistics.paired import PairedResult

STRIKING = 0.1  # calibration error that is worth a line in the summary


def calibration_sections(
    calibrations: Mapping[str, Calibration], temperature: TemperatureCheck | None, studied: str
) -> list[Section]:
    """How far the probabilities of the conditions can be believed; nothing where none has any.

    Args:
        calibrations: By name of the condition.
        temperature: What correcting the probabilities of the tuned model is worth, where that was asked for.
        studied: The condition that the report is about.
    """
    if not calibrations:
        return []
    lead = studied if studied in calibrations else list(calibrations)[-1]
    shown = [lead, *(name for name in calibrations if name != lead)][: len(KINDS)]
    sentences = [_believed(name, calibrations[name]) for name in shown]
    sentences.insert(1, _selective(lead, calibrations[lead]))
    if temperature is not None:
        sentences.insert(2, _temperature(temperature))
    coverages = [coverage for coverage, _ in calibrations[lead].selective.accuracies]
    heading = [
        *("condition", "right", "confidence", "calibration error", "95 % interval", "p", "Brier", "miscalibration"),
        *(f"right in {_whole(coverage)} %" for coverage in coverages),
        "its probabilities",
    ]
    rows = [_row(name, found) for name, found in calibrations.items()]
    question = "Whether the choice that the model finds most likely is right as often as its probability says"
    chart = _chart(shown, calibrations)
    title = "Trust in the probabilities"
    return [
        Section("calibration", title, question, sentences, heading, rows, chart, _striking(lead, calibrations[lead]))
    ]


def _verdict(found: Calibration) -> str:
    gap = found.confidence - found.accuracy
    if found.p > LEVEL:
        return "no fault could be shown"
    if abs(gap) < found.ece / 2:
        return "partly too high, partly too low"
    return "too high" if gap > 0 else "too low"


def _believed(name: str, found: Calibration) -> str:
    verdict = {
        "no fault could be shown": f"No fault of the probabilities of {name} could be shown",
        "partly too high, partly too low": f"The probabilities of {name} are partly too high and partly too low",
        "too high": f"{name} is too sure of itself",
        "too low": f"{name} is less sure of itself than it could be",
    }[_verdict(found)]
    limits = f"95 % interval {interval_text(found.interval)}, " if found.interval else ""
    return (
        f"{verdict}: its likeliest choice has a probability of {percent(found.confidence)} % on average and is right "
        f"in {percent(found.accuracy)} % of {found.items:,} items; the calibration error is "
        f"{percent(found.ece_debiased)} points ({limits}{p_text(found.p)})."
    )


def _selective(name: str, found: Calibration) -> str:
    (coverage, accuracy), *others = found.selective.accuracies
    first = f"Answering only the {_whole(coverage)} % of the items that it is surest of"
    rest = "".join(f", in {percent(share)} % with {_whole(answered)} %" for answered, share in others)
    return (
        f"{first}, {name} would be right in {percent(accuracy)} % of them{rest}, and in {percent(found.accuracy)} % "
        "with all items."
    )


def _whole(share: float) -> str:
    return percent(share).removesuffix(".0")


def _temperature(check: TemperatureCheck) -> str:
    end = "" if LOWEST < check.temperature < HIGHEST else ", at an end of its range"
    return (
        f"Log-probabilities of the tuned model divided by {check.temperature:.2f} (its temperature, fitted on the "
        f"validation split{end}): {_change('the calibration error', check.ece, percent, ' points')}; "
        f"{_change('the loss', check.nll, lambda value: f'{value:.3f}', ' nats an item')}."
    )


def _change(what: str, result: PairedResult, text: Callable[[float], str], unit: str) -> str:
    """What became of something of which less is better; a positive effect is a fall."""
    sign = 1 if result.effect >= 0 else -1
    moved = f"{'falls' if sign == 1 else 'rises'} by {text(abs(result.effect))}{unit}"
    limits, is_shown = "", result.p <= LEVEL
    if result.interval:
        ends = sorted((sign * result.interval.low, sign * result.interval.high))
        limits = f"95 % interval {text(ends[0])} to {text(ends[1])}, "
        is_shown = is_shown and ends[0] > 0
    doubt = "" if is_shown else "; no change shown"
    return f"{what} {moved} ({limits}{p_text(result.p)}{doubt})"


def _row(name: str, found: Calibration) -> list[str]:
    return [
        name,
        percent(found.accuracy),
        percent(found.confidence),
        percent(found.ece_debiased),
        interval_text(found.interval),
        p_cell(found.p),
        number_text(found.brier.score),
        number_text(found.brier.miscalibration),
        *(percent(accuracy) for _, accuracy in found.selective.accuracies),
        _verdict(found),
    ]


def _chart(names: Sequence[str], calibrations: Mapping[str, Calibration]) -> str:
    """A reliability diagram, with the intervals of the first condition."""
    curves = [
        Curve(name, [(100 * each.confidence, 100 * each.accuracy) for each in calibrations[name].bins])
        for name in names
    ]
    limits = [
        (100 * each.interval.low, 100 * each.interval.high) if each.interval else None
        for each in calibrations[names[0]].bins
    ]
    title = f"how often the likeliest choice is right, by its probability; 95 % intervals of {names[0]}"
    return reliability_chart("calibration_chart", title, curves, limits, ("probability, %", "right, %"))


def _striking(name: str, found: Calibration) -> list[str]:
    if found.p > LEVEL or found.ece_debiased < STRIKING:
        return []
    return [
        f"the likeliest choice of {name} has a probability of {percent(found.confidence)} % on average and is right in "
        f"{percent(found.accuracy)} % of the items."
    ]
