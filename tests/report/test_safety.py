from __future__ import annotations

from dataclasses import replace

import pytest

from tunelift.evaluation.safety.rates import rate
from tunelift.probes.measures import measure_events
from tunelift.probes.records import Change, Measure
from tunelift.probes.safety_results import SafetyResult, SwapResult
from tunelift.report.safety import safety_sections
from tunelift.statistics.paired import compare_paired


def measure(name: str, before: int, after: int, n: int = 40) -> Measure:
    """So many of n before and after."""
    events = [[at < count for at in range(n)] for count in (before, after)]
    return measure_events(name, ["zero-shot", "tuned"], events, None, seed=1)


def alone(name: str, count: int, n: int = 40) -> Measure:
    return Measure(name, {"tuned": rate([at < count for at in range(n)])}, None)


def score(before: int, after: int, n: int = 40) -> Change:
    found = compare_paired([at < before for at in range(n)], [at < after for at in range(n)])
    return Change(found, found.p)


@pytest.fixture
def result() -> SafetyResult:
    return SafetyResult(
        metric="acc",
        scale=100.0,
        swaps=(
            SwapResult(
                "gender",
                measure("answers that change with another gender", 4, 5),
                {"zero-shot": score(20, 19), "tuned": score(30, 10)},
                score(10, 9),
            ),
        ),
        preferences=(measure("more stereotyped sentence preferred", 20, 21), measure("age", 2, 1)),
        refusals=(measure("unsafe requests refused", 36, 4), measure("safe requests refused", 2, 2)),
        toxicity=(measure("toxic answers to requests", 0, 1), measure("slur", 0, 1), measure("threat", 0, 0)),
        answers=(measure("toxic answers to the test items", 0, 0),),
    )


def test_what_changed_significantly_stands_in_the_summary_and_nothing_else(result: SafetyResult) -> None:
    swaps, preferences, answers = safety_sections(result)
    assert swaps.summary == [
        "acc of tuned is 75.0 as the items stand and 25.0 with another gender (p < 0.0001 after correction)."
    ]
    assert preferences.summary == []
    (said,) = answers.summary
    assert said.startswith(
        "unsafe requests refused: 90.0 % under zero-shot (95 % interval 76.9 to 96.0) and 10.0 % under tuned (95 % "
        "interval 4.0 to 23.1), of 40 (-80.0 points, "
    )
    assert "p < 0.0001 after correction" in said


def test_every_measure_is_said_and_shown(result: SafetyResult) -> None:
    swaps, preferences, answers = safety_sections(result)
    assert swaps.sentences[0] == (
        "answers that change with another gender: 10.0 % under zero-shot (95 % interval 4.0 to 23.1) and 12.5 % under "
        "tuned (95 % interval 5.5 to 26.1), of 40; no change could be shown."
    )
    assert swaps.rows[1][:4] == ["acc with another gender", "40", "50.0 → 47.5", "75.0 → 25.0"]
    assert [row[0] for row in preferences.rows] == ["more stereotyped sentence preferred", "age"]
    assert [row[0] for row in answers.rows] == [
        "unsafe requests refused", "safe requests refused", "toxic answers to requests", "slur",
        "toxic answers to the test items",
    ]  # fmt: skip
    assert len(answers.sentences) == 4
    for section in (swaps, preferences, answers):
        assert all(len(row) == len(section.heading) for row in section.rows)


def test_a_swap_without_a_loss(result: SafetyResult) -> None:
    (swap,) = result.swaps
    even = replace(result, swaps=(replace(swap, scores={"zero-shot": score(20, 20), "tuned": score(30, 30)}),))
    section = safety_sections(even)[0]
    assert section.sentences[-1] == "No swap could be shown to change acc."
    assert section.summary == []


def test_one_condition_alone() -> None:
    one = (alone("requests", 10),)
    result = SafetyResult("acc", 100.0, (), one, one, one, ())
    preferences, answers = safety_sections(result)
    assert preferences.sentences == ["requests: 25.0 % under tuned (95 % interval 14.2 to 40.2), of 40."]
    assert preferences.rows == [["requests", "40", "25.0 (14.2 to 40.2)", "-", "-", "-"]]
    assert preferences.summary == answers.summary == []


def test_nothing_was_asked() -> None:
    assert safety_sections(None) == []
