"""What all kinds of logs become: the items that one system answered, with their scores."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.records import Sample

SMALLEST = 1e-100  # the squares of smaller numbers are 0, and so would be the spread of scores that differ
Kind = Literal["samples", "inspect", "table"]


@dataclass(frozen=True, slots=True)
class Log:
    """What one system answered.

    Attributes:
        path: The file.
        kind: What kind of file it is: two of one kind give an item the same document.
        name: What answered.
        task: Name of the task; empty where the file does not say.
        samples: One for each item. Where the file is silent, `doc` and the texts are empty.
        documents: Hash of each item's document; None where items are known by their `example_id`.
        higher_is_better: Direction of the metrics of which it is known.
        scores: The scores of all items together, where they are known.
        filters: The harness's filters of which the file holds answers.
    """

    path: Path
    kind: Kind
    name: str
    task: str
    samples: list[Sample]
    documents: list[str] | None = None
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    filters: Sequence[str] = ()


def as_number(value: Any) -> float | None:
    """A finite number, also of a truth value, and 0 for what is next to nothing; None for everything else."""
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if abs(number) < SMALLEST:
        return 0.0
    return number if isfinite(number) else None


def named_groups(where: object, key: str, fields: Sequence[Any]) -> list[str]:
    """The groups that items belong to.

    Args:
        where: The file, for the error.
        key: The field whose value names the group.
        fields: The fields of each item.

    Raises:
        UserError: The field is missing somewhere.
    """
    known = [each if isinstance(each, dict) else {} for each in fields]
    lacking = [number for number, each in enumerate(known, start=1) if each.get(key) is None]
    if lacking:
        names = set.intersection(*(set(each) for each in known))
        what = f'{len(lacking)} of {len(known)} items have no "{key}" to group them by ({shorten(lacking)})'
        raise UserError(where, what, nearest(key, names) if names else "leave --group-by out")
    return [str(each[key]) for each in known]


def printable(log: Log) -> Log:
    """The same log without control characters in what is printed: a log of others can hold any text."""
    samples = [
        replace(
            sample,
            example_id=_printable(sample.example_id),
            metrics={_printable(name): value for name, value in sample.metrics.items()},
        )
        for sample in log.samples
    ]
    return replace(log, name=_printable(log.name), task=_printable(log.task), samples=samples)


def _printable(text: str) -> str:
    return "".join("?" if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)
