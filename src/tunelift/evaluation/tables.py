"""The tables of words and sentences that stand in the ``data`` folders beside the modules which use them."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def read_rows(file: Path) -> tuple[tuple[str, ...], ...]:
    """The rows of a table.

    Args:
        file: Fields between tabs, ``#`` before comments.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(tuple(line.split("\t")) for line in lines if line and not line.startswith("#"))
