"""From what a model said to the answer it gave; what cannot be parsed stays None and is counted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence


def normalise(text: str) -> str:
    """Unicode NFKC, case folded, without white space and punctuation around it."""
    return _strip(unicodedata.normalize("NFKC", text).casefold())


def _strip(text: str) -> str:
    start, end = 0, len(text)
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return text[start:end] or text.strip()


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
    wanted = {normalise(choice): choice for choice in choices}
    text = normalise(output)
    if text in wanted:
        return wanted[text]
    mentioned = _mentions(text, list(wanted))
    return wanted[mentioned.pop()] if len(mentioned) == 1 else None


def _mentions(text: str, names: list[str]) -> set[str]:
    """The names that stand in a text as whole words; a name inside a longer one does not count."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in longest_first)
    return set(re.findall(_bounded(alternatives), text)) if longest_first else set()


def _bounded(alternatives: str) -> str:
    """Word boundaries for scripts that have them; Chinese and Japanese characters are their own."""
    letter = r"[^\W\u3040-\u30ff\u3400-\u9fff]"
    return rf"(?<!{letter})(?:{alternatives})(?!{letter})"
