"""Which of the possible answers a text gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tunelift.core.texts import normalise_answer

# Directly before a name. "Neither ... nor" and the like name several choices, which is no answer in any case.
NEGATION = re.compile(
    r"(?:\b(?:not|never|no|non|cannot|\w+n['’]t)[\s-]+(?:(?:an?|the|really|very|at\s+all)\s+)?|不是?|非|没有)\Z"
)
LONGEST_NEGATION = 30
# The English word, where an answer can be the letter.
ARTICLE = re.compile(r"\ba\s+(?=[a-z])")


class Said(NamedTuple):
    """What an output says of the possible answers.

    Attributes:
        mentioned: The choices that it mentions.
        affirmed: Those of them that do not stand behind a negation everywhere.
    """

    mentioned: set[str]
    affirmed: set[str]


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
        output is empty, mentions no choice, mentions several, or mentions one only to deny it ("not positive").
    """
    if output.strip() in choices:
        return output.strip()
    said = said_choices(output, choices, synonyms, strict)
    return said.affirmed.pop() if len(said.mentioned) == len(said.affirmed) == 1 else None


def said_choices(
    output: str, choices: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None, strict: bool = False
) -> Said:
    """The choices that an output equals or, failing that, mentions as whole words; arguments as in `parse_choice`."""
    meanings: dict[str, set[str]] = {}
    wordings = [(wording, choice) for choice in choices for wording in (choice, *(synonyms or {}).get(choice, ()))]
    for wording, choice in wordings:
        meanings.setdefault(normalise_answer(wording), set()).add(choice)
    text = normalise_answer(output)
    if text in meanings:
        return Said(meanings[text], meanings[text])
    if strict:
        return Said(set(), set())
    if "A" in (wording for wording, _ in wordings):
        text = normalise_answer(ARTICLE.sub("", output))
    named = [(name, NEGATION.search(text[max(0, at - LONGEST_NEGATION) : at])) for name, at in mentions(text, meanings)]
    mentioned = set[str]().union(*(meanings[name] for name, _ in named))
    return Said(mentioned, set[str]().union(*(meanings[name] for name, negation in named if not negation)))


def mentions(text: str, names: Iterable[str]) -> list[tuple[str, int]]:
    """The names that stand in a text as whole words, and where; a name inside a longer one does not count.

    Args:
        text: A text, normalised as the names are.
        names: What is looked for.
    """
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    pattern = bounded_pattern("|".join(re.escape(name) for name in longest_first))
    return [(match[0], match.start()) for match in re.finditer(pattern, text)] if longest_first else []


def bounded_pattern(alternatives: str) -> str:
    """A pattern for whole words in scripts that have boundaries; Chinese and Japanese characters are their own.

    Args:
        alternatives: A regular expression.
    """
    letter = r"[^\W_\u3040-\u30ff\u3400-\u9fff]"
    return rf"(?<!{letter})(?:{alternatives})(?!{letter})"
