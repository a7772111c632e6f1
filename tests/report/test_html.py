from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from tunelift.diagnosis.records import Confusion, ConfusionTable
from tunelift.report import items
from tunelift.report.html import MOST_CLASSES, heat_rows, render_html, shown_classes
from tunelift.report.record import RunReport
from tunelift.report.wording import one_line

VOID = {"meta", "br", "circle", "line", "polyline"}


class Page(HTMLParser):
    """Tags, ids and links of a page; raises where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [found[attribute] or "" for _, found in self.tags if attribute in found]


@pytest.fixture(params=["english", "chinese", "free", "hostile", "complete"])
def report(request: pytest.FixtureRequest) -> RunReport:
    return request.getfixturevalue(request.param)


def test_the_page_is_well_formed_and_every_link_leads_somewhere(report: RunReport) -> None:
    page = Page(render_html(report))
    ids, links = page.values("id"), page.values("href")
    assert len(ids) == len(set(ids))
    assert not any(letter.isspace() for letter in "".join(ids))
    assert len(links) > 5
    assert {unquote(link) for link in links} <= {f"#{name}" for name in ids}


def test_the_page_loads_and_runs_nothing(report: RunReport) -> None:
    text = render_html(report)
    page = Page(text)
    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "base", "form"} == set()
    assert page.values("src") == []
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]
    assert "url(" not in text.partition("</style>")[0]
    assert "@import" not in text.partition("</style>")[0]
    assert any("default-src 'none'" in value for value in page.values("content"))


def test_hostile_texts_are_shown_as_they_are(hostile: RunReport) -> None:
    text = render_html(hostile)
    assert "<script" not in text
    assert "<img" not in text
    page = Page(text)
    assert "<script>alert(" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert hostile.name in page.text


def test_long_outputs_are_clipped_and_that_is_said(hostile: RunReport) -> None:
    text = render_html(hostile)
    assert "characters left out" in text
    assert len(text) < 2_000_000
    assert max(map(len, text.splitlines())) < 20_000


def test_the_verdict_comes_first(english: RunReport) -> None:
    text = Page(render_html(english)).text
    assert text.index("tuned answers") < text.index("tuned is better than zero-shot") < text.index("Conditions")
    assert f"{100 * english.studied.score:.1f}" in text


def test_every_score_and_effect_is_on_the_page(report: RunReport) -> None:
    text = Page(render_html(report)).text
    for score in report.comparison.conditions:
        assert f"{100 * score.score:.1f}" in text
    for contrast in report.comparison.contrasts:
        assert f"{100 * contrast.result.effect:+.1f}" in text
    for proposal in report.diagnosis.proposals:
        assert one_line(proposal.evidence) in text


def test_items_that_are_not_shown_are_counted(english: RunReport) -> None:
    for found in [*items.wrong_items(english), *items.flipped_items(english)]:
        assert len(found.items) == min(found.total, items.ITEMS)
        if found.left_out:
            assert f"{found.left_out} more are not shown here" in render_html(english)
    assert any(found.left_out for found in items.wrong_items(english))


def test_an_item_shows_everything_about_it(english: RunReport) -> None:
    found = items.wrong_items(english)[0].items[0]
    sample = next(sample for sample in english.samples["tuned"] if sample.example_id == found.id)
    assert (found.answer, found.target, found.output, found.prompt) == (
        sample.answer,
        sample.target,
        sample.output,
        sample.prompt,
    )
    assert dict(found.logprobs) == dict(zip(sample.choices, sample.logprobs, strict=True))
    assert [value for _, value in found.logprobs] == sorted(sample.logprobs, reverse=True)
    assert [name for name, _, _ in found.others] == ["majority", "tfidf", "zero-shot", "few-shot"]
    page = Page(render_html(english)).text
    assert sample.doc["text"] in page
    assert sample.prompt in page


def test_the_source_of_an_item_is_shown_where_it_is_known(english: RunReport) -> None:
    wrong = english.diagnosis.confusions[0].ids[0]
    assert "tweets.csv:99" not in render_html(english)
    assert "tweets.csv:99" in render_html(replace(english, sources={wrong: "tweets.csv:99"}))


def test_the_confusion_table_is_complete(english: RunReport) -> None:
    table = english.diagnosis.table
    rows = heat_rows(table, shown_classes(table), english.diagnosis.confusions)
    assert [row.name for row in rows] == list(table.classes)
    assert [tuple(count for count, *_ in row.cells) for row in rows] == list(table.counts)
    assert all(sum(share for _, share, *_ in row.cells) == pytest.approx(1) for row in rows)
    linked = {anchor for row in rows for *_, anchor in row.cells if anchor}
    assert len(linked) == len(english.diagnosis.confusions)


def test_of_many_classes_those_with_the_most_errors_are_shown(english: RunReport) -> None:
    size = 30
    counts = [[0] * (size + 1) for _ in range(size)]
    counts[29][28], counts[5][size] = 9, 4
    table = ConfusionTable(tuple(f"class {i}" for i in range(size)), tuple(map(tuple, counts)))
    shown = shown_classes(table)
    assert len(shown) == MOST_CLASSES
    assert {29, 28, 5} <= set(shown)
    assert shown == sorted(shown)
    cell = Confusion("class 29", "class 28", 9, english.diagnosis.confusions[0].ids)
    diagnosis = replace(english.diagnosis, table=table, confusions=(cell,))
    assert "Shown are the 20 of 30 classes" in render_html(replace(english, diagnosis=diagnosis))


def test_a_report_with_nothing_but_one_condition(single: RunReport) -> None:
    page = Page(render_html(single))
    assert "zero-shot answers" in page.text
    assert "The checks found nothing to remark on." in page.text
    assert not {"contrasts", "errors", "flips", "learning"} & set(page.values("id"))


def test_the_curves_are_those_of_the_tuning(english: RunReport) -> None:
    text = render_html(english)
    assert 'class="curve training"' in text
    assert "validation from 0.610 to 0.420" in text
