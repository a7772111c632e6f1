"""A model that takes trees computes as usual where it is called without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import StaticCache

from tunelift.engine.attention import NAME
from tunelift.engine.flex import lay_out_flex
from tunelift.engine.forward import forward_layout
from tunelift.engine.support import plain_attention
from tunelift.engine.tree import build_tree

TOKENS = torch.tensor([[5, 6, 7, 8, 9], [0, 0, 7, 8, 9]])
VALID = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])


def both_ways(model: Any, compute: Callable[[], torch.Tensor]) -> list[torch.Tensor]:
    results = []
    for name in (NAME, plain_attention(model)):
        model.set_attn_implementation(name)
        with torch.no_grad():
            results.append(compute())
    return results


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gemma3_text"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(tiny_model: Callable[..., Any], architecture: str, side: str) -> None:
    model = tiny_model(architecture)
    tokens, valid = (TOKENS, VALID) if side == "left" else (TOKENS.flip(1), VALID.flip(1))
    ours, plain = both_ways(model, lambda: model(input_ids=tokens, attention_mask=valid).logits[valid.bool()])
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gemma3_text"])
def test_generation(tiny_model: Callable[..., Any], architecture: str) -> None:
    model = tiny_model(architecture)
    options = {"attention_mask": VALID, "max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    ours, plain = both_ways(model, lambda: model.generate(TOKENS, **options))
    assert torch.equal(ours, plain)


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_a_cache_of_fixed_size(tiny_model: Callable[..., Any], architecture: str) -> None:
    model = tiny_model(architecture)

    def compute() -> torch.Tensor:
        cache = StaticCache(config=model.config, max_cache_len=17)
        logits: torch.Tensor = model(input_ids=TOKENS[:1], past_key_values=cache).logits
        return logits

    torch.testing.assert_close(*both_ways(model, compute), rtol=1e-4, atol=1e-4)


def test_the_layout_for_gpus_refuses_dropout(tiny_model: Callable[..., Any]) -> None:
    model, built = tiny_model("llama").train(), build_tree([[5, 6, 7]])
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1
    layout = lay_out_flex(built, np.empty(0, dtype=np.int64), 0, [], torch.device("cpu"))
    with pytest.raises(ValueError, match="no dropout of attention weights"), torch.no_grad():
        forward_layout(model, layout, built.token_ids, built.positions, None)
