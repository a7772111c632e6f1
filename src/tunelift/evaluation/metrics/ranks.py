"""Ranks under weights, so that metrics of ranks can be resampled exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tunelift.evaluation.metrics.metric import Array

# Numbers in one block of draws and items: 1 MB, so that several such arrays fit into the cache of a processor.
BLOCK = 2**17


def mid_ranks(values: Array, weights: Array, wanted: NDArray[np.bool_] | None = None) -> Array:
    """For every value the weight of all smaller ones and half of that of the equal ones, its own included.

    With whole numbers as weights this is, less one half, the mid-rank in the list where every value is repeated as
    often as its weight says.

    Args:
        values: Shape (items,).
        weights: Shape (draws, items).
        wanted: Of which items, shape (items,); None: of all.

    Returns:
        Shape (draws, items wanted).
    """
    order = np.argsort(values, kind="stable")
    firsts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    level = np.repeat(np.arange(len(firsts)), np.diff(firsts, append=len(values)))
    equal = np.add.reduceat(weights[:, order], firsts, axis=1)
    ranks = np.cumsum(equal, axis=1) - equal / 2
    places = level[np.argsort(order, kind="stable")]
    return np.asarray(ranks[:, places if wanted is None else places[wanted]])


def in_blocks(score: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """The same score, computed for a few draws at a time, since ranks of all draws would need much memory."""

    def blockwise(values: Array, weights: Array) -> Array:
        rows = max(1, BLOCK // max(1, weights.shape[1]))
        return np.concatenate([score(values, weights[row : row + rows]) for row in range(0, len(weights), rows)])

    return blockwise
