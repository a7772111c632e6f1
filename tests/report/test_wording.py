from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.records import Contrast, contrast_p_text
from tunelift.diagnosis.records import Confusion
from tunelift.report.html import render_html
from tunelift.report.markdown import render_markdown
from tunelift.report.record import RunReport
from tunelift.report.summary import summary_text
from tunelift.report.wording import (
    anchors,
    bytes_text,
    clip,
    confusion_name,
    label,
    listed,
    notes,
    outcome,
    percent,
    points,
    remarks,
    seconds_text,
    verdict,
)
from tunelift.statistics.bayes import Posterior
from tunelift.statistics.intervals import Interval


def test_numbers() -> None:
    assert [percent(value) for value in (0.7028, 1.0, -0.0001, None)] == ["70.3", "100.0", "0.0", "-"]
    assert [points(value) for value in (0.318, -0.05, -0.0001, None)] == ["+31.8", "-5.0", "+0.0", "-"]
    assert [bytes_text(size) for size in (2.44e9, 512e6)] == ["2.4 GB", "512 MB"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.002, "< 0.01 s"), (0.0123, "0.01 s"), (6.12, "6.1 s"), (312.4, "312 s"), (4321.0, "4,321 s")],
)
def test_seconds_text(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


def changed(contrast: Contrast, effect: float, p: float, adjusted_p: float | None = None) -> Contrast:
    result = replace(contrast.result, effect=effect, p=p)
    return replace(contrast, result=result, detectable_effect=0.074, adjusted_p=adjusted_p)


def test_verdicts_say_what_was_shown(english: RunReport) -> None:
    contrast = next(one for one in english.contrasts if one.baseline == "tfidf")
    assert verdict(changed(contrast, 0.1, 0.01)) == "tuned is better than tfidf"
    assert verdict(changed(contrast, -0.1, 0.01)) == "tuned is worse than tfidf"
    undecided = (
        "tuned does not beat tfidf: no difference could be shown (smallest effect this test set could show: 7.4)"
    )
    assert verdict(changed(contrast, 0.1, 0.06)) == undecided
    assert verdict(changed(contrast, 0.1, 0.06, 0.12)) == undecided
    assert verdict(changed(contrast, 0.1, 0.01, 0.04)) == "tuned is better than tfidf"
    corrected = "tuned does not beat tfidf: no difference could be shown after correction for the number of contrasts"
    assert verdict(changed(contrast, 0.1, 0.03, 0.06)) == f"{corrected}, p = 0.060"
    assert "could show: none" in verdict(replace(changed(contrast, 0.1, 0.06), detectable_effect=None))


def test_a_p_of_exactly_five_per_cent_counts_as_shown(english: RunReport) -> None:
    assert outcome(changed(english.contrasts[0], 0.1, 0.05)) == "better"
    assert outcome(changed(english.contrasts[0], 0.0, 0.01)) == "undecided"


@pytest.mark.parametrize(
    ("p", "adjusted", "text"),
    [
        (0.42, None, "p = 0.42"),
        (0.42, 0.42, "p = 0.42"),
        (0.03, 0.06, "p = 0.030 (Holm 0.060)"),
        (0.00005, 0.0003, "p < 0.0001 (Holm 0.0003)"),
        (0.00001, 0.00005, "p < 0.0001"),
    ],
)
def test_the_corrected_p_stands_beside_the_single_one(
    english: RunReport, p: float, adjusted: float | None, text: str
) -> None:
    assert contrast_p_text(changed(english.contrasts[0], 0.1, p, adjusted)) == text


def test_every_form_of_the_report_says_which_p_is_which(english: RunReport) -> None:
    contrast = changed(english.contrasts[0], 0.1, 0.03, 0.06)
    report = replace(english, comparison=replace(english.comparison, contrasts=(contrast,)))
    for rendered in (summary_text(report), render_markdown(report), render_html(report)):
        assert "p = 0.030 (Holm 0.060)" in rendered


def test_what_few_answers_say_and_what_would_show_more(english: RunReport) -> None:
    contrast = replace(changed(english.contrasts[0], 0.03, 0.2, 0.4), required_items=1600)
    assert remarks(contrast, english.comparison) == ["An effect of +3.0 points takes about 1,600 items to be shown"]
    assert remarks(changed(contrast, 0.03, 0.04, 0.08), english.comparison) == []
    result = replace(contrast.result, n=40)
    few = replace(contrast, result=result, posterior=Posterior(Interval(-0.0412, 0.1, 0.95, ""), 0.7849))
    believed, _ = remarks(few, english.comparison)
    assert believed == (
        "After these 40 answers, tuned is better than few-shot with a probability of 78 % "
        "(Bayesian 95 % interval -4.1 to 10.0)"
    )
    report = replace(english, comparison=replace(english.comparison, contrasts=(few,)))
    assert all(remark in render_markdown(report) for remark in remarks(few, english.comparison))
    assert all(remark in render_html(report) for remark in remarks(few, english.comparison))


def test_notes_count_unusable_answers(english: RunReport, free: RunReport) -> None:
    score = replace(english.studied, unparsed=1200, truncated=3)
    assert notes(english, score) == ["1,200 answers not one of the choices", "3 answers cut off"]
    assert notes(free, score) == ["1,200 answers not parsed", "3 answers cut off"]
    assert notes(english, replace(score, unparsed=0, truncated=None)) == []


LABELS = st.one_of(st.text(max_size=60), st.text(alphabet="aA b-_负", max_size=4))


@given(st.lists(st.tuples(LABELS, st.none() | LABELS), max_size=12))
def test_anchors_are_different_and_can_be_linked(pairs: list[tuple[str, str | None]]) -> None:
    names = anchors([Confusion(target, answer, 1, ()) for target, answer in pairs])
    assert len(set(names)) == len(pairs)
    assert all(re.fullmatch(r"[^\W_]+(-[^\W_]+)+", name) for name in names)


def test_anchors_read_like_the_labels() -> None:
    cells = [("neutral", "negative"), ("负面", "正面"), ("two words", None), ("Two-Words", None), ("!!!", "neutral")]
    names = anchors([Confusion(*cell, 1, ()) for cell in cells])
    expected = ["neutral-negative", "负面-正面", "two-words-not-parsed", "two-words-not-parsed-2", "label-neutral"]
    assert names == expected
    assert anchors([Confusion(*cell, 1, ()) for cell in cells[:2]]) == expected[:2]


def test_confusion_name() -> None:
    assert confusion_name(Confusion("neutral", "negative", 3, ())) == "neutral taken for negative"
    assert confusion_name(Confusion("neutral", None, 3, ())) == "neutral not parsed"


@given(st.text(max_size=100))
def test_a_label_is_one_short_line_of_visible_letters(text: str) -> None:
    shown = label(text)
    assert len(shown) <= 40
    assert shown == shown.strip()
    assert "".join(letter for letter in shown if letter.isprintable()) == shown


@given(st.text(max_size=300), st.integers(3, 200))
def test_a_clipped_text_says_how_much_is_missing(text: str, limit: int) -> None:
    shown = clip(text, limit)
    if len(text) <= limit:
        assert shown == text
    else:
        head, _, rest = shown.partition(f" [… {len(text) - limit:,} characters left out …] ")
        assert text.startswith(head)
        assert text.endswith(rest)
        assert len(head) + len(rest) == limit


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed(list("abc"[:count])) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_a_gain_of_form_is_called_one(english: RunReport) -> None:
    contrast = changed(next(one for one in english.contrasts if one.baseline == "tfidf"), 0.1, 0.001)
    unshown = "that it prefers the right choice more often could not be shown"
    alone = f"tuned is better than tfidf, perhaps only by the form of its answers: {unshown}"
    for effect, p, expected in ((0.05, 0.01, "tuned is better than tfidf"), (0.05, 0.2, alone), (-0.05, 0.01, alone)):
        ability = replace(contrast.result, effect=effect, p=p)
        assert verdict(replace(contrast, ability=ability)) == expected
    lost = replace(contrast, ability=replace(contrast.result, effect=0.0, p=1.0))
    assert verdict(replace(lost, result=replace(lost.result, effect=-0.1))) == "tuned is worse than tfidf"


def test_a_gain_of_class_frequencies_is_called_one(english: RunReport) -> None:
    """As from random labels: always the most frequent answer is right more often, and tells nothing apart."""
    contrast = replace(
        changed(next(one for one in english.contrasts if one.baseline == "tfidf"), 0.1, 0.001), ability=None
    )
    unshown = "that it tells the classes apart better could not be shown"
    alone = f"tuned is better than tfidf, perhaps only by how often it gives each answer: {unshown}"
    for effect, p, expected in ((0.05, 0.01, "tuned is better than tfidf"), (0.05, 0.2, alone), (-0.07, 0.01, alone)):
        balanced = replace(contrast.result, effect=effect, p=p)
        assert verdict(replace(contrast, balanced=balanced)) == expected
    assert verdict(replace(contrast, balanced=None)) == "tuned is better than tfidf"
