from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tunelift.comparison.compare import compare, known_metric
from tunelift.comparison.records import Comparison, chance_text
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
    assert ", p = 0.03 (Holm 0.06)" in str(replace(comparison, contrasts=(corrected,)))


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
    assert "b vs a: -0.100 (" in text
