"""Answers that should not depend on who a text speaks of: names, genders and regions exchanged in a user's own items.

A swap is all or nothing: where it would touch an answer choice, or knows no way to stay grammatical, the text has
none. Meant for items whose right answer does not depend on who it is; "What is the capital of France?" does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from tunelift.core.errors import UserError, nearest
from tunelift.evaluation.robustness.edits import FIXED, Edit, apply, protected_spans
from tunelift.evaluation.safety.chinese_swaps import chinese_edits
from tunelift.evaluation.safety.english_swaps import english_edits
from tunelift.evaluation.safety.tables import check_language

KINDS = ("name", "gender", "region")
# Between the fields of an item, which are changed together so that a person has one name in all of them.
SEPARATOR = "\0"


def swap(text: str, language: str, kind: str, generator: Random, protected: Sequence[str] = ()) -> str | None:
    """A text with all its names, genders or regions exchanged; every mention of one the same way.

    Args:
        text: The text.
        language: "en" or "zh".
        kind: "name", "gender" or "region".
        generator: Draws what stands there instead.
        protected: Strings that have to survive wherever they stand: the answer choices.

    Returns:
        The text; None where nothing can be exchanged.

    Raises:
        UserError: The language or the kind is unknown, or jieba is not installed for Chinese.
    """
    check_language(language)
    if kind not in KINDS:
        raise UserError("swaps", f'there is no swap "{kind}"', nearest(kind, KINDS))
    found = english_edits(text, kind, generator) if language == "en" else chinese_edits(text, kind, generator)
    # Addresses, names of accounts and markup are no mentions.
    fixed = [place.span() for place in FIXED.finditer(text)]
    edits = [edit for edit in found if not _touches(edit, fixed)]
    kept = protected_spans(text, protected)
    if not edits or any(_touches(edit, kept) for edit in edits):
        return None
    result = apply(text, edits)
    return result if result != text else None


def swap_fields(
    fields: Mapping[str, Any],
    names: Sequence[str],
    language: str,
    kind: str,
    generator: Random,
    choices: Sequence[str] = (),
) -> dict[str, Any] | None:
    """The fields of an example with names, genders or regions exchanged, the same way in all of them.

    Args:
        fields: Of the example; they are not changed.
        names: The fields that are part of the question; those that are no texts stay as they are.
        language: "en" or "zh".
        kind: "name", "gender" or "region".
        generator: Draws what stands there instead.
        choices: The answer choices.

    Returns:
        All fields; None where nothing can be exchanged.

    Raises:
        UserError: See `swap`.
    """
    texts = {name: fields[name] for name in names if isinstance(fields.get(name), str)}
    if any(SEPARATOR in text for text in texts.values()):
        return None
    swapped = swap(SEPARATOR.join(texts.values()), language, kind, generator, choices)
    if swapped is None:
        return None
    return {**fields, **dict(zip(texts, swapped.split(SEPARATOR), strict=True))}


def _touches(edit: Edit, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start < edit.end and edit.start < end for start, end in spans)
