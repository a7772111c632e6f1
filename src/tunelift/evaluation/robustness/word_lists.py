"""The tables of words, characters and sentences that perturbations draw from; written for this package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tunelift.evaluation.tables import read_rows

FOLDER = Path(__file__).with_name("data")


def read_table(name: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table.

    Args:
        name: Its file without the ending.
    """
    return read_rows(FOLDER / f"{name}.tsv")


@cache
def words_by_kind(name: str) -> dict[str, tuple[str, ...]]:
    """The words of a table whose rows begin with the kind of their words, by kind.

    Args:
        name: The table.
    """
    found: dict[str, tuple[str, ...]] = {}
    for kind, *words in read_table(name):
        found[kind] = (*found.get(kind, ()), *words)
    return found


@cache
def alternatives(name: str) -> dict[str, tuple[str, ...]]:
    """For every entry of a table of groups, the others of its group.

    Args:
        name: The table; no entry stands in two of its groups.
    """
    return {
        entry.casefold(): tuple(other for other in group if other != entry)
        for group in read_table(name)
        for entry in group
    }


@cache
def spelt(name: str) -> dict[str, str]:
    """The entries of a table by their case-folded form."""
    return {entry.casefold(): entry for group in read_table(name) for entry in group}
