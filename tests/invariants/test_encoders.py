"""Encoders compute the same states and gradients without padding as one sequence at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel

from tunelift.engine.encoders import Encoder, encode, open_encoder
from tunelift.engine.refusal import RefusedError

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SEQUENCES = st.lists(st.lists(st.integers(5, 63), min_size=1, max_size=40), min_size=1, max_size=8)


def make_encoder(architecture: str, dtype: torch.dtype, padding: int = 0) -> Any:
    config = AutoConfig.for_model(
        architecture,
        vocab_size=64,
        pad_token_id=padding,
        max_position_embeddings=64,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **SIZES,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return AutoModel.from_config(config, dtype=dtype).eval()


@pytest.mark.parametrize(("architecture", "padding"), [("bert", 0), ("roberta", 1), ("electra", 0)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_states_and_gradients_equal_single_sequences(
    architecture: str, padding: int, dtype: torch.dtype, tolerance: float
) -> None:
    plain = make_encoder(architecture, dtype, padding)
    encoder = open_encoder(make_encoder(architecture, dtype, padding))
    assert encoder.first_position is not None

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(SEQUENCES)
    def holds(sequences: list[list[int]]) -> None:
        ours = encode(encoder, sequences)
        expected = [encode(Encoder(plain, None), [sequence])[0] for sequence in sequences]
        for first, second in zip(ours, expected, strict=True):
            torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance)
        for model, states in ((encoder.model, ours), (plain, expected)):
            model.zero_grad()
            torch.stack([part.square().mean() for part in states]).sum().backward()  # type: ignore[no-untyped-call]
        for (name, weight), other in zip(encoder.model.named_parameters(), plain.parameters(), strict=True):
            if other.grad is None:
                assert weight.grad is None
            else:
                difference = (weight.grad - other.grad).norm()
                assert difference <= tolerance * max(other.grad.norm(), 1.0), name

    holds()


def test_one_sequence_never_touches_another() -> None:
    encoder = open_encoder(make_encoder("bert", torch.float32))
    first = encode(encoder, [[7, 8, 9], [10, 11, 12]])[0]
    assert torch.equal(first, encode(encoder, [[7, 8, 9], [20, 21, 22]])[0])


@pytest.mark.parametrize("architecture", ["mpnet", "modernbert"])
def test_other_kinds_of_attention_are_refused_and_left_as_they_were(architecture: str) -> None:
    model = make_encoder(architecture, torch.float32, 1)
    sequences = [[7, 8, 9, 10, 11], [12, 13]]
    before, kind = encode(Encoder(model, None), sequences), model.config._attn_implementation
    with pytest.raises(RefusedError):
        open_encoder(model)
    assert model.config._attn_implementation == kind
    for first, second in zip(before, encode(Encoder(model, None), sequences), strict=True):
        assert torch.equal(first, second)
