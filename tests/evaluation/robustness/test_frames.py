from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tunelift.evaluation.robustness.frames import (
    distractors_en,
    distractors_zh,
    missing_end,
    politeness_en,
    politeness_zh,
    reporting_en,
    reporting_zh,
)
from tunelift.evaluation.robustness.word_lists import read_table

Texts = Callable[[str], list[str]]


@pytest.mark.parametrize(
    ("perturb", "language"),
    [
        (politeness_en, "en"),
        (reporting_en, "en"),
        (politeness_zh, "zh"),
        (reporting_zh, "zh"),
        (distractors_en, "en"),
        (distractors_zh, "zh"),
    ],
)
def test_the_text_stands_in_it_unchanged(perturb: Callable[..., str], language: str, texts: Texts) -> None:
    results = [(text, perturb(text, Random(index), 0.1)) for index, text in enumerate(texts(language))]
    assert all(text in changed and len(changed) > len(text) for text, changed in results)
    assert len({changed.replace(text, "") for text, changed in results}) > 5


def test_a_text_without_an_end_gets_one_before_more_follows() -> None:
    seen = {politeness_en("Great food", Random(seed), 1) for seed in range(40)}
    assert "Great food. Thank you for reading." in seen
    assert "Hello! Great food" in seen
    assert "很好。谢谢阅读。" in {politeness_zh("很好", Random(seed), 1) for seed in range(40)}
    assert [missing_end(text, "en") for text in ("a", "a!", 'a."', "a. ")] == [".", "", "", ""]


def test_distractors_are_a_share_of_the_sentences() -> None:
    text = "Rooms are big. Breakfast was cold. Never again."
    lines = {line for (line,) in read_table("distractors.en")}
    for strength, count in ((0.1, 1), (0.5, 2), (1, 3)):
        changed = distractors_en(text, Random(3), strength)
        assert sum(line in changed for line in lines) == count


@pytest.mark.parametrize("language", ["en", "zh"])
def test_frames_and_distractors_are_no_injections(language: str) -> None:
    from tunelift.evaluation.robustness.detection import find_injections

    lines = [row[-1] for name in ("frames", "distractors") for row in read_table(f"{name}.{language}")]
    assert [line for line in lines if find_injections(line)] == []
    assert all(row[-1].count("{text}") == 1 for row in read_table(f"frames.{language}"))
