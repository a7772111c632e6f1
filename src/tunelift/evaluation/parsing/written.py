"""A parsed answer as people read it."""

from __future__ import annotations

from typing import Any

from tunelift.evaluation.metrics.tokens import text_of


def written(answer: Any) -> str:
    """An answer in words: what was found each on a line of its own, places in the text in brackets.

    Args:
        answer: In the form of its task's kind, see `parse_answer`.
    """
    if not isinstance(answer, list):
        return text_of(answer)
    if any(isinstance(found, list) for found in answer):
        return "\n".join(map(_line, answer))
    return ", ".join(map(text_of, answer)) or "none"


def _line(parts: list[Any]) -> str:
    """One entity or triple."""
    numbers = [str(part) for part in parts if isinstance(part, int)]
    texts = " | ".join(str(part) for part in parts if not isinstance(part, int))
    return f"{texts} ({'-'.join(numbers)})" if numbers else texts
