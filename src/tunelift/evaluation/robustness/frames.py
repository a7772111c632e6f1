"""Sentences around a text that change nothing about it: polite words, reported speech, distractors."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tunelift.evaluation.robustness.edits import fixed_spans, share
from tunelift.evaluation.robustness.segmentation import main_language, sentences
from tunelift.evaluation.robustness.word_lists import read_table


def politeness_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Greet before the text, or thank behind it."""
    return _framed(text, "en", "politeness", generator, strength)


def politeness_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Greet before the text, or thank behind it."""
    return _framed(text, "zh", "politeness", generator, strength)


def reporting_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Say that this is what somebody wrote."""
    return _framed(text, "en", "reporting", generator, strength)


def reporting_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Say that this is what somebody wrote."""
    return _framed(text, "zh", "reporting", generator, strength)


def distractors_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Add neutral sentences before or behind the text, as a share of those it has."""
    return _distracted(text, "en", generator, strength, protected)


def distractors_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Add neutral sentences before or behind the text, as a share of those it has."""
    return _distracted(text, "zh", generator, strength, protected)


def _framed(text: str, language: str, kind: str, generator: Random, strength: float) -> str:
    """A text is one unit, so that every strength above 0 frames it."""
    frames = [frame for name, frame in read_table(f"frames.{language}") if name == kind]
    if not share(strength, 1) or main_language(text) != language:
        return text
    before, _, behind = generator.choice(frames).partition("{text}")
    return before + text + (missing_end(text, language) + behind if behind else "")


def _distracted(text: str, language: str, generator: Random, strength: float, protected: Sequence[str]) -> str:
    wanted = share(strength, len(sentences(text, language, fixed_spans(text, protected))))
    if not wanted or main_language(text) != language:
        return text
    lines = [line for (line,) in read_table(f"distractors.{language}")]
    before: list[str] = []
    behind: list[str] = []
    for line in generator.sample(lines, len(lines))[:wanted]:
        generator.choice([before, behind]).append(line)
    space = " " if language == "en" else ""
    end = missing_end(text, language) if behind else ""
    return space.join([*before, text + end, *behind])


def missing_end(text: str, language: str) -> str:
    """The mark that a text lacks at its end before another sentence can follow; empty where it has one."""
    last = text.rstrip().rstrip("\"'”’」』）)")[-1:]
    if last in set(".!?。！？…~～:;，,"):
        return ""
    return "." if language == "en" else "。"
