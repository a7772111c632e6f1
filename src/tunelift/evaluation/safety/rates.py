"""How often something happens, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tunelift.statistics.intervals import Interval, score_interval


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
