"""A data file of any known kind and layout, written in another."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, counted, nearest, shorten
from tunelift.core.files import explained_os_errors, write_jsonl, write_text
from tunelift.core.records import Finding
from tunelift.data.formats import TAGGED, place
from tunelift.data.formats.plain_text import DOCUMENT
from tunelift.data.formats.rows import Row, Tally, said
from tunelift.data.layouts import canonical_rows, conversations, instructions, spans
from tunelift.data.layouts.common import Fields, UnusableError
from tunelift.data.sources import read_path
from tunelift.data.tagging import Scheme

NESTED = (".jsonl", ".json")
FLAT = (".csv", ".tsv", ".parquet")
# What each layout can be written as.
ENDINGS: dict[str, tuple[str, ...]] = {
    "alpaca": NESTED + FLAT,
    "prompt-completion": NESTED + FLAT,
    "messages": NESTED,
    "sharegpt": NESTED,
    "spans": NESTED,
    "conll": TAGGED,
}
WITH_INSTRUCTION = ("alpaca", "natural-instructions")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a file.

    Attributes:
        read_as: Layout of the source.
        written_as: Layout of the target.
        written: Number of rows written.
        dropped: How many were not, by reason.
        places: The first few of those, by reason, as ``file:row``.
        findings: Remarks on how the source was read.
    """

    read_as: str
    written_as: str
    written: int
    dropped: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{counted(self.written, 'row')} written, from {self.read_as} to {self.written_as}"]
        for reason, count in self.dropped.items():
            lines.append(f"{counted(count, 'row')} left out: {reason} ({', '.join(self.places[reason])})")
        return "\n".join([*lines, *(f"{finding.message} ({finding.count})" for finding in self.findings)])


def convert_file(
    source: Path | str,
    target: Path,
    layout: str,
    read_as: str | None = None,
    *,
    columns: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    scheme: Scheme = "BIO",
) -> Conversion:
    """Write the rows of a file in another layout.

    Args:
        source: A file as for `read_file`, or a folder that holds one pool.
        target: A new file, whose ending says what it becomes: .jsonl or .json; .csv, .tsv or .parquet for layouts of
            texts alone; .conll and the like for words with tags.
        layout: "alpaca", "sharegpt", "messages", "prompt-completion", "conll" or "spans".
        read_as: Layout of the source, where it is not to be recognised.
        columns: Names of the columns of the source, where it does not name them.
        keep: Further fields that are copied as they are.
        scheme: Of the tags to be written.

    Raises:
        UserError: The source cannot be read or its layout is not recognised, the layouts do not go together, the
            target exists or has another ending, or no row can be converted.
    """
    if layout not in ENDINGS:
        raise UserError(layout, "is not a layout that can be written", nearest(layout, ENDINGS))
    if target.suffix.lower() not in ENDINGS[layout]:
        raise UserError(target, f'"{layout}" is not written as "{target.suffix}"', f"use {', '.join(ENDINGS[layout])}")
    if target.exists():
        raise UserError(target, "exists already", "choose another name, or remove it first")
    rows, found = canonical_rows(read_path(source, columns), read_as)
    if found is None:
        what = f"its layout is not recognised (fields {shorten(rows.rows[0].fields, 8)})"
        raise UserError(source, what, "say which it is, or rename its columns")
    convert = _converter(str(source), found, layout, scheme)
    tally = Tally(rows.dropped, {reason: list(shown) for reason, shown in rows.places.items()})
    written = list(_converted(rows.rows, convert, keep, target.suffix.lower(), tally))
    if not written:
        reasons = shorten(f"{reason} ({count})" for reason, count in tally.counts.items())
        raise UserError(source, f'no row can be converted to "{layout}": {reasons}', "choose another layout")
    _write(target, written)
    return Conversion(found, layout, len(written), tally.counts, tally.places(), rows.findings)


def _converter(source: str, found: str, layout: str, scheme: Scheme) -> Callable[[Fields], Fields]:
    """What makes a row of one layout out of a canonical row of another."""
    tagged = found in ("conll", "spans")
    if tagged and layout == "spans":
        return spans.to_spans
    if tagged and layout == "conll":
        return partial(spans.to_tags, scheme=scheme)
    if tagged or layout in ("conll", "spans") or found in ("relation", "triples", "preference"):
        raise UserError(source, f'cannot be converted from "{found}" to "{layout}"', "choose another layout")
    if layout == "alpaca" and found in WITH_INSTRUCTION:
        return instructions.alpaca_columns
    make = {
        "alpaca": instructions.to_alpaca,
        "prompt-completion": instructions.to_prompt_completion,
        "messages": conversations.to_messages,
        "sharegpt": conversations.to_sharegpt,
    }[layout]
    return lambda fields: make(_as_conversation(fields))


def _as_conversation(fields: Fields) -> Fields:
    """A canonical row of any layout of questions and answers with its messages."""
    if "messages" in fields:
        return fields
    if "completion" in fields:
        return {"messages": instructions.single_turn(fields["prompt"], fields["completion"])}
    question = instructions.instruction_with_input(fields)
    return {"messages": instructions.single_turn(question, fields["output"])}


def _converted(
    rows: Iterable[Row], convert: Callable[[Fields], Fields], keep: Sequence[str], ending: str, tally: Tally
) -> Iterable[Fields]:
    for row in rows:
        try:
            fields = convert(row.fields)
            kept = {name: row.fields[name] for name in keep if name in row.fields and name not in fields}
            CHECKS.get(ending, _check_nothing)(fields | kept)
        except UnusableError as error:
            tally.add(str(error), place(row.source))
        else:
            yield fields | kept


def _check_nothing(fields: Fields) -> None:
    pass


def _check_flat(fields: Fields) -> None:
    nested = [name for name, value in fields.items() if isinstance(value, list | dict)]
    if nested:
        raise UnusableError(f'a table has no place for "{nested[0]}"')
    if any("\0" in str(value) for value in fields.values()):
        raise UnusableError("a table has no place for null bytes")


def _check_tsv(fields: Fields) -> None:
    _check_flat(fields)
    if any(set("\t\r\n") & set(str(value)) for value in fields.values()):
        raise UnusableError("values of a .tsv file cannot hold tabs or line breaks")


def _check_tagged(fields: Fields) -> None:
    texts = [*fields["tokens"], *fields["tags"]]
    if not all(text.strip() and not set("\t\r\n") & set(text) for text in texts) or texts[0].startswith(DOCUMENT):
        raise UnusableError("a word cannot be written on a line of its own")


CHECKS: dict[str, Callable[[Fields], None]] = {
    ".csv": _check_flat,
    ".parquet": _check_flat,
    ".tsv": _check_tsv,
    **dict.fromkeys(TAGGED, _check_tagged),
}


def _write(target: Path, rows: list[Fields]) -> None:
    ending = target.suffix.lower()
    if ending == ".jsonl":
        write_jsonl(target, rows)
    elif ending == ".json":
        write_text(target, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    elif ending == ".parquet":
        _write_parquet(target, rows)
    elif ending in FLAT:
        write_text(target, _table_text(rows, ending))
    else:
        write_text(target, "".join(_tagged_lines(rows)))


def _table_text(rows: list[Fields], ending: str) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if ending == ".tsv":
        values = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
        return "".join("\t".join(record) + "\n" for record in values)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _write_parquet(target: Path, rows: list[Fields]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(target, "Parquet files need pyarrow", "run: pip install 'tunelift[data]'") from error
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    except pyarrow.ArrowException as error:
        what = f"cannot hold these rows ({said(error)})"
        raise UserError(target, what, "write .jsonl, or keep fewer fields") from error
    staged = target.with_name(f".{target.name}.{os.getpid()}.part")
    with explained_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pyarrow.parquet.write_table(table, staged)
            staged.replace(target)
        finally:
            staged.unlink(missing_ok=True)


def _tagged_lines(rows: list[Fields]) -> Iterable[str]:
    """One word and its tag a line, a blank line behind every sentence, and a mark in front of every document."""
    document = None
    for row in rows:
        if row.get("document") != document:
            document = row.get("document")
            yield f"{DOCUMENT}\tO\n\n"
        yield "".join(f"{token}\t{tag}\n" for token, tag in zip(row["tokens"], row["tags"], strict=True)) + "\n"
