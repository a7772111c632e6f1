"""Data files with every kind of damage, made from a seed: for tests that nothing in them ends in a traceback."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pyarrow
import pyarrow.parquet
import zstandard

Row = dict[str, Any]
Rows = list[Row]

WORDS = ["the", "cat", "sat", "on", "a", "mat", "很", "好", "的", "房间", "Zürich", "naïve", "€5", "😀"]
BOMB = 120  # MiB
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def malformed_files(seed: int, count: int) -> list[tuple[str, bytes, str]]:
    """Damaged files.

    Args:
        seed: The same seed gives the same files.
        count: How many; 300 hold every kind of damage in every format at least once.

    Returns:
        For each its name, its content, and what is wrong with it.
    """
    random = Random(seed)
    makers = [*SPECIAL, *_pairs()]
    random.shuffle(makers)
    files = []
    for number in range(count):
        name, content, what = makers[number % len(makers)](random)
        files.append((f"{number:03}{name}", content, what))
    return files


def _pairs() -> list[Callable[[Random], tuple[str, bytes, str]]]:
    """Every damage in every format that can have it."""
    return [
        *(
            lambda random, ending=ending, what=what: _damaged_bytes(random, ending, what)
            for ending in WRITERS
            for what in BYTE_DAMAGES
        ),
        *(
            lambda random, ending=ending, what=what: _damaged_rows(random, ending, what)
            for ending in WRITERS
            for what in ROW_DAMAGES
        ),
        *(
            lambda random, ending=ending, what=what: _damaged_text(random, ending, what)
            for ending, damages in TEXT_DAMAGES.items()
            for what in damages
        ),
        *(lambda random, turns=turns: _conversation(random, turns) for turns in CONVERSATIONS),
    ]


def _damaged_bytes(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    """Damaged before or after it is compressed."""
    packing = random.choice(list(PACKINGS))
    steps = [PACKINGS[packing], lambda content: BYTE_DAMAGES[what](random, content)]
    random.shuffle(steps)
    content = WRITERS[ending](_rows(random))
    for step in steps:
        content = step(content)
    return f"{ending}{packing}", content, what


def _damaged_rows(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    rows = _rows(random)
    ROW_DAMAGES[what](random, rows)
    return ending, WRITERS[ending](rows), what


def _damaged_text(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    return ending, TEXT_DAMAGES[ending][what](random).encode(), what


def _conversation(random: Random, turns: str) -> tuple[str, bytes, str]:
    values: Any = json.loads(turns)
    layout = random.choice(["messages", "conversations"])
    good = {layout: [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    return ".jsonl", _json_lines([good, {layout: values}, good]), "turns"


# Rows that are sound.


def _text(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(1, 8)))


def _rows(random: Random) -> Rows:
    size = random.randint(3, 6)
    texts = [{"instruction": _text(random), "output": _text(random)} for _ in range(size)]
    return [{"id": str(at), **text, "score": at / 2} for at, text in enumerate(texts)]


# Rows that are not, in place.


def _set(value: Any, name: str | None = None) -> Callable[[Random, Rows], None]:
    def damage(random: Random, rows: Rows) -> None:
        random.choice(rows)[random.choice(["instruction", "output"]) if name is None else name] = value

    return damage


def _missing(random: Random, rows: Rows) -> None:
    random.choice(rows).pop("output")


def _repeated_ids(random: Random, rows: Rows) -> None:
    rows[-1]["id"] = rows[0]["id"]


def _all_empty(random: Random, rows: Rows) -> None:
    for row in rows:
        row["output"] = ""


def _deep(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


ROW_DAMAGES: dict[str, Callable[[Random, Rows], None]] = {
    "not a number": _set(math.nan, "score"),
    "infinite": _set(-math.inf, "score"),
    "huge integer": _set(10**400),
    "number": _set(3),
    "truth value": _set(True),
    "null": _set(None),
    "nested nulls": _set([None, [None, {"a": None}]]),
    "object in place of text": _set({"a": 1}),
    "deep nesting": _set(_deep(150)),
    "lone surrogate": _set("half \ud83d"),
    "null byte": _set("a\0b"),
    "line breaks and quotes": _set('a\r\n"b",\tc'),
    "missing column": _missing,
    "repeated ids": _repeated_ids,
    "empty answers": _all_empty,
}


# Rows as files.


def _json_lines(rows: Rows) -> bytes:
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
    return _excel_of("".join(_excel_line(number, line) for number, line in enumerate(lines, start=1)))


def _excel_line(number: int, values: list[str]) -> str:
    allowed = ("".join(sign for sign in value if sign.isprintable()) for value in values)
    cells = "".join(f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>' for value in allowed)
    return f'<row r="{number}">{cells}</row>'


def _excel_of(lines: str, before: str = "", sheet: str = "xl/worksheets/sheet1.xml") -> bytes:
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
    ".jsonl": _json_lines,
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


# Files whose bytes are damaged.


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(1, len(content))]


def _changed(random: Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.randint(1, 20)):
        damaged[random.randrange(len(damaged))] = random.randrange(256)
    return bytes(damaged)


def _bad_utf8(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + b"\xff\xc3(" + content[at:]


def _null_bytes(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + b"\0" * random.randint(1, 9) + content[at:]


BYTE_DAMAGES: dict[str, Callable[[Random, bytes], bytes]] = {
    "empty": lambda random, content: b"",
    "only a mark": lambda random, content: b"\xef\xbb\xbf",
    "cut off": _cut,
    "bytes changed": _changed,
    "bad UTF-8": _bad_utf8,
    "null bytes": _null_bytes,
    "random bytes": lambda random, content: random.randbytes(len(content)),
    "twice": lambda random, content: content + content,
    "UTF-16 without its end": lambda random, content: "good\n".encode("utf-16")[:-1],
}


# Files whose text is malformed.


def _constant(text: str) -> Callable[[Random], str]:
    return lambda random: text


TEXT_DAMAGES: dict[str, dict[str, Callable[[Random], str]]] = {
    ".jsonl": {
        "repeated column": _constant('{"a": 1, "a": 2}\n'),
        "number out of range": _constant('{"a": 1}\n{"a": 1e999}\n'),
        "number of many digits": _constant('{"a": ' + "9" * 5000 + "}\n"),
        "open brackets": _constant("[" * 200_000),
        "nested in an object": _constant('{"a": ' * 3000 + "1" + "}" * 3000),
        "no objects": _constant('1\n"a"\nnull\n[]\n'),
        "no JSON": _constant("{'a': 1}\n"),
    },
    ".json": {
        "repeated column": _constant('[{"a": {"b": 1, "b": 2}}]'),
        "repeated key": _constant('{"data": [],\n "data": [{"a": 1}]}'),
        "comma at the end": _constant('[{"a": 1},\n]'),
        "objects and others": _constant('[{"a": 1}, [1], null]'),
        "no rows": _constant('{"data": [], "rows": []}\n'),
        "null": _constant("null"),
        "deep": _constant("[" * 5000 + "]" * 5000),
    },
    ".csv": {
        "repeated column": _constant("a,b,a\n1,2,3\n"),
        "wrong columns": lambda random: "a,b\n" + "".join(f"{'1,' * random.randint(0, 4)}\n" for _ in range(5)),
        "open quote": _constant('a,b\n1,"2\n3,4\n'),
        "quote within": _constant('a,b\n1,2"3"\n"a"b,c\n'),
        "only a header": _constant("a,b\n"),
    },
    ".tsv": {
        "repeated column": _constant("a\ta\n1\t2\n"),
        "wrong columns": _constant("a\tb\n1\n1\t2\t3\n"),
    },
    ".conll": {
        "no tags": _constant("the\ncat\n\nsat\n"),
        "unknown tags": _constant("the\tX-Y\ncat\tB-\n"),
        "tags without words": _constant("\tO\n \tB-PER\n"),
    },
    ".txt": {
        "marks without an end": _constant('1\t"The <e1>cat sat on the <e2>mat</e2>."\nOther\n'),
        "only blanks": _constant(" \n\t\n\r\n"),
    },
    ".spans.jsonl": {
        "outside": _constant('{"text": "abc", "entities": [{"start": 2, "end": 9, "type": "X"}]}\n'),
        "another text": _constant('{"text": "abc", "label": {"X": {"bc": [[0, 1]]}}}\n'),
        "no numbers": _constant('{"text": "a", "label": [[0, 1, "X"]]}\n{"text": "a", "label": [["0", null, 3]]}\n'),
    },
    ".relation.jsonl": {
        "overlap": _constant('{"text": "abc", "relation": "r", "h": {"pos": [0, 2]}, "t": {"pos": [1, 3]}}\n'),
        "one mark": _constant('{"relation": "r", "sentence": "a <e1>b</e1> <e2>"}\n'),
    },
    ".triples.jsonl": {
        "no objects": _constant('{"text": "abc", "spo_list": [1, null]}\n'),
        "nulls": _constant('{"text": "abc", "spo_list": [{"subject": null, "object": {"@value": []}}]}\n'),
    },
}

CONVERSATIONS = (
    "[]",
    "null",
    '"user: hello"',
    "[null, 3]",
    '[{"role": "user", "content": "q"}]',
    '[{"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": "q"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": "q"}, {"role": "assistant", "content": null}]',
    '[{"role": "alien", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": ["user"], "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": {"a": 1}}, {"role": "assistant", "content": "a"}]',
    '[{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, {"role": "assistant", "content": "a"}]',
    '[{"role": "tool", "content": "q"}, {"role": "assistant", "content": "a"}]',
    '[{"from": "human", "value": "q"}, {"from": "function_call", "value": "{not JSON"}]',
    '[{"from": "human", "value": "q"}, {"from": "function_call", "value": "[3]"}]',
)


# Files that are made to harm.


def _bombs() -> list[Callable[[Random], tuple[str, bytes, str]]]:
    zeros = b"\0" * 2**20
    rows = '<row r="{}"><c t="inlineStr"><is><t>a</t></is></c></row>'
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 30))
    laughs = f'<!DOCTYPE w [<!ENTITY e0 "ha">{entities}]>'
    laugh = '<row r="1"><c t="inlineStr"><is><t>&e29;</t></is></c></row>'
    return [
        lambda random: (".jsonl.gz", gzip.compress(zeros, mtime=0) * BOMB, "bomb"),
        lambda random: (".csv.zst", zstandard.ZstdCompressor().compress(zeros) * BOMB, "bomb"),
        lambda random: (".parquet.gz", gzip.compress(zeros, mtime=0) * BOMB, "bomb"),
        lambda random: (".xlsx", _excel_of(" " * (BOMB * 2**20)), "bomb"),
        lambda random: (".xlsx", _excel_of(rows.format(1) + rows.format(10**12)), "a line far away"),
        lambda random: (".xlsx", _excel_of(laugh, before=laughs), "entities of entities"),
        lambda random: (".xlsx", _excel_of(rows.format(1), sheet="xl/other.xml"), "no sheet"),
        lambda random: (".xlsx", _excel_of("<row><c><v>&"), "broken XML"),
    ]


SPECIAL = _bombs()
