from __future__ import annotations

import re

from tunelift.report.html import render_html
from tunelift.report.markdown import render_markdown
from tunelift.report.record import RunReport
from tunelift.report.sections import report_sections
from tunelift.report.summary import summary_text


def test_a_report_without_further_results_has_no_further_sections(english: RunReport) -> None:
    assert report_sections(english) == []


def test_every_section_is_in_every_form_of_the_report(complete: RunReport) -> None:
    sections = report_sections(complete)
    assert [section.anchor for section in sections] == ["seeds", "flip-causes", "calibration", "costs"]
    page, markdown, summary = render_html(complete), render_markdown(complete), summary_text(complete)
    for section in sections:
        assert f'<section id="{section.anchor}">' in page
        assert f"## {section.title}" in markdown
        assert section.chart in page
        assert all(f"{section.title.lower()}: {said}" in summary for said in section.summary)
    assert "<EUR>" not in page


def test_a_section_is_one_of_sentences_and_even_rows(complete: RunReport) -> None:
    for section in report_sections(complete):
        assert section.sentences
        assert all(sentence.endswith(".") for sentence in section.sentences)
        assert not section.question.endswith(".")
        assert {len(row) for row in section.rows} == {len(section.heading)}
        assert len(section.summary) <= 1
        texts = [*section.sentences, *(cell for row in section.rows for cell in row)]
        assert not any(re.search(r"nan|None|inf\b", text) for text in texts)
