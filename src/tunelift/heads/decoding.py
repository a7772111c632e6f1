"""The most probable sequence of tags in which no entity is continued that has not begun."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def allowed_transitions(types: int) -> NDArray[np.bool_]:
    """Which tag may stand behind which, ``[tags + 1, tags]``; the last row is the beginning.

    Args:
        types: Number of types of entities; the tags are those of `settings.tag_names`: O, B-1, I-1, B-2, I-2, ...
    """
    tags = 1 + 2 * types
    allowed = np.ones((tags + 1, tags), dtype=bool)
    for inside in range(2, tags, 2):
        allowed[:, inside] = False
        allowed[[inside - 1, inside], inside] = True
    return allowed


def decode_tags(logprobs: NDArray[np.floating]) -> list[int]:
    """The consistent sequence of tags with the highest sum of log-probabilities (Viterbi 1967).

    Args:
        logprobs: ``[units, tags]``, of the tags O, B-1, I-1, B-2, I-2, ...

    Returns:
        The index of each unit's tag.
    """
    units, tags = logprobs.shape
    if not units:
        return []
    penalty = np.where(allowed_transitions((tags - 1) // 2), 0.0, -np.inf)
    best = logprobs[0] + penalty[-1]
    before = np.zeros((units, tags), dtype=np.int64)
    for unit in range(1, units):
        scores = best[:, None] + penalty[:-1]
        before[unit] = scores.argmax(0)
        best = scores.max(0) + logprobs[unit]
    chosen = [int(best.argmax())]
    for unit in range(units - 1, 0, -1):
        chosen.append(int(before[unit, chosen[-1]]))
    return chosen[::-1]
