"""Negations put in and taken out: the one change of a text that is meant to change what it says.

A task whose answers do not depend on it (topic, language) keeps them, sentiment does not; so what is reported is the
share of answers that change, and no accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.evaluation.robustness.chinese_negation import chinese_edit
from tunelift.evaluation.robustness.edits import Edit, apply, fixed_spans
from tunelift.evaluation.robustness.english_negation import english_edit
from tunelift.evaluation.robustness.segmentation import sentences


def negate(text: str, language: str, protected: Sequence[str] = ()) -> str | None:
    """A text whose first sentence that can be is negated, or has its negation taken out.

    Args:
        text: The text.
        language: "en" or "zh".
        protected: Strings that survive wherever they stand.

    Returns:
        The text; None where no sentence can be negated for certain.

    Raises:
        UserError: jieba is not installed for Chinese.
    """
    edit_of = english_edit if language == "en" else chinese_edit
    kept = fixed_spans(text, protected)
    for start, end in sentences(text, language, kept):
        found = edit_of(text[start:end])
        if found:
            edit = Edit(start + found.start, start + found.end, found.text)
            if not any(first < edit.end and edit.start < last for first, last in kept):
                return apply(text, [edit])
    return None
