"""Columns that stand under each other in a terminal, in any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence


def display_width(text: str) -> int:
    """Columns that a text takes in a terminal: two for wide characters, none for combining ones (UAX #11)."""
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def align(rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: str = "   ") -> list[str]:
    """Rows of cells as lines of equal columns; a column that is empty in every row is left out.

    Args:
        rows: Rows with the same number of cells.
        right: The columns that are aligned to the right.
        gap: Between two columns.
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    shown = [index for index, width in enumerate(widths) if width]
    return [gap.join(_pad(row[i], widths[i], i in right) for i in shown).rstrip() for row in rows]


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space
