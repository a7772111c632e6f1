"""Words and characters replaced by others of the same or nearly the same sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, cast

from tunelift.core.errors import UserError
from tunelift.evaluation.robustness.edits import Edit, decisive_spans, is_decisive, make_edits
from tunelift.evaluation.robustness.segmentation import chinese_signs, english_words
from tunelift.evaluation.robustness.wording import table_edits

# The first level of GB 2312, its 3,755 most common characters.
ROWS, COLUMNS = range(0xB0, 0xD8), range(0xA1, 0xFF)
# They say something by themselves, whatever stands around them.
UNPLEASANT = "死尸屎尿屁奸淫娼妓贱骚骗丑臭烂"
# Sounds that speakers of many dialects do not tell apart.
CONFUSED = ((r"\d$", ""), (r"^([zcs])h", r"\1"), ("^n", "l"), ("([aei])ng$", r"\1n"))


def homophones_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a word by one of the same sound (their by there)."""
    edits = table_edits(text, "homophones.en", generator)
    return make_edits(text, edits, len(english_words(text)), strength, generator, decisive_spans(text, protected))


def homophones_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a character by a common one of the same sound and tone (在 by 再).

    Raises:
        UserError: pypinyin is not installed.
    """
    return _replace_sounds(text, generator, strength, protected, characters_by_sound())


def near_homophones_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a character by a common one of another tone, or of a sound that dialects confuse with it (zh and z).

    Raises:
        UserError: pypinyin is not installed.
    """
    return _replace_sounds(text, generator, strength, protected, characters_by_near_sound())


@cache
def characters_by_sound() -> Mapping[str, str]:
    """Common characters by their sounds: the most usual one, and those without a tone (吗 is ma)."""
    found: dict[str, str] = defaultdict(str)
    for character in common_characters():
        usual, *others = _pinyin(character, every=True)[0]
        for sound in [usual, *(other for other in others if not other[-1].isdigit())]:
            found[sound] += character
    return dict(found)


@cache
def characters_by_near_sound() -> Mapping[str, str]:
    """For every sound the common characters of the others that are confused with it."""
    alike = defaultdict(list)
    for sound in characters_by_sound():
        alike[_confused(sound)].append(sound)
    return {
        sound: "".join(characters_by_sound()[other] for other in alike[_confused(sound)] if other != sound)
        for sound in characters_by_sound()
    }


def common_characters() -> list[str]:
    """The characters of the first level of GB 2312 but for those that would be more than noise."""
    signs = [bytes([row, column]).decode("gb2312", errors="ignore") for row in ROWS for column in COLUMNS]
    return [sign for sign in signs if sign and sign not in UNPLEASANT and not is_decisive(sign)]


def _replace_sounds(
    text: str, generator: Random, strength: float, protected: Sequence[str], table: Mapping[str, str]
) -> str:
    signs = chinese_signs(text)
    sounds = _pinyin(text)
    edits = []
    for place in signs:
        others = table.get(sounds[place][0], "").replace(text[place], "")
        if others:
            edits.append(Edit(place, place + 1, generator.choice(others)))
    return make_edits(text, edits, len(signs), strength, generator, decisive_spans(text, protected))


def _confused(sound: str) -> str:
    for pattern, replacement in CONFUSED:
        sound = re.sub(pattern, replacement, sound)
    return sound


def _pinyin(text: str, every: bool = False) -> list[list[str]]:
    """The sounds of each character, the most likely first, with the tone as a number behind."""
    try:
        from pypinyin import Style, pinyin
    except ImportError as error:
        raise UserError(
            "robustness", "Chinese sounds need pypinyin, which is not installed", "run: pip install pypinyin"
        ) from error
    # What is not Chinese comes in runs; `list` makes one entry of each sign, which the annotation does not foresee.
    return pinyin(text, style=Style.TONE3, heteronym=every, errors=cast("Any", list))
