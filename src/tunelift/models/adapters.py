"""Adapters: a few trainable weights beside the frozen ones."""

from __future__ import annotations

from typing import Any

from tunelift.core.errors import UserError
from tunelift.core.recipe import Lora
from tunelift.core.seeds import derive_seed, seed_torch


def add_lora(model: Any, settings: Lora, seed: int) -> Any:
    """Wrap a model with a fresh low-rank adapter.

    Args:
        model: The base model; its weights are frozen.
        settings: Rank, scale, dropout.
        seed: Seed of the run; it decides the initial adapter.

    Raises:
        UserError: The model has no layer of the names that the settings give.
    """
    from peft import LoraConfig, TaskType, get_peft_model
    from torch import nn

    seed_torch(derive_seed(seed, "adapter"))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        task_type=TaskType.CAUSAL_LM,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        linear = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        hint = "this model has " + ", ".join(sorted(linear))
        raise UserError("tune.method.lora.target_modules", "names no layer of the model", hint) from error


def trainable_parameters(model: Any) -> tuple[int, int]:
    """Number of trainable parameters, and of all."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)
