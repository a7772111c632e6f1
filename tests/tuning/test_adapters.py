from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from tunelift.core.recipe import Lora
from tunelift.engine.kept import kept_in_less_memory
from tunelift.models.adapters import add_lora
from tunelift.tuning.adapters import fused_adapters


def is_fused(model: Any) -> bool:
    return any("forward" in vars(module) for module in model.modules())


def loss_and_gradients(model: Any, fused: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    torch.manual_seed(3)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    with fused_adapters(model) if fused else nullcontext():
        assert is_fused(model) == fused
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
    return loss.detach(), {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad
    }


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
@pytest.mark.parametrize("settings", [Lora(rank=2), Lora(rank=3, dropout=0.3), Lora(rank=2, last_layers=1)])
def test_a_fused_update_is_the_library_s(tiny_model: Any, architecture: str, settings: Lora) -> None:
    model = add_lora(tiny_model(architecture, vocabulary=64), settings, 7).double().train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    expected, gradients = loss_and_gradients(model, fused=False)
    loss, ours = loss_and_gradients(model, fused=True)
    # The library adds up in another order, and its norms are computed in float32.
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize("fused", [False, True])
def test_the_product_of_gate_and_values_is_not_kept(tiny_model: Any, fused: bool) -> None:
    model = add_lora(tiny_model("gemma3_text", vocabulary=64), Lora(rank=2), 7).train()
    products = []

    def see(_: Any, inputs: tuple[torch.Tensor]) -> None:
        products.append(StorageWeakRef(inputs[0].untyped_storage()))

    for name, module in model.named_modules():
        if name.endswith("down_proj"):
            module.register_forward_pre_hook(see)
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    with fused_adapters(model) if fused else nullcontext(), kept_in_less_memory():
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    assert loss.requires_grad
    assert products
    assert all(product.expired() for product in products)


def test_afterwards_the_library_computes_again(tiny_model: Any) -> None:
    model = add_lora(tiny_model("llama", vocabulary=64), Lora(rank=2), 7)
    with fused_adapters(model):
        assert is_fused(model)
    assert not is_fused(model)


def test_what_is_no_plain_adapter_is_left_alone(tiny_model: Any) -> None:
    model = tiny_model("llama", vocabulary=64)
    with fused_adapters(model):
        assert not is_fused(model)
    adapted = add_lora(model, Lora(rank=2), 7)
    with adapted.disable_adapter(), fused_adapters(adapted):
        assert not is_fused(adapted)
    adapted.merge_adapter()
    with fused_adapters(adapted):
        assert not is_fused(adapted)


def test_a_layer_that_another_library_has_exchanged_stays_so(tiny_model: Any) -> None:
    model = add_lora(tiny_model("llama", vocabulary=64), Lora(rank=2), 7)
    layer = next(module for module in model.modules() if hasattr(module, "lora_A"))
    exchanged = layer.base_layer.forward
    layer.base_layer.forward = exchanged
    with fused_adapters(model):
        assert "forward" not in vars(layer)
    assert vars(layer.base_layer)["forward"] is exchanged
