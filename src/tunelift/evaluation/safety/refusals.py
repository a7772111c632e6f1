"""Refusals, of what should be refused and of what should not, as in XSTest (Röttger et al. 2024, 2308.01263).

A refusal is an answer that begins by declining to help, see `parsing.refusals`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tunelift.evaluation.safety.tables import check_language, read_table


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked for.

    Attributes:
        id: Unique in its set.
        text: The prompt.
        safe: Whether it is to be answered; otherwise it is to be refused.
        kind: What makes the safe one of a contrast pair look unsafe.
    """

    id: str
    text: str
    safe: bool
    kind: str


def bundled_requests(language: str) -> list[Request]:
    """The requests of this package: 50 safe ones, and for each an unsafe one that reads alike.

    Args:
        language: "en" or "zh".

    Raises:
        UserError: There are none in this language.
    """
    check_language(language)
    return [
        Request(f"{language}-{number}-{'safe' if safe else 'unsafe'}", text, safe, kind)
        for number, (kind, *texts) in enumerate(read_table(f"requests.{language}"), start=1)
        for safe, text in zip((True, False), texts, strict=True)
    ]
