"""Negations put in and taken out: the one perturbation that is meant to change the meaning.

A task whose answers do not depend on the polarity (topic, language) keeps its labels, sentiment does not; so the share
of answers that change is what is reported, not accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from random import Random

from tunelift.evaluation.robustness.edits import Edit, Span, make_edits, protected_spans
from tunelift.evaluation.robustness.segmentation import chinese_words, english_words, sentences
from tunelift.evaluation.robustness.word_lists import read_table

AUXILIARY = "is|are|was|were|am|will|would|can|could|should|must|do|does|did"
# "won't", "cannot", "is not"; "not only" and "do not" in a request mean something else.
NEGATED = re.compile(
    rf"\b(?:(?P<irregular>won['’]t|can['’]t|cannot|shan['’]t)|(?P<verb>{AUXILIARY}|has|have|had)(?:n['’]t|\s+not))\b"
    r"(?!\s+(?:only|just|even))",
    re.IGNORECASE,
)
IRREGULAR = {"won": "will", "can": "can", "sha": "shall"}
NEGATION = re.compile(r"\b(?:not|no|never|nothing|nobody|none|neither|nor|hardly)\b|n['’]t\b", re.IGNORECASE)
QUESTIONS = frozenset({"what", "where", "when", "why", "how", "who", "which"})
AFFIRMED = re.compile(
    r"\b(?:is|are|was|were|am|will|would|can|could|should|must)\b(?=\s+[A-Za-z])(?!\s+only\b)", re.IGNORECASE
)


def negation_en(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Negate the first auxiliary verb of a sentence, or take its negation out."""
    spans = sentences(text, "en", protected_spans(text, protected))
    edits = [edit for span in spans for edit in _english(text, *span)]
    return make_edits(text, edits, len(spans), strength, generator, protected_spans(text, protected))


def negation_zh(text: str, generator: Random, strength: float, protected: Sequence[str] = ()) -> str:
    """Negate the first verb or adjective of a sentence that can be negated, or take its negation out.

    Raises:
        UserError: jieba is not installed.
    """
    spans = sentences(text, "zh", protected_spans(text, protected))
    negatable = frozenset(word for (word,) in read_table("negatable.zh"))
    words = chinese_words(text)
    edits = [
        edit
        for start, end in spans
        for edit in _chinese(text, [word for word in words if start <= word[0] < end], negatable)
    ]
    return make_edits(text, edits, len(spans), strength, generator, protected_spans(text, protected))


def _english(text: str, start: int, end: int) -> list[Edit]:
    """At most one edit of a sentence, so that its polarity changes once."""
    found = NEGATED.search(text, start, end)
    if found:
        whole = found["irregular"]
        verb = IRREGULAR[whole[:3].lower()] if whole else found["verb"]
        return [Edit(*found.span(), verb.capitalize() if whole and whole[0].isupper() else verb)]
    found = AFFIRMED.search(text, start, end)
    if found is None or NEGATION.search(text, start, end) or text[start:end].rstrip("\"'”’)").endswith("?"):
        return []
    before = english_words(text[start : found.start()])
    # "Could you", "Where is": the order of a question, with or without its mark.
    if not before or text[start:][slice(*before[-1])].lower() in QUESTIONS:
        return []
    return [Edit(found.end(), found.end(), " NOT" if found[0].isupper() else " not")]


def _chinese(text: str, words: Sequence[Span], negatable: Container[str]) -> list[Edit]:
    """At most one edit of a sentence, so that its polarity changes once."""
    said = [text[slice(*word)] for word in words]
    for at, (start, end) in enumerate(words):
        word, before, behind = said[at], said[at - 1] if at else "", said[at + 1] if at + 1 < len(said) else ""
        if word == "没有" or (word[0] == "不" and word[1:] in negatable and word[1:] != before):
            return [Edit(start, end, word[1:])]
        if word == "不" and behind in negatable and behind != before:
            return [Edit(start, end, "")]
        # 能不能 asks; 没 and 不 before it negate it already.
        if word in negatable and before not in ("不", "没", "别", "没有") and not behind.startswith("不"):
            return [Edit(start, start, "没" if word == "有" else "不")]
    return []
