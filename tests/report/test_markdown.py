from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from tunelift.probes.records import ProbeResult
from tunelift.report.html import render_html
from tunelift.report.markdown import model_card, render_markdown, table, text
from tunelift.report.record import RunReport
from tunelift.report.summary import summary_text
from tunelift.report.wording import one_line


@pytest.fixture(params=["english", "chinese", "free", "hostile"])
def report(request: pytest.FixtureRequest) -> RunReport:
    return request.getfixturevalue(request.param)


def rows(markdown: str) -> list[list[str]]:
    """The cells of all tables."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_report_has_every_score_and_effect(report: RunReport) -> None:
    found = {row[0]: row for row in rows(render_markdown(report))}
    for score in report.comparison.conditions:
        assert found[score.name][1] == f"{100 * score.score:.1f}"
    for contrast in report.comparison.contrasts:
        assert found[f"{contrast.candidate} vs {contrast.baseline}"][1] == f"{100 * contrast.result.effect:+.1f}"


def test_every_row_of_a_table_has_the_same_number_of_cells(report: RunReport) -> None:
    for block in render_markdown(report).split("\n\n"):
        assert len({len(row) for row in rows(block)}) <= 1


def test_hostile_texts_stay_text(hostile: RunReport) -> None:
    for markdown in (render_markdown(hostile), model_card(hostile, "base", "peft")):
        tags = set(re.findall(r"<[^ \n]*", markdown))
        assert tags <= {"<details><summary>recipe,", "</details>", "</summary>"}
        assert "\x1b" not in markdown


@given(st.text())
def test_an_escaped_text_holds_no_markup(plain: str) -> None:
    shown = text(plain)
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_`\[\]|~#!]", shown)
    assert not re.search(r"[<>\n]", shown)
    unescaped = re.sub(r"\\(.)", r"\1", shown).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == one_line(plain)


def test_a_table() -> None:
    assert table(["name", "score"], [["a|b", "1"]], left={0}) == "| name | score |\n| :-- | --: |\n| a\\|b | 1 |"


def test_a_recipe_cannot_end_its_own_block(english: RunReport) -> None:
    facts = english.facts | {"recipe": "a: |\n  ```\n  <script>\n"}
    markdown = render_markdown(replace(english, facts=facts))
    assert "````yaml\na: |\n  ```\n  <script>\n````" in markdown


def test_a_report_without_facts(english: RunReport) -> None:
    markdown = render_markdown(replace(english, facts={}, diagnosis=None, findings=[], tuning=None))
    assert "## Conditions" in markdown
    assert "\n\n\n" not in markdown


@pytest.mark.parametrize("base", ["HuggingFaceTB/SmolLM2-135M-Instruct", "bundled/x: [y]", "模型/#1"])
def test_the_card_is_one_that_the_hub_reads(chinese: RunReport, base: str) -> None:
    content = model_card(chinese, base, "peft", languages=["zh"], license="apache-2.0")
    card = ModelCard(content)
    assert card.data.base_model == base
    assert card.data.library_name == "peft"
    assert card.data.language == ["zh"]
    assert card.data.license == "apache-2.0"
    assert card.text.lstrip().startswith(f"# {chinese.name}")


def test_the_card_has_before_and_after_and_how_it_was_made(english: RunReport) -> None:
    card = model_card(english, "bundled/smollm2-135m-instruct", "peft")
    found = {row[0]: row[1] for row in rows(card)}
    assert {"zero-shot", "tuned"} <= found.keys()
    assert english.facts["recipe"].strip() in card
    assert "comes with tunelift" in card
    assert f"{len(english.diagnosis.wrong)} of 400 answers of tuned are wrong." in card
    assert "license" not in yaml.safe_load(card.split("---")[1])


def test_the_card_says_only_of_what_was_not_measured_that_it_was_not(english: RunReport) -> None:
    assert "What the base model forgot, robustness, bias and safety were not measured." in model_card(
        english, "a", "peft"
    )
    assert "; nothing is known about other tasks" in model_card(english, "a", "peft")
    probed = replace(english, probes=[ProbeResult("robustness", ()), ProbeResult("general", ())])
    card = model_card(probed, "a", "peft")
    assert "Bias and safety were not measured." in card
    assert "nothing is known about other tasks" not in card


def test_a_score_with_grades_is_not_called_right_or_wrong(free: RunReport) -> None:
    assert free.diagnosis
    graded = [replace(sample, metrics={"acc": 0.5}) for sample in free.samples[free.studied.name]]
    report = replace(free, samples={**free.samples, free.studied.name: graded})
    wrong, won, lost = (f"{len(ids):,}" for ids in (free.diagnosis.wrong, free.diagnosis.won, free.diagnosis.lost))
    for page in (render_markdown(report), render_html(report)):
        assert f"{wrong} of 120 answers of tuned have less than the best score; " in page
        assert f"{won} items score higher and {lost} lower." in page
        assert "answered wrongly" not in page
    assert f"less than the best score: {wrong} of 120 " in summary_text(report)
    endless = replace(report, comparison=replace(report.comparison, best=None))
    for page in (render_markdown(endless), render_html(endless)):
        assert "answers of tuned have" not in page
        assert " could not be parsed, " in page


def test_the_card_of_whole_weights(english: RunReport) -> None:
    card = ModelCard(model_card(english, "base", "transformers"))
    assert card.data.library_name == "transformers"
    assert "peft" not in card.data.tags
    assert "AutoModelForCausalLM.from_pretrained" in card.text
    assert "chat template" in card.text


def test_the_card_of_an_encoder_decoder(english: RunReport) -> None:
    card = ModelCard(model_card(english, "a/b", "peft", kind="encoder-decoder", has_template=False))
    assert card.data.pipeline_tag == "text2text-generation"
    assert "AutoPeftModelForSeq2SeqLM.from_pretrained" in card.text
    assert "chat template" not in card.text
