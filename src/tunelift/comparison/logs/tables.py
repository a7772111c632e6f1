"""Tables of scores: CSV or TSV with a row for every item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tunelift.comparison.logs.log import Log, as_number, named_groups
from tunelift.core.errors import UserError
from tunelift.core.records import Sample
from tunelift.data.formats import iterate_rows

ID, GROUP, INPUT, TARGET = "id", "group", "input", "target"
WORDS = {"true": 1.0, "false": 0.0}


def read_table(path: Path, group_by: str | None = None) -> Log:
    """Read a table of scores.

    Args:
        path: CSV or TSV under a header. The column `id` names the items; `input`, `target` and `group` are optional.
            Every other column that holds a number in some row is a metric: a number, or "true" or "false".
        group_by: The column that names the group, in place of `group`.

    Returns:
        The items in the order of the rows; the log is named after the file.

    Raises:
        UserError: The table is malformed, or an id is missing or stands twice.
    """
    read = list(iterate_rows(path))
    rows = [row.fields for row in read]
    _check_ids(path, [row.source.row for row in read], rows)
    groups: Sequence[str | None] = [row.get(GROUP) or None for row in rows]
    if group_by:
        groups = named_groups(path, group_by, rows)
    metrics = [name for name in rows[0] if name not in (ID, GROUP, INPUT, TARGET, group_by)]
    return Log(
        path=path,
        kind="table",
        name=path.stem,
        task="",
        samples=[
            _sample(number, row, group, metrics) for number, (row, group) in enumerate(zip(rows, groups, strict=True))
        ],
    )


def _check_ids(path: Path, lines: list[int], rows: list[dict[str, str]]) -> None:
    if ID not in rows[0]:
        raise UserError(path, f'has no column "{ID}"', f'call the column that names the items "{ID}"')
    counts = Counter(row[ID] for row in rows)
    for line, row in zip(lines, rows, strict=True):
        if not row[ID] or counts[row[ID]] > 1:
            what = f'has an "{ID}" that stands {counts[row[ID]]} times ({row[ID]})' if row[ID] else f'has no "{ID}"'
            raise UserError(f"{path}:{line}", what, "give every item one row with an id of its own")


def _sample(number: int, row: dict[str, str], group: str | None, metrics: Sequence[str]) -> Sample:
    numbers = {name: _number(row[name]) for name in metrics}
    return Sample(
        example_id=row[ID],
        doc_id=number,
        doc={INPUT: row[INPUT]} if INPUT in row else {},
        target=row.get(TARGET, ""),
        condition="",
        output="",
        answer="",  # whether there was one is not known
        finish_reason="",
        metrics={name: value for name, value in numbers.items() if value is not None},
        group=group,
    )


def _number(text: str) -> float | None:
    word = text.strip().lower()
    if word in WORDS:
        return WORDS[word]
    try:
        return as_number(float(word))
    except ValueError:
        return None
