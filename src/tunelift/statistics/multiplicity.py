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
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError("p-values are a list of numbers between 0 and 1")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]), 1.0)
    return adjusted
