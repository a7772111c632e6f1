"""Tags of tokens and the spans they stand for.

Tags are ``O`` outside of spans and a letter, a hyphen and the type within: ``B-PER``. A bare letter belongs to the
type "". There are four schemes. "BIO": B begins a span, I continues it. "IOB1": I begins one, too; B does only where
the span before is of the same type and ends there. "BIOES": E ends a span, S is one of a single token. "BMES": the
same with M in place of I.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from tunelift.core.errors import UserError

Scheme = Literal["BIO", "IOB1", "BMES", "BIOES"]
Span = tuple[str, int, int]

LETTERS = {"BIO": "BIO", "IOB1": "BIO", "BMES": "BMESO", "BIOES": "BIOES"}


def spans_of_tags(tags: Sequence[str], scheme: Scheme = "BIO") -> list[Span]:
    """Spans that tags stand for, from left to right.

    Tags that break the rules of the scheme are read as the CoNLL script conlleval reads them: a span goes on only
    from B or I to I or E of the same type; any other tag but O begins one, and what was not ended ends there.

    Args:
        tags: One for each token.
        scheme: Its letters.

    Returns:
        Type, first token, and the token after the last one.

    Raises:
        UserError: A tag is none of the scheme.
    """
    spans: list[Span] = []
    before = ("O", "")
    for place, tag in enumerate(tags):
        letter, kind = after = _read(tag, scheme)
        if _continues(before, after):
            spans[-1] = (kind, spans[-1][1], place + 1)
        elif letter != "O":
            spans.append((kind, place, place + 1))
        before = after
    return spans


def tags_of_spans(spans: Iterable[Span], length: int, scheme: Scheme = "BIO") -> list[str]:
    """Tags of a number of tokens, the inverse of `spans_of_tags`.

    Args:
        spans: Type, first token, and the token after the last one; in any order.
        length: Number of tokens.
        scheme: Its letters.

    Raises:
        UserError: A span is empty, reaches beyond the tokens, or overlaps another one.
    """
    tags = ["O"] * length
    end_before, kind_before = 0, ""
    for kind, start, end in sorted(spans, key=lambda span: span[1:]):
        if not end_before <= start < end <= length:
            what = f"span {start} to {end} is empty, overlaps another, or exceeds {length} tokens"
            raise UserError("tags", what, "give spans with the end behind the last token, none within another")
        follows = start == end_before and kind == kind_before and start > 0
        letters = _letters(end - start, scheme, follows)
        tags[start:end] = [f"{letter}-{kind}" if kind else letter for letter in letters]
        end_before, kind_before = end, kind
    return tags


def violations(tags: Sequence[str], scheme: Scheme = "BIO") -> int:
    """How many neighbouring tags, beginning and end of the sequence included, may not follow each other.

    Raises:
        UserError: A tag is none of the scheme.
    """
    read = [("O", ""), *(_read(tag, scheme) for tag in tags), ("O", "")]
    return sum(not _allowed(before, after, scheme) for before, after in pairwise(read))


def _read(tag: str, scheme: Scheme) -> tuple[str, str]:
    """Letter, with I for M, and type of a tag."""
    letter, hyphen, kind = tag.partition("-")
    if letter not in LETTERS[scheme] or len(letter) != 1 or (hyphen and not kind) or (letter == "O" and hyphen):
        known = ", ".join("O" if letter == "O" else f"{letter}-TYPE" for letter in LETTERS[scheme])
        raise UserError("tags", f'"{tag}" is no tag of the scheme {scheme}', f"valid here: {known}")
    return "I" if letter == "M" else letter, kind


def _continues(before: tuple[str, str], after: tuple[str, str]) -> bool:
    return before[0] in "BI" and after[0] in "IE" and before[1] == after[1]


def _allowed(before: tuple[str, str], after: tuple[str, str], scheme: Scheme) -> bool:
    if scheme == "BIO":
        return after[0] != "I" or _continues(before, after)
    if scheme == "IOB1":
        return after[0] != "B" or (before[0] in "BI" and before[1] == after[1])
    return _continues(before, after) if before[0] in "BI" else after[0] in "BSO"


def _letters(length: int, scheme: Scheme, follows: bool) -> str:
    """Letters of the tags of one span; `follows` says that one of its type stands immediately before it."""
    if scheme == "BIO" or (scheme == "IOB1" and follows):
        return "B" + "I" * (length - 1)
    if scheme == "IOB1":
        return "I" * length
    inside = "M" if scheme == "BMES" else "I"
    return "S" if length == 1 else "B" + inside * (length - 2) + "E"
