"""Metrics of instructions that can be checked on the text: lengths, keywords, forms, language.

The constraints of an item stand in its field ``constraints``: a list of mappings with a ``kind``, one of `KINDS`, and
the keyword arguments of its function here, such as ``{"kind": "words", "at_least": 50, "at_most": 100}``. What is
checked is the output as it was generated. All kinds work on English and Chinese texts.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, ValidationError, validate_call

from tunelift.core.errors import UserError, nearest, shorten_text
from tunelift.evaluation.metrics.counts import ratio
from tunelift.evaluation.metrics.metric import Array, Metric, Outcome, mean_metric, sums_metric

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
KANA = "\u3040-\u30ff"
LETTER = rf"[^\W_{HAN}{KANA}]"
WORD = re.compile(rf"{LETTER}+(?:['’-]{LETTER}+)*|[{HAN}{KANA}]")
# Full stops that end no sentence: after a title, an abbreviation or an initial.
ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|[A-Z])\.(?=\s+\S)")
SENTENCE_END = re.compile(r"[。！？]+[”’」』）\"')]*|(?:[.!?]+|…+)[\"'”’)\]]*(?=\s|$)")
BULLET = re.compile(r"^[ \t]*[-*+•·‣▪◦●][ \t]+\S", re.MULTILINE)
NUMBERED = re.compile(r"^[ \t]*(?:\d+[.)、．]|[(（]\d+[)）])[ \t]*\S", re.MULTILINE)
FENCE = re.compile(r"\A```\w*\n(.*)\n```\Z", re.DOTALL)
QUOTES = ('""', "“”", "「」", "『』", "«»")


def words_of(text: str) -> list[str]:
    """Words of a text; each Chinese or Japanese character is one, as word processors count."""
    return WORD.findall(text)


def sentences_of(text: str) -> list[str]:
    """Sentences of a text: up to an end mark or a blank line, whatever comes first."""
    pieces = []
    for block in re.split(r"\n\s*\n", ABBREVIATION.sub(lambda match: match[0].replace(".", "\0"), text)):
        pieces += SENTENCE_END.sub(lambda match: match[0] + "\n\n", block).split("\n\n")
    return [piece.replace("\0", ".").strip() for piece in pieces if WORD.search(piece)]


def paragraphs_of(text: str) -> list[str]:
    """Paragraphs of a text, between blank lines; its lines, as in Chinese texts, where there is no blank line."""
    pieces = re.split(r"\n\s*\n", text.strip())
    return [piece for piece in (pieces if len(pieces) > 1 else text.split("\n")) if piece.strip()]


def words(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of words, see `words_of`, lies between two limits, both included."""
    return _between(len(words_of(text)), at_least, at_most)


def characters(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of characters without white space lies between two limits."""
    return _between(len("".join(text.split())), at_least, at_most)


def sentences(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of sentences, see `sentences_of`, lies between two limits."""
    return _between(len(sentences_of(text)), at_least, at_most)


def paragraphs(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of paragraphs, see `paragraphs_of`, lies between two limits."""
    return _between(len(paragraphs_of(text)), at_least, at_most)


def bullets(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of lines that begin with a bullet lies between two limits."""
    return _between(len(BULLET.findall(text)), at_least, at_most)


def numbered_items(text: str, *, at_least: int = 0, at_most: int | None = None) -> bool:
    """The number of lines that begin with a number, such as ``1.`` or ``（1）``, lies between two limits."""
    return _between(len(NUMBERED.findall(text)), at_least, at_most)


def include(text: str, *, keywords: list[str], at_least: int = 1, at_most: int | None = None) -> bool:
    """Each keyword occurs a number of times: whole words, in any case."""
    return all(_between(_occurrences(keyword, text), at_least, at_most) for keyword in keywords)


def exclude(text: str, *, keywords: list[str]) -> bool:
    """No keyword occurs: whole words, in any case."""
    return not any(_occurrences(keyword, text) for keyword in keywords)


def json_format(text: str) -> bool:
    """The whole text is JSON; a Markdown fence may surround it."""
    stripped = text.strip()
    fenced = FENCE.match(stripped)
    try:
        json.loads(fenced[1] if fenced else stripped)
    except (ValueError, RecursionError):
        return False
    return True


def starts_with(text: str, *, phrase: str) -> bool:
    """The text begins with a phrase, in any case."""
    return _folded(text).strip().startswith(_folded(phrase).strip())


def ends_with(text: str, *, phrase: str) -> bool:
    """The text ends with a phrase, in any case."""
    return _folded(text).strip().endswith(_folded(phrase).strip())


def upper_case(text: str) -> bool:
    """The text has letters with a case, and all are capitals."""
    return text.isupper()


def lower_case(text: str) -> bool:
    """The text has letters with a case, and none is a capital."""
    return text.islower()


def no_comma(text: str) -> bool:
    """The text has no comma; the Chinese enumeration comma is none."""
    return not set(text) & set(",，﹐")


def quoted(text: str) -> bool:
    """The whole text stands in double quotation marks or Chinese brackets."""
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] + stripped[-1] in QUOTES


def language(text: str, *, code: Literal["en", "zh"]) -> bool:
    """Most of the words are of the script of a language.

    This tells Chinese from English, and both from languages of other scripts. It does not tell English from other
    languages in Latin script, nor Chinese from Japanese that uses no kana.
    """
    found = words_of(text)
    latin = sum(bool(re.match("[A-Za-z\u00c0-\u024f]", word)) for word in found)
    han = sum(bool(re.match(f"[{HAN}]", word)) for word in found)
    return bool(found) and (latin if code == "en" else han) * 2 > len(found)


KINDS: dict[str, Callable[..., bool]] = {
    function.__name__: function
    for function in (
        words,
        characters,
        sentences,
        paragraphs,
        bullets,
        numbered_items,
        include,
        exclude,
        json_format,
        starts_with,
        ends_with,
        upper_case,
        lower_case,
        no_comma,
        quoted,
        language,
    )
}


def satisfied(text: str, constraint: Mapping[str, Any]) -> bool:
    """Whether a text meets a constraint.

    Args:
        text: The text.
        constraint: ``kind`` and the keyword arguments of the function of that name.

    Raises:
        UserError: The kind is unknown, or an argument is missing, unknown or of the wrong type.
    """
    arguments = dict(constraint)
    kind = arguments.pop("kind", None)
    if kind not in KINDS:
        raise UserError("constraints", f"unknown kind {shorten_text(kind)}", nearest(str(kind), KINDS))
    try:
        return _checker(kind)(text, **arguments)
    except ValidationError as error:
        first = error.errors()[0]
        argument = ".".join(map(str, first["loc"]))
        hint = "see the arguments of this kind in the documentation of constraints"
        raise UserError(f"constraint {kind}", f"{argument}: {first['msg']}", hint) from None


def constraints_strict() -> Metric:
    """Share of items whose constraints are all met; 0 to 1, higher is better."""
    return mean_metric("constraints", lambda outcome: float(all(_results(outcome))))


def constraints_each() -> Metric:
    """Share of constraints that are met, over all items; 0 to 1, higher is better."""
    return share_metric("constraints_each", _results)


def share_metric(name: str, results: Callable[[Outcome], Sequence[bool]]) -> Metric:
    """Share of checks that are passed, over all items; an item without checks scores 1 by itself.

    Args:
        name: Its name.
        results: Outcome to what its checks found.
    """

    def counts(outcome: Outcome) -> tuple[float, float]:
        passed = results(outcome)
        return sum(passed), len(passed)

    def of_sums(sums: Array) -> Array:
        return ratio(sums[..., 0], sums[..., 1])

    metric = sums_metric(name, counts, of_sums)
    return replace(metric, per_item=lambda sums: np.where(sums[:, 1] > 0, of_sums(sums), 1.0))


def _results(outcome: Outcome) -> list[bool]:
    constraints = outcome.fields.get("constraints")
    if not isinstance(constraints, list | tuple) or not all(isinstance(each, Mapping) for each in constraints):
        hint = 'give every row a field "constraints" like [{"kind": "words", "at_most": 50}]'
        raise UserError("metric constraints", "a row has no list of constraints", hint)
    return [satisfied(outcome.output, constraint) for constraint in constraints]


@cache
def _checker(kind: str) -> Callable[..., bool]:
    return validate_call(config=ConfigDict(strict=True))(KINDS[kind])


def _between(count: int, at_least: int, at_most: int | None) -> bool:
    return at_least <= count and (at_most is None or count <= at_most)


def _occurrences(keyword: str, text: str) -> int:
    """Non-overlapping occurrences as whole words; the characters of Chinese are words of their own."""
    pattern = re.escape(" ".join(_folded(keyword).split())).replace(r"\ ", r"\s+")
    before = rf"(?<!{LETTER})" if re.match(LETTER, keyword.strip()) else ""
    after = rf"(?!{LETTER})" if re.search(rf"{LETTER}\Z", keyword.strip()) else ""
    return len(re.findall(before + pattern + after, _folded(text))) if pattern else 0


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
