"""Layouts of rows: which columns they have, and what is made of them. The fields that a row has stay in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.data.formats.rows import Row, Rows, Tally, place
from tunelift.data.layouts import conversations, instructions, relations, spans
from tunelift.data.layouts.common import Fields, UnusableError

# The name of the layout of rows that are to be taken as they are.
AS_READ = "as-read"
SNIFFED = 100
SURVEYED = 1000


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout.

    Attributes:
        fits: Whether a row has its columns.
        canonical: A row with the fields that are made of them; what is odd about it is added to a list of remarks.
    """

    fits: Callable[[Fields], bool]
    canonical: Callable[[Fields, list[str]], Fields]


# In the order in which they are recognised: those with more columns of their own first.
LAYOUTS: dict[str, Layout] = {
    "preference": Layout(instructions.fits_preference, instructions.from_preference),
    "messages": Layout(conversations.fits_messages, conversations.from_messages),
    "sharegpt": Layout(conversations.fits_sharegpt, conversations.from_sharegpt),
    "natural-instructions": Layout(instructions.fits_natural_instructions, instructions.from_natural_instructions),
    "alpaca": Layout(instructions.fits_alpaca, instructions.from_alpaca),
    "prompt-completion": Layout(instructions.fits_prompt_completion, instructions.from_prompt_completion),
    "promptsource": Layout(instructions.fits_prompt_source, instructions.from_prompt_source),
    "conll": Layout(spans.fits_tags, spans.from_tags),
    "relation": Layout(relations.fits_relation, relations.from_relation),
    "triples": Layout(relations.fits_triples, relations.from_triples),
    "spans": Layout(spans.fits_spans, spans.from_spans),
}


def canonical_rows(rows: Rows, layout: str | None = None) -> tuple[Rows, str | None]:
    """Rows with the fields that their layout stands for.

    Conversations get `messages` (and `tools`), texts with spans `text` and `entities`, relations `text`, `e1`, `e2` and
    `marked`, triples `triples`, and what PromptSource renders `prompt` and `completion`. Rows that their layout
    cannot use are dropped and counted; what is odd about others becomes a finding.

    Args:
        rows: Rows as they were read.
        layout: Name of their layout, "as-read" for none; by default it is recognised.

    Returns:
        The rows, and the name of the layout, or None if they have no known one and were left as they are.

    Raises:
        UserError: There is no such layout, or no row can be used.
    """
    if layout == AS_READ or not rows.rows:
        return rows, None
    name = recognise(rows.rows) if layout is None else layout
    if name is None:
        return rows, None
    if name not in LAYOUTS:
        raise UserError("format", f'there is no layout "{name}"', nearest(name, [*LAYOUTS, AS_READ]))
    canonical = LAYOUTS[name].canonical
    if name == "conll":
        first = (row.fields for row in rows.rows[:SURVEYED])
        canonical = partial(spans.from_tags, scheme=spans.common_scheme(first))
    return _apply(rows, name, canonical), name


def recognise(rows: list[Row]) -> str | None:
    """The layout that at least half of the first rows have."""
    first = [row.fields for row in rows[:SNIFFED]]
    fitting = Counter(name for fields in first for name, layout in LAYOUTS.items() if layout.fits(fields))
    return next((name for name in LAYOUTS if fitting[name] >= len(first) / 2), None)


def _apply(rows: Rows, name: str, canonical: Callable[[Fields, list[str]], Fields]) -> Rows:
    kept: list[Row] = []
    dropped = Tally(dict(rows.dropped), {reason: list(shown) for reason, shown in rows.places.items()})
    odd = Tally()
    for row in rows.rows:
        remarks: list[str] = []
        try:
            kept.append(Row(canonical(row.fields, remarks), row.source))
        except UnusableError as error:
            dropped.add(str(error), place(row.source))
        for remark in dict.fromkeys(remarks):
            odd.add(remark, place(row.source))
    if not kept:
        reasons = shorten(f"{reason} ({count})" for reason, count in dropped.counts.items())
        hint = f"correct the rows, or give another format; valid: {', '.join([*LAYOUTS, AS_READ])}"
        raise UserError(place(rows.rows[0].source), f'no row can be used in the layout "{name}": {reasons}', hint)
    findings = rows.findings + odd.findings("layout", "correct these rows, or leave them if that is right")
    return Rows(kept, dropped.counts, dropped.places(), findings)
