"""One row to one example, by the templates of a task."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunelift.core.errors import UserError, counted, nearest, shorten, shorten_text
from tunelift.core.files import content_hash
from tunelift.core.records import Example
from tunelift.core.templating import (
    EndlessTemplateError,
    MissingKeyError,
    evaluate,
    needed_fields,
    render,
    render_list,
    used_fields,
)
from tunelift.data.formats import Row, and_more, place
from tunelift.data.layouts.conversations import turn_text
from tunelift.data.tasks import ROLLING, Task

Result = TypeVar("Result")

INDEX = re.compile(r"0|[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows of one task. Errors of its methods name the key of the task; `each_row` names the row.

    Attributes:
        task: The task.
        names: The names of all fields that any row has.
        content_template: `doc_to_text` without the words of the template.
        choices_of_rows: Whether every row has choices of its own.
    """

    task: Task
    names: frozenset[str]
    content_template: str
    choices_of_rows: bool

    def question(self, row: Row) -> str:
        """What the row asks; of a text whose probability is measured, the text."""
        return self._text("doc_to_text", _asked(self.task), row)

    def content(self, row: Row) -> str:
        """The question without the words of its template and the labels, which are the same for all rows."""
        self._check_present("doc_to_text", self.content_template, row)
        if is_conversation(row.fields.get(self.content_template)):
            return transcript(row.fields[self.content_template])
        context = self.task.context(row.fields)
        return render(self.content_template, context | ({"labels": []} if self.task.labels else {}), "doc_to_text")

    def own_choices(self, row: Row) -> str:
        """The choices, where every row has its own: two questions can differ in nothing else."""
        choices = self._choices(row) if isinstance(self.task.doc_to_choice, str) else None
        return "\n".join(choices or ())

    def example(self, row: Row) -> Example:
        """The row as an example."""
        choices = self._choices(row)
        target, *others = self._targets(row, choices)
        return Example(
            id=f"{self.task.task}-{content_hash(row.fields)[:12]}",
            fields=row.fields,
            target=target,
            source=row.source,
            choices=choices,
            group=self._group(row),
            others=tuple(others),
        )

    def _text(self, key: str, template: str, row: Row) -> str:
        self._check_present(key, template, row)
        if is_conversation(row.fields.get(template)):
            return transcript(row.fields[template])
        fields = row.fields if template in row.fields else self.task.context(row.fields)
        try:
            return render(template, fields, key)
        except MissingKeyError as error:
            if error.holder != "wording":
                raise
            hint = nearest(error.key, self.task.wording) if self.task.labels else "give the task labels"
            raise UserError(key, f'"{error.key}" is none of the labels', hint) from error

    def _check_present(self, key: str, template: str, row: Row) -> None:
        if template in self.names and template not in row.fields:
            raise UserError(key, f'field "{template}" is missing', f"this row has {shorten(row.fields, 8)}")

    def _choices(self, row: Row) -> tuple[str, ...] | None:
        template = self.task.doc_to_choice
        if template is None:
            return None
        values: Any = template
        if isinstance(template, str):
            self._check_present("doc_to_choice", template, row)
            own = row.fields.get(template)
            context = self.task.context(row.fields)
            values = _parse_list(render_list(template, context, "doc_to_choice") if own is None else own)
        if not _are_texts(values):
            what = f"is not a list of choices but {shorten_text(values)}"
            raise UserError("doc_to_choice", what, "give a list, a field that holds one, or a template of one")
        return tuple(str(value) for value in values)

    def _targets(self, row: Row, choices: tuple[str, ...] | None) -> list[str]:
        """The answers that are right: several where the field that holds them is a list."""
        template = self.task.doc_to_target
        several = row.fields.get(template) if isinstance(template, str) and choices is None else None
        if _are_texts(several):
            return list(dict.fromkeys(map(str, several)))
        return [self._target(row, choices)]

    def _target(self, row: Row, choices: tuple[str, ...] | None) -> str:
        template = self.task.doc_to_target
        if isinstance(template, int):
            return _choice_at(template, choices)
        text = self._text("doc_to_target", template, row)
        if choices is None:
            return text
        # In the harness a number is an index, whatever the choices are.
        harness = self.choices_of_rows and self.task.render == "plain"
        value = row.fields.get(template)
        if isinstance(value, int):
            return _choice_at(value if harness else _unambiguous(value, choices), choices)
        index = _index(text)
        made = self.choices_of_rows and template not in row.fields and not template.isdecimal()
        if index is not None and made and harness:
            return _choice_at(index, choices)
        if text in choices:
            return text
        if index is not None and not made and not any(choice.isdecimal() for choice in choices):
            return _choice_at(index, choices)
        raise _no_choice(text, choices, is_index=index is not None and made)

    def _group(self, row: Row) -> str | None:
        name = self.task.group_by
        if name is None:
            return None
        if name not in row.fields:
            raise UserError("group_by", f'field "{name}" is missing', nearest(name, row.fields))
        group = row.fields[name]
        return None if group is None else str(group)


def meeting_condition(task: Task, rows: list[Row]) -> list[Row]:
    """The rows that meet the task's ``where``.

    Raises:
        UserError: The condition is malformed, needs a field that no row has, or fails for some rows.
    """
    if task.where is None:
        return rows
    met = meets(task, "where", task.where, rows)
    return [row for row, holds in zip(rows, met, strict=True) if holds]


def meets(task: Task, key: str, expression: str, rows: list[Row]) -> list[bool]:
    """Which rows meet a condition on their fields.

    Args:
        task: The task.
        key: Where the condition stands in it, for example "split.hold_out".
        expression: The condition.
        rows: The rows.

    Raises:
        UserError: The condition is malformed, needs a field that no row has, or fails for some rows.
    """
    if not rows:
        return []
    condition = f"{{{{ ({expression})|string }}}}"
    _check_template(task, key.partition(".")[0], condition, _names(rows), key)
    return each_row(rows, lambda row: render(condition, row.fields, key) == "True")


def with_fields(task: Task, rows: list[Row]) -> list[Row]:
    """Rows with the further fields that the task defines.

    Raises:
        UserError: An expression is malformed, needs a field that no row has, or fails for some rows.
    """
    if not task.fields or not rows:
        return rows
    names = _names(rows)
    for name, expression in task.fields.items():
        _check_template(task, "fields", f"{{{{ ({expression}) }}}}", names, f"fields.{name}")

    def extended(row: Row) -> Row:
        context = {**task.context({}), **row.fields}
        further = {name: evaluate(expression, context, f"fields.{name}") for name, expression in task.fields.items()}
        return Row({**row.fields, **further}, row.source)

    return each_row(rows, extended)


def _names(rows: Iterable[Row]) -> frozenset[str]:
    """The names of all fields that any row has."""
    return frozenset(name for row in rows for name in row.fields)


def is_conversation(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of chat messages."""
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) and "role" in turn for turn in value)


def transcript(messages: list[dict[str, Any]]) -> str:
    """A conversation as plain text, one turn a line."""
    return "\n".join(f"{message['role']}: {turn_text(message)}" for message in messages)


def make_reader(task: Task, rows: Iterable[Row]) -> Reader:
    """A reader for these rows.

    Raises:
        UserError: A template is malformed or needs a field that no row has, a key is neither a template nor a field
            of any row, or all questions are the same. The key's place in the task file is named.
    """
    names = _names(rows)
    for key, template in _templates(task).items():
        if template not in names:
            _check_template(task, key, template, names)
    text = _asked(task)
    choices = task.doc_to_choice
    own = isinstance(choices, str) and (choices in names or bool(used_fields(choices, "doc_to_choice")))
    return Reader(task, names, text if text in names else without_words(text), own)


def _asked(task: Task) -> str:
    return str(task.doc_to_target) if task.output_type == ROLLING else task.doc_to_text


def _templates(task: Task) -> dict[str, str]:
    """The keys of a task that are templates or names of fields."""
    target, choices = task.doc_to_target, task.doc_to_choice
    templates = {"doc_to_text": _asked(task), "description": task.description}
    if isinstance(target, str) and not target.isdecimal():
        templates["doc_to_target"] = target
    if isinstance(choices, str):
        templates["doc_to_choice"] = choices
    return templates


def _check_template(task: Task, key: str, template: str, names: frozenset[str], shown: str | None = None) -> None:
    """See that a template is sound and that rows have its fields; errors show the key, or part of it."""
    where, shown = task.place(key), shown or key
    missing = sorted(needed_fields(template, f"{where}: {shown}") - names - task.context({}).keys())
    if missing:
        raise UserError(where, f'{shown}: no row has the field "{missing[0]}"', nearest(missing[0], names))
    if key == "description" or (key == "doc_to_choice" and template.startswith("[")):
        return
    if "{{" not in template and "{%" not in template:
        hint = "write fields in double braces: {{ field }}" if "{" in template else nearest(template, names)
        raise UserError(where, f"{key}: {shorten_text(template)} is neither a field nor a template", hint)
    if key == "doc_to_text" and not used_fields(template, where) and not isinstance(task.doc_to_choice, str):
        what = "doc_to_text: the template uses no field, so that every row asks the same"
        raise UserError(where, what, f"name one of {shorten(sorted(names), 8)} in double braces")


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
            if isinstance(error, EndlessTemplateError):
                break  # every further row could take as long
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


def _are_texts(values: Any) -> TypeGuard[list[Any]]:
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


def _index(text: str) -> int | None:
    """The index that a text is, if it is one."""
    return int(text) if INDEX.fullmatch(text) else None


def _no_choice(text: str, choices: tuple[str, ...], is_index: bool) -> UserError:
    what = f"answer {shorten_text(text)} is not one of the choices ({shorten(choices, 8)})"
    if is_index:
        hint = "a template gives the choice itself, not its index: {{ choices[index] }}"
    else:
        hint = nearest(text, choices) if len(choices) <= 8 else "correct the row"
    return UserError("doc_to_target", what, hint)


def _unambiguous(index: int, choices: tuple[str, ...]) -> int:
    """An index that cannot be meant as one of the choices themselves."""
    if str(index) in choices and not (0 <= index < len(choices) and choices[index] == str(index)):
        what = f"answer {index} can mean the choice {index} or, as in the harness, the choice at index {index}"
        hint = 'for the choice itself make it a text: "{{ field }}", for that at an index "{{ choices[field] }}"'
        raise UserError("doc_to_target", what, hint)
    return index


def _choice_at(index: int, choices: tuple[str, ...] | None) -> str:
    if choices is None:
        raise UserError("doc_to_target", "is an index, but there are no choices", "give doc_to_choice")
    if not 0 <= index < len(choices):
        hint = "the first choice is 0; -1 often means that the labels are withheld"
        raise UserError("doc_to_target", f"answer {index} is not an index of {counted(len(choices), 'choice')}", hint)
    return choices[index]
