from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tunelift.comparison.records import Contrast
from tunelift.report.columns import display_width
from tunelift.report.html import render_html
from tunelift.report.record import RunReport
from tunelift.report.summary import summary_text


def with_contrasts(report: RunReport, change: Callable[[Contrast], Contrast]) -> RunReport:
    contrasts = tuple(change(contrast) for contrast in report.comparison.contrasts)
    return replace(report, comparison=replace(report.comparison, contrasts=contrasts))


def test_the_form_of_the_summary(english: RunReport) -> None:
    lines = summary_text(english).splitlines()
    assert lines[0] == "tweets · 400 test items · identical for every condition"
    assert lines[1].split("   ")[0] == "condition"
    assert [line.split()[0] for line in lines[2:7]] == ["majority", "tfidf", "zero-shot", "few-shot", "tuned"]
    zero_shot = english.comparison.conditions[2]
    assert f"{100 * zero_shot.score:.1f}" in lines[4]
    assert lines[4].endswith(f"({zero_shot.unparsed} answers not one of the choices)")
    assert lines[7] == ""
    contrast = english.comparison.contrasts[0]
    assert lines[8].startswith("tuned vs few-shot")
    assert f"{100 * contrast.result.effect:+.1f}" in lines[8]
    assert "of which format" in lines[8]
    assert "of which format" not in lines[10]


def test_the_largest_confusion_leads_to_its_items(english: RunReport, chinese: RunReport) -> None:
    for report in (english, chinese):
        line = next(line for line in summary_text(report).splitlines() if line.startswith("still wrong"))
        assert line.startswith(f"still wrong: {len(report.diagnosis.wrong)} - {report.diagnosis.confusions[0].count} ")
        anchor = line.partition("report.html#")[2].partition(")")[0]
        assert f'id="{anchor}"' in render_html(report)


def test_the_confusions_add_up_to_what_is_wrong(english: RunReport) -> None:
    line = next(line for line in summary_text(english).splitlines() if line.startswith("still wrong"))
    counts = [int(part.split()[0]) for part in line.partition(" - ")[2].split(", ")]
    assert sum(counts) == len(english.diagnosis.wrong)


def test_columns_stand_under_each_other_in_chinese(chinese: RunReport) -> None:
    scores = chinese.comparison.conditions
    named = (replace(scores[0], name="多数类"), *scores[1:])
    report = replace(chinese, comparison=replace(chinese.comparison, conditions=named))
    lines = summary_text(report).splitlines()
    dashes = [display_width(line.partition(" - ")[0]) for line in lines[2:7]]
    assert lines[2].startswith("多数类")
    assert len(set(dashes)) == 1
    assert "正面 taken for 负面" in summary_text(report)


def test_a_baseline_that_is_not_beaten_is_named(english: RunReport) -> None:
    def undecided(contrast: Contrast) -> Contrast:
        return replace(contrast, adjusted_p=None, result=replace(contrast.result, p=0.4), detectable_effect=0.074)

    def worse(contrast: Contrast) -> Contrast:
        return replace(contrast, adjusted_p=None, result=replace(contrast.result, p=0.01, effect=-0.05))

    assert "does not beat" not in summary_text(english)
    expected = "tuned does not beat tfidf: no difference could be shown (smallest effect this test set could show: 7.4)"
    assert expected in summary_text(with_contrasts(english, undecided)).splitlines()
    assert "tuned is worse than tfidf" in summary_text(with_contrasts(english, worse)).splitlines()


def test_without_choices(free: RunReport) -> None:
    text = summary_text(free)
    assert "balanced" not in text
    assert "of which" not in text
    wrong = len(free.diagnosis.wrong)
    assert f"still wrong: {wrong} of 120 (look at them: report.html#errors)" in text.splitlines()
    assert 'id="errors"' in render_html(free)


def test_without_a_tuned_condition(untuned: RunReport) -> None:
    lines = summary_text(untuned).splitlines()
    assert any(line.startswith("zero-shot vs majority") for line in lines)
    assert "name the choices in the instruction" in summary_text(untuned)


def test_a_single_condition_without_diagnosis(single: RunReport) -> None:
    lines = summary_text(single).splitlines()
    assert lines[2].startswith("zero-shot")
    assert not any(line.startswith(("still wrong", "next")) for line in lines)


def test_next_stands_only_where_there_are_proposals(english: RunReport) -> None:
    assert f"next: {english.diagnosis.proposals[0]}" in summary_text(english)
    quiet = replace(english, diagnosis=replace(english.diagnosis, proposals=()))
    assert "next:" not in summary_text(quiet)


def test_labels_cannot_write_into_the_terminal(hostile: RunReport) -> None:
    text = summary_text(hostile)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "next:" in text


def test_groups_are_named(english: RunReport) -> None:
    grouped = replace(english, comparison=replace(english.comparison, groups=37))
    assert "400 test items in 37 groups" in summary_text(grouped).splitlines()[0]
