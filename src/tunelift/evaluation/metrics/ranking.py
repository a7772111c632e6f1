"""Metrics of rankings.

The answer is a list of item names, the best first; the first reference is the relevant item, a list of relevant items,
or a mapping of items to their gain where some are more relevant than others. Of an item that is named twice the first
place counts. An answer of None is the empty list. The scores of an item that has no relevant item are 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tunelift.core.errors import UserError
from tunelift.evaluation.metrics.metric import Metric, Outcome, mean_metric

Gains = Mapping[str, float]


def discounted_gain(ranking: Sequence[str], gains: Gains, k: int | None = None) -> float:
    """Sum of the gains of the first k items, each over the binary logarithm of its rank plus 1."""
    return sum(gains.get(item, 0.0) / math.log2(place + 2) for place, item in enumerate(ranking[:k]))


def ndcg_of_ranking(ranking: Sequence[str], gains: Gains, k: int | None = None) -> float:
    """Discounted gain over that of the best ranking (Järvelin and Kekäläinen 2002); gains count linearly."""
    best = discounted_gain(sorted(gains, key=lambda item: -gains[item]), gains, k)
    return discounted_gain(ranking, gains, k) / best if best > 0 else 0.0


def reciprocal_rank(ranking: Sequence[str], gains: Gains) -> float:
    """1 over the rank of the first relevant item; 0 if there is none."""
    return next((1 / (place + 1) for place, item in enumerate(ranking) if gains.get(item, 0.0) > 0), 0.0)


def recall_at(ranking: Sequence[str], gains: Gains, k: int) -> float:
    """Share of the relevant items that are among the first k."""
    relevant = {item for item, gain in gains.items() if gain > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def average_precision(ranking: Sequence[str], gains: Gains) -> float:
    """Mean over the relevant items of the precision at their rank, 0 for those that are not ranked."""
    relevant = {item for item, gain in gains.items() if gain > 0}
    places = [place for place, item in enumerate(ranking) if item in relevant]
    return sum((found + 1) / (place + 1) for found, place in enumerate(places)) / len(relevant) if relevant else 0.0


def ndcg(*, k: int = 10) -> Metric:
    """Mean normalised discounted cumulative gain of the first k items; 0 to 1, higher is better.

    Args:
        k: How far down the ranking is read.

    Raises:
        UserError: k is below 1.
    """
    return _metric("ndcg", lambda ranking, gains: ndcg_of_ranking(ranking, gains, k), k)


def mrr() -> Metric:
    """Mean reciprocal rank of the first relevant item; 0 to 1, higher is better."""
    return _metric("mrr", reciprocal_rank)


def hit_rate(*, k: int = 10) -> Metric:
    """Share of rankings with a relevant item among the first k; 0 to 1, higher is better; arguments as in `ndcg`."""
    return _metric("hit_rate", lambda ranking, gains: float(recall_at(ranking, gains, k) > 0), k)


def recall_at_k(*, k: int = 10) -> Metric:
    """Mean share of the relevant items among the first k; 0 to 1, higher is better; arguments as in `ndcg`."""
    return _metric("recall", lambda ranking, gains: recall_at(ranking, gains, k), k)


def mean_average_precision() -> Metric:
    """Mean of the average precision of all items ("MAP"); 0 to 1, higher is better."""
    return _metric("map", average_precision)


def _metric(name: str, value: Callable[[Sequence[str], Gains], float], k: int | None = None) -> Metric:
    if k is not None and k < 1:
        raise UserError(f"metric {name}", f"k: {k}: at least one item must be looked at", "leave it out for 10")
    return mean_metric(
        name if k is None else f"{name}@{k}",
        lambda outcome: value(list(dict.fromkeys(outcome.answer or [])), _gains(outcome)),
    )


def _gains(outcome: Outcome) -> Gains:
    reference = outcome.references[0]
    if isinstance(reference, Mapping):
        return reference
    return dict.fromkeys([reference] if isinstance(reference, str) else reference, 1.0)
