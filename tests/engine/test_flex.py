"""The path for GPUs, as far as it goes without one: PyTorch computes it forward, not backward, on other devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunelift.engine import tree
from tunelift.engine.flex import lay_out_flex, what_is_seen
from tunelift.engine.forward import forward_layout, forward_tree
from tunelift.engine.layout import lay_out, rows_behind
from tunelift.engine.slots import slot_cache
from tunelift.engine.tree import build_tree

CPU = torch.device("cpu")
SEQUENCES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=10)


@given(sequences=SEQUENCES, before=st.lists(st.integers(0, 9), unique=True, max_size=6), window=st.integers(1, 12))
def test_a_query_sees_its_path_and_nothing_else(sequences: list[list[int]], before: list[int], window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "SEGMENT_COST", 0)
        built = build_tree(sequences)
    first, stem = 10, np.array(sorted(before), dtype=np.int64)
    slots = first + len(built.token_ids)
    expected = np.zeros((2, len(built.token_ids), slots), dtype=bool)
    for segment in built.segments:
        path = np.concatenate([stem, segment.path + first])
        for place in range(len(path) - segment.length, len(path)):
            expected[0, path[place] - first, path[: place + 1]] = True
            expected[1, path[place] - first, path[: place + 1][-window:]] = True
    query, key = torch.arange(len(built.token_ids))[:, None], torch.arange(slots)
    for size, wanted in zip([None, window], expected, strict=True):
        seen = what_is_seen(built, stem, first, size, CPU)
        assert torch.equal(seen(query, query, query, key), torch.from_numpy(wanted))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma2", "gemma3_text", "gpt2"])
def test_states_are_those_of_the_blocks(tiny_model: Callable[..., Any], architecture: str) -> None:
    model = tiny_model(architecture)
    draw = np.random.default_rng(5)
    windows = [model.config.sliding_window] if getattr(model.config, "sliding_window", None) else []

    def tokens(count: int) -> list[int]:
        return [int(token) for token in draw.integers(3, 128, count)]

    stem = tokens(30)
    instruction = tokens(40)
    built = build_tree([instruction + tokens(length) for length in (9, 1, 20)] + [tokens(7)])
    with torch.no_grad():
        cache, results = slot_cache(), []
        forward_layout(model, _blocks(model, build_tree([stem]), [], 0, windows), np.array(stem), np.arange(30), cache)
        for layout in (
            lay_out_flex(built, np.arange(30), 30, windows, CPU),
            _blocks(model, built, range(30), 30, windows),
        ):
            for layer in cache.layers:
                layer.size = 30
            results.append(forward_layout(model, layout, built.token_ids, 30 + built.positions, cache))
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)
        alone = lay_out_flex(built, np.empty(0, dtype=np.int64), 0, windows, CPU)
        ours = forward_layout(model, alone, built.token_ids, built.positions, None)
        torch.testing.assert_close(ours, forward_tree(model, built), rtol=1e-4, atol=1e-4)


def _blocks(model: Any, built: Any, before: Sequence[int], first_slot: int, windows: list[int]) -> Any:
    rows = rows_behind(built, np.array(before, dtype=np.int64), first_slot)
    return lay_out(rows, first_slot, windows, CPU)


def test_a_layer_with_an_unknown_window_is_refused(tiny_model: Callable[..., Any]) -> None:
    model, built = tiny_model("gemma3_text"), build_tree([[5, 6, 7]])
    layout = lay_out_flex(built, np.empty(0, dtype=np.int64), 0, [], CPU)
    with pytest.raises(ValueError, match="tells a window of 32"), torch.no_grad():
        forward_layout(model, layout, built.token_ids, built.positions, None)
