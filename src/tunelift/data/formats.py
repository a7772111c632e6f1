"""Data files to rows: JSON lines, JSON, CSV, TSV and Parquet. Data is data: no value is changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, counted, shorten
from tunelift.core.records import Source


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read.

    Attributes:
        fields: Its values by name: plain data, as JSON has it.
        source: Where it stands. In line-based files the row is the line it begins on, the header being line 1;
            in others the number of the record, from 1.
    """

    fields: dict[str, Any]
    source: Source


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one or several files, in order.

    Attributes:
        rows: The rows.
        dropped: How many could not be used, by reason.
    """

    rows: list[Row]
    dropped: dict[str, int] = field(default_factory=dict)


def place(source: Source) -> str:
    """A source as people write it: ``file:row``."""
    return f"{source.file}:{source.row}"


def read_file(path: Path) -> Rows:
    """Read one data file; its ending says the format.

    A byte order mark, either kind of line ending and blank lines in JSON lines are harmless.

    Args:
        path: A file that ends in .jsonl, .json, .csv, .tsv or .parquet. A .json file holds a list of objects, or
            JSON lines.

    Raises:
        UserError: The file is missing, empty, of another kind, not UTF-8 or malformed. All malformed lines are
            reported in one error, with their count.
    """
    if not path.is_file():
        raise UserError(path, "file not found", "check the path; it is relative to where you are")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        hint = f"use one of {', '.join(READERS)}"
        raise UserError(path, f'"{path.suffix}" is not a known kind of data file', hint)
    rows = reader(path)
    if not rows:
        raise UserError(path, "holds no rows", "check that the right file was written and saved")
    return Rows([Row(fields, Source(str(path), row)) for row, fields in rows])


Numbered = list[tuple[int, dict[str, Any]]]
Problem = tuple[int, str]


def _read_json(path: Path) -> Numbered:
    text = _read_text(path)
    if not text.lstrip().startswith("["):
        _refuse_single_object(path, text)
        return _parse_json_lines(path, text)
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise UserError(where, f"is not JSON ({error.msg}, column {error.colno})", "correct the line") from error
    except (ValueError, RecursionError) as error:
        raise UserError(path, f"is not JSON ({error})", "correct the file") from error
    rows = list(enumerate(values, start=1))
    problems = [(number, what) for number, value in rows if (what := _object_problem(value))]
    _refuse(path, problems, "record", "a .json file is a list of objects")
    return rows


def _refuse_single_object(path: Path, text: str) -> None:
    """One object over several lines is not JSON lines; its rows often stand under one of its keys."""
    if "\n" not in text.strip():
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    keys = shorten(value) if isinstance(value, dict) else "none"
    hint = f"a .json file is a list of objects; save the list under one of its keys ({keys}) as a file of its own"
    raise UserError(path, "holds one object, not a list of rows", hint)


def _read_json_lines(path: Path) -> Numbered:
    return _parse_json_lines(path, _read_text(path))


def _parse_json_lines(path: Path, text: str) -> Numbered:
    rows: Numbered = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append((number, f"is not JSON ({error.msg}, column {error.colno})"))
            continue
        except (ValueError, RecursionError) as error:
            problems.append((number, f"is not JSON ({error})"))
            continue
        what = _object_problem(value)
        if what:
            problems.append((number, what))
        else:
            rows.append((number, value))
    _refuse(path, problems, "line", "every line must be one JSON object")
    return rows


def _object_problem(value: Any) -> str | None:
    """What keeps a parsed value from being a row."""
    if not isinstance(value, dict):
        return f"is not a JSON object but {json.dumps(value, ensure_ascii=False)[:40]}"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "holds half of a character (a lone surrogate such as \\ud83d)"
    except ValueError:
        return "is not JSON (NaN and infinite numbers are not; a missing value is null)"
    except RecursionError:
        return "is nested too deeply"
    return None


def _read_csv(path: Path) -> Numbered:
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records = []
    begins = 1
    limit = csv.field_size_limit(len(text))  # of the process; its default refuses long texts
    try:
        for record in reader:
            records.append((begins, record))
            begins = reader.line_num + 1
    except csv.Error as error:
        hint = "quote values that hold quotes or line breaks, and double their quotes; or use JSON lines"
        raise UserError(f"{path}:{begins}", f"is malformed ({error})", hint) from error
    finally:
        csv.field_size_limit(limit)
    return _under_header(path, records, "quote values that hold a comma")


def _read_tsv(path: Path) -> Numbered:
    """Tab-separated values have no quoting: a quote is a quote (IANA text/tab-separated-values)."""
    lines = [line.removesuffix("\r") for line in _read_text(path).split("\n")]
    records = [(number, line.split("\t") if line else []) for number, line in enumerate(lines, start=1)]
    return _under_header(path, records, "values cannot hold tabs or line breaks; use JSON lines for such")


def _under_header(path: Path, records: list[tuple[int, list[str]]], hint: str) -> Numbered:
    """Records as rows, named by the first; empty lines are skipped."""
    filled = [(number, record) for number, record in records if record]
    if not filled:
        return []
    header_line, header = filled[0]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        what = f"columns have the same name ({shorten(repeated)})"
        raise UserError(f"{path}:{header_line}", what, "the first line must name every column, each differently")
    problems = [
        (number, f"has {counted(len(record), 'column')}, but the header has {len(header)}")
        for number, record in filled[1:]
        if len(record) != len(header)
    ]
    _refuse(path, problems, "row", hint)
    return [(number, dict(zip(header, record, strict=True))) for number, record in filled[1:]]


def _read_parquet(path: Path) -> Numbered:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(path, "Parquet files need pyarrow", "run: pip install 'tunelift[data]'") from error
    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(path, f"is not a Parquet file ({str(error).splitlines()[0]})", "write it again") from error
    return [(number, plain(record)) for number, record in enumerate(records, start=1)]


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """A record as JSON has it: dates, decimals and the like become text, NaN and infinite numbers null."""
    return json.loads(json.dumps(record, default=str), parse_constant=lambda name: None)


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}:1", "is UTF-16, not UTF-8", "save the file as UTF-8")
    problems = [(number, "is not UTF-8") for number, line in enumerate(data.split(b"\n"), start=1) if not is_utf8(line)]
    raise _error(path, problems, "line", "save the file as UTF-8, for example: iconv -f GB18030 -t UTF-8")


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse(path: Path, problems: list[Problem], unit: str, hint: str) -> None:
    if problems:
        raise _error(path, problems, unit, hint)


def _error(path: Path, problems: list[Problem], unit: str, hint: str) -> UserError:
    """One error for all problems of a file, at the first."""
    number, what = problems[0]
    return UserError(f"{path}:{number}", what, hint + and_more([other for other, _ in problems[1:]], unit))


def and_more(others: Iterable[object], unit: str) -> str:
    """The end of a hint that counts further places: ``; 3 more rows have the same problem (301, 302, 977)``."""
    places = [str(other) for other in others]
    if not places:
        return ""
    have = "has" if len(places) == 1 else "have"
    return f"; {counted(len(places), f'more {unit}')} {have} the same problem ({shorten(places)})"


READERS: dict[str, Callable[[Path], Numbered]] = {
    ".jsonl": _read_json_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
}
