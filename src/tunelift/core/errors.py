"""The one exception that a user is meant to see."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any

LONGEST = 60


class UserError(Exception):
    """Something the user must change; the command line prints it as one line and exits with status 2.

    Args:
        where: The place, as precise as possible: a file with its line, a recipe key, a model name.
        what: What is wrong there.
        hint: What to do about it.
    """

    def __init__(self, where: object, what: str, hint: str) -> None:
        self.where = str(where)
        self.what = what
        self.hint = hint
        super().__init__(" ".join(f"{self.where}: {what} - {hint}".splitlines()))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or what it is where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(name: str, valid: Iterable[str]) -> str:
    """Words that lead a user from a misspelt name to the valid ones.

    Args:
        name: What the user wrote.
        valid: The names that would have been accepted.

    Returns:
        A hint: the nearest valid name if one is near, all of them otherwise.
    """
    names = sorted(valid)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f'did you mean "{matches[0]}"?' if matches else "valid here: " + ", ".join(map(_cut, names))


def shorten(items: Iterable[object], limit: int = 5) -> str:
    """The first few items as text, with a count of the rest: ``3, 8, 12 and 40 more``."""
    values = [str(item) for item in items]
    shown = ", ".join(values[:limit])
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"


def shorten_text(value: Any) -> str:
    """A value as JSON, cut for an error message."""
    return _cut(json.dumps(value, ensure_ascii=False, default=repr, skipkeys=True))


def _cut(text: str) -> str:
    """A text of at most LONGEST characters; columns of a file without a header can be called as whole rows."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def counted(number: int, noun: str) -> str:
    """A count and its noun, whose plural ends in "s": ``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
