"""Parts of a task file: sizes of splits, how answers end, how they are read."""

from __future__ import annotations

from typing import Literal

import regex
from pydantic import Field, field_validator

from tunelift.core.config import Count, Strict


class SplitSizes(Strict):
    """How one pool of rows is divided: seeded, stratified by answer, near duplicates kept on one side.

    Attributes:
        train: Number of training examples.
        validation: Number of validation examples.
        test: Number of test examples.
        seed: The draw. It belongs to the task, so that the test set stays the same when a run's seed changes.
        similarity: Jaccard similarity of character shingles from which rows count as near duplicates. Rows that are
            made from patterns and alike by design need a higher one; at 1 only copies are left out.
        hold_out: Condition on the fields, as a Jinja expression: rows that meet it stand in none of the three, and are
            asked to see whether what was learnt carries over to them.
    """

    train: Count
    validation: Count
    test: Count
    seed: int = 7
    similarity: float = Field(0.6, gt=0, le=1)
    hold_out: str | None = Field(None, min_length=1)


class Generation(Strict):
    """How answers are generated.

    Attributes:
        until: Texts that end the answer.
        max_gen_toks: Largest number of new tokens.
        do_sample: Must be False: answers are greedy, so that they can be repeated.
        temperature: Must be 0.
    """

    until: list[str] | str = Field(default_factory=list)
    max_gen_toks: Count = 256
    do_sample: Literal[False] = False
    temperature: Literal[0] = 0


AnswerKind = Literal["choice", "text", "labels", "number", "entities", "triples", "json", "code", "sql", "ranking"]


class AnswerRules(Strict):
    """How an answer is read out of what a model says.

    Attributes:
        kind: Its form; by default a choice where the task has choices and a text where it has none.
        strict: Take only what is exactly in the asked form; otherwise an answer is looked for in the text.
        synonyms: Other wordings of an answer, by answer.
        pattern: Regular expression of the part to read; its first group where it has one. The last match counts.
        range: The smallest and the largest number that an answer can be; others are none.
    """

    kind: AnswerKind | None = None
    strict: bool = False
    synonyms: dict[str, list[str]] = Field(default_factory=dict)
    pattern: str | None = None
    range: list[float] | None = Field(None, min_length=2, max_length=2)

    @field_validator("range")
    @classmethod
    def _ascends(cls, ends: list[float] | None) -> list[float] | None:
        if ends and not ends[0] < ends[1]:
            raise ValueError("is not the smallest and the largest number")
        return ends

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            regex.compile(pattern or "")
        except (regex.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression ({error})") from error
        return pattern
