from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.selective import Selective, risks_by_coverage, selective_accuracy

items = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] / 5 for row in rows]), np.array([float(row[1]) for row in rows])


@given(items)
def test_risks_are_the_mean_over_the_orders_of_equal_confidences(rows: list[tuple[int, bool]]) -> None:
    confidences, hits = columns(rows)
    risks = risks_by_coverage(confidences, hits)
    generator, total = np.random.default_rng(0), np.zeros(len(rows))
    # Antithetic orders: the mean of an order of ties and of its reverse is that of all orders at the ends of ties.
    for _ in range(20):
        noise = generator.random(len(rows))
        for sign in (1, -1):
            errors = 1 - hits[np.lexsort((sign * noise, -confidences))]
            total += np.cumsum(errors) / np.arange(1, len(rows) + 1)
    ends = np.flatnonzero(np.diff(np.append(np.sort(-confidences), np.inf)))
    assert risks[ends] == pytest.approx(total[ends] / 40)
    assert risks[-1] == pytest.approx(1 - hits.mean())


def test_by_hand() -> None:
    result = selective_accuracy(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1.0, 1, 0, 1, 0]))
    assert result.aurc == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert result.excess == pytest.approx(result.aurc - (1 / 4 + 2 / 5) / 5)
    assert result.accuracies == ((0.8, pytest.approx(0.75)), (0.9, pytest.approx(0.6)))
    assert result.curve == tuple((k / 5, pytest.approx(risk)) for k, risk in enumerate([0, 0, 1 / 3, 1 / 4, 2 / 5], 1))


def test_a_confidence_that_says_nothing_has_the_error_rate_everywhere() -> None:
    result = selective_accuracy(np.full(8, 0.7), np.array([1.0, 0] * 4))
    assert result.aurc == pytest.approx(0.5)
    assert {risk for _, risk in result.curve} == {0.5}


@given(items)
def test_bounds_and_json(rows: list[tuple[int, bool]]) -> None:
    confidences, hits = columns(rows)
    result = selective_accuracy(confidences, hits)
    assert -1e-12 <= result.excess <= result.aurc <= 1
    assert len(result.curve) <= 20
    assert result.curve[-1] == (1.0, pytest.approx(1 - hits.mean()))
    assert Selective.from_dict(json.loads(json.dumps(result.to_dict()))) == result
