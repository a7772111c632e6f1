from __future__ import annotations

import resource
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.execution.databases import from_file, from_script, from_table, is_empty, run_query, tables_of

SCRIPT = """
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, people REAL);
INSERT INTO city VALUES (1, 'Paris', 2.1), (2, 'Rom', 2.8), (3, '北京', 21.5);
"""


def test_queries_give_rows_or_errors() -> None:
    connection = from_script(SCRIPT)
    assert run_query(connection, "SELECT name FROM city WHERE people > 2.5 ORDER BY 1") == [("Rom",), ("北京",)]
    assert run_query(connection, "WITH c AS (SELECT 1 AS x) SELECT upper('a'), x FROM c;") == [("A", 1)]
    assert run_query(connection, "SELECT 1 WHERE 0") == []
    assert run_query(connection, "SELECT size FROM city") == "no such column: size"
    assert "syntax error" in run_query(connection, "FROM city")
    for text in ("", "-- nothing", ";"):
        assert run_query(connection, text) == "no query"
    assert "one statement" in run_query(connection, "SELECT 1; SELECT 2")
    assert isinstance(run_query(connection, "SELECT '\0'"), str)
    assert isinstance(run_query(connection, "SELECT '\ud800'"), str)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM city",
        "INSERT INTO city VALUES (9, 'x', 1)",
        "UPDATE city SET name = 'x'",
        "DROP TABLE city",
        "CREATE TABLE other (a)",
        "CREATE TEMP TABLE other AS SELECT 1",
        "ATTACH DATABASE '{folder}/new.db' AS other",
        "VACUUM INTO '{folder}/new.db'",
        "PRAGMA writable_schema = 1",
        "PRAGMA table_info(city)",
        "SELECT load_extension('{folder}/evil')",
        "BEGIN",
        "SAVEPOINT a",
        "ANALYZE",
    ],
)
def test_queries_can_only_read(sql: str, tmp_path: Path) -> None:
    connection = from_script(SCRIPT)
    error = run_query(connection, sql.format(folder=tmp_path))
    assert isinstance(error, str)
    assert "authoriz" in error
    assert run_query(connection, "SELECT count(*) FROM city") == [(3,)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
        "SELECT hex(zeroblob(1000000000))",
        "SELECT printf('%1000000000d', 1) || zeroblob(1000000000)",
        f"SELECT 1 WHERE 'a' LIKE '{'%a' * 1000}'",
        f"SELECT {'(' * 5000}1{')' * 5000}",
        f"SELECT {'1 + ' * 90_000}1",
    ],
)
def test_queries_are_limited(sql: str) -> None:
    started = time.monotonic()
    assert isinstance(run_query(from_script(SCRIPT), sql, steps=1_000_000), str)
    assert time.monotonic() - started < 5


def test_limits_are_those_given() -> None:
    connection = from_script(SCRIPT)
    counting = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT x FROM c"
    assert run_query(connection, counting.format(100), rows=100) == [(number,) for number in range(1, 101)]
    assert run_query(connection, counting.format(101), rows=100) == "more than 100 rows, or 20000000 characters"
    assert run_query(connection, counting.format(100_000), rows=10**6, steps=100_000) == "interrupted"
    assert run_query(connection, counting.format(10**7), rows=10**8, steps=10**10, seconds=0.1) == "interrupted"
    assert len(run_query(connection, counting.format(100_000), rows=10**6)) == 100_000


def test_a_database_from_a_table() -> None:
    connection = from_table(
        {"header": ["Name", 'No. "in" series'], "types": ["text", "real"], "rows": [["A", 1], ["B", "2"], ["C", None]]}
    )
    assert tables_of(connection) == ["table"]
    assert not is_empty(connection)
    assert run_query(connection, 'SELECT "no. ""in"" series" FROM "table" WHERE name != \'C\'') == [(1.0,), (2.0,)]
    assert is_empty(from_table({"header": ["a", "b"]}))


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"header": []},
        {"header": ["a"], "types": ["text", "text"]},
        {"header": ["a"], "rows": [[1, 2]]},
        {"header": ["a", "A"]},
        {"header": ["a"], "rows": [[[1]]]},
    ],
)
def test_malformed_tables(table: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="table"):
        from_table(table)


@pytest.mark.parametrize("script", ["CREATE TABL t (a)", "ATTACH 'x.db' AS x", "SELECT '\0'"])
def test_malformed_schemas(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="SQLite does not accept"):
        from_script(script)
    assert not list(tmp_path.iterdir())


def test_a_database_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(SCRIPT)
    connection.close()
    before = path.read_bytes()
    opened = from_file(path)
    assert run_query(opened, "SELECT count(*) FROM city") == [(3,)]
    assert isinstance(run_query(opened, "DELETE FROM city"), str)
    opened.close()
    assert path.read_bytes() == before
    (tmp_path / "text.sqlite").write_text("no database, but long enough to be looked at" * 100)
    for name in ("missing.sqlite", "text.sqlite"):
        with pytest.raises(UserError, match="no database of SQLite"):
            from_file(tmp_path / name)
    assert not (tmp_path / "missing.sqlite").exists()


@pytest.mark.parametrize(
    "selected",
    ["zeroblob(100000)", "hex(randomblob(50000))", "zeroblob(1000000)", "instr(zeroblob(1000000), zeroblob(500000))"],
)
def test_large_values_fill_neither_memory_nor_time(selected: str) -> None:
    counting = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9999)"
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(run_query(from_script(SCRIPT), f"{counting} SELECT {selected} FROM c"), str)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert time.monotonic() - started < 5


def test_a_long_search_is_stopped_in_time() -> None:
    texts = "replace(hex(zeroblob(49000)), '0', 'a'), replace(hex(zeroblob(25000)), '0', 'a') || x"
    query = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(instr({texts})) FROM c"
    started = time.monotonic()
    assert run_query(from_script(SCRIPT), query, seconds=0.5) == "interrupted"
    assert time.monotonic() - started < 20
