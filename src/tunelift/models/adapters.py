"""Adapters: a few trainable weights beside the frozen ones."""

from __future__ import annotations

from typing import Any

from tunelift.core.recipe import Lora
from tunelift.core.seeds import derive_seed, seed_torch


def add_lora(model: Any, base_name: str, settings: Lora, seed: int) -> Any:
    """Wrap a model with a fresh low-rank adapter on all its linear layers except the output projection.

    Args:
        model: The base model; its weights are frozen.
        base_name: Written into the adapter, so that loading it finds its base.
        settings: Rank, scale, dropout.
        seed: Seed of the run; it decides the initial adapter.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    seed_torch(derive_seed(seed, "adapter"))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type=TaskType.CAUSAL_LM,
    )
    adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = base_name
    return adapted


def trainable_parameters(model: Any) -> tuple[int, int]:
    """Number of trainable parameters, and of all."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)
