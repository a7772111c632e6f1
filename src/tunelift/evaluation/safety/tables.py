"""The tables of sentences and words of this folder; written for this package."""

from __future__ import annotations

from pathlib import Path

from tunelift.core.errors import UserError
from tunelift.evaluation.tables import read_rows

FOLDER = Path(__file__).with_name("data")
LANGUAGES = ("en", "zh")


def read_table(name: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a table.

    Args:
        name: Its file without the ending.
    """
    return read_rows(FOLDER / f"{name}.tsv")


def check_language(language: str) -> None:
    """Refuse a language that there are no tables of.

    Raises:
        UserError: It is neither "en" nor "zh".
    """
    if language not in LANGUAGES:
        raise UserError("safety", f'there are no word lists for the language "{language}"', "set language: en or zh")
