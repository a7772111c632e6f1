from __future__ import annotations

import csv
import datetime
import gzip

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from tunelift.core.errors import UserError
from tunelift.data.formats import read_file


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(path)
    return path


def fields(path, columns=None):
    return [row.fields for row in read_file(path, columns).rows]


LINES = [["text", "label", "day"], ["good, really", 1, datetime.date(2026, 1, 2)], ["很好", 0.5, None]]
EXCEL_ROWS = [
    {"text": "good, really", "label": 1, "day": "2026-01-02 00:00:00"},
    {"text": "很好", "label": 0.5, "day": None},
]


def test_the_first_sheet_is_read_unless_another_is_named(tmp_path):
    path = workbook(tmp_path / "a.xlsx", One=LINES, Other=[["a"], ["b"]])
    rows = read_file(path)
    assert [row.fields for row in rows.rows] == EXCEL_ROWS
    assert [finding.message for finding in rows.findings] == ['only its first sheet "One" was read, not Other']
    other = read_file(f"{path}#Other")
    assert [(row.fields, row.source.file, row.source.row) for row in other.rows] == [({"a": "b"}, f"{path}#Other", 2)]
    with pytest.raises(UserError, match='has no sheet "Others" - did you mean "Other"'):
        read_file(f"{path}#Others")


def test_blank_lines_of_a_sheet_are_skipped_and_short_ones_filled(tmp_path):
    lines = [[None, None], ["a", "b"], [None, None], ["1", None], [None, "2"]]
    rows = read_file(workbook(tmp_path / "a.xlsx", S=lines)).rows
    assert [(row.source.row, row.fields) for row in rows] == [(4, {"a": "1", "b": None}), (5, {"a": None, "b": "2"})]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([["a", "a"], [1, 2]], "same name"),
        ([["a", "b"], [1, 2, 3]], "2: has 3 columns, but the header has 2"),
        ([["a"]], "holds no rows"),
        ([], "holds no rows"),
    ],
)
def test_malformed_sheets(tmp_path, lines, what):
    with pytest.raises(UserError, match=what):
        read_file(workbook(tmp_path / "a.xlsx", S=lines))


def test_compressed_and_cut_off_workbooks(tmp_path):
    content = workbook(tmp_path / "a.xlsx", S=LINES).read_bytes()
    packed = tmp_path / "a.xlsx.gz"
    packed.write_bytes(gzip.compress(content))
    assert fields(packed) == EXCEL_ROWS
    (tmp_path / "b.xlsx").write_bytes(content[:-50])
    with pytest.raises(UserError, match="is not an Excel file"):
        read_file(tmp_path / "b.xlsx")


def test_columns_can_be_named_where_a_file_does_not(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("Is it?\tyes\nWas it?\tno\n")
    assert fields(path, ["question", "answer"]) == [
        {"question": "Is it?", "answer": "yes"},
        {"question": "Was it?", "answer": "no"},
    ]
    assert fields(workbook(tmp_path / "a.xlsx", S=[["x", 1]]), ["text", "label"]) == [{"text": "x", "label": 1}]
    with pytest.raises(UserError, match=r"a.tsv:1: has 2 columns, but the header has 1"):
        read_file(path, ["question"])
    with pytest.raises(UserError, match=r"repeat \(a, a\)"):
        read_file(path, ["a", "a"])


def test_a_first_line_that_looks_like_a_row_is_remarked(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("Is this a question?\tyes\nWas it?\tno\n")
    [finding] = read_file(path).findings
    assert "looks like a row (Is this a question?)" in finding.message
    assert finding.rows == (f"{path}:1",)


def test_null_bytes_are_malformed(tmp_path):
    for ending, separator in ((".csv", ","), (".tsv", "\t")):
        path = tmp_path / f"a{ending}"
        path.write_text(f"a{separator}b\n1{separator}2\n\0{separator}3\n")
        with pytest.raises(UserError, match=f"a{ending}:3: holds a null byte"):
            read_file(path)


def test_parquet_comes_in_batches_and_replaced_numbers_are_counted(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"a": [float("nan"), 1.0] * 1500, "b": [[None, {"c": None}]] * 3000})
    pyarrow.parquet.write_table(table, path)
    rows = read_file(path)
    assert [row.fields["a"] for row in rows.rows] == [None, 1.0] * 1500
    assert rows.rows[2999].fields["b"] == [None, {"c": None}]
    assert rows.rows[2999].source.row == 3000
    assert [(finding.check, finding.count) for finding in rows.findings] == [("numbers", 1500)]


def test_repeated_columns_of_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array([1])] * 2, names=["a", "a"]), path)
    with pytest.raises(UserError, match=r"same name \(a\)"):
        read_file(path)


def test_the_limit_of_the_process_holds_between_rows(tmp_path):
    from tunelift.data.formats import iterate_rows

    path = tmp_path / "a.csv"
    path.write_text("a\n" + "x" * 200_000 + "\ny\n")
    before = csv.field_size_limit()
    for _ in iterate_rows(path):
        assert csv.field_size_limit() == before


def test_repeated_ids_are_remarked(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,a\n1,x\n2,y\n1,z\n")
    [finding] = read_file(path).findings
    assert (finding.check, finding.count, finding.rows) == ("repeated-ids", 1, (f"{path}:4",))


def test_bytes_of_parquet_are_texts(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": ["你好".encode(), b"\xff"], "b": [[b"x"], []]}), path)
    assert fields(path) == [{"a": "你好", "b": ["x"]}, {"a": "b'\\xff'", "b": []}]


def test_many_columns_are_compared_at_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a," * 300_000 + "b\n")
    with pytest.raises(UserError, match=r"same name \(a\)"):
        read_file(path)
