from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.sql import execution_match, same_rows, sql_exact

WIKISQL = Path(__file__).parents[4] / "shared" / "data" / "wikisql_sample" / "wikisql_800.jsonl"
TABLE = {
    "header": ["Player", "Team", "No."],
    "types": ["text", "text", "real"],
    "rows": [["Ann", "A", 7], ["Bob", "A", 9], ["Cid", "B", 7]],
}
SCHEMA = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, country TEXT, age INT);
CREATE TABLE concert (id INTEGER PRIMARY KEY, singer_id INT REFERENCES singer (id), year INT, seats INT);
"""


def match(answer: str | None, right: str, fields: dict[str, Any], **arguments: Any) -> float:
    return execution_match(**arguments).of([Outcome(answer, (right,), fields=fields)])


def test_results_are_compared_as_multisets_or_in_order() -> None:
    assert same_rows([(1, "a"), (2, "b")], [(2, "b"), (1.0, "a")], ordered=False)
    assert not same_rows([(1, "a"), (2, "b")], [(2, "b"), (1, "a")], ordered=True)
    assert not same_rows([(1,), (1,), (2,)], [(1,), (2,), (2,)], ordered=False)
    assert same_rows([(0.1 + 0.2, None)], [(0.3, None)], ordered=True)
    assert same_rows([(1 / 3, "b"), (1 / 3 + 1e-12, "a")], [(1 / 3, "a"), (1 / 3, "b")], ordered=False)
    assert not same_rows([(1.01,)], [(1.0,)], ordered=True)
    assert not same_rows([("1",)], [(1,)], ordered=False)
    assert not same_rows([(None,)], [(0,)], ordered=False)
    assert not same_rows([(1,)], [(1, 2)], ordered=False)
    assert not same_rows([(1, 2)], [(2, 1)], ordered=False)
    assert same_rows([(b"x", None, "a", 1)], [(b"x", None, "a", 1)], ordered=False)
    assert same_rows([], [], ordered=True)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("SELECT Player FROM table WHERE Team = 'A'", 1.0),
        ('select "player" from "table" where not team = \'B\' order by 1 desc;', 1.0),
        ("SELECT Player FROM table WHERE Team = 'A' LIMIT 1", 0.0),
        ("SELECT Player FROM table", 0.0),
        ("SELECT Player, Team FROM table WHERE Team = 'A'", 0.0),
        ("SELECT Player FROM tables WHERE Team = 'A'", 0.0),
        ('DROP TABLE "table"', 0.0),
        ("The players of A", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_a_table_with_rows(answer: str | None, value: float) -> None:
    assert match(answer, "SELECT Player FROM table WHERE Team = 'A'", {"table": TABLE}) == value


def test_order_counts_if_the_right_query_has_one() -> None:
    right = 'SELECT Player FROM table ORDER BY "No." DESC, Player'
    assert match('SELECT Player FROM table ORDER BY "No." DESC, Player ASC', right, {"table": TABLE}) == 1.0
    assert match("SELECT Player FROM table ORDER BY Player", right, {"table": TABLE}) == 0.0


def test_a_schema_with_rows_and_a_file(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"
    fields = {"schema": script}
    assert match("SELECT sum(a) FROM t", "SELECT 3", fields) == 1.0
    # With these rows alone, two different queries agree; with no rows in the result, too.
    assert match("SELECT b FROM t WHERE a = 1", "SELECT b FROM t WHERE a < 2", fields) == 1.0
    assert match("SELECT b FROM t WHERE a = 7", "SELECT b FROM t WHERE a = 8", fields) == 1.0
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        connection.executescript(script)
    connection.close()
    stored = {"database": "t.sqlite"}
    assert match("SELECT a FROM t", "SELECT a FROM t WHERE a > 0", stored, folder=str(tmp_path)) == 1.0
    assert match("SELECT a FROM t", "SELECT a FROM t WHERE a > 1", stored, folder=str(tmp_path)) == 0.0
    with pytest.raises(UserError, match="outside of the folder"):
        match("SELECT 1", "SELECT 1", {"database": "../t.sqlite"}, folder=str(tmp_path / "other"))


RIGHT = """SELECT s.name, count(*) FROM singer AS s JOIN concert AS c ON s.id = c.singer_id
           WHERE s.country = 'France' AND c.year >= 2014 GROUP BY s.id"""


@pytest.mark.parametrize(
    "answer",
    [
        "SELECT name, count(concert.id) FROM concert, singer WHERE singer_id = singer.id AND year > 2013 "
        "AND country = 'France' GROUP BY singer.id",
        "SELECT name, (SELECT count(*) FROM concert WHERE singer_id = s.id AND year >= 2014) AS n FROM singer s "
        "WHERE country = 'France' AND n > 0",
    ],
)
def test_equivalent_queries_agree_on_made_up_rows(answer: str) -> None:
    assert match(answer, RIGHT, {"schema": SCHEMA}) == 1.0
    assert sql_exact().of([Outcome(answer, (RIGHT,))]) == 0.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("s.country = 'France' AND ", ""),
        ("AND c.year >= 2014", ""),
        (">= 2014", "> 2014"),
        (">= 2014", ">= 2013"),
        (">= 2014", "= 2014"),
        ("'France'", "'french'"),
        ("= 'France'", "!= 'France'"),
        ("= 'France'", "LIKE '%France%'"),
        (" AND ", " OR "),
        ("s.name", "s.country"),
        ("count(*)", "count(DISTINCT c.singer_id)"),
        ("count(*)", "count(c.seats)"),
        ("count(*)", "max(c.seats)"),
        ("s.id = c.singer_id", "s.id = c.id"),
        ("GROUP BY s.id", ""),
        ("SELECT", "SELECT DISTINCT 1,"),
    ],
)
def test_altered_queries_are_found_out_by_made_up_rows(old: str, new: str) -> None:
    assert old in RIGHT
    assert match(RIGHT.replace(old, new), RIGHT, {"schema": SCHEMA}) == 0.0


def test_a_right_query_that_finds_nothing_asks_for_the_same_query() -> None:
    right = "SELECT name FROM singer WHERE age > 5 AND age < 5 AND country = 'X'"
    assert match("SELECT name FROM singer WHERE 0", right, {"schema": SCHEMA}) == 0.0
    assert (
        match("select name from singer where country = 'X' and age > 5 and age < 5", right, {"schema": SCHEMA}) == 1.0
    )


def test_errors_of_the_data() -> None:
    with pytest.raises(UserError, match="the right query fails"):
        match("SELECT 1", "SELECT nothing FROM singer", {"schema": SCHEMA})
    with pytest.raises(UserError, match="no database in the row"):
        match("SELECT 1", "SELECT 1", {"question": "?"})
    with pytest.raises(ValueError, match="positive"):
        execution_match(databases=0)


def test_exact_queries() -> None:
    metric = sql_exact()
    right = 'SELECT a FROM t WHERE x = "Y" AND b > 1'
    assert metric.of([Outcome("select a from t where b > 1 and x = 'Y';", (right,))]) == 1.0
    assert metric.of([Outcome("SELECT a FROM t", ("SELECT b FROM t", "SELECT t.a FROM t"))]) == 1.0
    assert metric.of([Outcome(None, (right,)), Outcome("", (right,))]) == 0.0
    assert (metric.low, metric.high, metric.is_mean) == (0.0, 1.0, True)


# The sample's queries are in a canonical form that no database takes: columns without quotes, functions without
# brackets, and no tables. This makes SQL of them.
QUERY = re.compile(r"SELECT (?:(COUNT|MIN|MAX) )?(.+?)_FIELD FROM TABLE AS TABLEalias0(?: WHERE (.+))? ;")
CONDITION = re.compile(r'(.+?)_FIELD ([=<>]) "?(var\d)"?')


def wikisql() -> list[tuple[str, list[tuple[str, str, str]], dict[str, Any], str]]:
    """Selected expression, conditions, the row of data, and the query as it stands there."""
    if not WIKISQL.is_file():
        pytest.skip("the sample of WikiSQL is not here")
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    items = []
    for line in WIKISQL.read_text(encoding="utf-8").splitlines()[::8]:
        row = json.loads(line)
        function, selected, where = QUERY.fullmatch(row["sql_template"].replace("TABLEalias0.", "")).groups()
        conditions = [CONDITION.fullmatch(part).groups() for part in where.split(" AND ")] if where else []
        columns = kinds[row["table_id"]]
        columns.setdefault(selected, "real" if function in ("MIN", "MAX") else "text")
        for column, _, variable in conditions:
            columns[column] = "real" if row["variables"][variable].replace(".", "", 1).isdigit() else "text"
        name = '"' + selected + '"'
        expression = f"{function}({name})" if function else name
        literals = [(f'"{column}"', sign, _literal(row["variables"][key])) for column, sign, key in conditions]
        items.append((expression, literals, columns, row["sql"]))
    return items


def _literal(value: str) -> str:
    return value if value.replace(".", "", 1).isdigit() else "'" + value.replace("'", "''") + "'"


def _select(expression: str, conditions: list[tuple[str, str, str]]) -> str:
    where = " AND ".join(" ".join(condition) for condition in conditions)
    return f"SELECT {expression} FROM table" + (f" WHERE {where}" if where else "")


def test_queries_of_wikisql() -> None:
    metric, exact = execution_match(databases=3), sql_exact()
    agreed = []
    for expression, conditions, columns, canonical in wikisql():
        fields = {"table": {"header": list(columns), "types": list(columns.values())}}
        right = _select(expression, conditions)
        assert metric.of([Outcome(right.lower() if "'" not in right else right, (right,), fields=fields)]) == 1.0
        assert exact.of([Outcome(canonical.replace("SELECT ", "select\n").replace(" ;", ""), (canonical,))]) == 1.0
        if conditions:
            altered = [_select(expression, conditions[1:]), right.replace(" = ", " != ")]
            agreed += [metric.of([Outcome(answer, (right,), fields=fields)]) for answer in altered if answer != right]
    assert len(agreed) > 150
    assert sum(agreed) <= 0.01 * len(agreed)
