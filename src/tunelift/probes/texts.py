"""Which texts of an item may be changed so that its right answer stays, and what in them has to survive."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tunelift.core.records import Example
from tunelift.core.templating import used_fields
from tunelift.data.tasks import ROLLING, Task

# What is right depends on places in the text, or on names in it that tests call.
BOUND_ANSWERS = ("entities", "triples", "code")
# Fields of a question about a database from which the score makes it.
DATABASE = ("database", "schema", "table")
# Fields that say what a score checks.
CHECKS = ("constraints", "kwargs")
# What stands between the letter of an option and the option.
MARK = r"[.．、:：)）]?\s*"
WORDS = re.compile(r"'[^']*'|\w+")
HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[a-z]+", re.IGNORECASE)


def shown_fields(task: Task, items: Sequence[Example]) -> list[str]:
    """The fields with text that the question shows."""
    used = [task.doc_to_text] if any(task.doc_to_text in item.fields for item in items) else None
    names = sorted(used or used_fields(task.doc_to_text, "doc_to_text"))
    return [name for name in names if any(isinstance(item.fields.get(name), str) for item in items)]


def changeable_fields(task: Task, items: Sequence[Example]) -> list[str]:
    """The fields with text that the question shows and that may be changed; none where no right answer would stay.

    Options that stand in fields of their own and what a database is made from stay whole.
    """
    if task.answer_kind in BOUND_ANSWERS or task.output_type == ROLLING:
        return []
    whole = {*_options(task, items), *(DATABASE if task.answer_kind == "sql" else ())}
    return [name for name in shown_fields(task, items) if name not in whole]


def open_fields(task: Task, item: Example, names: Sequence[str]) -> list[str]:
    """Those of some fields that have a text in this item which is more than one of its protected texts."""
    protected = protected_texts(task, item)
    return [name for name in names if text_of(item, name) and text_of(item, name) not in protected]


def longest_text(task: Task, item: Example, names: Sequence[str]) -> str | None:
    """Which of some fields has the longest text that may be changed; None where none has."""
    found = open_fields(task, item, names)
    return max(found, key=lambda name: len(text_of(item, name))) if found else None


def text_of(item: Example, name: str) -> str:
    """The text of a field; empty where the item has none in it."""
    value = item.fields.get(name)
    return value if isinstance(value, str) else ""


def protected_texts(task: Task, item: Example) -> list[str]:
    """What has to survive in the texts of an item: choices, names of classes, right answers, what a score checks."""
    answers = [text for text in (item.target, *item.others) if text]
    texts = [*(item.choices or ()), *task.wording.values(), *answers]
    for name in CHECKS:
        texts += _strings(item.fields.get(name))
    if task.answer_kind == "sql":  # the names and values of the right query, by which the question asks for them
        texts += [word.strip("'") for text in answers for word in WORDS.findall(text)]
    return list(dict.fromkeys(filter(None, texts)))


def language_of(task: Task, items: Sequence[Example], names: Sequence[str]) -> str:
    """The language of the texts in some fields, which can be another one than that of the task, as in translation.

    Args:
        task: The task; its language counts where the texts tell none.
        items: Its items.
        names: The fields.
    """
    texts = [text_of(item, name) for item in items for name in names]
    chinese, english = (sum(len(pattern.findall(text)) for text in texts) for pattern in (HAN, LATIN))
    if chinese == english:
        return task.language
    return "zh" if chinese > english else "en"


def _options(task: Task, items: Sequence[Example]) -> list[str]:
    """The fields that the template shows behind the letters, or numbers, of the choices."""
    letters = {choice for item in items for choice in item.choices or () if len(choice) == 1}
    found = [
        name
        for letter in sorted(letters)
        for name in re.findall(rf"(?<!\w){re.escape(letter)}{MARK}\{{\{{-?\s*(\w+)", task.doc_to_text)
    ]
    return found if len(set(found)) > 1 else []


def _strings(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _strings(entry)
