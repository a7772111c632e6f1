"""Which of the possible answers a text gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tunelift.core.texts import normalise_answer


def parse_choice(
    output: str, choices: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None, strict: bool = False
) -> str | None:
    """The choice that an output gives.

    Args:
        output: The generated text.
        choices: The possible answers.
        synonyms: Other wordings of choices.
        strict: Take only an output that is a choice or a synonym, but for case and the signs around it; do not look
            for one inside it.

    Returns:
        The choice that the output equals or, failing that, the only one it mentions as whole words. None when the
        output is empty, mentions no choice, or mentions several.
    """
    if output.strip() in choices:
        return output.strip()
    text = normalise_answer(output)
    meanings: dict[str, set[str]] = {}
    for choice in choices:
        for wording in (choice, *(synonyms or {}).get(choice, ())):
            meanings.setdefault(normalise_answer(wording), set()).add(choice)
    said = {text} if text in meanings else set() if strict else mentions(text, list(meanings))
    meant = set().union(*(meanings[wording] for wording in said))
    return meant.pop() if len(meant) == 1 else None


def mentions(text: str, names: list[str]) -> set[str]:
    """The names that stand in a text as whole words; a name inside a longer one does not count.

    Args:
        text: A text, normalised as the names are.
        names: What is looked for.
    """
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    alternatives = "|".join(re.escape(name) for name in longest_first)
    return set(re.findall(bounded_pattern(alternatives), text)) if longest_first else set()


def bounded_pattern(alternatives: str) -> str:
    """A pattern for whole words in scripts that have boundaries; Chinese and Japanese characters are their own.

    Args:
        alternatives: A regular expression.
    """
    letter = r"[^\W_\u3040-\u30ff\u3400-\u9fff]"
    return rf"(?<!{letter})(?:{alternatives})(?!{letter})"
