"""What attends to what in a tree, as blocks that are computed with a few large products.

A row is a run of new tokens that continues a path. Its queries attend to all keys of the path before it and, up to
themselves, to its own. Rows whose paths begin with the same slots form a block: the products with those keys, which
stand *above* the block, are one large product; the other keys of each row are its *own*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.tree import Indices, Mask, TokenTree

# With fewer rows below it a segment is not worth a block: its keys count among each row's own.
ROWS_OF_A_BLOCK = 8
# Rows form one block when padding makes their products at most so much larger, or by no more than so many elements.
PADDING = 1.25
SMALL = 16384


@dataclass(frozen=True, slots=True)
class Row:
    """New tokens that continue a path.

    Attributes:
        path: The slots of the new tokens, and before them those of all tokens that they continue.
        new: Number of new tokens.
        above: So many leading slots of the path are shared with the other rows of the block.
    """

    path: Indices
    new: int
    above: int


@dataclass(frozen=True, slots=True)
class Block:
    """Rows that are computed together, padded to one size.

    Attributes:
        queries: ``[rows, width]``, indices of the new tokens, padded behind them.
        own: ``[rows, keys]``, slots of each row's own keys, its new tokens last, padded like them and before the first.
        above: ``[keys above]``, slots of the keys that all rows attend to.
        causal: Each row's own keys are its new tokens, and a token attends to those up to itself: `own_mask` says
            no more.
        own_mask: ``[rows or 1, width, keys]`` in float32, added to the products: zero where a query attends to a key,
            otherwise minus infinity; by the size of the sliding window, where that matters, and for None without one.
        above_mask: ``[rows, width, keys above]``, the same for the keys above; windows alone.
    """

    queries: Tensor
    own: Tensor
    above: Tensor
    causal: bool
    own_mask: dict[int | None, Tensor]
    above_mask: dict[int, Tensor]


@dataclass(frozen=True, slots=True)
class Layout:
    """New tokens as the attention takes them.

    Attributes:
        blocks: All rows, in blocks.
        places: ``[new tokens]``, where each token's result stands among those of the blocks, one behind the other.
        windows: The sizes of the sliding windows that it was made for.
    """

    blocks: list[Block]
    places: Tensor
    windows: frozenset[int]


def rows_behind(tree: TokenTree, stem: Indices, first_slot: int) -> list[Row]:
    """A row for every segment of a tree that continues a path.

    Args:
        tree: The tree.
        stem: The slots of the path, if any.
        first_slot: The slot of the tree's first token.
    """
    above = _lengths_above(tree)
    shared = len(stem) if len(tree.segments) >= ROWS_OF_A_BLOCK else 0
    return [
        Row(np.concatenate([stem, segment.path + first_slot]), segment.length, len(stem) + length if length else shared)
        for segment, length in zip(tree.segments, above, strict=True)
    ]


def _lengths_above(tree: TokenTree) -> list[int]:
    """For each segment, how much of its path belongs to a segment with enough rows below it for a block."""
    below = [0] * len(tree.segments)
    for number in range(len(tree.segments) - 1, -1, -1):
        parent = tree.segments[number].parent
        if parent is not None:
            below[parent] += below[number] + 1
    lengths = [0] * len(tree.segments)
    for number, segment in enumerate(tree.segments):
        if segment.parent is not None:
            large = below[segment.parent] >= ROWS_OF_A_BLOCK
            lengths[number] = len(tree.segments[segment.parent].path) if large else lengths[segment.parent]
    return lengths


def lay_out(rows: Sequence[Row], first_slot: int, windows: Sequence[int], device: torch.device) -> Layout:
    """Group rows into blocks.

    Args:
        rows: All new tokens, each in one row.
        first_slot: The slot of the first new token; the others follow.
        windows: The sizes of the sliding windows that layers of the model have.
        device: Where the model is.
    """
    groups: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.above, int(row.path[row.above - 1]) if row.above else -1].append(row)
    places = np.empty(sum(row.new for row in rows), dtype=np.int64)
    blocks = []
    size = 0
    for members in (members for group in groups.values() for members in _similar(group)):
        width = max(row.new for row in members)
        for index, row in enumerate(members):
            places[row.path[-row.new :] - first_slot] = size + index * width + np.arange(row.new)
        size += len(members) * width
        blocks.append(_block(members, width, first_slot, windows, device))
    return Layout(blocks, torch.from_numpy(places).to(device), frozenset(windows))


def lay_out_pack(lengths: Sequence[int], device: torch.device) -> Layout:
    """Sequences one behind the other, each of whose tokens attend to all tokens of their own sequence.

    Args:
        lengths: Of the sequences.
        device: Where the model is.
    """
    ends = np.cumsum(lengths)
    rows = [Row(np.arange(end - length, end), length, 0) for length, end in zip(lengths, ends, strict=True)]
    places = np.empty(sum(lengths), dtype=np.int64)
    blocks = []
    size = 0
    for members in _similar(rows):
        width = members[0].new
        own = np.stack([np.pad(row.path, (0, width - row.new), mode="edge") for row in members])
        valid = np.arange(width) < np.array([[[row.new]] for row in members])
        for index, row in enumerate(members):
            places[row.path] = size + index * width + np.arange(row.new)
        size += len(members) * width
        slots = torch.from_numpy(own).to(device)
        nothing = torch.empty(0, dtype=torch.long, device=device)
        blocks.append(Block(slots, slots, nothing, False, {None: _mask(valid, device)}, {}))
    return Layout(blocks, torch.from_numpy(places).to(device), frozenset())


def _similar(rows: list[Row]) -> list[list[Row]]:
    """Rows in groups of similar size, the largest first."""
    groups: list[list[Row]] = []
    needed = width = rest = 0
    for row in sorted(rows, key=lambda row: (-row.new, -len(row.path))):
        own = len(row.path) - row.above
        longest = max(rest, own - row.new)
        padded = width * (longest + width) * (len(groups[-1]) + 1) if groups else 0
        if groups and padded <= max(PADDING * (needed + row.new * own), needed + row.new * own + SMALL):
            groups[-1].append(row)
            needed, rest = needed + row.new * own, longest
        else:
            groups.append([row])
            needed, width, rest = row.new * own, row.new, own - row.new
    return groups


def _block(rows: list[Row], width: int, first_slot: int, windows: Sequence[int], device: torch.device) -> Block:
    above = rows[0].path[: rows[0].above]
    rest = max(len(row.path) - row.above - row.new for row in rows)
    own = np.empty((len(rows), rest + width), dtype=np.int64)
    valid = np.zeros((len(rows), 1, rest + width), dtype=bool)
    depths = np.empty(len(rows), dtype=np.int64)
    for index, row in enumerate(rows):
        before = rest - (len(row.path) - row.above - row.new)
        own[index] = np.pad(row.path[row.above :], (before, width - row.new), mode="edge")
        valid[index, :, before:] = True
        depths[index] = len(row.path) - row.new
    # How far each query is behind each key: `rest` keys come before the first query.
    back = np.arange(rest, rest + width)[:, None] - np.arange(rest + width)
    everything = valid.all()
    causal = (back >= 0)[None] if everything else valid & (back >= 0)
    own_seen: dict[int | None, Mask] = {None: causal}
    above_seen: dict[int, Mask] = {}
    for window in windows:
        if depths.max() + width > window:
            own_seen[window] = causal & (back < window)
            distance = depths[:, None, None] + np.arange(width)[:, None] - np.arange(len(above))
            above_seen[window] = distance < window
    return Block(
        queries=torch.from_numpy(own[:, rest:] - first_slot).to(device),
        own=torch.from_numpy(own).to(device),
        above=torch.from_numpy(np.ascontiguousarray(above)).to(device),
        causal=rest == 0,
        own_mask={window: _mask(seen, device) for window, seen in own_seen.items()},
        above_mask={window: _mask(seen, device) for window, seen in above_seen.items()},
    )


def _mask(seen: Mask, device: torch.device) -> Tensor:
    """What is added to products, from whether a query attends to a key."""
    return torch.from_numpy(np.where(seen, np.float32(0), np.float32(-np.inf))).to(device)
