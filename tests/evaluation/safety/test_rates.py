from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.safety.rates import positions_by, rate, rate_change, same_number
from tunelift.statistics.intervals import wilson

EVENTS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


@given(EVENTS)
def test_against_definitions(pairs: list[tuple[int, int]]) -> None:
    before, after = (list(column) for column in zip(*pairs, strict=True))
    found = rate(before)
    assert (found.n, found.count) == (len(before), sum(before))
    assert found.interval == wilson(sum(before), len(before))
    assert found.per_thousand == pytest.approx(1000 * np.mean(before))
    change = rate_change(before, after)
    assert change.change.effect == pytest.approx(np.mean(after) - np.mean(before))
    assert (change.before, change.after) == (found, rate(after))
    assert json.loads(json.dumps(change.to_dict()))["after"]["count"] == sum(after)


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


def test_positions_and_lengths() -> None:
    assert positions_by("abca") == {"a": [0, 3], "b": [1], "c": [2]}
    with pytest.raises(ValueError, match="x and y: 1 and 2"):
        same_number([1], [1, 2], "x and y")
