"""The same words, clauses and sentences in another order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from tunelift.evaluation.robustness.edits import Edit, Span, decisive_spans, fixed_spans, make_edits
from tunelift.evaluation.robustness.segmentation import chinese_words, english_words, main_language, sentences

# What begins with these leans on what stands before it.
LEANING_EN = re.compile(
    r"[\"'“‘(]?(?:and|but|or|nor|so|yet|then|also|however|therefore|thus|hence|instead|otherwise|still|besides|moreover"
    r"|because|although|though|which|who|whose|whom|that|this|these|those|such|it|its|it's|he|she|they|him|her|them|his"
    r"|their|there|both|either|neither|not|especially|including|like|as|than|too|rather|again|finally|first|second|third"
    r"|next|later|meanwhile|yes|no|ok|okay|well|e\.g|i\.e)\b",
    re.IGNORECASE,
)
LEANING_ZH = re.compile(
    r"[“‘（]?(?:[\d(（①-⑳]|但|可是|可惜|不过|然而|而|所以|因此|因而|因为|由于|于是|并|另外|此外|其|首先|然后|接着|最后|最终|后来|它|他|她|这|那|该|此|否则"
    "|也|还|又|同时|总之|总的|总体|尤其|特别是|就|才|却|则|甚至|反而|只是|结果|再|都|连|更|以及|或|和|即|如|要不|除|虽|尽管|如果|只要|当|导致|至于|哪里|没想到|谁知|谁想|不是|没什么|说|称|让|使|害|倒|像|好像|比如|例如|为|关于|对于|我就|我都)"
)
SUBORDINATE = re.compile(
    r"(?:if|when|whenever|while|although|though|even though|because|since|unless|until|after|before|once|as soon as"
    r"|as long as|despite|due to|thanks to|in spite of)\b",
    re.IGNORECASE,
)
CONNECTED = re.compile(r"(?:and|but|or|nor|so|then|yet|which|who|whose|that|not)\b", re.IGNORECASE)
ENGLISH_COMMA, CHINESE_COMMA = re.compile(r",\s+"), re.compile(r"[，；]\s*")
ENGLISH_STOP, CHINESE_STOP = re.compile(r"[.!?]+$"), re.compile("[。！？!?…]+$")
ENDED = re.compile("[.!?。！？…][\"'”’」』）)]*$")
FEWEST_WORDS, FEWEST_SIGNS = 3, 4  # shorter parts between commas are items of a list, or no clauses


def word_order_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two words that stand side by side."""
    words = english_words(text)
    pairs = [(a, b) for a, b in pairwise(words) if text[a[1] : b[0]] == " "]
    # Half of a word with a hyphen is no word.
    whole = [(a, b) for a, b in pairs if "-" not in (text[a[0] - 1 : a[0]], text[b[1] : b[1] + 1])]
    edits = _swaps(text, whole)
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


def word_order_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two words that stand side by side.

    Raises:
        UserError: jieba is not installed.
    """
    words = chinese_words(text)
    edits = _swaps(text, [(a, b) for a, b in pairwise(words) if a[1] == b[0]])
    return make_edits(text, edits, len(words), strength, generator, decisive_spans(text, protected))


def clause_order_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Put the clause that a sentence begins with behind the other ("If a, b." becomes "B if a.")."""
    whole = fixed_spans(text, protected)
    spans = sentences(text, "en", whole)
    edits = []
    for start, end in spans:
        clauses = _clauses(text, (start, end), ENGLISH_COMMA, ENGLISH_STOP, whole)
        said = [text[slice(*clause)] for clause in clauses]
        if len(said) != 2 or not SUBORDINATE.match(said[0]) or CONNECTED.match(said[1]):
            continue
        if min(len(part.split()) for part in said) >= FEWEST_WORDS:
            first = said[1] if _is_within(clauses[1][0], whole) else said[1][0].upper() + said[1][1:]
            edits.append(Edit(start, clauses[1][1], f"{first} {said[0][0].lower()}{said[0][1:]}"))
    # Its first letter changes, which a protected one may not.
    edits = [edit for edit in edits if not _is_within(edit.start, whole)]
    return make_edits(text, edits, len(spans), strength, generator, ())


def clause_order_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two clauses between commas where neither begins with a word that leans on the other."""
    whole = fixed_spans(text, protected)
    spans = sentences(text, "zh", whole)
    pairs = [pair for span in spans for pair in pairwise(_clauses(text, span, CHINESE_COMMA, CHINESE_STOP, whole))]
    edits = _swaps(text, [pair for pair in pairs if all(_stands_alone(text[slice(*part)]) for part in pair)])
    return make_edits(text, edits, len(spans), strength, generator, ())


def sentence_order_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two sentences where neither begins with a word that leans on what stands before."""
    return _sentence_order(text, "en", LEANING_EN, generator, strength, protected)


def sentence_order_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Swap two sentences where neither begins with a word that leans on what stands before."""
    return _sentence_order(text, "zh", LEANING_ZH, generator, strength, protected)


def _sentence_order(
    text: str, language: str, leaning: re.Pattern[str], generator: Random, strength: float, protected: Sequence[str]
) -> str:
    spans = sentences(text, language, fixed_spans(text, protected))
    movable = {span for span in spans if ENDED.search(text[slice(*span)]) and not leaning.match(text[slice(*span)])}
    pairs = [(first, second) for first, second in pairwise(spans) if {first, second} <= movable]
    edits = _swaps(text, pairs) if main_language(text) == language else []
    return make_edits(text, edits, len(spans), strength, generator, ())


def _clauses(
    text: str, sentence: Span, comma: re.Pattern[str], stop: re.Pattern[str], whole: Sequence[Span]
) -> list[Span]:
    """The parts of a sentence between its commas, without what ends it; no part that has to stay whole is cut."""
    start, end = sentence
    ended = stop.search(text[start:end])
    marks = [
        found.span()
        for found in comma.finditer(text, start, end)
        if not any(first < found.end() and found.start() < last for first, last in whole)
    ]
    starts = [start, *(mark[1] for mark in marks)]
    ends = [*(mark[0] for mark in marks), start + ended.start() if ended else end]
    return list(zip(starts, ends, strict=True))


def _stands_alone(clause: str) -> bool:
    return len(clause) >= FEWEST_SIGNS and not LEANING_ZH.match(clause)


def _is_within(place: int, spans: Sequence[Span]) -> bool:
    return any(start <= place < end for start, end in spans)


def _swaps(text: str, pairs: Sequence[tuple[Span, Span]]) -> list[Edit]:
    """Each pair of parts in the other order, with what stands between them."""
    return [
        Edit(first[0], second[1], text[slice(*second)] + text[first[1] : second[0]] + text[slice(*first)])
        for first, second in pairs
    ]
