"""A task's rows as examples, divided into splits."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, read_json, write_text
from tunelift.core.records import Example, Finding, Splits, as_dict
from tunelift.core.seeds import generator
from tunelift.data.dialogues import turn_rows
from tunelift.data.formats import Row, Rows, join_rows
from tunelift.data.layouts import AS_READ, canonical_rows
from tunelift.data.reader import Reader, each_row, make_reader, meeting_condition, meets, with_fields
from tunelift.data.sources import read_pool, read_splits
from tunelift.data.splits import Candidate, Plan, add_validation, divide_pool, keep_splits
from tunelift.data.tasks import Task

# Part of the cache key: count it up when the same rows would be divided differently.
VERSION = 3
CONDITION = "condition not met"
POOL = "pool"


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """The examples of a task and how they came about.

    Attributes:
        splits: The examples.
        findings: Rows that were dropped and rows that splits share; `check_examples` looks at the examples.
        counts: Rows that were read, dropped (by reason), not drawn, and kept (by split).
        hash: SHA-256 of the examples, whatever file they come from.
    """

    splits: Splits
    findings: list[Finding]
    counts: dict[str, int]
    hash: str


def load_examples(task: Task, cache: Path | None = None) -> LoadedTask:
    """Read, check and divide the data of a task.

    Args:
        task: The task.
        cache: A folder that remembers which row goes where; to find that out takes seconds for large data.

    Raises:
        UserError: The data cannot be read or divided, or rows do not fit the task; all rows with the same problem
            are reported in one error, at the first.
    """
    read = {POOL: read_pool(task)} if task.split else read_splits(task)
    parts = {name: prepare_rows(task, part) for name, part in read.items()}
    rows = [row for part in parts.values() for row in part.rows]
    if not parts[POOL if task.split else "test"].rows:
        what = (
            f'where: no row to test on meets the condition "{task.where}"' if task.where else "has no rows to test on"
        )
        raise UserError(task.dataset_path, what, "correct the condition, or the data")
    reader = make_reader(task, rows)
    entry = cache / f"{_cache_key(task, parts)}.json" if cache else None
    plan = _read_plan(entry) if entry else None
    if plan is None:
        plan = _make_plan(reader, parts)
        if entry:
            write_text(entry, json.dumps(as_dict(plan), ensure_ascii=False))
    chosen = [rows[position] for positions in plan.splits.values() for position in positions]
    examples = iter(_with_unique_ids(each_row(chosen, reader.example)))
    splits = Splits(**{split: [next(examples) for _ in positions] for split, positions in plan.splits.items()})
    sizes = {split.replace("_", " "): len(positions) for split, positions in plan.splits.items()}
    count = sum(len(part.rows) + sum(part.dropped.values()) for part in read.values())
    findings = list(dict.fromkeys(finding for part in parts.values() for finding in part.findings))
    return LoadedTask(splits, findings + plan.findings, {"read": count, **plan.counts, **sizes}, _hash(splits))


def prepare_rows(task: Task, rows: Rows) -> Rows:
    """Rows with the fields of their layout and those that the task adds, one for each answer of a dialogue.

    Those that do not meet the task's condition are left out; it sees the rows without the fields that the task adds.

    Rows of a task that is rendered as the harness does stay as they were read, unless it names their layout.

    Raises:
        UserError: No row can be used, an expression fails, or a conversation has no answer to ask for.
    """
    layout = task.format or (None if task.render == "chat" else AS_READ)
    laid_out, name = canonical_rows(rows, layout)
    findings = list(laid_out.findings)
    if name:
        message = f'rows were read in the layout "{name}"'
        findings.append(Finding("layout", "info", message, len(laid_out.rows), "set format where this is wrong"))
    asked = turn_rows(laid_out.rows, task.doc_to_text, task.turns)
    met = meeting_condition(task, asked)
    dropped = laid_out.dropped | ({CONDITION: len(asked) - len(met)} if len(met) < len(asked) else {})
    return replace(laid_out, rows=with_fields(task, met), dropped=dropped, findings=findings)


def draw_positions(count: int, limit: int | None, seed: int) -> list[int]:
    """Which of `count` items are used: all, or a seeded random subset that is the same for every condition."""
    everything = range(count)
    return generator(seed, "limit").sample(everything, limit) if limit and limit < count else list(everything)


def _make_plan(reader: Reader, parts: dict[str, Rows]) -> Plan:
    """Decide which rows go where, by what they ask and answer."""
    task = reader.task
    candidates: dict[str, list[Candidate]] = {}
    dropped: Counter[str] = Counter()
    before = 0
    for name, part in parts.items():
        candidates[name] = _candidates(reader, part.rows, before)
        before += len(part.rows)
        dropped.update(part.dropped)
    sizes = task.split
    places = join_rows(replace(part, rows=[]) for part in parts.values()).places
    findings = [_dropped(reason, count, places.get(reason, ())) for reason, count in dropped.items()]
    if sizes:
        held_out = _held_out(task, sizes.hold_out, parts[POOL].rows) if sizes.hold_out else frozenset[int]()
        plan = divide_pool(candidates[POOL], sizes, task.dataset_path, held_out)
    else:
        if task.render == "chat":  # the harness shows demonstrations from the whole training split
            candidates, added = add_validation(candidates)
            findings += added
        plan = keep_splits(candidates)
    return Plan(plan.splits, dict(dropped) | plan.counts, findings + plan.findings)


def _held_out(task: Task, condition: str, rows: list[Row]) -> frozenset[int]:
    """The positions of the rows that the task holds out."""
    return frozenset(at for at, holds in enumerate(meets(task, "split.hold_out", condition, rows)) if holds)


def _candidates(reader: Reader, rows: list[Row], before: int) -> list[Candidate]:
    """The rows of one part, in front of which stand `before` others."""
    positions = range(before, before + len(rows))
    examples = each_row(rows, reader.example)
    questions = each_row(rows, lambda row: f"{reader.question(row)}\n{reader.own_choices(row)}")
    contents = each_row(rows, lambda row: f"{reader.content(row)}\n{reader.own_choices(row)}")
    return [Candidate(*values) for values in zip(positions, examples, questions, contents, strict=True)]


def _dropped(reason: str, count: int, places: tuple[str, ...]) -> Finding:
    severity = "info" if reason == CONDITION else "warning"
    remedy = "nothing, if the number is what you expect"
    return Finding("dropped-rows", severity, f"rows were left out ({reason})", count, remedy, places)


def _cache_key(task: Task, parts: dict[str, Rows]) -> str:
    keys = {
        "dataset_path",
        "doc_to_text",
        "doc_to_target",
        "doc_to_choice",
        "split",
        "group_by",
        "labels",
        "output_type",
        "render",
    }
    rows = {
        name: [part.dropped, [[row.source.file, row.source.row, row.fields] for row in part.rows]]
        for name, part in parts.items()
    }
    return content_hash([VERSION, task.model_dump(include=keys), rows])


def _read_plan(entry: Path) -> Plan | None:
    if not entry.is_file():
        return None
    try:
        data = read_json(entry)
    except UserError:
        return None  # damaged: it is made anew
    findings = [Finding(**{**finding, "rows": tuple(finding["rows"])}) for finding in data["findings"]]
    return Plan(data["splits"], data["counts"], findings)


def _with_unique_ids(examples: list[Example]) -> list[Example]:
    """Repeated rows get ``-2``, ``-3``, ... behind their id."""
    seen: Counter[str] = Counter()
    unique = []
    for example in examples:
        seen[example.id] += 1
        count = seen[example.id]
        unique.append(replace(example, id=f"{example.id}-{count}") if count > 1 else example)
    return unique


def _hash(splits: Splits) -> str:
    parts = [splits.train, splits.validation, splits.test, *([splits.held_out] if splits.held_out else [])]
    return content_hash(
        [[[item.id, item.target, item.choices, item.group, item.others] for item in part] for part in parts]
    )
