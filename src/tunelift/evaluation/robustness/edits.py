"""Edits of a text: which are possible, what none may touch, and how many are made.

A perturbation names every edit that it could make; `make_edits` draws as many as the strength asks for. A stronger
perturbation with the same generator makes the edits of the weaker one and more, as long as no two of them overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

Span = tuple[int, int]

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Addresses, names of accounts, topics, and markup: another letter in them is not a typo, but another thing.
FIXED = re.compile(
    rf"(?:https?://|www\.)[^\s\u3000-\u303f\uff00-\uffef{HAN}]+|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.]+|@[\w-]{{1,30}}"
    r"|#[^\s#]{1,30}#|#\w{1,60}|&\w{2,8};|<[^<>\s][^<>\n]{0,60}>|\{\{[^{}]*\}\}|\[[^\[\]\n]{1,30}\]"
)
NEGATIONS = (
    r"\b(?:not|no|nope|nor|none|nobody|nothing|nowhere|never|neither|cannot|without|hardly|barely|scarcely|rarely"
    r"|seldom|unless|\w+n['’]t|(?:do|does|did|is|are|was|were|has|have|had|wo|would|ca|could|should)nt)\b"
    r"|[不没无未勿莫否甭]|[非别](?!常)"
)
NUMERALS = "零〇一二两三四五六七八九十百千万亿"
# A Chinese numeral alone is a number only before something that can be counted: 一个, but not 一直 and 十分 (very).
COUNTED = "个只本次天年月日元块毛岁人点分秒米号层楼间张条位件台部家件篇句遍倍星级"
NUMBERS = (
    rf"(?<![A-Za-z0-9])[A-Za-z]*\d[A-Za-z0-9]*(?:[.,:]\d+)*%?|[{NUMERALS}]{{2,}}[{COUNTED}]?|第[{NUMERALS}]"
    rf"|(?!十分(?!钟)|一块儿)[{NUMERALS}半几][{COUNTED}]"
)
# What may decide the answer by itself.
DECISIVE = re.compile(f"{NEGATIONS}|{NUMBERS}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Edit:
    """One possible change.

    Attributes:
        start: Where the replaced text begins.
        end: Behind its last character; equal to `start` where something is inserted.
        text: What replaces it.
    """

    start: int
    end: int
    text: str


def share(strength: float, units: int) -> int:
    """How many of the units are touched: the share that the strength names, rounded up.

    Args:
        strength: 0 to 1.
        units: Number of words, characters, sentences.

    Raises:
        ValueError: The strength is not between 0 and 1.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is a share between 0 and 1, not {strength}")
    # 0.1 * 30 is a little more than 3 in floating point.
    return ceil(strength * units - 1e-9)


def protected_spans(text: str, protected: Iterable[str]) -> list[Span]:
    """Where the protected strings stand, in any case; Latin ones as whole words only."""
    spans: list[Span] = []
    for string in filter(None, protected):
        before = r"(?<![A-Za-z0-9])" if re.match(r"[A-Za-z0-9]", string) else ""
        behind = r"(?![A-Za-z0-9])" if re.search(r"[A-Za-z0-9]$", string) else ""
        spans += [found.span() for found in re.finditer(before + re.escape(string) + behind, text, re.IGNORECASE)]
    return spans


def fixed_spans(text: str, protected: Iterable[str] = ()) -> list[Span]:
    """What no perturbation touches: the protected strings, addresses, names of accounts, topics, and markup."""
    return protected_spans(text, protected) + [found.span() for found in FIXED.finditer(text)]


def decisive_spans(text: str, protected: Iterable[str] = ()) -> list[Span]:
    """What a perturbation of words or characters leaves alone to keep the label: negations and numbers, too."""
    return fixed_spans(text, protected) + [found.span() for found in DECISIVE.finditer(text)]


def is_decisive(sign: str) -> bool:
    """Whether a Chinese character negates or is a numeral, so that it must not get into a text either."""
    return sign in NUMERALS or DECISIVE.match(sign) is not None


def make_edits(
    text: str, edits: Sequence[Edit], units: int, strength: float, generator: Random, avoid: Iterable[Span]
) -> str:
    """Make a random selection of the possible edits.

    Args:
        text: The text.
        edits: All that are possible; they may overlap, of two that do only one is made.
        units: Of how many words, characters or sentences the strength is a share.
        strength: Share of the units that are touched, 0 to 1.
        generator: Draws the selection.
        avoid: Parts of the text that stay as they are.

    Returns:
        The text with as many edits as the strength asks for, or as many as are possible.

    Raises:
        ValueError: The strength is not between 0 and 1.
    """
    wanted = share(strength, units)
    owners = [0] * (len(text) + 1)
    for number, (start, end) in enumerate(_merged(avoid), start=1):
        owners[start:end] = [number] * (end - start)
    taken = len(text)
    chosen: list[Edit] = []
    for edit in generator.sample(edits, len(edits)):
        if len(chosen) >= wanted:
            break
        if _is_free(owners, edit):
            taken += 1
            owners[edit.start : edit.end] = [taken] * (edit.end - edit.start)
            chosen.append(edit)
    return apply(text, chosen)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all of these edits, none of which overlap."""
    parts = []
    place = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[place : edit.start], edit.text]
        place = edit.end
    return "".join([*parts, text[place:]])


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Overlapping spans as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _is_free(owners: Sequence[int], edit: Edit) -> bool:
    """Whether an edit touches nothing that is owned; insertions may stand between two owned parts, not inside one."""
    if edit.start < edit.end:
        return not any(owners[edit.start : edit.end])
    return not edit.start or not owners[edit.start] or owners[edit.start - 1] != owners[edit.start]
