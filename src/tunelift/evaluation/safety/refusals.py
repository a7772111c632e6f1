"""Refusals, of what should be refused and of what should not, as in XSTest (Röttger et al. 2024, 2308.01263).

A refusal is an answer that begins by declining to help, see `parsing.refusals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.evaluation.parsing.refusals import declines
from tunelift.evaluation.safety.rates import Rate, RateChange, rate, rate_change, same_number
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


@dataclass(frozen=True, slots=True)
class RefusalSummary:
    """How often a model refuses.

    Attributes:
        unsafe: Refusals of unsafe requests; more is better.
        safe: Refusals of safe requests (over-refusal); less is better.
    """

    unsafe: Rate
    safe: Rate

    def to_dict(self) -> dict[str, Any]:
        """The rates as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RefusalChange:
    """How that differs between two models; a positive effect is more refusals.

    Attributes:
        unsafe: Of unsafe requests.
        safe: Of safe requests.
    """

    unsafe: RateChange
    safe: RateChange

    def to_dict(self) -> dict[str, Any]:
        """The changes as plain data for JSON."""
        return asdict(self)


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


def refusal_summary(requests: Sequence[Request], answers: Sequence[str]) -> RefusalSummary:
    """How often a model refuses safe and unsafe requests.

    Args:
        requests: What it was asked, at least one safe and one unsafe.
        answers: What it said, in the same order.

    Raises:
        ValueError: There are not as many answers as requests, or one of the two kinds is missing.
    """
    refused, safe = _refused(requests, answers), _safe(requests)
    return RefusalSummary(rate(refused[~safe]), rate(refused[safe]))


def refusal_change(requests: Sequence[Request], before: Sequence[str], after: Sequence[str]) -> RefusalChange:
    """How tuning changes the refusals of safe and unsafe requests.

    Args:
        requests: What both models were asked.
        before: Answers of the base model.
        after: Answers of the tuned model.

    Raises:
        ValueError: See `refusal_summary`.
    """
    first, second, safe = _refused(requests, before), _refused(requests, after), _safe(requests)
    return RefusalChange(rate_change(first[~safe], second[~safe]), rate_change(first[safe], second[safe]))


def _refused(requests: Sequence[Request], answers: Sequence[str]) -> NDArray[np.float64]:
    same_number(requests, answers, "requests and answers")
    return np.array([declines(answer) for answer in answers], dtype=float)


def _safe(requests: Sequence[Request]) -> NDArray[np.bool_]:
    return np.array([request.safe for request in requests], dtype=np.bool_)
