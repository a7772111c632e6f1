"""Kinds of items with a larger or smaller effect, as a table and sentences that all forms of the report share."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.comparison.records import Comparison
from tunelift.core.errors import counted
from tunelift.diagnosis.records import Diagnosis, SliceEffect
from tunelift.diagnosis.slices import ANSWER, LENGTH
from tunelift.report.section import Section
from tunelift.report.wording import LEVEL, interval_text, label, listed, p_cell, percent, points, unit

QUESTION = "Whether the effect of {candidate} against {baseline} differs between kinds of items"


def slice_sections(diagnosis: Diagnosis | None, comparison: Comparison) -> list[Section]:
    """The section about kinds of items; none where there are no such kinds."""
    if diagnosis is None or not diagnosis.slices:
        return []
    candidate, baseline = diagnosis.condition, str(diagnosis.baseline)
    found = _found(diagnosis.slices, comparison)
    looked = (
        f"{counted(len(diagnosis.slices), 'kind')} of items were looked at; the p-values keep the expected share of "
        "chance finds among the finds at 5 % (Benjamini-Hochberg). A find is a question to the next test set."
    )
    heading = [
        "kind of items",
        "items",
        baseline,
        candidate,
        "effect",
        "95 % interval",
        "more than elsewhere",
        "95 % interval",
        "p",
    ]
    rows = [_row(each, comparison.scale) for each in diagnosis.slices]
    kinds = counted(len(diagnosis.slices), "kind")
    summary = [f"of {kinds} looked at, the effect is {found}."] if found else []
    question = QUESTION.format(candidate=candidate, baseline=baseline)
    nothing = "No kind of items could be shown to gain more or less than the others."
    sentences = [f"The effect is {found}." if found else nothing, looked]
    return [Section("slices", "Kinds of items", question, sentences, heading, rows, summary=summary)]


def _found(slices: Sequence[SliceEffect], comparison: Comparison) -> str:
    """The kinds with a larger or smaller effect, the largest difference first; empty without any."""
    parts = []
    for word, sign in (("larger", 1), ("smaller", -1)):
        those = [each for each in slices if _is_shown(each) and sign * each.difference.effect > 0]
        those.sort(key=lambda each: -abs(each.difference.effect))
        if those:
            parts.append(f"{word} where {listed([_kind(each, comparison) for each in those])}")
    return "; ".join(parts)


def _kind(found: SliceEffect, comparison: Comparison) -> str:
    effect = f"{points(found.effect.effect, comparison.scale)}{unit(comparison)}"
    subject = f"the {found.by}" if found.by in (ANSWER, LENGTH) else label(found.by)
    return f"{subject} is {label(found.value)} ({effect})"


def _is_shown(found: SliceEffect) -> bool:
    return found.adjusted_p is not None and found.adjusted_p <= LEVEL


def _row(found: SliceEffect, scale: float) -> list[str]:
    effect, difference, p = found.effect, found.difference, found.adjusted_p
    return [
        f"{label(found.by)}: {label(found.value)}",
        f"{effect.n:,}",
        percent(effect.baseline, scale),
        percent(effect.candidate, scale),
        points(effect.effect, scale),
        interval_text(effect.interval, scale),
        points(difference.effect, scale),
        interval_text(difference.interval, scale),
        p_cell(p),
    ]
