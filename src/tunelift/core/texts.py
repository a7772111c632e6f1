"""The form in which answers are compared, and patterns that are searched for in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from tunelift.core.errors import UserError

# Around an answer these say nothing. Signs that can be part of one ("-1", "C++", ".5") are not among them.
SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))  # there is no white space beyond
QUOTES = SPACE + "\"'`“”‘’«»「」『』《》【】()[]{}<>*_:"
MARKS = ".,;!?。、…"
PATTERN_SECONDS = 2  # for one text; a pattern can take longer than anybody lives


class EndlessPatternError(UserError):
    """A pattern takes too long on a text; it would hardly do better on others."""


@contextmanager
def ended_patterns(where: str, pattern: str) -> Iterator[None]:
    """Make an error that names a pattern of what the package ``regex`` raises after its `timeout`."""
    try:
        yield
    except TimeoutError as error:
        what = f"the pattern {pattern} takes more than {PATTERN_SECONDS} seconds on one text"
        hint = "make it simpler; a repetition inside of a repetition can take years"
        raise EndlessPatternError(where, what, hint) from error


def normalise_answer(text: str) -> str:
    """Unicode NFKC, case folded, without white space, quotes and punctuation around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.lstrip(QUOTES).rstrip(QUOTES + MARKS) or folded.strip()
