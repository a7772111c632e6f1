"""The texts of an outcome, and the words of a text."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Outcome

ENGLISH = re.compile(r"[a-z0-9]+")
# Ideographs and kana: written without spaces, each of them counts as a word.
SIGNS = r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
SIGNS += r"\U00020000-\U0003ffff"
# Signs written onto letters, which `\w` does not know: accents, and those of Hebrew, Arabic, Indian languages and Thai.
MARKS = r"\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff\u0e31-\u0e3a\u0e47-\u0e4e"
LETTER = rf"(?:[^\W_{SIGNS}]|[{MARKS}])"
POINT = r"(?<=\d)(?:\.(?=\d)|,(?=\d{3}(?!\d)))"  # inside a number: 3.5, 1,000
MIXED = re.compile(rf"[{SIGNS}]|{LETTER}+(?:{POINT}{LETTER}+)*")


def words_of(text: str, language: str) -> list[str]:
    """The words of a text in lower case, without punctuation.

    English words are runs of ASCII letters and digits, as in the ROUGE of Lin (2004). In all other languages every
    ideograph (or kana) is a word, and a run of other letters and digits is one, also a number with its decimal point;
    full-width and half-width forms are the same.

    Args:
        text: The text.
        language: Its language: "en", "zh" or another code.
    """
    if language == "en":
        return ENGLISH.findall(text.lower())
    return MIXED.findall(unicodedata.normalize("NFKC", text).casefold())


def text_of(value: Any) -> str:
    """An answer as text: a text as it is, None as the empty text, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def answer_text(outcome: Outcome) -> str:
    """The answer; the empty text where nothing could be parsed."""
    return text_of(outcome.answer)


def reference_texts(outcome: Outcome) -> tuple[str, ...]:
    """The references, at least one.

    Raises:
        UserError: There are none.
    """
    if not outcome.references:
        raise UserError("metrics", "an item has no reference answer", "give every item its doc_to_target")
    return tuple(text_of(reference) for reference in outcome.references)
