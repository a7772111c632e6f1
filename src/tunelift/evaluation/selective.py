"""What is gained by answering only where the model is confident, and leaving the rest to somebody else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COVERAGES = (0.8, 0.9)
POINTS = 20  # of the curve that is kept


@dataclass(frozen=True, slots=True)
class Selective:
    """Accuracy where only the most confident answers are given.

    Attributes:
        aurc: Area under the risk-coverage curve: mean over all coverages of the share of wrong ones among the answers
            that are given; lower is better. A confidence that says nothing has the error rate of all items.
        excess: What it lies above that of a confidence that puts all right answers before all wrong ones.
        accuracies: Pairs of coverage (share of items answered) and accuracy, at 0.8 and 0.9.
        curve: Pairs of coverage and risk (share of wrong ones among the answered), from the lowest coverage to 1.
    """

    aurc: float
    excess: float
    accuracies: tuple[tuple[float, float], ...]
    curve: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Selective:
        """The result that `to_dict` wrote, also when it has been through JSON."""
        pairs = {name: tuple((pair[0], pair[1]) for pair in data[name]) for name in ("accuracies", "curve")}
        return cls(data["aurc"], data["excess"], pairs["accuracies"], pairs["curve"])


def selective_accuracy(confidences: Array, hits: Array) -> Selective:
    """Risk and coverage (Geifman and El-Yaniv 2017), and the excess area (Geifman et al. 2019).

    Args:
        confidences: Of each item, shape (items,).
        hits: 1 where its answer is right, else 0, shape (items,).
    """
    risks = risks_by_coverage(confidences, hits)
    count = len(risks)
    points = sorted({max(1, ceil(count * step / POINTS)) for step in range(1, POINTS + 1)})
    aurc, best = float(risks.mean()), float(risks_by_coverage(hits, hits).mean())
    return Selective(
        aurc=aurc,
        excess=aurc - best,
        accuracies=tuple((coverage, 1 - float(risks[ceil(coverage * count) - 1])) for coverage in COVERAGES),
        curve=tuple((point / count, float(risks[point - 1])) for point in points),
    )


def risks_by_coverage(confidences: Array, hits: Array) -> Array:
    """Share of wrong answers among the 1, 2, ... most confident ones.

    Among equal confidences the order is random; what is given is the mean over all orders.

    Args:
        confidences: Of each item, shape (items,).
        hits: 1 where its answer is right, else 0, shape (items,).

    Returns:
        Shape (items,).
    """
    _, place, items = np.unique(-confidences, return_inverse=True, return_counts=True)
    errors = np.bincount(place, 1 - hits) / items
    return np.asarray(np.cumsum(np.repeat(errors, items)) / np.arange(1, len(hits) + 1))
