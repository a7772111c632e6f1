from __future__ import annotations

import numpy as np
import pytest
import torch

from tunelift.engine.blocks import TreeAttention
from tunelift.engine.layout import Row, lay_out

HEADS, GROUPS, SIZE, SLOTS, FIRST = 4, 2, 3, 20, 8


def rows() -> list[Row]:
    """Three rows behind eight slots: two share five keys above them, and have two and three of their own before."""
    shared = np.arange(5)
    return [
        Row(np.array([*shared, 5, 6, 8, 9, 10]), 3, 5),
        Row(np.array([*shared, 5, 6, 7, 11, 12]), 2, 5),
        Row(np.array([13, 14, 15, 16, 17, 18, 19]), 7, 0),
    ]


def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
    """Each new token alone: a softmax over the keys that it sees, ``[new tokens, heads, size]``."""
    results = torch.zeros(SLOTS - FIRST, HEADS, SIZE, dtype=query.dtype)
    for row in rows():
        for place in range(len(row.path) - row.new, len(row.path)):
            seen = row.path[: place + 1][-(window or SLOTS) :]
            for head in range(HEADS):
                group = head // (HEADS // GROUPS)
                products = key[group, seen] @ query[head, row.path[place] - FIRST] * 0.7
                results[row.path[place] - FIRST, head] = products.softmax(0) @ value[group, seen]
    return results


def blockwise(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
    layout = lay_out(rows(), FIRST, [window] if window else [], torch.device("cpu"))
    result: torch.Tensor = TreeAttention.apply(layout, query, key, value, 0.7, window)
    return result


@pytest.mark.parametrize("window", [None, 3, 6])
def test_results_and_gradients_are_those_of_single_tokens(window: int | None) -> None:
    draw = torch.Generator().manual_seed(2)
    shapes = [(HEADS, SLOTS - FIRST, SIZE), (GROUPS, SLOTS, SIZE), (GROUPS, SLOTS, SIZE)]
    states = [torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_() for shape in shapes]
    upstream = torch.randn(SLOTS - FIRST, HEADS, SIZE, generator=draw, dtype=torch.float64)
    ours, plain = blockwise(*states, window), dense(*states, window)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    pairs = zip(torch.autograd.grad(ours, states, upstream), torch.autograd.grad(plain, states, upstream), strict=True)
    for mine, its in pairs:
        torch.testing.assert_close(mine, its, rtol=1e-11, atol=1e-12)


def test_large_products_neither_overflow_nor_lose_their_weights() -> None:
    query = torch.full((HEADS, SLOTS - FIRST, SIZE), 100.0)
    key = torch.linspace(-100, 100, SLOTS)[None, :, None].expand(GROUPS, -1, SIZE).contiguous()
    value = torch.arange(SLOTS, dtype=torch.float32)[None, :, None].expand(GROUPS, -1, SIZE).contiguous()
    result = blockwise(query, key, value, None)
    # The largest key takes everything, and a token's own key is the largest that it sees.
    assert torch.equal(result, torch.arange(FIRST, SLOTS)[:, None, None].expand_as(result).float())
