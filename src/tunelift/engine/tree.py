"""The token tree: token sequences in which what several of them begin with stands once.

A tree lays its nodes, called segments, one behind the other in a flat row of *slots*, every segment behind its parent::

    sequences           a b c d e          segment    0       1     2
                        a b c f g          tokens     a b c   d e   f g
                                           slot       0 1 2   3 4   5 6
                                           position   0 1 2   3 4   3 4

A token attends to the tokens before it in its own segment and to all tokens of the segments above, which is exactly
what it would attend to in its own sequence; so every slot gets the state that each of its sequences would have given
it. Nothing here depends on what the tokens mean: sequences that are equal share all of their slots, and a sequence
that another one continues ends inside the other's path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Indices: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

# What several sequences begin with becomes a segment where that saves more than so many tokens.
SEGMENT_COST = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """A node of the tree: tokens without a branch between them.

    Attributes:
        path: The slots of its tokens, and before them those of all segments above it, in the order of positions.
        length: Number of its own tokens, the last ones of the path.
        parent: Number of the segment that it continues, or None.
    """

    path: Indices
    length: int
    parent: int | None

    @property
    def own(self) -> Indices:
        """The slots of its own tokens."""
        return self.path[len(self.path) - self.length :]


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Sequences as a tree.

    Attributes:
        token_ids: ``[slots]``.
        positions: ``[slots]``, the position of each token in its sequences.
        segments: The nodes, every parent before its children.
        ends: For every sequence, in the order given, the number of the segment that it ends with.
    """

    token_ids: Indices
    positions: Indices
    segments: list[Segment]
    ends: list[int]

    def path(self, sequence: int) -> Indices:
        """The slots of the tokens of a sequence."""
        return self.segments[self.ends[sequence]].path


def build_tree(sequences: Sequence[Sequence[int]]) -> TokenTree:
    """Lay sequences out as a tree.

    Args:
        sequences: Token ids.

    Raises:
        ValueError: A sequence is empty.
    """
    if not all(len(sequence) for sequence in sequences):
        raise ValueError("a sequence has no token")
    keys = [tuple(sequence) for sequence in sequences]
    tokens = [np.asarray(key, dtype=np.int64) for key in sorted(set(keys))]
    common = common_lengths(tokens)
    segments: list[Segment] = []
    token_ids: list[Indices] = []
    end_of: dict[tuple[int, ...], int] = {}
    size = 0
    # Ranges of sequences that are still to be laid out, with the segment that holds what they begin with.
    waiting: list[tuple[int, int, int | None]] = [(0, len(tokens), None)]
    while waiting:
        first, last, parent = waiting.pop()
        above = segments[parent].path if parent is not None else np.empty(0, dtype=np.int64)
        agreed = int(common[first + 1 : last].min(initial=len(tokens[first])))
        branches = _branches(common, first, last, agreed)
        new = tokens[first][len(above) : agreed]
        if len(new) and (len(branches) == 1 or len(new) * (len(branches) - 1) > SEGMENT_COST):
            above = np.concatenate([above, np.arange(size, size + len(new))])
            segments.append(Segment(above, len(new), parent))
            token_ids.append(new)
            size, parent = size + len(new), len(segments) - 1
        if len(branches) == 1 and parent is not None:
            end_of[tuple(tokens[first].tolist())] = parent
        else:
            waiting += [(*branch, parent) for branch in reversed(branches)]
    positions = np.empty(size, dtype=np.int64)
    for segment in segments:
        positions[segment.path] = np.arange(len(segment.path))
    return TokenTree(np.concatenate(token_ids), positions, segments, [end_of[key] for key in keys])


def common_lengths(tokens: Sequence[Indices]) -> Indices:
    """For each of some sorted sequences the number of tokens with which it begins like the one before it."""
    lengths = np.zeros(len(tokens), dtype=np.int64)
    for index in range(1, len(tokens)):
        lengths[index] = common_length(tokens[index - 1], tokens[index])
    return lengths


def common_length(first: Indices, second: Indices) -> int:
    """The number of tokens with which two sequences begin alike."""
    size = min(len(first), len(second))
    differ = np.flatnonzero(first[:size] != second[:size])
    return int(differ[0]) if len(differ) else size


def _branches(common: Indices, first: int, last: int, agreed: int) -> list[tuple[int, int]]:
    """The range in ranges of sequences that agree further than all of them do."""
    borders = (first + 1 + np.flatnonzero(common[first + 1 : last] == agreed)).tolist()
    return list(zip([first, *borders], [*borders, last], strict=True))
