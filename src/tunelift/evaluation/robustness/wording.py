"""Other words for the same: synonyms, spellings, contractions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from tunelift.evaluation.robustness.edits import Edit, decisive_spans, fixed_spans, make_edits
from tunelift.evaluation.robustness.segmentation import chinese_words, english_words
from tunelift.evaluation.robustness.word_lists import alternatives, read_table, spelt

WORD_START, WORD_END = r"(?<![\w'’-])", r"(?![\w'’-])"
ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
# By its sound: an hour, but a university.
VOWEL = re.compile(r"(?!uni|use|usu|uti|eu|one\b|once\b)(?:[aeiou]|hour|honest)", re.IGNORECASE)
# "It's been" is "it has been".
HAS = re.compile(r"\s+(?:been|got|had|gone|become)\b", re.IGNORECASE)


def synonyms_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a word or phrase by one of the same meaning, from a list written for this package."""
    edits = table_edits(text, "synonyms.en", generator)
    return make_edits(text, edits, len(english_words(text)), strength, generator, decisive_spans(text, protected))


def synonyms_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Replace a word by one of the same meaning, from a list written for this package.

    Raises:
        UserError: jieba is not installed.
    """
    table = alternatives("synonyms.zh")
    words = chinese_words(text)
    edits = [
        Edit(start, end, generator.choice(table[text[start:end]])) for start, end in words if text[start:end] in table
    ]
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


def spellings_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Write a word as the British or as the Americans do."""
    edits = table_edits(text, "spellings.en", generator)
    return make_edits(text, edits, len(english_words(text)), strength, generator, fixed_spans(text, protected))


def contractions_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Contract two words (it is by it's), or write a contraction in full."""
    edits = list(_contraction_edits(text))
    return make_edits(text, edits, len(english_words(text)), strength, generator, fixed_spans(text, protected))


def table_edits(text: str, name: str, generator: Random) -> list[Edit]:
    """Replacements of the words and phrases of a table of groups, each by another of its group."""
    table = alternatives(name)
    return [
        article_edit(text, *found.span(), recase(found[0], spelt(name)[found[0].casefold()], other))
        for found in _pattern(name).finditer(text)
        for other in [generator.choice(table[found[0].casefold()])]
    ]


def recase(found: str, entry: str, other: str) -> str:
    """A replacement in the case of what was found: as listed, all capitals, or with one capital."""
    if found == entry or not found[0].isupper():
        return other
    return other.upper() if len(found) > 1 and found.isupper() else other[0].upper() + other[1:]


def article_edit(text: str, start: int, end: int, replacement: str) -> Edit:
    """The replacement of a word, together with the article before it where "a" and "an" have to change."""
    article = ARTICLE.search(text, max(0, start - 8), start)
    if article is None or (article[1].lower() == "an") == bool(VOWEL.match(replacement)):
        return Edit(start, end, replacement)
    other = article[1][0] if len(article[1]) == 2 else article[1] + "n"
    return Edit(article.start(), end, other + article[2] + replacement)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    """Any entry of a table as a whole word, the longest first."""
    entries = sorted(spelt(name), key=len, reverse=True)
    return re.compile(WORD_START + f"(?:{'|'.join(map(re.escape, entries))})" + WORD_END, re.IGNORECASE)


def _contraction_edits(text: str) -> Iterator[Edit]:
    for full, short, *only in read_table("contractions.en"):
        for found in _whole(short, text):
            if not (short.endswith("'s") and HAS.match(text, found.end())):
                yield Edit(*found.span(), recase(found[0], short, full))
        # "Yes, it is." has no short form, nor has the question "is it".
        for found in [] if only else _whole(full, text):
            if re.match(r"\s+\w", text[found.end() :]):
                yield Edit(*found.span(), recase(found[0], full, short))


def _whole(phrase: str, text: str) -> Iterator[re.Match[str]]:
    pattern = re.escape(phrase).replace("'", "['’]")
    return re.finditer(WORD_START + pattern + WORD_END, text, re.IGNORECASE)
