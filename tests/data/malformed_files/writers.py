"""Sound rows as files of every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import pyarrow
import pyarrow.parquet
import zstandard

Row = dict[str, Any]
Rows = list[Row]

LONG_AGO = (1980, 1, 1, 0, 0, 0)


def json_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _json(rows: Rows) -> bytes:
    return json.dumps(rows, indent=1).encode()


def _json_object(rows: Rows) -> bytes:
    return json.dumps({"version": 1, "data": rows}).encode()


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _cells(row: Row) -> list[str]:
    """The values that a row has, so that one which is missing makes it shorter."""
    return ["" if value is None else str(value) for value in row.values()]


def _csv(rows: Rows) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([_columns(rows), *map(_cells, rows)])
    return stream.getvalue().encode("utf-8", "surrogatepass")


def _tsv(rows: Rows) -> bytes:
    return "\n".join("\t".join(line) for line in [_columns(rows), *map(_cells, rows)]).encode("utf-8", "surrogatepass")


def _lines(rows: Rows) -> bytes:
    return "\n".join(" ".join(_cells(row)) for row in rows).encode("utf-8", "surrogatepass")


def _conll(rows: Rows) -> bytes:
    blocks = ["".join(f"{word}\tO\n" for word in " ".join(_cells(row)).split()) for row in rows]
    return "\n".join(blocks).encode("utf-8", "surrogatepass")


def _parquet(rows: Rows) -> bytes:
    columns = {name: _parquet_column([row.get(name) for row in rows]) for name in _columns(rows)}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def _parquet_column(values: list[Any]) -> list[Any]:
    """Numbers, or texts with the JSON of what is none: a column has one type."""
    if all(isinstance(value, float) for value in values):
        return values
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return [text and text.encode("utf-8", "replace").decode() for text in texts]


def _excel(rows: Rows) -> bytes:
    lines = [_columns(rows), *map(_cells, rows)]
    return excel_of("".join(_excel_line(number, line) for number, line in enumerate(lines, start=1)))


def _excel_line(number: int, values: list[str]) -> str:
    allowed = ("".join(sign for sign in value if sign.isprintable()) for value in values)
    cells = "".join(f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>' for value in allowed)
    return f'<row r="{number}">{cells}</row>'


def excel_of(lines: str, before: str = "", sheet: str = "xl/worksheets/sheet1.xml") -> bytes:
    """The smallest .xlsx file."""
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    link = '<Relationship Id="r1" Type="{}/{}" Target="{}"/>'
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f"{link.format(office, 'officeDocument', 'xl/workbook.xml')}</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f"{link.format(office, 'worksheet', 'worksheets/sheet1.xml')}</Relationships>",
        sheet: f'{before}<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    ".jsonl": json_lines,
    ".json": _json,
    ".of-one.json": _json_object,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".xlsx": _excel,
    ".txt": _lines,
    ".conll": _conll,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".zst": lambda content: zstandard.ZstdCompressor().compress(content),
}
