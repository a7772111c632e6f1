from __future__ import annotations

import json
import re
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.records import Comparison, chance_text, digits_of, finite, p_text, score_text
from tunelift.core.files import read_json, write_json
from tunelift.core.records import Sample


def make(
    name: str, scores: list[float], group: bool = False, choices: tuple[str, ...] | None = ("a", "b")
) -> list[Sample]:
    return [
        Sample(
            example_id=f"e{index}",
            doc_id=index,
            doc={"text": str(index)},
            target="ab"[index % 2],
            condition=name,
            output="",
            answer=None if index == 0 else "a",
            finish_reason="length" if index < 2 else "stop",
            choices=choices,
            metrics={"acc": score, "choice_acc": score},
            group=f"g{index % 7}" if group else None,
        )
        for index, score in enumerate(scores)
    ]


def comparisons() -> list[Comparison]:
    generator = np.random.default_rng(1)
    base, tuned = generator.integers(0, 2, (2, 30)).astype(float).tolist()
    planned = [("tuned", "base")]
    return [
        compare({"base": make("base", base), "tuned": make("tuned", tuned)}, planned, "plain", 1),
        compare({"base": make("base", base, True), "tuned": make("tuned", tuned, True)}, planned, "grouped", 1),
        compare({"base": make("base", [1.0], choices=None), "tuned": make("tuned", [0.5])}, planned, "one", 1),
    ]


@pytest.mark.parametrize("comparison", comparisons(), ids=lambda comparison: comparison.task)
def test_a_comparison_survives_a_file(comparison: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    write_json(file, comparison.to_dict())
    restored = Comparison.from_dict(read_json(file))
    assert restored.to_dict() == comparison.to_dict()
    assert restored.contrasts[0].result.p == pytest.approx(comparison.contrasts[0].result.p, rel=1e-9)
    assert str(restored) == str(comparison)


def test_the_last_bits_of_a_number_do_not_reach_the_file() -> None:
    comparison = comparisons()[0]
    (contrast,) = comparison.contrasts
    shaken = replace(contrast.result, effect=contrast.result.effect * (1 + 1e-15), p=1.234567890123e-30)
    still = replace(contrast.result, p=1.234567890124e-30)
    texts = [
        json.dumps(replace(comparison, contrasts=(replace(contrast, result=result),)).to_dict())
        for result in (shaken, still)
    ]
    assert texts[0] == texts[1]
    assert "1.23456789e-30" in texts[0]


def test_the_text_says_what_a_reader_needs() -> None:
    text = str(comparisons()[1])
    assert "30 items in 7 groups" in text
    assert "1 answer not parsed, 2 answers cut off" in text
    assert "no difference could be shown (smallest effect that these items could show: " in text
    assert "format +0.0, ability" in text
    assert "could show: none" in str(comparisons()[2])


def test_the_text_says_what_few_answers_let_believe_and_what_would_show_more() -> None:
    base, tuned = make("base", [0.0] * 3 + [1.0] * 37), make("tuned", [1.0] * 3 + [0.0] + [1.0] * 36)
    text = str(compare({"base": base, "tuned": tuned}, [("tuned", "base")], "t", 1))
    assert re.search(r"p = [\d.]+, better with a probability of \d\d % \(-[\d.]+ to \+[\d.]+\), format", text)
    assert re.search(r"could show: [\d.]+; \+5\.0 would take about [\d,]+ items\)$", text)


def test_the_text_says_which_p_is_corrected() -> None:
    comparison = comparisons()[0]
    (contrast,) = comparison.contrasts
    corrected = replace(contrast, result=replace(contrast.result, p=0.03), adjusted_p=0.06)
    assert ", p = 0.030 (Holm 0.060)" in str(replace(comparison, contrasts=(corrected,)))


@pytest.mark.parametrize(
    ("probability", "text"), [(0.78, "78 %"), (0.9999, "more than 99 %"), (0.006, "less than 1 %"), (0.986, "99 %")]
)
def test_no_answers_make_anything_certain(probability: float, text: str) -> None:
    assert chance_text(probability) == text


def test_clear_differences_are_not_doubted() -> None:
    conditions = {"base": make("base", [0.0] * 30), "tuned": make("tuned", [1.0] * 30)}
    text = str(compare(conditions, [("tuned", "base")], "t", 1))
    assert "tuned vs base: +100.0 (+77.3 to +100.0), p < 0.0001" in text
    assert "could be shown" not in text


def test_a_difference_at_the_level_itself_is_shown() -> None:
    comparison = comparisons()[0]
    (contrast,) = comparison.contrasts
    at_level, above = (
        str(replace(comparison, contrasts=(replace(contrast, result=replace(contrast.result, p=p)),)))
        for p in (0.05, 0.0501)
    )
    assert "no difference could be shown" not in at_level
    assert "no difference could be shown" in above


def test_scores_beyond_one_are_not_percentages() -> None:
    conditions = {"a": make("a", [3.0, 5.0, 4.0], choices=None), "b": make("b", [7.0, 8.0, 9.5], choices=None)}
    assert "b vs a: +4.167 (" in str(compare(conditions, [("b", "a")], "t", 1))


def test_the_text_says_where_lower_is_better() -> None:
    samples = {
        name: make(name, [value, value + 0.001, value], choices=None) for name, value in (("a", 0.1), ("b", 0.2))
    }
    text = str(compare(samples, [("b", "a")], "t", 1, [known_metric("acc", samples["a"], higher_is_better=False)]))
    assert "metric acc, lower is better: a positive effect is a fall" in text
    assert "b vs a: -10.0 (" in text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "p < 0.0001"), (0.00009, "p < 0.0001"), (0.00034, "p = 0.0003"), (0.0031, "p = 0.003"),
        (0.03, "p = 0.030"), (0.0496, "p = 0.050"), (0.05, "p = 0.050"), (0.0503, "p = 0.0503"),
        (0.05004, "p = 0.05004"), (0.0999, "p = 0.100"), (0.42, "p = 0.42"), (1.0, "p = 1.00"),
    ],
)  # fmt: skip
def test_a_p_value_is_shown_on_its_side_of_the_level(p: float, text: str) -> None:
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("values", "scale", "digits"),
    [
        ([0.5, 0.136, 0.746], 100, 1), ([0.0, 0.0], 100, 1), ([0.01], 100, 1), ([0.009], 100, 2),
        ([0.001, -inf, 0.0001], 100, 2), ([1e-5, 2e-4], 100, 3), ([1e-30], 100, 8),
        ([2.5], 1, 3), ([0.012, 0.2], 1, 3), ([-0.0004], 1, 5), ([], 1, 3),
    ],
)  # fmt: skip
def test_decimals_follow_the_largest_of_a_line(values: list[float], scale: float, digits: int) -> None:
    assert digits_of(values, scale) == digits


def test_small_scores_do_not_print_as_nothing() -> None:
    scores = np.linspace(1e-5, 2e-4, 40).tolist()
    samples = {"a": make("a", scores, choices=None), "b": make("b", [3 * score for score in scores], choices=None)}
    lines = str(compare(samples, [("b", "a")], "t", 1)).splitlines()
    assert re.search(r"a {2} 0\.010 {2}\(0\.009 to 0\.012\)", lines[1])
    assert lines[3].startswith("b vs a: +0.021 (+0.017 to +0.025), p < 0.0001")


def test_no_difference_has_no_sign_of_its_own() -> None:
    assert [score_text(value, 100, 1, "+") for value in (-1e-9, -0.0, 0.0)] == ["+0.0"] * 3


def test_one_of_a_kind_is_singular() -> None:
    head = str(comparisons()[2]).splitlines()[0]
    assert head == "one: 1 item, identical for every condition; metric acc"
    single = replace(comparisons()[1], items=1200, groups=1)
    assert str(single).startswith("grouped: 1,200 items in 1 group, identical")


def test_what_is_assumed_is_said() -> None:
    comparison = replace(comparisons()[0], metric="em", assumes_direction=True, assumes_unit=True)
    head, *_, contrast = str(comparison).splitlines()
    assert head.endswith("; metric em, higher is better unless --lower-is-better names it")
    assert re.match(r"tuned vs base: -[\d.]+ percentage points \(", contrast)
    assert re.match(r"tuned vs base: -[\d.]+ in its own unit \(", str(replace(comparison, scale=1)).splitlines()[-1])


def test_json_has_no_number_without_an_end() -> None:
    assert finite({"a": (1.5, inf), "b": [{"c": nan}, None, "inf", 3]}) == {
        "a": [1.5, None],
        "b": [{"c": None}, None, "inf", 3],
    }
