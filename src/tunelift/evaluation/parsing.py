"""From what a model said to the answer it gave; what cannot be parsed stays None and is counted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunelift.core.texts import normalise_answer


def parse_answer(output: str, choices: Sequence[str] | None) -> str | None:
    """The answer in an output.

    Args:
        output: The generated text.
        choices: The possible answers; None for a free answer, which is the text without surrounding white space.

    Returns:
        With choices: the one that the output equals or, failing that, the only one it mentions as whole words.
        None when the output is empty, mentions no choice, or mentions several.
    """
    if choices is None:
        return output.strip() or None
    if output.strip() in choices:
        return output.strip()
    text, names = normalise_answer(output), [normalise_answer(choice) for choice in choices]
    meant = {text} if text in names else _mentions(text, names)
    answers = [choice for choice, name in zip(choices, names, strict=True) if name in meant]
    return answers[0] if len(answers) == 1 else None


def _mentions(text: str, names: list[str]) -> set[str]:
    """The names that stand in a text as whole words; a name inside a longer one does not count."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in longest_first)
    return set(re.findall(_bounded(alternatives), text)) if longest_first else set()


def _bounded(alternatives: str) -> str:
    """Word boundaries for scripts that have them; Chinese and Japanese characters are their own."""
    letter = r"[^\W_\u3040-\u30ff\u3400-\u9fff]"
    return rf"(?<!{letter})(?:{alternatives})(?!{letter})"
