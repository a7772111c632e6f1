"""Where the words and sentences of English and Chinese texts begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tunelift.core.chinese import word_splitter
from tunelift.evaluation.robustness.edits import FIXED, HAN, Span

ENGLISH_WORD = re.compile(r"(?<!\w)[A-Za-z]+(?:['’][A-Za-z]+)*(?!\w)")
CHINESE_SIGN = re.compile(f"[{HAN}]")
# "Mr. Smith", "U.S. team" and "e.g. this" go on; "It works. The rest" does not.
ENGLISH_END = re.compile(r"(?<!\b[A-Za-z])(?<!\b(?:Mr|Ms|Dr|St|vs))(?<!\bMrs)[.!?]++[\"'”’)]*+\s+(?=[\"'“‘(]?[A-Z])")
CHINESE_END = re.compile(r"[。！？!?…]++[”’」』）)]*+\s*+(?![，、；,;])")


def english_words(text: str) -> list[Span]:
    """The words of Latin letters but for addresses, markup, and those that adjoin Chinese characters."""
    hidden = FIXED.sub(lambda found: "\0" * len(found[0]), text)
    return [found.span() for found in ENGLISH_WORD.finditer(hidden)]


def chinese_signs(text: str) -> list[int]:
    """The places of Chinese characters."""
    return [found.start() for found in CHINESE_SIGN.finditer(text)]


def chinese_words(text: str) -> list[Span]:
    """The Chinese words of a text by jieba, without punctuation and what is not Chinese.

    Raises:
        UserError: jieba is not installed.
    """
    spans = [(start, end) for _, start, end in word_splitter("robustness").tokenize(text)]
    return [(start, end) for start, end in spans if all(map(CHINESE_SIGN.match, text[start:end]))]


def main_language(text: str) -> str | None:
    """The language of most of a text, "zh" or "en"; None where it has no words."""
    signs, words = len(chinese_signs(text)), len(english_words(text))
    if signs >= words:
        return "zh" if signs else None
    return "en"


def sentences(text: str, language: str, whole: Iterable[Span] = ()) -> list[Span]:
    """The sentences of a text with the marks that end them, without the white space between them.

    Args:
        text: The text.
        language: "en" or "zh".
        whole: Parts that no sentence may end within.
    """
    pattern = CHINESE_END if language == "zh" else ENGLISH_END
    spans = list(whole)
    places = [found.end() for found in pattern.finditer(text)]
    ends = [place for place in places if not any(start < place < end for start, end in spans)]
    found = []
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        part = text[start:end]
        if part.strip():
            found.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))
    return found
