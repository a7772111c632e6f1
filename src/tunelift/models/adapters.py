"""Adapters: a few trainable weights beside the frozen ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError
from tunelift.core.files import read_json, write_json
from tunelift.core.recipe import Lora, Method
from tunelift.core.seeds import derive_seed, seed_torch

WHERE = "tune.method.lora"
ADAPTER = "adapter_config.json"
# Modules whose weights some kinds of models take without calling them, always or in fused kernels, and would pass their
# adapters by.
OUT = {"out_proj"}
ALL_BUT_IN = {"x_proj", "dt_proj", "out_proj"}
PASSED_BY = {
    "mamba": ALL_BUT_IN,
    "falcon_mamba": ALL_BUT_IN,
    "jamba": {"dt_proj"},
    "mamba2": OUT,
    "bamba": OUT,
    "falcon_h1": OUT,
    "granitemoehybrid": OUT,
    "nemotron_h": OUT,
    "zamba2": OUT,
}


def make_trainable(model: Any, method: Method, seed: int, task_type: str | None = None) -> Any:
    """Give a model the weights that are tuned: a fresh adapter, or all of its own in float32.

    Args:
        model: The model; an adapter that it has is merged first.
        method: What is tuned.
        seed: As for `add_lora`.
        task_type: As for `add_lora`.

    Raises:
        UserError: As for `add_lora`.
    """
    model = merge_adapter(model)
    if method.lora:
        return add_lora(model, method.lora, seed, task_type)
    for name, weight in model.float().named_parameters():
        # The library saves no weights that are the same in all models of a kind, as Marian's positions are.
        weight.requires_grad_(name not in (model._keys_to_ignore_on_save or ()))
    return model


def add_lora(model: Any, settings: Lora, seed: int, task_type: str | None = None) -> Any:
    """Wrap a model with a fresh low-rank adapter.

    Args:
        model: The base model; its weights are frozen.
        settings: Rank, scale, dropout, and which modules of which layers.
        seed: Seed of the run; it decides the initial adapter.
        task_type: PEFT's name for what the model is for; unless given, that of a language model.

    Raises:
        UserError: The model has no module of the names, or not the number of layers, that the settings give, or none
            of these modules in these layers.
    """
    from peft import LoraConfig, get_peft_model

    names = linear_modules(model)
    available = sorted({name.rpartition(".")[2] for name in names})
    chosen = available if settings.target_modules == "all-linear" else settings.target_modules
    unknown = [name for name in chosen if name not in available]
    if unknown:
        raise UserError(
            f"{WHERE}.target_modules",
            f'the model has no "{unknown[0]}" that takes an adapter',
            "it has " + ", ".join(available),
        )
    if settings.last_layers and model.config.is_encoder_decoder:
        raise UserError(f"{WHERE}.last_layers", "is not offered for a model with an encoder", "leave it out")
    count = model.config.get_text_config().num_hidden_layers
    if settings.last_layers and settings.last_layers > count:
        raise UserError(f"{WHERE}.last_layers", f"is {settings.last_layers}, but the model has {count}", "lower it")
    if settings.last_layers:
        last = range(count)[-settings.last_layers :]
        chosen = [name for name in names if name.rpartition(".")[2] in chosen and layer_of(name) in last]
        if not chosen:  # the layers of a few models share their weights
            what = f"is {settings.last_layers}, but none of the modules stands in these layers alone"
            raise UserError(f"{WHERE}.last_layers", what, "leave it out, or name other target_modules")
    seed_torch(derive_seed(seed, "adapter"))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=chosen,
        task_type=task_type or ("SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"),
    )
    return get_peft_model(model, config)


def merge_adapter(model: Any) -> Any:
    """The model with its adapter, if it has one, merged into its weights, so that it can be tuned further."""
    from peft import PeftModel

    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def remove_adapter(model: Any) -> Any:
    """The model without its adapter, if it has one."""
    from peft import PeftModel

    return model.unload() if isinstance(model, PeftModel) else model


def save_network(network: Any, tokenizer: Any, name: str, folder: Path) -> None:
    """Write weights or adapter as safetensors, and the tokenizer.

    Args:
        network: The model.
        tokenizer: Its tokenizer.
        name: As the user wrote it: an adapter names its base so, so that it is found on another machine, too.
        folder: Where to write.
    """
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if (folder / ADAPTER).is_file():
        base = Path(name).resolve() if Path(name).exists() else name
        write_json(folder / ADAPTER, {**read_json(folder / ADAPTER), "base_model_name_or_path": str(base)})
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's form, not filled in


def linear_modules(model: Any) -> list[str]:
    """Where the linear modules that take an adapter stand in a model.

    The output projection is not among them, nor are modules of which a number is the name, which layers have, too.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    names = [
        name for name, part in model.named_modules() if isinstance(part, nn.Linear | Conv1D) and part is not output
    ]
    left_out = PASSED_BY.get(model.config.model_type, set())
    return [name for name in names if not (last := name.rpartition(".")[2]).isdecimal() and last not in left_out]


def layer_of(name: str) -> int | None:
    """The number of the layer in which a module stands, by its name."""
    return next((int(part) for part in name.split(".") if part.isdecimal()), None)


def trainable_parameters(model: Any) -> tuple[int, int]:
    """Number of trainable parameters, and of all."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)
