from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from tunelift.evaluation.execution.databases import from_script, is_empty, tables_of
from tunelift.evaluation.execution.synthetic_rows import fill

SCHEMA = """
CREATE TABLE enrolled (student_id INTEGER NOT NULL REFERENCES student (id), course TEXT REFERENCES course,
                       mark REAL CHECK (mark >= 0), day DATE, PRIMARY KEY (student_id, course));
CREATE TABLE student (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, age INT, mentor INT REFERENCES student (id));
CREATE TABLE course (code TEXT PRIMARY KEY, "max size" int, double_size INT GENERATED ALWAYS AS ("max size" * 2));
"""
QUERY = """SELECT s.name FROM student s JOIN enrolled e ON s.id = e.student_id
           WHERE s.age > 1030 AND e.course = 'Mathematics' AND e.day >= '1975-03-01' AND s.name LIKE '%smith%'"""


def filled(seed: int, script: str = SCHEMA, query: str = QUERY) -> sqlite3.Connection:
    connection = from_script(script)
    assert is_empty(connection)
    fill(connection, query, seed)
    return connection


def contents(connection: sqlite3.Connection) -> list[Any]:
    return [connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables_of(connection)]


def test_rows_are_those_of_the_seed() -> None:
    assert contents(filled(3)) == contents(filled(3))
    assert contents(filled(3)) != contents(filled(4))


@pytest.mark.parametrize("seed", range(5))
def test_rows_keep_the_constraints_and_find_partners(seed: int) -> None:
    connection = filled(seed)
    dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    assert {(table, parent) for table, _, parent, _ in dangling} <= {("student", "student")}
    assert len(dangling) < 12
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables_of(connection)]
    assert min(counts) > 5


def test_conditions_select_some_rows() -> None:
    conditions = ["age > 1030", "age > 1029", "age >= 1030", "name LIKE '%smith%'", "name = 'smith'", "age IS NULL"]
    for condition in conditions:
        counts = [
            filled(seed).execute(f"SELECT count(*) FROM student WHERE {condition}").fetchone()[0] for seed in range(5)
        ]
        assert 0 < sum(counts) < 5 * 24, condition
    assert any(filled(seed).execute(QUERY).fetchall() for seed in range(5))


def test_tables_that_refer_to_each_other_in_a_circle() -> None:
    script = (
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES b (id)); CREATE TABLE b (id INT, a REFERENCES a);"
    )
    assert not is_empty(filled(1, script, "SELECT * FROM a"))
    assert not is_empty(filled(1, "CREATE TABLE a (x REFERENCES missing (y))", "SELECT x FROM a WHERE x = 5"))
