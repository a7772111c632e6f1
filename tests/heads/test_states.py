from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel

from tunelift.core.errors import UserError
from tunelift.heads.states import Way, find_way, hidden_states, plan_sequences

SEQUENCES = st.lists(st.lists(st.integers(5, 63), min_size=1, max_size=50), min_size=1, max_size=8)
WAYS = {
    "bert": "packs",
    "roberta": "packs",
    "electra": "packs",
    "mpnet": "padded",
    "llama": "trees",
    "qwen3": "trees",
    "gemma3_text": "trees",
    "gpt2": "trees",
}
MASKED = ["llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt2"]


def states_of(model: Any, way: Way, sequences: list[list[int]], types: Any = ()) -> list[torch.Tensor]:
    states, rows = hidden_states(model, way, sequences, types)
    return [states[torch.from_numpy(np.asarray(of))] for of in rows]


@pytest.mark.parametrize(
    ("architecture", "bidirectional"), [*((name, False) for name in WAYS), *((name, True) for name in MASKED)]
)
def test_states_are_those_of_single_sequences(make_network: Any, architecture: str, bidirectional: bool) -> None:
    model, single = make_network(architecture), make_network(architecture)
    way = find_way("tiny", model, bidirectional)
    assert way.kind == ("masked" if bidirectional else WAYS[architecture])
    assert way.sees_all == (bidirectional or way.kind in ("packs", "padded"))
    alone = way if bidirectional else Way("padded", sees_all=way.sees_all)

    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(SEQUENCES)
    def holds(sequences: list[list[int]]) -> None:
        with torch.no_grad():
            ours = states_of(model, way, sequences)
            expected = [states_of(single, alone, [sequence])[0] for sequence in sequences]
        for first, second in zip(ours, expected, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-4)

    holds()


@pytest.mark.parametrize("architecture", MASKED)
def test_with_masks_every_token_of_a_decoder_sees_all_others(make_network: Any, architecture: str) -> None:
    model = make_network(architecture)
    sequences = [list(range(10, 30)), [*range(10, 29), 50]]
    with torch.no_grad():
        first, second = states_of(model, find_way("tiny", model, False), sequences)
        assert torch.allclose(first[:19], second[:19], atol=1e-5)
        first, second = states_of(model, find_way("tiny", model, True), sequences)
    assert (first - second).abs().amax(-1).min() > 1e-4


@pytest.mark.parametrize("architecture", ["gemma2", "mistral"])
def test_a_sliding_window_reaches_both_ways(architecture: str) -> None:
    kinds = {"layer_types": ["sliding_attention"]} if architecture == "gemma2" else {}
    sizes = {"num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 64, "num_hidden_layers": 1}
    model = tiny(architecture, sliding_window=8, pad_token_id=0, **sizes, **kinds)
    way = find_way("tiny", model, True)
    tokens = np.random.default_rng(1).integers(5, 63, 30).tolist()
    with torch.no_grad():
        first, second = states_of(model, way, [tokens, [*tokens[:29], 5 + (tokens[29] - 4) % 58]])
    changed = (first - second).abs().amax(-1) > 1e-6
    assert changed.tolist() == [place >= 29 - 8 for place in range(30)]


def tiny(architecture: str, **sizes: Any) -> Any:
    sizes = {"vocab_size": 64, "hidden_size": 32, "num_attention_heads": 4, **sizes}
    return AutoModel.from_config(AutoConfig.for_model(architecture, **sizes)).eval()


def test_a_decoder_of_another_kind_is_padded_and_not_made_bidirectional(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny("bloom", num_hidden_layers=2)
    assert find_way("tiny", model, False) == Way("padded", sees_all=False)
    assert "tiny: shared prefixes are not used, since" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"tiny: cannot be made bidirectional: .* - leave bidirectional out, or take"):
        find_way("tiny", model, True)


def test_layers_of_other_kinds_take_no_trees(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny("mamba", num_hidden_layers=2)
    assert find_way("tiny", model, False) == Way("padded", sees_all=False)
    assert "since it has layers of the kind linear_attention" in capsys.readouterr().err


def test_types_of_tokens(make_network: Any) -> None:
    model, single = make_network("bert"), make_network("bert")
    sequences = [[7, 8, 9, 10], [11, 12, 13], [14, 15]]
    types = [(0, 0, 1, 1), (), (0, 1)]
    way = find_way("tiny", model, False)
    with torch.no_grad():
        ours = states_of(model, way, sequences, types)
        padded = states_of(single, Way("padded", sees_all=True), sequences, types)
        for number, (tokens, of) in enumerate(zip(sequences, types, strict=True)):
            given_types = torch.tensor([of or [0] * len(tokens)])
            expected = single(input_ids=torch.tensor([tokens]), token_type_ids=given_types).last_hidden_state[0]
            torch.testing.assert_close(ours[number], expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(padded[number], expected, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(ours[0], states_of(model, way, sequences)[0], atol=1e-2)


@given(SEQUENCES, st.integers(1, 200), st.sampled_from(["packs", "trees", "padded", "masked"]))
def test_plans_hold_each_sequence_once(sequences: list[list[int]], budget: int, kind: Any) -> None:
    groups = plan_sequences(Way(kind, sees_all=False), sequences, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(sequences)))
    for group in groups:
        lengths = [len(sequences[index]) for index in group]
        assert len(group) == 1 or kind == "trees" or max(lengths) * len(group) <= budget
