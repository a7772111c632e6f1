"""Changes that no reader minds: case, punctuation, white space, full-width and half-width characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from tunelift.evaluation.robustness.edits import HAN, Edit, fixed_spans, make_edits
from tunelift.evaluation.robustness.segmentation import english_words, main_language

# Not in smileys, numbers, times and abbreviations.
ENGLISH_MARK = re.compile(r"(?<=[A-Za-z\"')\]])[.,;:!?](?=[\s\"')\]]|$)")
CHINESE_MARK = re.compile("[，。！？；：、]")
GAP = re.compile(r"(?<=[A-Za-z,.;:!?]) (?=[A-Za-z])")
CHINESE_GAP = re.compile(f"(?<=[{HAN}])(?=[{HAN}])")
HALF_WIDTH = re.compile("[!-~]")
FULL_WIDTH = {"。": ".", "、": ",", "“": '"', "”": '"', "‘": "'", "’": "'"}
FULL_WIDTH |= {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}


def case_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Write a word in capitals, in small letters, or with a capital."""
    edits = []
    words = english_words(text)
    for start, end in words:
        word = text[start:end]
        forms = [form for form in (word.upper(), word.lower(), word.capitalize()) if form != word]
        edits.append(Edit(start, end, generator.choice(forms)))
    return make_edits(text, edits, len(words), strength, generator, fixed_spans(text, protected))


def punctuation_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Leave a mark out, or write it twice."""
    marks = list(ENGLISH_MARK.finditer(text))
    edits = [Edit(*mark.span(), generator.choice(["", mark[0] * 2])) for mark in marks]
    return make_edits(text, edits, len(edits), strength, generator, fixed_spans(text, protected))


def punctuation_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Leave a mark out, write it twice, or put a space in its place."""
    marks = list(CHINESE_MARK.finditer(text))
    edits = [Edit(*mark.span(), generator.choice(["", " ", mark[0] * 2])) for mark in marks]
    return make_edits(text, edits, len(edits), strength, generator, fixed_spans(text, protected))


def spaces_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Put two or three spaces between two words, or none behind a mark."""
    edits = []
    for gap in GAP.finditer(text):
        behind_mark = not text[gap.start() - 1].isalpha()
        edits.append(Edit(*gap.span(), generator.choice(["  ", "   ", *([""] if behind_mark else [])])))
    return make_edits(text, edits, len(edits), strength, generator, fixed_spans(text, protected))


def spaces_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Put a space between two characters."""
    edits = [Edit(*gap.span(), generator.choice([" ", "\u3000"])) for gap in CHINESE_GAP.finditer(text)]
    return make_edits(text, edits, len(edits), strength, generator, fixed_spans(text, protected))


def width_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Write full-width punctuation, letters and digits in half width, and the other way round."""
    edits = []
    if main_language(text) == "zh":
        edits += [Edit(at, at + 1, FULL_WIDTH[sign]) for at, sign in enumerate(text) if sign in FULL_WIDTH]
        edits += [Edit(*found.span(), chr(ord(found[0]) + 0xFEE0)) for found in HALF_WIDTH.finditer(text)]
    return make_edits(text, edits, len(edits), strength, generator, fixed_spans(text, protected))
