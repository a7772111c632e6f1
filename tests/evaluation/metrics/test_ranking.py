from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score, ndcg_score

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics import ranking
from tunelift.evaluation.metrics.metric import Outcome

ITEMS = tuple("abcdefgh")
rankings = st.permutations(ITEMS)
gains = st.lists(st.integers(0, 3), min_size=len(ITEMS), max_size=len(ITEMS)).filter(any)


@settings(max_examples=50)
@given(rankings, gains, st.integers(1, 10))
def test_ndcg_is_that_of_sklearn(order: list[str], relevance: list[int], k: int) -> None:
    scores = [-order.index(item) for item in ITEMS]
    graded = Outcome(order, (dict(zip(ITEMS, relevance, strict=True)),))
    expected = ndcg_score([relevance], [scores], k=k)
    assert ranking.ndcg(k=k).of([graded]) == pytest.approx(expected, abs=1e-9)
    binary = [float(gain > 0) for gain in relevance]
    relevant = [item for item, gain in zip(ITEMS, binary, strict=True) if gain]
    expected = ndcg_score([binary], [scores], k=k)
    assert ranking.ndcg(k=k).of([Outcome(order, (relevant,))]) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=50)
@given(rankings, st.sets(st.sampled_from(ITEMS), min_size=1))
def test_average_precision_is_that_of_sklearn(order: list[str], relevant: set[str]) -> None:
    truth = np.array([item in relevant for item in ITEMS])
    scores = np.array([-order.index(item) for item in ITEMS], dtype=float)
    ours = ranking.mean_average_precision().of([Outcome(order, (sorted(relevant),))])
    assert ours == pytest.approx(average_precision_score(truth, scores), abs=1e-9)
    assert ours == pytest.approx(label_ranking_average_precision_score([truth], [scores]), abs=1e-9)


@settings(max_examples=40)
@given(rankings, st.sets(st.sampled_from(ITEMS), min_size=1), st.integers(1, 10))
def test_hits_and_ranks(order: list[str], relevant: set[str], k: int) -> None:
    outcomes = [Outcome(order, (sorted(relevant),))]
    first = min(order.index(item) for item in relevant)
    assert ranking.mrr().of(outcomes) == pytest.approx(1 / (first + 1))
    assert ranking.hit_rate(k=k).of(outcomes) == (first < k)
    assert ranking.recall_at_k(k=k).of(outcomes) == pytest.approx(len(relevant & set(order[:k])) / len(relevant))


def test_short_rankings_by_hand() -> None:
    outcomes = [
        Outcome(["x", "a", "x", "b"], (["a", "b", "c"],)),
        Outcome(["a"], ("a",)),
        Outcome(None, (["a"],)),
        Outcome(["a"], ([],)),
    ]
    assert ranking.mrr().of(outcomes) == pytest.approx((1 / 2 + 1) / 4)
    assert ranking.recall_at_k(k=2).of(outcomes) == pytest.approx((1 / 3 + 1) / 4)
    # The second x has no place of its own: b is third.
    assert ranking.mean_average_precision().of(outcomes[:1]) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert ranking.ndcg().of(outcomes[1:2]) == 1
    assert ranking.ndcg().of(outcomes[2:]) == 0


def test_gains_of_nothing_are_not_relevant() -> None:
    outcomes = [Outcome(["a", "b"], ({"a": 0, "b": 2.5},))]
    assert ranking.mrr().of(outcomes) == 0.5
    assert ranking.hit_rate(k=1).of(outcomes) == 0
    assert ranking.recall_at_k(k=2).of(outcomes) == 1


def test_names_and_what_is_refused() -> None:
    metrics = (ranking.ndcg(), ranking.hit_rate(k=1), ranking.mrr(), ranking.mean_average_precision())
    assert [metric.name for metric in metrics] == ["ndcg@10", "hit_rate@1", "mrr", "map"]
    assert all(metric.is_mean and metric.higher_is_better for metric in metrics)
    with pytest.raises(UserError, match="k: 0"):
        ranking.recall_at_k(k=0)
