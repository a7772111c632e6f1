"""Which sequences are computed together: a function of the whole list, never of what happens to be done already."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group sequences of similar length.

    Args:
        lengths: Length of every sequence, in tokens.
        token_budget: Largest size of a batch, in tokens with padding. A longer sequence forms a batch of its own.

    Returns:
        Batches of indices, the longest sequences first, so that memory is known to suffice from the first batch on.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def common_prefix_length(sequences: Sequence[Sequence[int]]) -> int:
    """Number of leading token ids that all sequences have in common, leaving every sequence at least one of its own."""
    if not sequences:
        return 0
    first, last = min(map(tuple, sequences)), max(map(tuple, sequences))
    limit = min(len(sequence) for sequence in sequences) - 1
    length = 0
    while length < limit and first[length] == last[length]:
        length += 1
    return max(length, 0)
