"""Queries that a model wrote: whether they give the rows of the right query, and whether they are the same query."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, shorten_text
from tunelift.evaluation.execution.databases import Rows, from_file, from_script, from_table, is_empty, run_query
from tunelift.evaluation.execution.sql_text import normal_form, orders_rows
from tunelift.evaluation.execution.synthetic_rows import fill
from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric

TRIES_FOR_EACH_DATABASE = 4
TABLE_OF_THAT_NAME = re.compile(r"\b(from|join)\s+table\b", re.IGNORECASE)


def execution_match(*, folder: str = ".", databases: int = 8, steps: int = 10_000_000, seconds: float = 10.0) -> Metric:
    """Share of queries that give the rows of the right one, on SQLite; 0 to 1, higher is better.

    An answer is a query, the first reference the right one. Rows are compared as a multiset, as a sequence if the right
    query orders them outermost; columns by position, numbers up to a relative difference of 1e-6. A query that fails
    is wrong; `run_query` tells why.

    The database stands in one of three fields of the row: ``database``, a file; ``table``, a header with types and rows
    (WikiSQL; queries call it "table"); ``schema``, CREATE TABLE and maybe INSERT statements. Where there are no rows,
    some are made up, see `synthetic_rows`, for several databases on which the right query finds something; the answer
    must give the right rows on all of them. This is as strict as the rows are telling: two different queries can agree.
    If the right query finds something on none, an answer must be the same query, see `sql_exact`.

    Queries can only read, and programs are not run: nothing needs to be allowed for this metric.

    Args:
        folder: Where the paths of `database` begin; files outside of it are refused.
        databases: How many are made up for a row without data.
        steps: Steps of SQLite's virtual machine after which a query counts as wrong.
        seconds: Time after which it does, too.

    Raises:
        ValueError: An argument is not positive.
    """
    if databases < 1 or steps < 1 or seconds <= 0:
        raise ValueError("databases, steps and seconds must be positive")

    def value(outcome: Outcome) -> float:
        if outcome.answer is None:
            return 0.0
        answer, right = (_named(str(sql), outcome.fields) for sql in (outcome.answer, outcome.references[0]))
        ordered, compared = orders_rows(right), False
        for connection, rows in _suite(right, outcome.fields, Path(folder), databases):
            found = run_query(connection, answer, steps=steps, seconds=seconds)
            if isinstance(found, str) or not same_rows(found, rows, ordered):
                return 0.0
            compared = True
        return float(compared or normal_form(answer) == normal_form(right))

    return mean_metric("execution_match", value)


def sql_exact() -> Metric:
    """Share of queries that equal a reference in their normal form, see `normal_form`; 0 to 1, higher is better.

    It needs no database, and takes queries for different that only give the same rows.
    """

    def value(outcome: Outcome) -> float:
        if outcome.answer is None:
            return 0.0
        return float(normal_form(str(outcome.answer)) in [normal_form(str(sql)) for sql in outcome.references])

    return mean_metric("sql_exact", value)


def same_rows(found: Rows, right: Rows, ordered: bool) -> bool:
    """Whether two results are the same.

    Args:
        found: Rows of one query.
        right: Rows of the other.
        ordered: Whether their order counts.
    """
    if len(found) != len(right):
        return False
    if not ordered:
        found, right = sorted(found, key=_sort_key), sorted(right, key=_sort_key)
    return all(
        len(first) == len(second) and all(map(_same_value, first, second))
        for first, second in zip(found, right, strict=True)
    )


def _same_value(first: Any, second: Any) -> bool:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)
    return bool(first == second)


def _sort_key(row: Sequence[Any]) -> list[tuple[str, float, str]]:
    """A key by which rows that are the same but for rounding stand in the same place."""
    return [
        ("number", float(f"{value:.7g}"), "")
        if isinstance(value, int | float)
        else (type(value).__name__, 0.0, str(value))
        for value in row
    ]


def _named(sql: str, fields: Mapping[str, Any]) -> str:
    """A query in which the one table of the row is called by its name; "table" without quotes is a keyword."""
    return TABLE_OF_THAT_NAME.sub(r'\1 "table"', sql) if isinstance(fields.get("table"), Mapping) else sql


def _suite(
    right: str, fields: Mapping[str, Any], folder: Path, databases: int
) -> Iterator[tuple[sqlite3.Connection, Rows]]:
    """The databases of a row with what the right query finds there; none if it finds nothing on those made up."""
    with closing(_database(fields, folder)) as connection:
        if fields.get("database") or not is_empty(connection):
            yield connection, _right_rows(connection, right)
            return
    useful = 0
    for seed in range(TRIES_FOR_EACH_DATABASE * databases):
        with closing(_database(fields, folder)) as connection:
            fill(connection, right, seed)
            rows = _right_rows(connection, right)
            if any(value not in (None, 0) for row in rows for value in row):
                yield connection, rows
                useful += 1
        if useful == databases:
            return


def _right_rows(connection: sqlite3.Connection, right: str) -> Rows:
    rows = run_query(connection, right, steps=10**9, seconds=60.0)
    if isinstance(rows, str):
        what = f"the right query fails ({rows}): {shorten_text(right)}"
        raise UserError("execution_match", what, "correct the query or the database of this row, or use sql_exact")
    return rows


def _database(fields: Mapping[str, Any], folder: Path) -> sqlite3.Connection:
    """The database of a row of data."""
    if fields.get("database"):
        path = folder / str(fields["database"])
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                path, "a database outside of the folder of databases", "set the argument folder of the metric"
            )
        return from_file(path)
    if isinstance(fields.get("table"), Mapping):
        return from_table(fields["table"])
    if fields.get("schema"):
        return from_script(str(fields["schema"]))
    what = f"no database in the row {shorten_text(dict(fields))}"
    raise UserError("execution_match", what, 'give each row a "schema", a "table" or a "database", or use sql_exact')
