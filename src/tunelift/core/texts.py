"""The form in which answers are compared."""

from __future__ import annotations

import re
import unicodedata

# Around an answer these say nothing. Signs that can be part of one ("-1", "C++", ".5") are not among them.
QUOTES = r"\s\"'`“”‘’«»「」『』《》【】()\[\]{}<>*_:"
MARKS = r".,;!?。、…"
EDGES = re.compile(rf"^[{QUOTES}]+|[{QUOTES}{MARKS}]+$")


def normalise_answer(text: str) -> str:
    """Unicode NFKC, case folded, without white space, quotes and punctuation around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return EDGES.sub("", folded) or folded.strip()
