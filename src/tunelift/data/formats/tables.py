"""CSV, TSV, Parquet and Excel to rows: records under a header."""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO

from tunelift.core.errors import UserError, counted, nearest, shorten
from tunelift.core.records import Finding
from tunelift.data.formats.files import DataFile, largest_content, open_seekable, too_much
from tunelift.data.formats.rows import Numbered, plain, said, sound
from tunelift.data.formats.text import open_text

Records = Iterator[tuple[int, Sequence[Any]]]

LONGEST_VALUE = 2**31 - 1
BATCH = 1000
EXCEL_ROWS = 1_048_576
# Names of columns are shorter and are no sentences.
LONGEST_NAME = 60
SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


def read_csv(file: DataFile) -> Numbered:
    """Comma-separated values, quoted where they hold commas, quotes or line breaks."""
    with open_text(file, newline="") as text:
        yield from _under_header(file, _csv_records(file, text), "quote values that hold a comma")


def _csv_records(file: DataFile, text: Iterable[str]) -> Records:
    reader = csv.reader(text, strict=True)
    while True:
        begins = reader.line_num + 1
        limit = csv.field_size_limit(LONGEST_VALUE)  # of the process; its default refuses long texts
        try:
            record = next(reader, None)
        except csv.Error as error:
            hint = "quote values that hold quotes or line breaks, and double their quotes; or use JSON lines"
            raise UserError(f"{file.name}:{begins}", f"is malformed ({error})", hint) from error
        finally:
            csv.field_size_limit(limit)
        if record is None:
            return
        yield begins, record


def read_tsv(file: DataFile) -> Numbered:
    """Tab-separated values have no quoting: a quote is a quote (IANA text/tab-separated-values)."""
    with open_text(file) as text:
        lines = (line.removesuffix("\n").removesuffix("\r") for line in text)
        records = ((number, line.split("\t") if line else []) for number, line in enumerate(lines, start=1))
        yield from _under_header(file, records, "values cannot hold tabs or line breaks; use JSON lines for such")


def _under_header(file: DataFile, records: Records, hint: str) -> Numbered:
    """Records as rows, named by the first unless their names are given; empty lines are skipped."""
    filled: Records = ((number, record) for number, record in records if record)
    header: Sequence[str] | None = file.columns
    if header is None:
        line, first = next(filled, (1, ()))
        header = _marked_columns(first)
        if header:
            filled = chain([(line, first)], filled)
        else:
            header = _names(file, line, first)
    width = len(header)
    return sound(file.name, ((number, _named(header, record, width)) for number, record in filled), "row", hint)


def _named(header: Sequence[str], record: Sequence[Any], width: int) -> dict[str, Any] | str:
    if len(record) != width:
        return f"has {counted(len(record), 'column')}, but the header has {width}"
    row = dict(zip(header, record, strict=True))
    null = any(isinstance(value, str) and "\0" in value for value in record)
    return "holds a null byte (UTF-16 without its mark has such)" if null else row


def _marked_columns(record: Sequence[Any]) -> Sequence[str] | None:
    """The columns of a file without a header that holds relations and sentences with marked entities."""
    marked = ["<e1>" in str(value) for value in record]
    names = ("relation", "sentence") if marked == [False, True] else ("sentence", "relation")
    return names if sorted(marked) == [False, True] else None


def _names(file: DataFile, line: int, header: Sequence[Any]) -> list[str]:
    """The names of the columns, each of which must be another."""
    names = ["" if name is None else str(name) for name in header]
    where = f"{file.name}:{line}"
    _refuse_repeated(where, names, "the first line must name every column, each differently")
    if any("\0" in name for name in names):
        raise UserError(where, "holds a null byte", "save the file as UTF-8 text")
    unlike = [name for name in names if len(name) > LONGEST_NAME or (name.endswith(SENTENCE_ENDS) and " " in name)]
    if unlike:
        message = f"the first line names the columns, but looks like a row ({shorten([unlike[0][:40]])})"
        remedy = "where it is one, name the columns: dataset_kwargs: {column_names: [...]}"
        file.findings.append(Finding("header", "warning", message, 1, remedy, (where,)))
    return names


def _refuse_repeated(where: str, names: Sequence[str], hint: str) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise UserError(where, f"columns have the same name ({shorten(repeated)})", hint)


def read_parquet(file: DataFile) -> Numbered:
    """Parquet, in batches; what JSON does not have becomes text, NaN and infinite numbers null."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(file.name, "Parquet files need pyarrow", "run: pip install 'tunelift[data]'") from error
    nulls: list[str] = []
    number = 0
    with open_seekable(file) as stream:
        try:
            parquet = pyarrow.parquet.ParquetFile(stream)
            _refuse_repeated(file.name, parquet.schema_arrow.names, "write it again with different names")
            for batch in parquet.iter_batches(batch_size=BATCH):
                for record in batch.to_pylist():
                    number += 1
                    yield number, plain(record, nulls)
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError, RecursionError) as error:
            raise UserError(file.name, f"is not a Parquet file ({said(error)})", "write it again") from error
    if nulls:
        file.remark("numbers", "numbers that are NaN or infinite became null", "nothing, if that is right", len(nulls))


def read_excel(file: DataFile) -> Numbered:
    """One sheet of an .xlsx file under its first line: the first, or the one that the file's part names."""
    try:
        import openpyxl
    except ImportError as error:
        raise UserError(file.name, "Excel files need openpyxl", "run: pip install 'tunelift[data]'") from error
    with open_seekable(file) as stream, _excel_errors(file):
        _refuse_large(file, stream)
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if not sheets:
            raise ValueError("it holds no sheets")
        name = file.part or next(iter(sheets))
        if name not in sheets:
            raise UserError(file.name, f'has no sheet "{name}"', nearest(name, sheets))
        if file.part is None and len(sheets) > 1:
            others = shorten(list(sheets)[1:])
            remedy = f"nothing, if that is right; otherwise {file.path.name}#SHEET"
            file.remark("sheets", f'only its first sheet "{name}" was read, not {others}', remedy)
        yield from _under_header(file, _excel_records(sheets[name]), "fill in the header")


@contextmanager
def _excel_errors(file: DataFile) -> Iterator[None]:
    """The packages that read .xlsx files fail in many ways on those that are not whole."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(file.name, f"is not an Excel file ({said(error)})", "save it again as .xlsx") from error


def _refuse_large(file: DataFile, stream: BinaryIO) -> None:
    """An .xlsx file is a zip archive, which can hold far more than it should."""
    with zipfile.ZipFile(stream) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    limit = largest_content(file.path.stat().st_size)
    if size > limit:
        raise too_much(file.name, limit)
    stream.seek(0)


def _excel_records(sheet: Any) -> Records:
    """The lines of a sheet, as wide as the first; cells behind it must be empty, and lines may be."""
    sheet.reset_dimensions()  # what the file says of its size need not be true
    width = 0
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > EXCEL_ROWS:
            raise ValueError("it has more rows than Excel allows")
        filled = max((at for at, cell in enumerate(cells, start=1) if cell is not None), default=0) if cells else 0
        if filled:
            width = width or filled
            yield number, [_plain_cell(cell) for cell in [*cells[:filled], *[None] * (width - filled)]]


def _plain_cell(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, str | int | float) else str(cell)
