from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.safety.rates import rate, same_number
from tunelift.statistics.intervals import wilson


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_against_definitions(events: list[int]) -> None:
    found = rate(events)
    assert (found.n, found.count, found.share) == (len(events), sum(events), pytest.approx(np.mean(events)))
    assert found.interval == wilson(sum(events), len(events))


def test_items_of_a_cluster_are_no_independent_ones() -> None:
    events = np.repeat([0, 1, 0, 1, 1, 0, 0, 1], 10)
    alone, clustered = rate(events), rate(events, np.repeat(np.arange(8), 10))
    assert alone.interval is not None
    assert clustered.interval is not None
    assert clustered.interval.high - clustered.interval.low > 2 * (alone.interval.high - alone.interval.low)


@pytest.mark.parametrize("events", [[], [0.5], [[1]], [2]])
def test_events_happen_or_not(events: list) -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        rate(events)


def test_lengths_are_checked() -> None:
    with pytest.raises(ValueError, match="x and y: 1 and 2"):
        same_number([1], [1, 2], "x and y")
