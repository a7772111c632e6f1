"""How often something happens, with its interval, and how that changes from one system to another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import Interval, score_interval
from tunelift.statistics.paired import PairedResult, compare_paired


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happens.

    Attributes:
        n: Number of items.
        count: With how many of them it happened.
        share: The same as a share, 0 to 1.
        interval: Interval of the share; cluster-robust where the items have groups.
    """

    n: int
    count: int
    share: float
    interval: Interval | None

    @property
    def per_thousand(self) -> float:
        """How many of 1,000 items."""
        return 1000 * self.share

    def to_dict(self) -> dict[str, Any]:
        """The rate as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RateChange:
    """The rates of two systems on the same items.

    Attributes:
        before: Of the first, as a rule the base model.
        after: Of the second, as a rule the tuned model.
        change: The paired comparison. Its effect is after minus before: whether more is better depends on what is
            counted.
    """

    before: Rate
    after: Rate
    change: PairedResult

    def to_dict(self) -> dict[str, Any]:
        """The rates and their comparison as plain data for JSON."""
        return asdict(self)


def rate(events: ArrayLike, groups: ArrayLike | None = None) -> Rate:
    """The rate of an event.

    Args:
        events: 0 or 1 for every item, shape (n,).
        groups: Cluster of each item, shape (n,).

    Raises:
        ValueError: There are no items, or a value is neither 0 nor 1.
    """
    values = np.asarray(events, dtype=float)
    if values.ndim != 1 or not values.size or not np.isin(values, (0, 1)).all():
        raise ValueError(f"events are 0 or 1 for each of at least one item, not {values!r}")
    return Rate(len(values), int(values.sum()), float(values.mean()), score_interval(values, groups))


def rate_change(before: ArrayLike, after: ArrayLike, groups: ArrayLike | None = None, seed: int = 0) -> RateChange:
    """How the rate of an event changes from one system to another on the same items.

    Args:
        before: 0 or 1 for every item, shape (n,).
        after: The same of the other system, in the same order.
        groups: Cluster of each item, shape (n,).
        seed: Of the sign flips that compare grouped items.

    Raises:
        ValueError: See `rate`, or there are not as many values of one as of the other.
    """
    return RateChange(rate(before, groups), rate(after, groups), compare_paired(before, after, groups, seed))


def positions_by(kinds: Iterable[Hashable]) -> dict[Any, list[int]]:
    """Where each kind stands, in the order of first appearance."""
    places: dict[Any, list[int]] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, []).append(place)
    return places


def same_number(one: Sequence[Any], other: Sequence[Any], what: str) -> None:
    """Refuse two sequences of different lengths.

    Args:
        one: The first.
        other: The second.
        what: What they are, for the error.

    Raises:
        ValueError: They differ in length.
    """
    if len(one) != len(other):
        raise ValueError(f"{what}: {len(one)} and {len(other)} do not fit together")
