"""SQLite databases for queries that a model wrote: built from what a row of data gives, and only ever read.

A query runs inside this process, under an authorizer that lets it read tables and call functions and do nothing else:
it can neither write nor attach files, load extensions or set pragmas. Steps, time, length of values and number of rows
are limited.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tunelift.core.errors import UserError, shorten_text

READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
OTHER_FILES = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
# One step can take as long as a search for a text in another: longer values, or fewer looks, could take hours.
STEPS_BETWEEN_LOOKS = 100
LONGEST_VALUE, LONGEST_QUERY, LONGEST_PATTERN = 100_000, 100_000, 200
LARGEST_RESULT = 20_000_000  # characters and bytes of all its texts together

Rows = list[tuple[Any, ...]]


def run_query(
    connection: sqlite3.Connection, sql: str, *, steps: int = 10_000_000, seconds: float = 10.0, rows: int = 10_000
) -> Rows | str:
    """The rows that a query gives, or the text of its error.

    Args:
        connection: A database. From now on it can only be read.
        sql: One query.
        steps: Steps of SQLite's virtual machine after which the query is stopped; the same on every machine.
        seconds: Time after which it is stopped, too.
        rows: Largest number of rows.
    """
    deadline = time.monotonic() + seconds
    looks = iter(range(steps // STEPS_BETWEEN_LOOKS))

    def is_over() -> bool:
        return next(looks, None) is None or time.monotonic() > deadline

    connection.set_authorizer(_only_reading)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_QUERY)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
    connection.set_progress_handler(is_over, STEPS_BETWEEN_LOOKS)
    try:
        cursor = connection.execute(sql)
        found, size = [], 0
        for row in cursor:
            found.append(row)
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(found) > rows or size > LARGEST_RESULT:
                return f"more than {rows} rows, or {LARGEST_RESULT} characters"
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
        return str(error)
    finally:
        connection.set_progress_handler(None, 0)
    if cursor.description is None:
        return "no query"
    return found


def _only_reading(action: int, first: str | None, second: str | None, *_: object) -> int:
    allowed = action in READING and (second or "").lower() != "load_extension"
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def from_script(script: str) -> sqlite3.Connection:
    """A database in memory from CREATE TABLE and INSERT statements.

    Raises:
        UserError: SQLite does not accept them.
    """
    connection = _empty()
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in OTHER_FILES else sqlite3.SQLITE_OK)
    try:
        connection.executescript(script)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        what = f"SQLite does not accept {shorten_text(script)}: {error}"
        raise UserError("schema", what, "give CREATE TABLE and INSERT statements of SQLite's dialect") from error
    return connection


def from_table(table: Mapping[str, Any]) -> sqlite3.Connection:
    """A database in memory with one table, which is called "table", as in WikiSQL.

    Args:
        table: "header" (names of columns) and, where known, "types" ("text" or "real" of each) and "rows".

    Raises:
        UserError: The table is malformed.
    """
    connection = _empty()
    header, rows = table.get("header"), table.get("rows") or []
    types = table.get("types") or ["text"] * len(header or ())
    if not header or len(types) != len(header) or any(len(row) != len(header) for row in rows):
        what = f"a table with a header, as many types, and rows as long is needed, not {shorten_text(dict(table))}"
        raise UserError("table", what, 'give {"header": [...], "types": [...], "rows": [[...], ...]}')
    kinds = ["TEXT" if str(kind).lower() in ("text", "string") else "REAL" for kind in types]
    columns = ", ".join(f"{quoted(str(name))} {kind}" for name, kind in zip(header, kinds, strict=True))
    try:
        connection.execute(f"CREATE TABLE {quoted('table')} ({columns})")
        insert_rows(connection, "table", [str(name) for name in header], rows)
    except sqlite3.Error as error:
        raise UserError("table", str(error), "mend the table") from error
    return connection


def from_file(path: Path) -> sqlite3.Connection:
    """A database file, opened to be read.

    Raises:
        UserError: It is none.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
        connection.text_factory = _decoded
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        raise UserError(path, f"no database of SQLite ({error})", 'correct the "database" of the rows') from error
    return connection


def insert_rows(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
    """Insert rows; those that break a constraint are left out."""
    names, marks = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
    connection.executemany(f"INSERT OR IGNORE INTO {quoted(table)} ({names}) VALUES ({marks})", rows)  # noqa: S608


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """The names of the tables, in the order of their creation."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return [name for (name,) in rows]


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether no table has a row."""
    queries = (f"SELECT EXISTS (SELECT 1 FROM {quoted(name)})" for name in tables_of(connection))  # noqa: S608
    return not any(connection.execute(query).fetchone()[0] for query in queries)


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = _decoded
    return connection


def _decoded(value: bytes) -> str:
    return value.decode(errors="replace")
