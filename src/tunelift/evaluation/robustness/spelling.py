"""Noise within words: typos, slips of the finger, and characters that look like others.

English perturbations touch one place in a word, Chinese ones single characters; negations and numbers stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import hypot
from random import Random

from tunelift.evaluation.robustness.edits import Edit, decisive_spans, is_decisive, make_edits
from tunelift.evaluation.robustness.segmentation import chinese_signs, chinese_words, english_words
from tunelift.evaluation.robustness.word_lists import read_table

SHORTEST = 4  # shorter English words become other words too easily
# Rows of a keyboard, and how far each is moved to the right against the first.
KEYBOARD = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
NEAR = 1.3


def typos_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap, drop or double a letter of a word; the first letter stays."""
    edits = []
    words = english_words(text)
    for start, end in words:
        if end - start < SHORTEST:
            continue
        letters = [place for place in range(start + 1, end) if text[place].isalpha()]
        place = generator.choice(letters)
        swaps = [at for at in letters if at + 1 in letters and text[at].lower() != text[at + 1].lower()]
        kind = generator.choice(["swap", "drop", "double"] if swaps else ["drop", "double"])
        if kind == "swap":
            place = generator.choice(swaps)
            edits.append(Edit(start, end, text[start:place] + text[place + 1] + text[place] + text[place + 2 : end]))
        else:
            letter = text[place] * 2 if kind == "double" else ""
            edits.append(Edit(start, end, text[start:place] + letter + text[place + 1 : end]))
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


def typos_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two neighbours within a word, or type one of its characters twice.

    Raises:
        UserError: jieba is not installed.
    """
    edits = []
    for start, end in chinese_words(text):
        place = generator.randrange(start, end)
        swaps = [at for at in range(start, end - 1) if text[at] != text[at + 1]]
        if swaps and generator.random() < 1 / 2:
            place = generator.choice(swaps)
            edits.append(Edit(place, place + 2, text[place + 1] + text[place]))
        else:
            edits.append(Edit(place, place + 1, text[place] * 2))
    units = len(chinese_signs(text))
    return make_edits(text, edits, units, strength, generator, decisive_spans(text, protected))


def keyboard_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a letter of a word by one beside it on a QWERTY keyboard."""
    edits = []
    words = english_words(text)
    for start, end in words:
        if end - start >= SHORTEST:
            place = generator.choice([at for at in range(start, end) if text[at].isalpha()])
            letter = generator.choice(neighbours()[text[place].lower()])
            edits.append(Edit(place, place + 1, letter.upper() if text[place].isupper() else letter))
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


@cache
def neighbours() -> dict[str, str]:
    """The letters beside each letter of a QWERTY keyboard."""
    keys = {
        letter: (moved + at, row) for row, (letters, moved) in enumerate(KEYBOARD) for at, letter in enumerate(letters)
    }
    return {
        letter: "".join(other for other, (u, v) in keys.items() if other != letter and hypot(u - x, v - y) < NEAR)
        for letter, (x, y) in keys.items()
    }


def lookalikes_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a letter of a word by one that looks like it: Cyrillic and Greek letters, 0 for o, 1 for l, rn for m."""
    table = {letter: others for letter, *others in read_table("lookalikes.en")}
    edits = []
    words = english_words(text)
    for start, end in words:
        places = [at for at in range(start, end) if text[at] in table]
        if places:
            place = generator.choice(places)
            edits.append(Edit(place, place + 1, generator.choice(table[text[place]])))
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


def lookalikes_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a character by one that looks like it (己 by 已)."""
    table = {row[0]: row[1] for row in read_table("lookalikes.zh")}
    signs = chinese_signs(text)
    edits = []
    for place in signs:
        others = [other for other in table.get(text[place], "") if not is_decisive(other)]
        if others:
            edits.append(Edit(place, place + 1, generator.choice(others)))
    return make_edits(text, edits, len(signs), strength, generator, decisive_spans(text, protected))
