from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.comparison.costs import Costs, Tuning, Usage, assess_costs
from tunelift.core.prices import Prices
from tunelift.report.costs import MOST_PAIRS, amount_text, cost_sections
from tunelift.report.record import RunReport
from tunelift.report.section import Section

ZERO = Usage("zero-shot", 0.5, 100.0)
FEW = Usage("few-shot", 0.7, 360.0, shots=4)
TUNED = Usage("tuned", 0.8, 90.0, tuning="tune")
TUNING = {"tune": Tuning(1800.0, 2_000_000_000)}
PRICES = Prices(currency="EUR", per_hour=2.0, watts=100)


def section_of(report: RunReport, costs: Costs) -> Section:
    (section,) = cost_sections(costs, report.comparison)
    return section


def test_nothing_is_said_where_costs_are_not_known(english: RunReport) -> None:
    assert cost_sections(None, english.comparison) == []
    assert cost_sections(assess_costs([Usage("a", 0.5), Usage("b", 0.6)], {}, Prices()), english.comparison) == []
    assert cost_sections(assess_costs([ZERO], {}, Prices()), english.comparison) == []


def test_the_break_even_comes_first_and_the_frontier_second(english: RunReport) -> None:
    section = section_of(english, assess_costs([ZERO, FEW, TUNED], TUNING, PRICES))
    assert section.sentences == [
        "In place of few-shot, tuned has paid for its tuning after so many answers: 6,667 in money, 6,667 in energy "
        "and 6,667 in time. tuned scores 10.0 points better.",
        "By score and money, the best choice is tuned: every other condition is beaten by one that costs no more and "
        "scores no worse.",
    ]
    assert section.summary == [
        "tuned has paid for its tuning after 6,667 answers in place of few-shot, in money, and scores 10.0 points "
        "better."
    ]


def test_the_table_has_every_unit_and_the_tuning(english: RunReport) -> None:
    section = section_of(english, assess_costs([ZERO, FEW, TUNED], TUNING, PRICES))
    assert section.heading[2:5] == ["EUR per 1,000 answers", "Wh per 1,000 answers", "time per 1,000 answers"]
    assert section.rows == [
        ["zero-shot", "50.0", "0.056", "2.78", "100 s", "beaten by tuned"],
        ["few-shot", "70.0", "0.20", "10.00", "360 s", "beaten by tuned"],
        ["tuned", "80.0", "0.050", "2.50", "90.0 s", "not beaten"],
        ["tuning for tuned, once", "-", "1.00", "50.00", "1,800 s", "at most 2.0 GB of memory"],
    ]


def test_what_never_pays_is_said_with_its_reason(english: RunReport) -> None:
    slow = replace(TUNED, seconds=400.0, score=0.6)
    section = section_of(english, assess_costs([FEW, slow], TUNING, Prices()))
    assert section.sentences[0] == (
        "In time, tuned has no break-even with few-shot: an answer of tuned costs no less than one of few-shot. "
        "tuned scores 10.0 points worse."
    )
    assert section.summary == []


def test_a_cost_that_is_known_in_one_unit_only(english: RunReport) -> None:
    by_token = Prices(per_million_prompt_tokens=1.0, per_million_completion_tokens=4.0)
    few, tuned = replace(FEW, prompt_tokens=9e5, completion_tokens=5e3), replace(TUNED, prompt_tokens=5e4)
    section = section_of(english, assess_costs([ZERO, few, replace(tuned, completion_tokens=5e3)], TUNING, by_token))
    first, frontier, unknown = section.sentences
    assert first.startswith("In place of few-shot, tuned has paid for its tuning after so many answers: 6,667 in time.")
    assert "In money, tuned has no break-even with few-shot: the cost of tuning is not known." in first
    assert "tuned" in frontier
    assert unknown == "What answers cost in money is not known for zero-shot."
    assert section.rows[0][2] == "-"
    assert section.rows[0][-1] == "-"


def test_where_nothing_is_beaten_that_is_said(english: RunReport) -> None:
    section = section_of(english, assess_costs([ZERO, replace(FEW, score=0.9)], {}, Prices()))
    assert section.sentences == [
        "By score and time, the best choices are zero-shot and few-shot, from the cheapest to the best: no condition "
        "is beaten by one that costs no more and scores no worse."
    ]


def test_of_many_pairs_some_are_shown_and_the_rest_is_counted(english: RunReport) -> None:
    few = [replace(FEW, condition=f"few-shot-{at}") for at in range(MOST_PAIRS + 3)]
    section = section_of(english, assess_costs([*few, TUNED], TUNING, Prices()))
    assert sum("in place of" in sentence.lower() for sentence in section.sentences) == MOST_PAIRS
    assert section.sentences[MOST_PAIRS] == "The other 3 pairs of such conditions stand in evidence.json."


def test_the_chart_shows_every_known_condition_and_joins_the_best(english: RunReport) -> None:
    section = section_of(english, assess_costs([ZERO, FEW, replace(TUNED, seconds=120.0)], TUNING, Prices()))
    assert section.chart.count("<circle") == 3
    assert section.chart.count('class="estimate better"') == 2
    assert "polyline" in section.chart


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1e-7, "< 0.0001"),
        (0.000123, "0.0001"),
        (0.0555, "0.056"),
        (0.5, "0.50"),
        (3.2, "3.20"),
        (1240, "1,240"),
    ],
)
def test_amounts(value: float, text: str) -> None:
    assert amount_text(value) == text


@given(st.floats(0.005, 1e9))
def test_an_amount_is_shown_within_five_per_cent(value: float) -> None:
    assert float(amount_text(value).replace(",", "")) == pytest.approx(value, rel=0.05)
