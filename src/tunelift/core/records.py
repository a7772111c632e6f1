"""The records that flow through a run, in one direction: example, prompt, sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

# The per-item metric that says whether the choice with the highest log-probability is right.
CHOICE = "choice_acc"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record comes from, so that every later record can be traced back.

    Attributes:
        file: The file, or the name of the bundled or hub data set.
        row: The row in it; the first is 1, as editors count lines.
    """

    file: str
    row: int


@dataclass(frozen=True, slots=True)
class Example:
    """One row of instruction data.

    Attributes:
        id: Unique within the task, and stable: it depends on the row, not on the split.
        fields: The row as it was read.
        target: The reference answer.
        source: File and row.
        choices: The possible answers, where the task has such.
        group: The cluster it belongs to (document, dialogue, author); statistics resample whole groups.
        others: Further answers that are right, too.
    """

    id: str
    fields: dict[str, Any]
    target: str
    source: Source
    choices: tuple[str, ...] | None = None
    group: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Splits:
    """The examples of a task by what they are for. No two parts share an item or a near duplicate of one.

    Attributes:
        train: To tune on, and to show as demonstrations.
        validation: To choose by.
        test: To report.
        held_out: Of a kind that stands in none of the others, to see whether what was learnt carries over to it.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    held_out: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One example as the model sees it.

    Attributes:
        example_id: The example it was rendered from.
        text: The rendered text, control tokens included.
        token_ids: The token ids of the text, and behind them those of the completion when it is a training prompt.
        supervised: For every token, whether it is trained on. All False for a prompt that is to be answered.
        template: Name of the instruction template.
        demonstrations: Ids of the examples shown in it.
    """

    example_id: str
    text: str
    token_ids: tuple[int, ...]
    supervised: tuple[bool, ...]
    template: str = "default"
    demonstrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer to one item under one condition.

    Attributes:
        example_id: The item.
        doc_id: Its position in the test split.
        doc: Its fields.
        target: The reference answer.
        condition: Name of the condition.
        prompt: The rendered prompt; for systems that are not language models the question alone.
        output: The raw answer.
        answer: The parsed answer, plain data in the form that the task's kind of answer has; None when nothing could
            be parsed, or what was said is none of the choices.
        finish_reason: "stop" (the model ended its turn), "length" (it was cut off), "prediction" (a classifier) or
            "scored" (the choice that log-probability prefers, or nothing but log-probabilities).
        choices: The possible answers, in the order of `logprobs`.
        logprobs: Log-probability of each choice given the prompt, in nats, summed over its tokens.
        choice_answer: The choice that log-probability prefers.
        tokens: Number of tokens: ``{"prompt": ..., "completion": ...}``.
        metrics: Value of each metric on this item.
        group: Cluster of the item.
        template: Name of the instruction template.
        demonstrations: Ids of the demonstrations shown.
        references: The answers that are right, in the form of `answer`.
        probabilities: Of the choices, in their order; from log-probabilities, or from a head.
        reference_logprob: Log-probability of the target given the prompt, in nats; None where it was not computed.
    """

    example_id: str
    doc_id: int
    doc: dict[str, Any]
    target: str
    condition: str
    output: str
    answer: Any
    finish_reason: str
    prompt: str = ""
    choices: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    choice_answer: str | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    group: str | None = None
    template: str = "default"
    demonstrations: tuple[str, ...] = ()
    references: tuple[Any, ...] = ()
    probabilities: tuple[float, ...] | None = None
    reference_logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check noticed in data or prompts.

    Attributes:
        check: Name of the check, for example "duplicate-across-splits".
        severity: "error" stops a run, "warning" is shown, "info" is recorded.
        message: What was found, in a sentence.
        count: How many rows it concerns.
        remedy: What to do about it.
        rows: A few of the rows, as ``file:row``.
    """

    check: str
    severity: str
    message: str
    count: int
    remedy: str
    rows: tuple[str, ...] = ()


def as_dict(record: Any) -> dict[str, Any]:
    """A record as plain data for JSON."""
    return asdict(record)
