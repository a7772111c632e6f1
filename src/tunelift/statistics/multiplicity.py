"""P-values of several tests at once, adjusted so that each may be compared with the level as if it stood alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Array:
    """Adjusted p-values that control the chance of any false claim in the family (Holm 1979).

    Valid however the tests depend on each other. For the primary family: the contrasts and tasks that were declared
    before the run.

    Args:
        p_values: P-values of the family, shape (m,), in any order.

    Returns:
        Adjusted p-values in the same order, shape (m,): sorted ascending, the i-th is the largest
        min(1, (m - j + 1) p_j) over j <= i.

    Raises:
        ValueError: A p-value lies outside [0, 1] or is not a number.
    """
    p, order = _sorted(p_values)
    stepped = np.maximum.accumulate(np.arange(len(p), 0, -1) * p)
    return _restored(stepped, order)


def benjamini_hochberg(p_values: ArrayLike) -> Array:
    """Adjusted p-values that control the expected share of false claims among the claims (Benjamini, Hochberg 1995).

    Valid for tests that are independent or positively dependent. For exploration only, such as slices, and to be
    labelled so.

    Args:
        p_values: P-values of the family, shape (m,), in any order.

    Returns:
        Adjusted p-values in the same order, shape (m,): sorted ascending, the i-th is the smallest min(1, m p_j / j)
        over j >= i.

    Raises:
        ValueError: A p-value lies outside [0, 1] or is not a number.
    """
    p, order = _sorted(p_values)
    scaled = len(p) * p / np.arange(1, len(p) + 1)
    return _restored(np.minimum.accumulate(scaled[::-1])[::-1], order)


def _sorted(p_values: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError("p-values are a list of numbers between 0 and 1")
    order = np.argsort(p)
    return p[order], order


def _restored(adjusted: Array, order: NDArray[np.int64]) -> Array:
    """In the order of the input, shape (m,)."""
    restored = np.empty_like(adjusted)
    restored[order] = np.minimum(adjusted, 1.0)
    return restored
