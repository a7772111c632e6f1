"""What examples say of their own: texts without what all rows of a task have in common."""

from __future__ import annotations

from collections.abc import Sequence

from tunelift.core.records import Example
from tunelift.data.formats import Row
from tunelift.data.reader import make_reader
from tunelift.data.tasks import ROLLING, Task


def questions_of(task: Task, examples: Sequence[Example]) -> list[str]:
    """What each example asks, without the words of the template, and its choices where these are its own.

    Raises:
        UserError: A template of the task does not fit the rows.
    """
    if not examples:
        return []
    rows = [Row(example.fields, example.source) for example in examples]
    reader = make_reader(task, rows)
    return [_lines(reader.content(row), reader.own_choices(row)) for row in rows]


def contents_of(task: Task, examples: Sequence[Example]) -> list[str]:
    """The same with the answer where that is free: one of a few choices says nothing, and makes short texts alike.

    Raises:
        UserError: A template of the task does not fit the rows.
    """
    questions = questions_of(task, examples)
    if task.doc_to_choice is not None or task.output_type == ROLLING:  # of a text itself the answer is the text
        return questions
    return [_lines(question, example.target) for question, example in zip(questions, examples, strict=True)]


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
