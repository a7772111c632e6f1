from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache

from tunelift.engine import padding
from tunelift.engine.padding import copied, copied_at_once, in_groups, pad, plan_padded, plan_pairs

PAIRS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), min_size=1, max_size=20)


@given(PAIRS, st.integers(1, 120), st.integers(1, 30))
def test_groups_hold_every_prompt_once_and_fit_with_their_padding(
    lengths: list[tuple[int, int]], budget: int, most: int
) -> None:
    plan = plan_pairs(lengths, budget, most)
    assert sorted(index for group in plan for index in group) == list(range(len(lengths)))
    for group in plan:
        read, written = (max(lengths[index][side] for index in group) for side in (0, 1))
        assert len(group) == 1 or (len(group) * (read + written) <= budget and len(group) * written <= most)
    longest = [max(sum(lengths[index]) for index in group) for group in plan]
    assert longest == sorted(longest, reverse=True)


def test_prompts_that_fit_stand_together() -> None:
    assert plan_pairs([(4, 2), (9, 3), (4, 2), (8, 3)], budget=24, most=100) == [[1, 3], [0, 2]]
    assert plan_pairs([], 10, 10) == []


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 120), st.integers(1, 6))
def test_groups_of_sequences_fit_with_their_padding(lengths: list[int], budget: int, most: int) -> None:
    plan = plan_padded([[7] * length for length in lengths], budget, most)
    assert sorted(index for group in plan for index in group) == list(range(len(lengths)))
    for group in plan:
        assert len(group) == 1 or max(lengths[index] for index in group) * len(group) <= budget
        assert len(group) <= most


def test_sequences_are_padded_behind_their_tokens() -> None:
    token_ids, mask = pad([[5, 6, 7], [8]])
    assert token_ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@given(PAIRS, st.integers(1, 60))
def test_what_is_computed_in_groups_stands_in_order(lengths: list[tuple[int, int]], budget: int) -> None:
    def numbers(group: list[int]) -> torch.Tensor:
        return torch.cat([torch.full((lengths[index][1],), index) for index in group])

    expected = [index for index, (_, written) in enumerate(lengths) for _ in range(written)]
    assert in_groups(lengths, budget, 30, numbers).tolist() == expected


def test_the_memory_of_copies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DynamicCache()
    for layer in range(2):
        cache.update(torch.randn(3, 2, 5, 4), torch.randn(3, 2, 5, 4), layer)
    of_a_slot = 2 * 2 * 2 * 4 * 4  # keys and values, layers, heads, size, bytes
    monkeypatch.setattr(padding, "COPIED_BYTES", 7 * of_a_slot)
    assert copied_at_once(cache, 3, 5) == 7
    monkeypatch.setattr(padding, "COPIED_BYTES", 1)
    assert copied_at_once(cache, 3, 5) == 1

    # Nothing but the rows that are chosen is copied.
    def refuse(*_: object) -> None:
        raise AssertionError("a whole tensor is copied")

    monkeypatch.setattr(torch.Tensor, "__deepcopy__", refuse)
    chosen = copied(cache, torch.tensor([2, 0, 2, 1]))
    for layer, kept in zip(chosen.layers, cache.layers, strict=True):
        assert torch.equal(layer.keys, kept.keys[[2, 0, 2, 1]])
        assert kept.keys.shape[0] == 3
