"""Data files to rows: what a file holds is data, and no value is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tunelift.core.errors import UserError, shorten
from tunelift.core.records import Finding, Source
from tunelift.data.formats.files import UNPACKERS, DataFile, find_file, split_name
from tunelift.data.formats.json_files import read_json, read_json_lines
from tunelift.data.formats.plain_text import read_tagged, read_text
from tunelift.data.formats.rows import Numbered, Row, Rows, Tally, and_more, join_rows, place, plain
from tunelift.data.formats.tables import read_csv, read_excel, read_parquet, read_tsv
from tunelift.data.formats.text import is_utf8

__all__ = [
    "READERS",
    "TAGGED",
    "Row",
    "Rows",
    "and_more",
    "find_file",
    "is_utf8",
    "iterate_rows",
    "join_rows",
    "place",
    "plain",
    "read_file",
    "split_name",
]

ID = "id"
TAGGED = (".conll", ".bio", ".iob", ".iob2", ".bioes", ".bmes")
READERS: dict[str, Callable[[DataFile], Numbered]] = {
    ".jsonl": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".xlsx": read_excel,
    ".txt": read_text,
    **dict.fromkeys(TAGGED, read_tagged),
}


def read_file(path: Path | str, columns: Sequence[str] | None = None) -> Rows:
    """Read one data file; its ending says the format.

    A byte order mark, either kind of line ending and blank lines in JSON lines are harmless.

    Args:
        path: A file that ends in .jsonl, .json, .csv, .tsv, .parquet, .xlsx, .txt, or .conll and the like, with .gz
            or .zst behind that where it is compressed. A .json file holds a list of objects, JSON lines, or one
            object with the rows under a key. Behind "#" can stand the sheet of an .xlsx file, the key of a .json
            file, or "paragraphs" or "lines" for a .txt file.
        columns: Names of the columns, where the file does not name them.

    Raises:
        UserError: The file is missing, empty, of another kind, in an unknown encoding or malformed. All malformed
            lines are reported in one error, with their count.
    """
    file = _known_file(path, columns)
    rows = list(_rows(file))
    return Rows(rows, file.dropped.counts, file.dropped.places(), file.findings + _repeated_ids(rows))


def iterate_rows(path: Path | str, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """The rows of a file one by one, as `read_file` reads them.

    JSON lines, CSV, TSV, Parquet, Excel and text files are read in flat memory. A malformed row is an error when the
    end of the file is reached; no row behind the first such is given.
    """
    return _rows(_known_file(path, columns))


def _repeated_ids(rows: list[Row]) -> list[Finding]:
    seen: set[object] = set()
    repeated = Tally()
    for row in rows:
        name = row.fields.get(ID)
        if isinstance(name, str | int):
            if name in seen:
                repeated.add(f'rows have the "{ID}" of another', place(row.source))
            seen.add(name)
    return repeated.findings("repeated-ids", "nothing, if that is right; otherwise look for rows that were added twice")


def _known_file(path: Path | str, columns: Sequence[str] | None) -> DataFile:
    file = find_file(path, tuple(columns) if columns else None)
    if file.ending not in READERS:
        hint = f"use one of {', '.join(READERS)}, also with {' or '.join(UNPACKERS)} behind it"
        raise UserError(file.path, f'"{file.ending}" is not a known kind of data file', hint)
    if columns and len(set(columns)) < len(columns):
        raise UserError(file.name, f"the names for its columns repeat ({shorten(columns)})", "name each differently")
    if columns and file.ending == ".parquet":
        raise UserError(file.name, "names its columns itself", "do not name them")
    return file


def _rows(file: DataFile) -> Iterator[Row]:
    empty = True
    for number, fields in READERS[file.ending](file):
        empty = False
        yield Row(fields, Source(file.name, number))
    if empty:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in file.dropped.counts.items())
        what = f"holds no rows that can be used ({reasons})" if reasons else "holds no rows"
        raise UserError(file.name, what, "check that the right file was written and saved")
