"""How scores on unseen tasks change with the number of tasks tuned on, with tasks as clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunelift.core.records import Sample
from tunelift.statistics.intervals import Interval
from tunelift.statistics.multiplicity import holm
from tunelift.statistics.paired import PairedResult, compare_means
from tunelift.statistics.resampling import resampled_interval

Array = NDArray[np.float64]

METRIC = "rougeL"
BEFORE = 0  # as a number of tasks tuned on
# The answers of a draw to the same items, by the number of tasks tuned on.
Answers = dict[int, list[Sample]]


@dataclass(frozen=True, slots=True)
class Gain:
    """What tuning on so many tasks gave on unseen ones.

    Attributes:
        tasks: Number of tasks tuned on.
        interval: Of the score after tuning; None where tasks do not differ.
        result: The comparison with the scores before tuning.
        p_adjusted: Its p-value, adjusted for all numbers of tasks (Holm).
        by_draw: The gain in each draw.
        cut_off: Share of the answers that were cut off.
    """

    tasks: int
    interval: Interval | None
    result: PairedResult
    p_adjusted: float
    by_draw: list[float]
    cut_off: float


def gains(draws: Sequence[Answers], seed: int) -> list[Gain]:
    """The gain for every number of tasks.

    A task that is held out in several draws is one cluster.

    Args:
        draws: The answers, in every draw for the same numbers of tasks.
        seed: Of the resamples, and of sign flips that cannot be enumerated.
    """
    clusters, before = clusters_of(draws), scores(draws, BEFORE)
    sizes = [size for size in sorted(draws[0]) if size != BEFORE]
    results = [compare_means(before, scores(draws, size), clusters, seed) for size in sizes]
    return [
        Gain(
            size,
            score_interval(draws, size, seed),
            result,
            float(p),
            [float((scores([one], size) - scores([one], BEFORE)).mean()) for one in draws],
            cut_off(draws, size),
        )
        for size, result, p in zip(sizes, results, holm([result.p for result in results]), strict=True)
    ]


def score_interval(draws: Sequence[Answers], size: int, seed: int) -> Interval | None:
    """Interval of the mean score after tuning on so many tasks: a bootstrap of whole tasks."""

    def mean(values: Array, weights: Array) -> Array:
        return (weights @ values)[:, 0] / weights.sum(axis=1)

    values = scores(draws, size)[:, None]
    return resampled_interval(mean, values, clusters_of(draws), seed, limits=(0.0, 1.0))


def trend(draws: Sequence[Answers], seed: int) -> PairedResult | None:
    """What twice as many tasks give: the slope of the scores over the binary logarithm of the number of tasks.

    It is computed for each item, by least squares, and compared with 0. None with fewer than two numbers of tasks.
    """
    sizes = [size for size in sorted(draws[0]) if size != BEFORE]
    if len(sizes) < 2:
        return None
    places = np.log2(sizes) - np.log2(sizes).mean()
    slopes = places @ np.array([scores(draws, size) for size in sizes]) / (places @ places)
    return compare_means(np.zeros_like(slopes), slopes, clusters_of(draws), seed)


def scores(draws: Sequence[Answers], size: int) -> Array:
    """The scores of all items of all draws, shape (items,)."""
    return np.array([sample.metrics[METRIC] for one in draws for sample in one[size]])


def clusters_of(draws: Sequence[Answers]) -> NDArray[np.str_]:
    """The task of each item, shape (items,)."""
    return np.array([sample.group for one in draws for sample in one[BEFORE]])


def cut_off(draws: Sequence[Answers], size: int) -> float:
    """Share of the answers that were cut off."""
    return float(np.mean([sample.finish_reason == "length" for one in draws for sample in one[size]]))


def task_means(answers: Answers) -> dict[str, dict[int, float]]:
    """Mean score of every task by the number of tasks tuned on."""
    clusters = clusters_of([answers])
    return {
        str(task): {size: float(scores([answers], size)[clusters == task].mean()) for size in answers}
        for task in np.unique(clusters)
    }
