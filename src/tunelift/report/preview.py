"""What `tunelift check` prints: counts, findings, and the tokens that are trained on."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from tunelift.core.errors import counted
from tunelift.core.records import Finding, Prompt

if TYPE_CHECKING:
    from tunelift.commands import Checked

WORTH_SAYING = 1.1
GREEN, DIM, RESET = "\x1b[1;32m", "\x1b[2m", "\x1b[0m"


def check_text(checked: Checked, colour: bool) -> str:
    """The findings and a preview of training prompts as text.

    Args:
        checked: What `tunelift check` found.
        colour: Mark supervised tokens with a colour; otherwise they stand in ``[[`` and ``]]``.
    """
    counts = "; ".join(f"{name} {count:,}" for name, count in checked.counts.items())
    lines = [f"rows: {counts}", *_lengths(checked.prompts, checked.savings)]
    lines += [_finding_line(finding) for finding in checked.findings] or ["no findings"]
    lines.append("supervised tokens " + (f"are {GREEN}green{RESET}:" if colour else "stand in [[ ]]:"))
    lines += [preview(prompt, checked.style.tokenizer, colour) for prompt in checked.shown]
    return "\n".join(lines)


def _lengths(prompts: dict[str, list[Prompt]], savings: dict[str, float]) -> list[str]:
    lines = []
    for name, group in prompts.items():
        lengths = sorted(len(prompt.token_ids) for prompt in group)
        if lengths:
            median = lengths[len(lengths) // 2]
            line = f"{name}: {counted(len(lengths), 'prompt')}, {median} tokens in the middle, {lengths[-1]} at most"
            shared = f"; {savings[name]:.1f} times fewer tokens, since what they begin with is shared"
            lines.append(line + (shared if savings[name] >= WORTH_SAYING else ""))
    return lines


def _finding_line(finding: Finding) -> str:
    rows = f" ({', '.join(finding.rows)}{', ...' if finding.count > len(finding.rows) else ''})" if finding.rows else ""
    return f"{finding.severity}: {finding.message}: {finding.count:,}{rows} - {finding.remedy}"


def printable(text: str) -> str:
    """A text from data without what would drive a terminal: control and format characters become escapes."""
    return "".join(
        letter if letter in "\n\t" or not unicodedata.category(letter).startswith("C") else ascii(letter)[1:-1]
        for letter in text
    )


def preview(prompt: Prompt, tokenizer: Any, colour: bool) -> str:
    """A training prompt with its supervised tokens marked."""
    opening, closing = (GREEN, RESET) if colour else ("[[", "]]")
    parts: list[str] = []
    start = 0
    for index in range(1, len(prompt.token_ids) + 1):
        if index == len(prompt.token_ids) or prompt.supervised[index] != prompt.supervised[start]:
            text = printable(tokenizer.decode(list(prompt.token_ids[start:index])))
            parts.append(f"{opening}{text}{closing}" if prompt.supervised[start] else text)
            start = index
    return "".join(parts) + "\n"
