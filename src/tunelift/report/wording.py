"""Numbers and verdicts in the words that all forms of the report share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain, count
from typing import Literal

from tunelift.comparison.records import Comparison, ConditionScore, Contrast, chance_text, p_text
from tunelift.diagnosis.records import Confusion, Diagnosis
from tunelift.report.record import RunReport
from tunelift.statistics.intervals import Interval
from tunelift.statistics.paired import PairedResult

LEVEL = 0.05
NONE = "-"


def percent(share: float | None, scale: float = 100.0) -> str:
    """A share between 0 and 1 as per cent with one decimal, without the sign; a score of another scale as it is."""
    digits = decimals(scale)
    return NONE if share is None else f"{round(scale * share, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0


def points(effect: float | None, scale: float = 100.0) -> str:
    """A difference of two shares in percentage points, or of two scores of another scale, with its sign."""
    digits = decimals(scale)
    return NONE if effect is None else f"{round(scale * effect, digits) + 0.0:+.{digits}f}"


def number_text(value: float | None) -> str:
    """A score in its own unit with the digits that matter: ``0.712``, ``23.41``."""
    return NONE if value is None else f"{value:.{2 if abs(value) >= 10 else 3}f}"


def effect_text(result: PairedResult | None) -> str:
    """An effect in the unit of its score, with its p-value."""
    return NONE if result is None else f"{number_text(result.effect)}, {p_text(result.p)}"


def decimals(scale: float) -> int:
    """Decimals of a score that is shown on this scale: scores that are no shares can be small."""
    return 1 if scale == 100 else 3


def interval_text(interval: Interval | None, scale: float = 100.0) -> str:
    """``26.1 to 37.3``, in per cent or percentage points, or in the unit of the score."""
    return f"{percent(interval.low, scale)} to {percent(interval.high, scale)}" if interval else NONE


def p_cell(p: float | None) -> str:
    """A p-value under a heading that says what it is: ``< 0.0001``, ``0.003``."""
    return NONE if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


def seconds_text(seconds: float | None) -> str:
    """A duration in seconds with the digits that matter."""
    if seconds is None:
        return NONE
    if seconds < 0.01:
        return "< 0.01 s"
    return f"{seconds:,.{2 if seconds < 1 else 1 if seconds < 100 else 0}f} s"


def bytes_text(size: float) -> str:
    """A size in GB or MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def outcome(contrast: Contrast) -> Literal["better", "worse", "undecided"]:
    """What a contrast has shown at the level of 5 %."""
    if contrast.p > LEVEL or contrast.result.effect == 0:
        return "undecided"
    return "better" if contrast.result.effect > 0 else "worse"


def reservation(contrast: Contrast) -> str | None:
    """What a shown gain may come from alone where an untrained eye would take it for learning; None otherwise.

    From the form of the answers where no gain of the choice score was shown; from how often each class is answered
    where none of the balanced accuracy was, which is what a model learns from random labels.
    """
    if outcome(contrast) != "better":
        return None
    if contrast.ability is not None and not _is_gain(contrast.ability):
        return "perhaps only by the form of its answers: that it prefers the right choice more often could not be shown"
    if contrast.balanced is not None and not _is_gain(contrast.balanced):
        return (
            "perhaps only by how often it gives each answer: that it tells the classes apart better could not be shown"
        )
    return None


def _is_gain(result: PairedResult) -> bool:
    return result.p <= LEVEL and result.effect > 0


def remarks(contrast: Contrast, comparison: Comparison) -> list[str]:
    """What else there is to an effect, as sentences without a full stop: what few answers say, what would show it."""
    said = []
    if posterior := contrast.posterior:
        limits = interval_text(posterior.interval, comparison.scale)
        chance = f"After these {contrast.result.n} answers, {contrast.candidate} is better than {contrast.baseline}"
        said.append(f"{chance} with a probability of {chance_text(posterior.better)} (Bayesian 95 % interval {limits})")
    if contrast.required_items and contrast.result.p > LEVEL:
        effect = f"{points(contrast.result.effect, comparison.scale)}{unit(comparison)}"
        said.append(f"An effect of {effect} takes about {contrast.required_items:,} items to be shown")
    return said


def verdict(contrast: Contrast, scale: float = 100.0) -> str:
    """A contrast as a plain sentence without a full stop."""
    candidate, baseline, smallest = contrast.candidate, contrast.baseline, contrast.detectable_effect
    shown = outcome(contrast)
    if reserved := reservation(contrast):
        return f"{candidate} is better than {baseline}, {reserved}"
    if shown != "undecided":
        return f"{candidate} is {shown} than {baseline}"
    if contrast.result.p <= LEVEL < contrast.p:
        corrected = f"no difference could be shown after correction for the number of contrasts, {p_text(contrast.p)}"
        return f"{candidate} does not beat {baseline}: {corrected}"
    shown_at_all = "none can be stated" if smallest is None else percent(smallest, scale)
    reach = f"smallest effect this test set could show: {shown_at_all}"
    return f"{candidate} does not beat {baseline}: no difference could be shown ({reach})"


def items_text(comparison: Comparison) -> str:
    """``400 test items in 37 groups``."""
    groups = f" in {comparison.groups:,} groups" if comparison.groups else ""
    return f"{comparison.items:,} test items{groups}"


def metric_name(comparison: Comparison) -> str:
    """The name of the score as a heading, with the direction where lower is better."""
    name = "accuracy" if comparison.metric == "acc" else comparison.metric
    return name if comparison.higher_is_better else f"{name} (lower is better)"


def unit(comparison: Comparison) -> str:
    """What effects are counted in: ``points``, or nothing where the score is no share."""
    return " points" if comparison.scale == 100 else ""


def of_hundred(comparison: Comparison) -> str:
    """The sign behind a score that is shown as per cent."""
    return " %" if comparison.scale == 100 else ""


def notes(report: RunReport, score: ConditionScore) -> list[str]:
    """What has to be known about the answers of a condition beside its score."""
    unusable = "not one of the choices" if report.has_choices else "not parsed"
    counts = [(score.unparsed, unusable), (score.truncated, "cut off")]
    return [f"{number:,} {'answer' if number == 1 else 'answers'} {what}" for number, what in counts if number]


def wrong_text(report: RunReport, diagnosis: Diagnosis) -> str:
    """How many answers are wrong or, by a score with grades, have less than the best; empty where there is no best."""
    if report.comparison.best is None:
        return ""
    what = "have less than the best score" if report.is_graded else "are wrong"
    return f"{len(diagnosis.wrong):,} of {diagnosis.items:,} answers of {diagnosis.condition} {what}"


def unusable_text(diagnosis: Diagnosis) -> str:
    """How many answers could not be read, or were not whole."""
    return f"{diagnosis.unparsed:,} could not be parsed, {diagnosis.truncated:,} were cut off"


def flips_text(report: RunReport, diagnosis: Diagnosis) -> str:
    """How many items changed sides against the baseline, or by a score with grades got more or less."""
    better, worse = ("score higher", "lower") if report.is_graded else ("became right", "wrong")
    return f"{len(diagnosis.won):,} items {better} and {len(diagnosis.lost):,} {worse}"


def confusion_name(cell: Confusion) -> str:
    """``neutral taken for negative`` or ``neutral not parsed``."""
    target = label(cell.target)
    return f"{target} not parsed" if cell.answer is None else f"{target} taken for {label(cell.answer)}"


def anchors(cells: Sequence[Confusion]) -> list[str]:
    """An anchor for each cell, such as ``neutral-negative``: letters and digits of any script, all different."""
    names: dict[str, None] = {}
    for cell in cells:
        base = f"{_slug(cell.target)}-{_slug('not parsed' if cell.answer is None else cell.answer)}"
        numbered = (f"{base}-{number}" for number in count(2))
        names[next(name for name in chain([base], numbered) if name not in names)] = None
    return list(names)


def _slug(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text[:40]).strip("-").lower() or "label"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def one_line(text: str) -> str:
    """A text without line breaks and control characters."""
    return " ".join("".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text).split())


def label(text: str, limit: int = 40) -> str:
    """A label from the data as one short line."""
    line = one_line(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def clip(text: str, limit: int) -> str:
    """The start and the end of a long text, with the number of characters left out between them."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    return f"{text[:head]} [… {len(text) - limit:,} characters left out …] {text[-tail:]}"
