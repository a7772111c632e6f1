"""A part of the report that consists of sentences, a table and perhaps a chart."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Section:
    """One part, in the same words in every form of the report.

    Attributes:
        anchor: Of the section.
        title: Its heading.
        question: What was looked at, in a few words.
        sentences: What was found, the most important first.
        heading: Of the table.
        rows: Cells as text; empty where there is no table.
        chart: An SVG of `charts`, which escapes what it contains; empty where there is none.
        summary: The sentences that the terminal shows.
    """

    anchor: str
    title: str
    question: str
    sentences: list[str]
    heading: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    chart: str = ""
    summary: list[str] = field(default_factory=list)
