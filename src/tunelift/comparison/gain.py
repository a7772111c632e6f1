"""What a gain consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gain:
    """A change of the headline score in two parts that add up to it.

    Attributes:
        format: Comes from answers in a form that can be parsed.
        ability: Comes from preferring the right choice, whatever form the answer has.
    """

    format: float
    ability: float


def split_gain(headline_change: float, choice_change: float) -> Gain:
    """Split a gain: ability is the change of the choice score, format is the rest.

    Args:
        headline_change: Candidate minus baseline in the headline score (generated and parsed).
        choice_change: Candidate minus baseline in the choice score (by log-probability).
    """
    return Gain(format=headline_change - choice_change, ability=choice_change)
