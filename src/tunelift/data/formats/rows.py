"""Rows of data, where they stand, and what is said about those that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tunelift.core.errors import UserError, counted, shorten
from tunelift.core.records import Finding, Source

SHOWN = 5

Numbered = Iterator[tuple[int, dict[str, Any]]]


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
        places: The first few of those, by reason, as ``file:row``.
        findings: Remarks on how the rows were read.
    """

    rows: list[Row]
    dropped: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something was the case, by reason, and the first few places."""

    counts: dict[str, int] = field(default_factory=dict)
    shown: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Count one more."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.shown.setdefault(reason, [])
        if len(shown) < SHOWN:
            shown.append(where)

    def places(self) -> dict[str, tuple[str, ...]]:
        """The first few places by reason."""
        return {reason: tuple(shown) for reason, shown in self.shown.items()}

    def findings(self, check: str, remedy: str) -> list[Finding]:
        """A warning for every reason."""
        return [
            Finding(check, "warning", reason, count, remedy, tuple(self.shown[reason]))
            for reason, count in self.counts.items()
        ]


def join_rows(parts: Iterable[Rows]) -> Rows:
    """The rows of several files as those of one."""
    rows: list[Row] = []
    findings: dict[tuple[str, str], Finding] = {}
    dropped: dict[str, int] = {}
    places: dict[str, tuple[str, ...]] = {}
    for part in parts:
        rows += part.rows
        for reason, count in part.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
            places[reason] = (places.get(reason, ()) + part.places.get(reason, ()))[:SHOWN]
        for finding in part.findings:
            same = findings.get((finding.check, finding.message))
            findings[finding.check, finding.message] = _joined(same, finding) if same else finding
    return Rows(rows, dropped, places, list(findings.values()))


def _joined(one: Finding, other: Finding) -> Finding:
    return replace(one, count=one.count + other.count, rows=(one.rows + other.rows)[:SHOWN])


def place(source: Source) -> str:
    """A source as people write it: ``file:row``."""
    return f"{source.file}:{source.row}"


def plain(record: dict[str, Any], nulls: list[str] | None = None) -> dict[str, Any]:
    """A record as JSON has it: dates, decimals and bytes of UTF-8 become text, NaN and infinite numbers null.

    Args:
        record: The record.
        nulls: The names of such numbers are added to it.
    """
    found = [] if nulls is None else nulls
    return json.loads(json.dumps(record, default=_text), parse_constant=found.append)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return str(value)


def sound(
    where: object, records: Iterable[tuple[int, dict[str, Any] | str]], unit: str, hint: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows in front of the first problem.

    Args:
        where: The file.
        records: Rows by number; a text stands for a row that is malformed, and says how.
        unit: What a row is called in the error.
        hint: What to do about the problems.

    Raises:
        UserError: At the end, if there was a problem: at the first, with the count of all.
    """
    problems: list[tuple[int, str]] = []
    for number, record in records:
        if isinstance(record, str):
            problems.append((number, record))
        elif not problems:
            yield number, record
    if problems:
        raise first_of(where, problems, unit, hint)


def first_of(where: object, problems: list[tuple[int, str]], unit: str, hint: str) -> UserError:
    """One error for all problems of a file, at the first."""
    number, what = problems[0]
    return UserError(f"{where}:{number}", what, hint + and_more([other for other, _ in problems[1:]], unit))


def said(error: Exception) -> str:
    """The first line of what a library says, or the kind of its error."""
    return next(filter(None, str(error).strip().splitlines()), type(error).__name__)


def and_more(others: Iterable[object], unit: str) -> str:
    """The end of a hint that counts further places: ``; 3 more rows have the same problem (301, 302, 977)``."""
    places = [str(other) for other in others]
    if not places:
        return ""
    have = "has" if len(places) == 1 else "have"
    return f"; {counted(len(places), f'more {unit}')} {have} the same problem ({shorten(places)})"
