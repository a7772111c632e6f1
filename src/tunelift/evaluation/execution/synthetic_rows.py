"""Rows made up for a schema, such that the conditions of a query select some of them and not others.

A single small database lets many wrong queries give the right result by chance. Zhong, Yu and Klein (2020, "Semantic
evaluation for text-to-SQL with distilled test suites") ask for the same result on many databases whose values lie on
and around those of the right query. So it is here: a column draws from the values that the query compares it with, from
values next to them, and from common ones; foreign keys find their partners. Their last step, to distil a small suite
out of very many databases with the help of altered queries, is not taken.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tunelift.core.seeds import generator
from tunelift.evaluation.execution.databases import insert_rows, quoted, tables_of
from tunelift.evaluation.execution.sql_text import compared_values

WORDS = ("amber", "birch", "coral", "delta", "ember", "fjord", "grove", "haven")
INTEGER, REAL, DATE, TEXT = "integer", "real", "date", "text"
# What SQLite and other dialects call them, looked for in this order.
DECLARED = {
    TEXT: ("CHAR", "CLOB", "TEXT"),
    INTEGER: ("INT", "BOOL", "YEAR"),
    REAL: ("REAL", "FLOA", "DOUB", "DEC", "NUM"),
    DATE: ("DATE", "TIME"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column to be filled.

    Attributes:
        name: Its name.
        kind: "integer", "real", "date" or "text".
        nullable: Whether it may be NULL.
        is_key: Whether it alone is the primary key.
        partners: Values of the column that it refers to.
        targets: Values that the query compares it with, and their neighbours.
    """

    name: str
    kind: str
    nullable: bool
    is_key: bool
    partners: Sequence[Any]
    targets: Sequence[Any]


def fill(connection: sqlite3.Connection, query: str, seed: int, rows: int = 24) -> None:
    """Fill the empty tables of a database.

    Of the rows of a table, a third has values near the compared ones in all columns that the query compares, a third
    in all but one, and a third anywhere. Other values are NULL now and then where they may be.

    Args:
        connection: The database.
        query: The query whose conditions shall select.
        seed: Another seed gives other rows.
        rows: How many are drawn for each table; those that break a constraint are left out.
    """
    compared = _with_parents(connection, compared_values(query))
    words = [*WORDS, *(value for value in compared.get("", []) if isinstance(value, str))]
    for table in _parents_first(connection):
        random = generator(seed, "rows", table)
        columns = _columns(connection, table, compared, rows)
        keys = {column.name: _keys(random, column, rows) for column in columns if column.is_key}
        aimed = [column.name for column in columns if column.targets]
        drawn = []
        for index in range(rows):
            spared = random.choice(aimed) if aimed and index % 3 == 1 else None
            near = [index % 3 < 2 and column.name != spared for column in columns]
            drawn.append(
                [
                    keys[column.name][index] if column.is_key else _value(random, column, words, rows, is_near)
                    for column, is_near in zip(columns, near, strict=True)
                ]
            )
        insert_rows(connection, table, [column.name for column in columns], drawn)


def _value(random: Random, column: Column, words: Sequence[str], rows: int, near: bool) -> Any:
    """A value of a column that is no key: a compared one if it shall be near, one of all kinds otherwise."""
    if near and column.targets:
        return random.choice(column.targets)
    if column.nullable and random.random() < 0.25:
        return None
    if column.partners:
        return random.choice(column.partners)
    if column.targets and not near and random.random() < 0.3:
        return random.choice(column.targets)
    if column.kind == INTEGER:
        return random.randint(1, rows) if column.name.lower().endswith("id") else random.randint(0, 99)
    if column.kind == REAL:
        return random.randint(0, 400) / 4
    if column.kind == DATE:
        return f"{random.randint(1990, 2024)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    return random.choice(words)


def _keys(random: Random, column: Column, rows: int) -> list[Any]:
    """Different values for a key: compared ones, partners or else numbers from 1, in random order."""
    numbers: list[Any] = list(range(1, rows + 1))
    if column.kind == TEXT:
        numbers = [f"{random.choice(WORDS)} {number}" for number in numbers]
    values = list(dict.fromkeys([*column.targets, *column.partners, *numbers]))[:rows]
    random.shuffle(values)
    return values


def _columns(
    connection: sqlite3.Connection, table: str, compared: Mapping[str, Sequence[Any]], rows: int
) -> list[Column]:
    described = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    keys = [name for _, name, _, _, _, key in described if key]
    parents = _parents(connection, table)
    columns = []
    for _, name, declared, not_null, _, key in described:
        literals = compared.get(name.lower(), ())
        kind = _kind(declared, literals)
        columns.append(
            Column(
                name=name,
                kind=kind,
                nullable=not not_null and not key,
                is_key=keys == [name],
                partners=_partners(connection, parents.get(name.lower()), rows),
                targets=[value for literal in literals for value in _neighbours(literal, kind)],
            )
        )
    return columns


def _kind(declared: str, literals: Sequence[Any]) -> str:
    for kind, names in DECLARED.items():
        if any(name in declared.upper() for name in names):
            return kind
    return REAL if any(isinstance(literal, float) for literal in literals) else TEXT


def _neighbours(literal: str | float, kind: str) -> list[Any]:
    """A compared value, twice, and those next to it, in the kind of its column."""
    if kind in (INTEGER, REAL):
        try:
            number = float(literal)
        except ValueError:
            return [literal]
        values = [number, number, number - 1, number + 1]
        return [int(value) for value in values] if number.is_integer() else values
    text = f"{literal:g}" if isinstance(literal, float) else literal.replace("%", "").replace("_", "x")
    if kind == DATE and re.match(r"\d{4}", text):
        return [text, text, *(f"{int(text[:4]) + step}{text[4:]}" for step in (-1, 1))]
    return [text, text, f"{text} {WORDS[0]}", f"{WORDS[1]} {text}"]


def _parents(connection: sqlite3.Connection, table: str) -> dict[str, tuple[str, str]]:
    """The table and the column that each column of a table refers to, as far as they are there."""
    found = {}
    for _, _, parent, column, target, *_ in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})"):
        described = connection.execute(f"PRAGMA table_info({quoted(parent)})").fetchall()
        # Without a target, it is the primary key.
        names = [name for _, name, _, _, _, key in described if (name.lower() == target.lower() if target else key)]
        if names:
            found[column.lower()] = (parent, names[0])
    return found


def _partners(connection: sqlite3.Connection, parent: tuple[str, str] | None, rows: int) -> list[Any]:
    """The values that a column can refer to; where the other table is still empty, those that its key may have."""
    if parent is None:
        return []
    table, column = map(quoted, parent)
    query = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608
    return [value for (value,) in connection.execute(query)] or list(range(1, rows + 1))


def _with_parents(
    connection: sqlite3.Connection, compared: dict[str, list[str | float]]
) -> dict[str, list[str | float]]:
    """The compared values, given to the columns that a compared column refers to, too."""
    extended = dict(compared)
    for table in tables_of(connection):
        for column, (_, target) in _parents(connection, table).items():
            if target.lower() != column:
                extended[target.lower()] = [*extended.get(target.lower(), ()), *compared.get(column, ())]
    return extended


def _parents_first(connection: sqlite3.Connection) -> list[str]:
    """The tables, each after those that it refers to, as far as they do not refer to each other in a circle."""
    waiting = {
        table: {parent.lower() for parent, _ in _parents(connection, table).values()} for table in tables_of(connection)
    }
    ordered: list[str] = []
    while waiting:
        names = {table.lower() for table in waiting}
        free = [table for table, parents in waiting.items() if not (parents - {table.lower()}) & names]
        for table in free or [next(iter(waiting))]:
            ordered.append(table)
            del waiting[table]
    return ordered
