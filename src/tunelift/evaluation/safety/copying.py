"""Outputs that repeat long passages of the training texts word by word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tunelift.evaluation.metrics.tokens import MIXED
from tunelift.evaluation.safety.rates import same_number

LENGTH = 30  # words in a row, an ideograph counting as one; sayings and forms of politeness are shorter
Words = list[str]


@dataclass(frozen=True, slots=True)
class Copy:
    """The longest passage of an output that stands in a training text.

    Attributes:
        text: Number of the training text.
        words: Its length in words; an ideograph is one.
        passage: As the output has it.
    """

    text: int
    words: int
    passage: str

    def to_dict(self) -> dict[str, Any]:
        """The copy as plain data for JSON."""
        return asdict(self)


def copied(
    outputs: Sequence[str],
    training_texts: Sequence[str],
    n: int = LENGTH,
    prompts: Sequence[str] | None = None,
) -> list[Copy | None]:
    """For each output the longest passage of at least `n` words that stands in a training text.

    Case, punctuation and white space do not count.

    Args:
        outputs: What a model says.
        training_texts: The answers that it was trained to give, or all texts.
        n: Fewest words.
        prompts: What each output answers: passages that stand there are quoted from it, and do not count.

    Raises:
        ValueError: `n` is below 1, or there are not as many prompts as outputs.
    """
    if n < 1:
        raise ValueError(f"a passage has at least one word, not {n}")
    if prompts is not None:
        same_number(outputs, prompts, "outputs and prompts")
    spoken = [_words(output) for output in outputs]
    asked = [set(_runs(_words(prompt), n)) for prompt in prompts or [""] * len(outputs)]
    wanted = {run for words, known in zip(spoken, asked, strict=True) for run in _runs(words, n) if run not in known}
    trained: dict[int, Words] = {}
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, text in enumerate(training_texts):
        words = _words(text)
        for place, run in enumerate(_runs(words, n)):
            if run in wanted:
                places.setdefault(run, []).append((number, place))
                trained[number] = words
    return [_longest(*parts, places, trained, n) for parts in zip(outputs, spoken, asked, strict=True)]


def _longest(
    output: str,
    words: Words,
    known: set[tuple[str, ...]],
    places: dict[tuple[str, ...], list[tuple[int, int]]],
    trained: dict[int, Words],
    n: int,
) -> Copy | None:
    best = (0, 0, 0)
    begun: set[tuple[int, int]] = set()
    for start, run in enumerate(_runs(words, n)):
        for number, place in [] if run in known else places.get(run, []):
            # What began one word earlier in both is longer.
            if (number, place - 1) not in begun:
                best = max(best, (_common(words, start, trained[number], place), -number, -start))
        begun = set(places.get(run, []))
    length, number, start = best[0], -best[1], -best[2]
    return Copy(number, length, _passage(output, start, length)) if length else None


def _common(one: Words, start: int, other: Words, place: int) -> int:
    """How many words are the same from two places on."""
    length = 0
    while start + length < len(one) and place + length < len(other) and one[start + length] == other[place + length]:
        length += 1
    return length


def _runs(words: Words, n: int) -> Iterable[tuple[str, ...]]:
    return (tuple(words[start : start + n]) for start in range(len(words) - n + 1))


def _words(text: str) -> Words:
    return MIXED.findall(unicodedata.normalize("NFKC", text).casefold())


def _passage(output: str, start: int, length: int) -> str:
    """The words as the output has them; where folding moves them, as folded."""
    folded = unicodedata.normalize("NFKC", output)
    plain = output if len(folded) == len(output) else folded
    found = list(MIXED.finditer(plain))
    if len(found) != len(_words(output)):
        return " ".join(_words(output)[start : start + length])
    return plain[found[start].start() : found[start + length - 1].end()]
