from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.core.recipe import Lora
from tunelift.heads.model import TASK_TYPE
from tunelift.models.adapters import add_lora, layer_of, trainable_parameters

ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma3_text", "gpt2"]
IDS = torch.tensor([[5, 6, 7, 8]])


def adapter_weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_fresh_adapter_changes_nothing_and_only_it_is_trainable(
    tiny_model: Callable[..., Any], architecture: str
) -> None:
    base = tiny_model(architecture)
    before = base(IDS).logits.detach()
    adapted = add_lora(base, Lora(rank=4), seed=7)
    assert torch.equal(adapted(IDS).logits, before)
    assert all(".lora_A." in name or ".lora_B." in name for name in adapter_weights(adapted))
    assert not any("lm_head" in name or "embed" in name or "wte" in name for name in adapter_weights(adapted))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_linear_layer_gets_rank_times_its_two_sides(tiny_model: Callable[..., Any], architecture: str) -> None:
    from transformers.pytorch_utils import Conv1D

    base = tiny_model(architecture)
    layers = [m for n, m in base.named_modules() if isinstance(m, torch.nn.Linear | Conv1D) and n != "lm_head"]
    expected = sum(4 * sum(layer.weight.shape) for layer in layers)
    total = sum(weight.numel() for weight in base.parameters())
    assert len(layers) == (8 if architecture == "gpt2" else 14)
    assert trainable_parameters(base) == (total, total)
    assert trainable_parameters(add_lora(base, Lora(rank=4), seed=7)) == (expected, total + expected)


def test_the_seed_alone_decides_the_adapter(tiny_model: Callable[..., Any]) -> None:
    made = []
    for seed, disturbance in ((7, 1), (7, 2), (8, 1)):
        torch.manual_seed(disturbance)
        made.append(adapter_weights(add_lora(tiny_model("llama"), Lora(rank=4), seed)))
    first, again, other = made
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("with_head", [True, False])
def test_the_last_layers_alone_are_tuned(tiny_model: Callable[..., Any], architecture: str, with_head: bool) -> None:
    model = tiny_model(architecture)
    count = model.config.num_hidden_layers
    settings = Lora(rank=2, last_layers=1)
    adapted = add_lora(model, settings, 7) if with_head else add_lora(model.base_model, settings, 7, TASK_TYPE)
    tuned = {layer_of(name) for name in adapter_weights(adapted)}
    assert tuned == {count - 1}
    every = add_lora(tiny_model(architecture), Lora(rank=2, last_layers=count), seed=7)
    assert len(adapter_weights(adapted)) * count == len(adapter_weights(every))


def test_layers_that_share_their_weights_have_no_last_ones() -> None:
    from transformers import AlbertConfig, AlbertModel

    sizes = {"hidden_size": 32, "embedding_size": 16, "intermediate_size": 64, "num_attention_heads": 4}
    model = AlbertModel(AlbertConfig(vocab_size=99, num_hidden_layers=3, **sizes))
    with pytest.raises(UserError, match=r"last_layers: is 1, but none of the modules stands in these layers alone"):
        add_lora(model, Lora(rank=2, last_layers=1), 7, TASK_TYPE)
    assert adapter_weights(add_lora(model, Lora(rank=2), 7, TASK_TYPE))


def test_the_settings_are_in_the_configuration(tiny_model: Callable[..., Any]) -> None:
    adapted = add_lora(tiny_model("llama"), Lora(rank=4, alpha=8, dropout=0.1), seed=7)
    config = adapted.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (4, 8, 0.1)
    assert adapted.base_model.model.model.layers[0].mlp.up_proj.scaling == {"default": 2.0}


def test_layers_can_be_named(tiny_model: Callable[..., Any]) -> None:
    adapted = add_lora(tiny_model("llama"), Lora(target_modules=["q_proj", "v_proj"]), seed=7)
    assert {name.split(".")[-4] for name in adapter_weights(adapted)} == {"q_proj", "v_proj"}
    with pytest.raises(UserError, match=r"^tune\.method\.lora\.target_modules: .*q_proj"):
        add_lora(tiny_model("llama"), Lora(target_modules=["query"]), seed=7)


STATE_SPACE: dict[str, dict[str, Any]] = {
    "mamba": {},
    "falcon_mamba": {},
    "jamba": {},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 2},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 8},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "mamba_n_heads": 8, "mamba_d_head": 8},
    "zamba2": {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "num_mem_blocks": 1,
        "mamba_headdim": 8,
        "n_mamba_heads": 8,
        "mamba_ngroups": 2,
        "adapter_rank": 4,
    },
}


@pytest.mark.parametrize("architecture", STATE_SPACE)
def test_every_module_with_an_adapter_computes_with_it(tiny_model: Callable[..., Any], architecture: str) -> None:
    model = add_lora(tiny_model(architecture, trees=False, **STATE_SPACE[architecture]), Lora(rank=2), seed=7)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    model(IDS, use_cache=False).logits.sum().backward()
    weights = adapter_weights(model)
    assert {name.split(".")[-4] for name in weights} >= {"in_proj"}
    assert all(weight.grad is not None and weight.grad.any() for weight in weights.values())


def test_a_module_that_is_passed_by_takes_no_adapter(tiny_model: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r'has no "out_proj" that takes an adapter - it has in_proj$'):
        add_lora(tiny_model("mamba", trees=False), Lora(target_modules=["out_proj"]), seed=7)
