from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.execution.sql_text import Token, compared_values, normal_form, orders_rows, tokens_of


def test_tokens() -> None:
    sql = "SELECT \"a b\", `c`, [d] FROM t -- all\nWHERE x=='it''s' AND y <> \"Paris\" /* , */ AND z >= 1.50;"
    assert [token.text for token in tokens_of(sql)] == [
        *("select", "a b", ",", "c", ",", "d", "from", "t", "where", "x", "=", "it's"),
        *("and", "y", "!=", "Paris", "and", "z", ">=", "1.5"),
    ]
    assert Token("text", "Paris") in tokens_of(sql)
    assert Token("name", "a b") in tokens_of(sql)
    assert tokens_of('SELECT 1 WHERE a = "t"."b"')[-3:] == [("name", "t"), ("sign", "."), ("name", "b")]
    assert tokens_of("") == tokens_of(" ;; ") == tokens_of("-- nothing") == []


SAME = [
    ("SELECT a FROM t", "select  A\nfrom T ;"),
    ("SELECT a FROM t", "SELECT t.a FROM t"),
    ("SELECT a FROM t", "SELECT x.a FROM t AS x"),
    ("SELECT a FROM t", 'SELECT "a" FROM [t] -- comment'),
    ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("SELECT a FROM t WHERE x = 1 AND y = 'A'", 'SELECT a FROM t WHERE y = "A" AND x == 1.0'),
    ("SELECT a FROM t WHERE x BETWEEN 1 AND 2 AND y > 3", "SELECT a FROM t WHERE y > 3 AND x BETWEEN 1 AND 2"),
    ("SELECT DISTINCT a, b FROM t", "SELECT DISTINCT b, a FROM t"),
    ("SELECT a FROM t JOIN u ON t.id = u.id", "SELECT a FROM t AS T1 JOIN u AS T2 ON T1.id = T2.id"),
    ("SELECT t.a FROM t, u WHERE t.id = u.id", "SELECT x.a FROM t x, u y WHERE x.id = y.id"),
    ("SELECT a FROM t GROUP BY a, b", "SELECT a FROM t GROUP BY b, a"),
    ("SELECT max(a, b) FROM t", "SELECT MAX( a,b ) FROM t"),
]

DIFFERENT = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT a FROM t WHERE x = 'A'", "SELECT a FROM t WHERE x = 'a'"),
    ("SELECT a FROM t WHERE x = 1", "SELECT a FROM t WHERE x = '1'"),
    ("SELECT a FROM t WHERE x = 1 AND y = 2", "SELECT a FROM t WHERE x = 2 AND y = 1"),
    ("SELECT a FROM t WHERE x = 1 AND y = 2 OR z = 3", "SELECT a FROM t WHERE z = 3 OR y = 2 AND x = 1"),
    ("SELECT a FROM t WHERE x BETWEEN 1 AND 2", "SELECT a FROM t WHERE x BETWEEN 2 AND 1"),
    ("SELECT a FROM t ORDER BY a, b", "SELECT a FROM t ORDER BY b, a"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    ("SELECT max(a, b) FROM t", "SELECT max(b, a) FROM t"),
    ("SELECT x.a FROM t x JOIN t y ON x.id = y.up", "SELECT y.a FROM t x JOIN t y ON x.id = y.up"),
    ("SELECT a FROM t UNION SELECT b FROM u", "SELECT a FROM t UNION ALL SELECT b FROM u"),
    ("SELECT 12", "SELECT 1 2"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_same_queries(first: str, second: str) -> None:
    assert normal_form(first) == normal_form(second)


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_different_queries(first: str, second: str) -> None:
    assert normal_form(first) != normal_form(second)


@given(st.text(alphabet=st.sampled_from("abSELECTfrom tjoinwhere,.()'\"`[];=<>1 2.5-/*")) | st.text())
def test_any_text_has_a_normal_form(text: str) -> None:
    assert normal_form(text) == normal_form(f"  {text}\n")
    compared_values(text)
    orders_rows(text)


def test_order_of_rows() -> None:
    assert orders_rows("SELECT a FROM t ORDER BY a")
    assert orders_rows("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1 LIMIT 3")
    assert not orders_rows("SELECT a FROM (SELECT a FROM t ORDER BY a)")
    assert not orders_rows("SELECT 'order by' FROM t")
    assert not orders_rows("SELECT row_number() OVER (ORDER BY a) FROM t")


def test_compared_values() -> None:
    sql = """SELECT t1.name FROM t AS t1 WHERE t1.age >= 20 AND city = "Paris" AND code IN ('a', 'b')
             AND x NOT LIKE '%y%' AND level BETWEEN 2 AND -3 AND substr(word, 1, 2) = 'un'
             GROUP BY name HAVING count(*) > 5 LIMIT 7"""
    assert compared_values(sql) == {
        "age": [20.0],
        "city": ["Paris"],
        "code": ["a", "b"],
        "x": ["%y%"],
        "level": [2.0, -3.0],
        "": [1.0, 2.0, "un", 5.0, 7.0],
    }
