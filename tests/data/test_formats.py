from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.core.errors import UserError
from tunelift.data.formats import read_file

ROWS = [
    {"text": "good, really", "label": "1"},
    {"text": 'a "quoted"\nline', "label": "0"},
    {"text": "很好", "label": ""},
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def csv_text(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def contents(rows: list[dict]) -> dict[str, str]:
    return {
        "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "json": json.dumps(rows, ensure_ascii=False, indent=2),
        "csv": csv_text(rows),
    }


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_format_gives_the_same_rows_with_and_without_byte_order_mark(tmp_path, ending, mark):
    path = write(tmp_path / f"data.{ending}", mark + contents(ROWS)[ending])
    read = read_file(path)
    assert [row.fields for row in read.rows] == ROWS
    assert read.dropped == {}
    assert {row.source.file for row in read.rows} == {str(path)}


def test_quotes_in_tab_separated_values_are_quotes(tmp_path):
    path = write(tmp_path / "a.tsv", '\ufefftext\tlabel\r\n"open\t1\r\n\r\n"whole"\t\r\n')
    rows = read_file(path).rows
    assert [row.fields for row in rows] == [{"text": '"open', "label": "1"}, {"text": '"whole"', "label": ""}]
    assert [row.source.row for row in rows] == [2, 4]


def test_rows_are_counted_as_editors_count_lines(tmp_path):
    lines = write(tmp_path / "a.jsonl", '\n{"a": 1}\n\n{"a": 2}\n')
    assert [row.source.row for row in read_file(lines).rows] == [2, 4]
    table = write(tmp_path / "a.csv", contents(ROWS)["csv"])
    assert [row.source.row for row in read_file(table).rows] == [2, 3, 5]


def test_windows_line_ends_are_harmless(tmp_path):
    plain = [{"text": "one", "label": "1"}, {"text": "two", "label": "0"}]
    for ending, content in contents(plain).items():
        path = write(tmp_path / f"data.{ending}", content.replace("\r\n", "\n").replace("\n", "\r\n"))
        assert [row.fields for row in read_file(path).rows] == plain


def test_separators_of_unicode_do_not_end_a_json_line(tmp_path):
    path = write(tmp_path / "a.jsonl", json.dumps({"a": "x\u2028y\x85z"}, ensure_ascii=False))
    assert read_file(path).rows[0].fields == {"a": "x\u2028y\x85z"}


def test_a_json_file_may_hold_lines(tmp_path):
    path = write(tmp_path / "a.json", '{"a": 1}\n{"a": 2}\n')
    assert [row.fields for row in read_file(path).rows] == [{"a": 1}, {"a": 2}]


def test_parquet_rows_are_plain_data(tmp_path):
    frame = pandas.DataFrame({"text": ["a", "b"], "day": [datetime.date(2026, 1, 2)] * 2, "options": [["x", "y"]] * 2})
    frame.to_parquet(tmp_path / "a.parquet")
    rows = read_file(tmp_path / "a.parquet").rows
    assert [row.fields for row in rows] == [{"text": t, "day": "2026-01-02", "options": ["x", "y"]} for t in "ab"]
    assert [row.source.row for row in rows] == [1, 2]


def test_a_number_that_json_does_not_have_is_null_in_parquet(tmp_path):
    table = pyarrow.table({"a": [0.5, float("nan"), float("inf")]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert [row.fields["a"] for row in read_file(tmp_path / "a.parquet").rows] == [0.5, None, None]


def test_a_long_text_is_read_from_csv_and_the_limit_of_the_process_stays(tmp_path):
    before = csv.field_size_limit()
    rows = [{"text": "x" * 200_000, "label": "1"}]
    assert [row.fields for row in read_file(write(tmp_path / "a.csv", csv_text(rows))).rows] == rows
    with pytest.raises(UserError, match="is malformed"):
        read_file(write(tmp_path / "b.csv", 'text\n"open\n'))
    assert csv.field_size_limit() == before


def test_all_bad_lines_are_one_error_at_the_first(tmp_path):
    lines = ['{"a": 1}', '{"a": 1', "[1]", '{"a": 1}', '{"a": "\\ud83d"}', "text"]
    path = write(tmp_path / "a.jsonl", "\n".join(lines))
    with pytest.raises(UserError) as error:
        read_file(path)
    assert error.value.where == f"{path}:2"
    assert "is not JSON" in error.value.what
    assert "3 more lines have the same problem (3, 5, 6)" in error.value.hint


@pytest.mark.parametrize(
    ("name", "content", "line", "what"),
    [
        ("a.jsonl", "", None, "holds no rows"),
        ("a.json", "[]", None, "holds no rows"),
        ("a.csv", "", None, "holds no rows"),
        ("a.csv", "text,label\n", None, "holds no rows"),
        ("a.jsonl", "[1, 2]\n", 1, "not a JSON object"),
        ("a.jsonl", '{"a": "\\ud83d"}', 1, "lone surrogate"),
        ("a.jsonl", "[" * 100_000, 1, "is nested too deeply"),
        ("a.jsonl", '{"a": 1}\n{"a": NaN}', 2, "NaN and infinite numbers are not"),
        ("a.jsonl", '{"a": [{"b": -Infinity}]}', 1, "NaN and infinite numbers are not"),
        ("a.jsonl", '{"a": 1e999}', 1, "NaN and infinite numbers are not"),
        ("a.json", '[{"a": 1},\n {"a": Infinity}]', 2, "NaN and infinite numbers are not"),
        ("a.json", '[{"a": 1},\n {"a" 2}]', 2, "is not JSON"),
        ("a.json", '[{"a": 1}, 3]', 2, "not a JSON object but 3"),
        ("a.json", '{"a":\n [{"a": 1}]}', None, "holds one object, not a list of rows"),
        ("a.json", '{"a": 1}\n{"a" 2}', 2, "is not JSON"),
        ("a.tsv", "text\tlabel\nx\n", 2, "has 1 column, but the header has 2"),
        ("a.jsonl", b'{"a": "x"}\n{"a": "\xe9"}\n', 2, "is not UTF-8"),
        ("a.csv", "text\n很好".encode("gb18030"), 2, "is not UTF-8"),
        ("a.csv", "text\nx".encode("utf-16")[:-1], None, "is not UTF-16, although it begins as such"),
        ("a.csv", "text,label\nx,1\na,b,c\n", 3, "has 3 columns, but the header has 2"),
        ("a.csv", 'text,label\nx,1\n"open,1\n', 3, "is malformed"),
        ("a.csv", "text,text\nx,1\n", 1, "same name (text)"),
        ("a.parquet", "PAR1 no", None, "is not a Parquet file"),
        ("a.docx", "x", None, "not a known kind"),
    ],
)
def test_errors_name_place_and_cause(tmp_path, name, content, line, what):
    path = write(tmp_path / name, content)
    with pytest.raises(UserError) as error:
        read_file(path)
    assert error.value.where == (f"{path}:{line}" if line else str(path))
    assert what in error.value.what


def test_wrong_columns_are_counted(tmp_path):
    path = write(tmp_path / "a.csv", "a,b\n1\n1,2\n1,2,3\n1\n")
    with pytest.raises(UserError, match=r"2 more rows have the same problem \(4, 5\)"):
        read_file(path)


def test_missing_file():
    with pytest.raises(UserError, match="file not found"):
        read_file(Path("nowhere.jsonl"))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(max_examples=100)
@given(st.lists(st.fixed_dictionaries({"text": TEXTS, "label": TEXTS}), min_size=1))
def test_any_text_survives_every_format(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    for ending, content in contents(rows).items():
        read = read_file(write(folder / f"data.{ending}", content))
        assert [row.fields for row in read.rows] == rows
