"""One answer out of one output, and the references beside it, in the form that the task's answers have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import regex

from tunelift.core.errors import UserError, shorten_text
from tunelift.core.records import Example, Finding
from tunelift.core.texts import PATTERN_SECONDS, EndlessPatternError, ended_patterns
from tunelift.data.tasks import Task
from tunelift.evaluation.metrics.arithmetic import final_number
from tunelift.evaluation.metrics.code import extract_code
from tunelift.evaluation.metrics.metric import Metric, Outcome, UnavailableError
from tunelift.evaluation.parsing.choices import parse_choice
from tunelift.evaluation.parsing.lists import (
    parse_entities,
    parse_json,
    parse_labels,
    parse_ranking,
    parse_triples,
)

FENCED = re.compile(r"```(?:[\w+-]*\n|sql\b)?(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
STATEMENT = re.compile(r"""(?:'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|--[^\n]*|[^;'"])*""")


def parse_answer(output: str, task: Task, example: Example) -> Any:
    """The answer in an output.

    Args:
        output: The generated text.
        task: Says what form an answer has.
        example: What was asked.

    Returns:
        Plain data in the form of the task's kind of answer: "choice" and "text" a text, "labels" a list of texts,
        "number" a number, "entities" a list of ``[type, start, end, mention]``, "triples" a list of three texts,
        "json" any value, "code" and "sql" a text, "ranking" a list of choices. None when nothing could be parsed.

    Raises:
        UserError: The task's pattern takes too long.
    """
    part = output if task.answer.pattern is None else _part(task.answer.pattern, output, task.place("answer"))
    return None if part is None else PARSERS[task.answer_kind](part, task, example)


def _part(pattern: str, output: str, where: str) -> str | None:
    """The last match of a pattern, or its first group; None where there is none."""
    with ended_patterns(where, pattern):
        found = list(regex.finditer(pattern, output, timeout=PATTERN_SECONDS))
    return (found[-1].group(1 if found[-1].re.groups else 0) or "") if found else None


def _in_range(number: float | None, ends: list[float] | None) -> float | None:
    return None if number is None or (ends and not ends[0] <= number <= ends[1]) else number


ENTITY_KEYS = ("type", "start", "end", "text")
FORMS = {
    "entities": 'write [{"type": "PER", "start": 0, "end": 3, "text": "Ann"}]',
    "triples": 'write [["subject", "predicate", "object"]]',
}
Parser = Callable[[str, Task, Example], Any]

PARSERS: dict[str, Parser] = {
    "choice": lambda output, task, example: parse_choice(
        output, example.choices or (), task.answer.synonyms, task.answer.strict
    ),
    "text": lambda output, task, example: output.strip() or None,
    "labels": lambda output, task, example: parse_labels(
        output, list(task.wording.values()), task.answer.synonyms, task.answer.strict
    ),
    "number": lambda output, task, example: _in_range(final_number(output), task.answer.range),
    "entities": lambda output, task, example: parse_entities(
        output, source_text(example), task.wording, task.answer.synonyms, task.answer.strict
    ),
    "triples": lambda output, task, example: parse_triples(
        output, task.wording, task.answer.synonyms, task.answer.strict
    ),
    "json": lambda output, task, example: parse_json(output),
    "code": lambda output, task, example: extract_code(output) or None,
    "sql": lambda output, task, example: extract_sql(output) or None,
    "ranking": lambda output, task, example: parse_ranking(output, example.choices or ()),
}


def reference_answers(task: Task, example: Example) -> tuple[Any, ...]:
    """The answers to an example that are right, in the form of `parse_answer`.

    Entities and triples are those of the row, which knows where they stand; other references are parsed as answers
    are. One that cannot be parsed is left out.

    Raises:
        UserError: The entities or triples of the row are malformed, or the task's pattern takes too long.
    """
    match task.answer_kind:
        case "entities":
            return (entity_rows(example),)
        case "triples":
            return ([list(map(str, triple)) for triple in _listed(example, "triples", _is_triple)],)
        case "ranking":
            return ([example.target],)
        case "choice" | "text":
            return (example.target, *example.others)
    parsed = [parse_answer(text, task, example) for text in (example.target, *example.others)]
    return tuple(answer for answer in parsed if answer is not None)


def check_references(examples: list[Example], task: Task) -> list[Finding]:
    """References that the task's own rules cannot read: no answer to such an item could ever be right.

    Raises:
        UserError: The task's pattern takes too long.
    """
    message = f"reference answers cannot be read as {task.answer_kind}"
    remedy = "correct doc_to_target, or answer.kind and answer.pattern"
    unread = []
    for example in examples:
        try:
            readable = bool(reference_answers(task, example))
        except EndlessPatternError:
            raise  # every further example could take as long
        except UserError as error:
            readable, message, remedy = False, error.what, error.hint
        if not readable:
            unread.append(example)
    return _finding("unreadable-reference", message, remedy, unread)


def check_scoring(items: Iterable[Example], task: Task, metrics: Sequence[Metric]) -> list[Finding]:
    """Items that a metric cannot score whatever is answered, since their rows lack what it needs."""
    message, remedy, unscorable = "", "", []
    for item in items:
        outcome = Outcome(None, reference_answers(task, item), fields=item.fields, choices=item.choices)
        for metric in metrics:
            try:
                metric.statistics([outcome])
            except UnavailableError:
                continue  # what is missing is not in the row, but in the answer
            except UserError as error:
                message, remedy = f"{metric.name}: {error.what}", error.hint
                unscorable.append(item)
                break
    return _finding("unscorable-item", message, remedy, unscorable)


def _finding(check: str, message: str, remedy: str, examples: list[Example]) -> list[Finding]:
    rows = tuple(f"{example.source.file}:{example.source.row}" for example in examples[:5])
    return [Finding(check, "error", message, len(examples), remedy, rows)] if examples else []


def entity_rows(example: Example) -> list[list[Any]]:
    """The entities of a row as ``[type, start, end, mention]``.

    Raises:
        UserError: They are malformed.
    """
    return [[item[key] for key in ENTITY_KEYS] for item in _listed(example, "entities", _is_entity)]


def _is_entity(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("type"), str)
        and isinstance(value.get("text"), str)
        and all(isinstance(value.get(key), int) for key in ("start", "end"))
    )


def _is_triple(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(part, str | int | float) for part in value)


def _listed(example: Example, field: str, is_sound: Callable[[Any], bool]) -> list[Any]:
    """The entities or triples of a row, which has none where it lacks the field."""
    values = example.fields.get(field, [])
    if isinstance(values, list) and all(map(is_sound, values)):
        return values
    bad = next((value for value in values if not is_sound(value)), None) if isinstance(values, list) else values
    where = f"{example.source.file}:{example.source.row}"
    what = f'field "{field}" holds {shorten_text(bad)}, which is none of the {field}'
    raise UserError(where, what, f"correct the row; {FORMS[field]}")


def source_text(example: Example) -> str:
    """The text that mentions stand in."""
    return str(example.fields.get("text", ""))


def extract_sql(output: str) -> str:
    """The query in an output: of what stands in a fence or, failing that, of all, the part before its first semicolon.

    A semicolon between quotes does not end it.
    """
    fenced = FENCED.search(output)
    match = STATEMENT.match(fenced.group(1) if fenced else output)
    return match[0].strip() if match else ""
