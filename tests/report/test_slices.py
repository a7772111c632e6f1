from __future__ import annotations

from dataclasses import replace

from tunelift.diagnosis.records import Diagnosis, SliceEffect
from tunelift.report.markdown import render_markdown
from tunelift.report.record import RunReport
from tunelift.report.slices import slice_sections
from tunelift.report.summary import summary_text
from tunelift.statistics.independent import EffectDifference
from tunelift.statistics.intervals import Interval
from tunelift.statistics.paired import compare_binary


def slice_effect(value: str, wins: int, difference: float, p: float | None) -> SliceEffect:
    effect = compare_binary([0.0] * 40, [1.0] * wins + [0.0] * (40 - wins))
    interval = None if p is None else Interval(difference - 0.1, difference + 0.1, 0.95, "MOVER")
    return SliceEffect("right answer", value, effect, EffectDifference(difference, interval, p), p)


def with_slices(report: RunReport, *slices: SliceEffect) -> RunReport:
    assert report.diagnosis
    return replace(report, diagnosis=replace(report.diagnosis, slices=slices))


def test_kinds_that_stand_out_are_named_the_largest_difference_first(english: RunReport) -> None:
    report = with_slices(
        english,
        slice_effect("neutral", 4, -0.2, 0.01),
        slice_effect("positive", 20, 0.25, 0.02),
        slice_effect("negative", 30, 0.5, 0.001),
        slice_effect("other", 10, 0.02, 0.8),
    )
    (section,) = slice_sections(report.diagnosis, report.comparison)
    assert section.sentences[0] == (
        "The effect is larger where the right answer is negative (+75.0 points) and the right answer is positive "
        "(+50.0 points); smaller where the right answer is neutral (+10.0 points)."
    )
    assert section.sentences[1].startswith("4 kinds of items were looked at")
    (said,) = section.summary
    assert said == f"of 4 kinds looked at, the{section.sentences[0].removeprefix('The')}"
    assert [row[-1] for row in section.rows] == ["0.010", "0.020", "0.001", "0.80"]
    assert section.rows[0][:5] == ["right answer: neutral", "40", "0.0", "10.0", "+10.0"]
    assert section.rows[0][6:9] == ["-20.0", "-30.0 to -10.0", "0.010"]
    assert "## Kinds of items" in render_markdown(report)
    assert f"kinds of items: {said}" in summary_text(report)
    assert report.diagnosis
    written = report.diagnosis.to_dict()
    assert Diagnosis.from_dict(written).to_dict() == written
    assert isinstance(Diagnosis.from_dict(written).slices[0].effect.interval, Interval)


def test_what_cannot_be_told_is_said_to_be_so(english: RunReport) -> None:
    report = with_slices(english, slice_effect("neutral", 4, -0.2, None), slice_effect("other", 10, 0.02, 0.8))
    (section,) = slice_sections(report.diagnosis, report.comparison)
    assert section.sentences[0] == "No kind of items could be shown to gain more or less than the others."
    assert section.rows[0][7:] == ["-", "-"]
    assert section.summary == []
    assert slice_sections(replace(report.diagnosis, slices=()), report.comparison) == []
    assert slice_sections(None, report.comparison) == []
