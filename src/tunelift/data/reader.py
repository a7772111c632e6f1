"""One row to one example, by the templates of a task."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.files import content_hash
from tunelift.core.records import Example
from tunelift.core.templating import render
from tunelift.data.formats import Row, and_more, place
from tunelift.data.tasks import Task

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one task. Errors of its methods name the key of the task; `each_row` names the row.

    Attributes:
        task: The task.
        names: The names of all fields that any row has.
        content_template: `doc_to_text` without the words of the template.
    """

    task: Task
    names: frozenset[str]
    content_template: str

    def meets_condition(self, row: Row) -> bool:
        """Whether a row meets the task's ``where``."""
        condition = self.task.where
        return condition is None or render(f"{{{{ ({condition}) }}}}", row.fields, "where") == "True"

    def question(self, row: Row) -> str:
        """What the row asks."""
        return str(self._value("doc_to_text", self.task.doc_to_text, row))

    def content(self, row: Row) -> str:
        """The question without the words of its template."""
        return str(self._value("doc_to_text", self.content_template, row))

    def own_choices(self, row: Row) -> str:
        """The choices, where every row has its own: two questions can differ in nothing else."""
        choices = self._choices(row) if isinstance(self.task.doc_to_choice, str) else None
        return "\n".join(choices or ())

    def example(self, row: Row) -> Example:
        """The row as an example."""
        choices = self._choices(row)
        return Example(
            id=f"{self.task.task}-{content_hash(row.fields)[:12]}",
            fields=row.fields,
            target=self._target(row, choices),
            source=row.source,
            choices=choices,
            group=self._group(row),
        )

    def _value(self, key: str, template: str, row: Row) -> Any:
        if template not in self.names:
            return render(template, row.fields, key)
        value = row.fields.get(template)
        if value is None:
            raise UserError(key, f'field "{template}" is missing', f"this row has {shorten(row.fields, 8)}")
        return value

    def _choices(self, row: Row) -> tuple[str, ...] | None:
        template = self.task.doc_to_choice
        if template is None:
            return None
        values = template if isinstance(template, list) else _parse_list(self._value("doc_to_choice", template, row))
        if not _are_texts(values):
            what = f"is not a list of choices but {shorten_text(values)}"
            raise UserError("doc_to_choice", what, "give a list, a field that holds one, or a template of one")
        return tuple(str(value) for value in values)

    def _target(self, row: Row, choices: tuple[str, ...] | None) -> str:
        template = self.task.doc_to_target
        if isinstance(template, int):
            return _choice_at(template, choices)
        value = self._value("doc_to_target", template, row)
        if isinstance(value, list | dict):
            hint = f'take one text out of it, for example doc_to_target: "{{{{ {template}[0] }}}}"'
            raise UserError("doc_to_target", f"holds not one answer but {shorten_text(value)}", hint)
        if isinstance(value, int) and choices:
            return _choice_at(_unambiguous(value, choices), choices)
        text = str(value)
        if text == "None" and None in row.fields.values():
            raise UserError("doc_to_target", "the answer is missing (null)", "every row needs an answer")
        if choices is None or text in choices:
            return text
        if text.isdecimal() and not any(choice.isdecimal() for choice in choices):
            return _choice_at(int(text), choices)
        what = f"answer {shorten_text(text)} is not one of the choices ({shorten(choices, 8)})"
        raise UserError("doc_to_target", what, nearest(text, choices) if len(choices) <= 8 else "correct the row")

    def _group(self, row: Row) -> str | None:
        name = self.task.group_by
        if name is None:
            return None
        if name not in row.fields:
            raise UserError("group_by", f'field "{name}" is missing', nearest(name, row.fields))
        group = row.fields[name]
        return None if group is None else str(group)


def make_reader(task: Task, rows: Iterable[Row]) -> Reader:
    """A reader for these rows.

    Raises:
        UserError: A key of the task is neither a template nor a field of any row.
    """
    names = frozenset(name for row in rows for name in row.fields)
    target, choices = task.doc_to_target, task.doc_to_choice
    templates: dict[str, Any] = {"doc_to_text": task.doc_to_text}
    if isinstance(target, str) and not target.isdecimal():
        templates["doc_to_target"] = target
    if isinstance(choices, str) and not choices.startswith("["):
        templates["doc_to_choice"] = choices
    for key, template in templates.items():
        if "{" not in template and template not in names:
            what = f'{key}: "{template}" is neither a field nor a template'
            raise UserError(task.task, what, nearest(template, names))
    text = task.doc_to_text
    return Reader(task, names, text if text in names else without_words(text))


def each_row(rows: list[Row], work: Callable[[Row], Result]) -> list[Result]:
    """Do something with every row.

    Raises:
        UserError: It fails for some rows: at the first, with the count of all that fail at the same key of the task.
    """
    results: list[Result] = []
    problems: list[tuple[Row, UserError]] = []
    for row in rows:
        try:
            results.append(work(row))
        except UserError as error:
            problems.append((row, error))
    if not problems:
        return results
    first, problem = problems[0]
    same = [row.source for row, other in problems[1:] if other.where == problem.where]
    others = [source.row if source.file == first.source.file else place(source) for source in same]
    what = f"{problem.where}: {problem.what}"
    raise UserError(place(first.source), what, problem.hint + and_more(others, "row"))


def without_words(template: str) -> str:
    """A template without the text between its expressions."""
    tokens = ImmutableSandboxedEnvironment().lex(template)
    return "".join(" " if kind == "data" else text for _, kind, text in tokens)


def shorten_text(value: Any) -> str:
    """A value as JSON, cut for an error message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str | int | float) for value in values)


def _parse_list(value: Any) -> Any:
    """A list out of a text that holds one, as JSON or as Python writes it; other values as they are."""
    if not isinstance(value, str):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(parsed, list | tuple):
            return list(parsed)
    return value


def _unambiguous(index: int, choices: tuple[str, ...]) -> int:
    """An index that cannot be meant as one of the choices themselves."""
    if str(index) in choices and not (0 <= index < len(choices) and choices[index] == str(index)):
        what = f"answer {index} can mean the choice {index} or, as in the harness, the choice at index {index}"
        hint = 'for the choice itself make it a text: "{{ field }}" instead of field'
        raise UserError("doc_to_target", what, hint)
    return index


def _choice_at(index: int, choices: tuple[str, ...] | None) -> str:
    if choices is None:
        raise UserError("doc_to_target", "is an index, but there are no choices", "give doc_to_choice")
    if not 0 <= index < len(choices):
        hint = "the first choice is 0; -1 often means that the labels are withheld"
        raise UserError("doc_to_target", f"answer {index} is not an index of {len(choices)} choices", hint)
    return choices[index]
