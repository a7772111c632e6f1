"""A model with a head: hidden states of any model of Transformers, dropout, and one linear layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tunelift.core import hardware
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, file_hash, read_json, write_json
from tunelift.core.recipe import Lora
from tunelift.core.seeds import derive_seed, seed_torch
from tunelift.engine.projection import causal_model
from tunelift.heads.inputs import HeadInput
from tunelift.heads.losses import loss_sum
from tunelift.heads.settings import HeadConfig
from tunelift.heads.states import Way, find_way, hidden_states, plan_sequences
from tunelift.models.adapters import linear_modules
from tunelift.models.bundled import bundled_folder
from tunelift.models.load import locate

CONFIG, WEIGHTS, ADAPTER = "head.json", "head.safetensors", "adapter_config.json"


@dataclass(slots=True)
class Backbone:
    """A model that turns tokens into hidden states, with its tokenizer.

    Attributes:
        name: As the user wrote it.
        network: A model of Transformers without a head; a PEFT model where it has an adapter.
        tokenizer: Its tokenizer.
        fingerprint: Hash of configuration and weights, for the run record.
        way: How it takes several sequences.
    """

    name: str
    network: Any
    tokenizer: Any
    fingerprint: str
    way: Way

    @property
    def context(self) -> int:
        """The longest sequence that it takes, in tokens."""
        config = self.network.config.get_text_config()
        longest = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 1 << 30
        return int(min(longest - self.way.first_position, self.tokenizer.model_max_length))


class HeadModel(nn.Module):
    """A backbone and the linear layer that reads its states.

    Args:
        backbone: The backbone; its network becomes part of this module.
        config: The head.
        seed: Seed of the run; it decides the initial weights of the linear layer.
    """

    def __init__(self, backbone: Backbone, config: HeadConfig, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = config
        self.network = backbone.network
        width = self.network.config.get_text_config().hidden_size
        seed_torch(derive_seed(seed, "head"))
        self.linear = nn.Linear(width * config.parts, len(config.outputs))
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)
        self.linear.to(next(self.network.parameters()).device)

    def plan(self, inputs: Sequence[HeadInput], token_budget: int) -> list[list[int]]:
        """Which inputs to compute together, by their indices."""
        return plan_sequences(self.backbone.way, [item.token_ids for item in inputs], token_budget)

    def forward(self, inputs: Sequence[HeadInput]) -> Tensor:
        """Logits ``[readings, outputs]`` of all inputs, in float32 at least."""
        sequences, types = [item.token_ids for item in inputs], [item.token_types for item in inputs]
        states, rows = hidden_states(causal_model(self.network), self.backbone.way, sequences, types)
        with torch.autocast(states.device.type, enabled=False):
            read = read_states(states, rows, inputs).to(self.linear.weight.dtype)
            dropped: Tensor = nn.functional.dropout(read, self.head.dropout, self.training)
            logits: Tensor = self.linear(dropped)
        return logits

    def loss_sum(self, inputs: Sequence[HeadInput]) -> Tensor:
        """Sum of the losses of all readings; divide it by those of the whole optimizer step."""
        return loss_sum(self.head, self(inputs), [target for item in inputs for target in item.targets])


def read_states(states: Tensor, rows: Sequence[Any], inputs: Sequence[HeadInput]) -> Tensor:
    """The means of the groups of each reading, one behind the other.

    Args:
        states: ``[rows, width]``.
        rows: For each input the rows of its tokens.
        inputs: All with the same number of groups in a reading.

    Returns:
        ``[readings, groups * width]``, in float32 at least.
    """
    groups = [
        of[list(group)] for of, item in zip(rows, inputs, strict=True) for read in item.readings for group in read
    ]
    sizes = np.array([len(group) for group in groups])
    places = torch.from_numpy(np.concatenate(groups)).to(states.device)
    chosen = states.index_select(0, places).to(torch.promote_types(states.dtype, torch.float32))
    if (sizes > 1).any():
        owners = torch.from_numpy(np.repeat(np.arange(len(groups)), sizes)).to(states.device)
        shares = torch.from_numpy(np.repeat(1 / sizes, sizes)).to(chosen)
        chosen = chosen.new_zeros(len(groups), chosen.shape[1]).index_add(0, owners, chosen * shares[:, None])
    return chosen.view(sum(len(item.readings) for item in inputs), -1)


def load_backbone(
    name: str, precision: str = "auto", accept_terms: bool = False, bidirectional: bool = False
) -> Backbone:
    """Load a model without a head.

    Args:
        name: ``bundled/...``, a ``.gguf`` file, a folder with weights, or a hub id.
        precision: "float32", "bfloat16", or "auto" for what this machine computes fast.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
        bidirectional: Every token of a decoder is to see all others.

    Raises:
        UserError: There is no such model, its files are damaged, or it cannot be made bidirectional.
    """
    from transformers import AutoModel, AutoTokenizer

    hardware.limit_threads()
    source = str(bundled_folder(name) or locate(name, accept_terms))
    if (Path(source) / ADAPTER).is_file():
        raise UserError(name, "is an adapter", "put a head on a model without one, or export it merged first")
    dtype = getattr(torch, hardware.fast_precision() if precision == "auto" else precision)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        network, found = AutoModel.from_pretrained(source, dtype=dtype, use_safetensors=True, output_loading_info=True)
    except Exception as error:  # a damaged file can fail anywhere in the library
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        hint = "check the name, and that its files are whole"
        raise UserError(name, f"cannot be loaded: {reason}", hint) from error
    if network.config.is_encoder_decoder:
        raise UserError(name, "has an encoder and a decoder", "heads are for models with one of them")
    if isinstance(getattr(network, "pooler", None), nn.Module):
        network.pooler = None  # heads read the states themselves
    missing = sorted(key for key in found["missing_keys"] if not key.startswith("pooler."))
    if missing:  # the library would only warn, and draw them at random
        raise UserError(name, f"lacks weights ({missing[0]})", "copy or download it again")
    network = network.to(hardware.device()).eval()
    return Backbone(name, network, tokenizer, _fingerprint(network, source), find_way(name, network, bidirectional))


def _fingerprint(network: Any, source: str) -> str:
    folder = Path(source)
    if folder.is_dir():
        files = sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")])
        return content_hash([[file.name, file_hash(file)] for file in files])
    return content_hash([source, getattr(network.config, "_commit_hash", None)])


def add_adapter(network: Any, settings: Lora, seed: int) -> Any:
    """Wrap a model without a head with a fresh low-rank adapter; see `models.adapters.add_lora`.

    Raises:
        UserError: The model has no module of the names that the settings give.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    layers = network.config.get_text_config().num_hidden_layers
    seed_torch(derive_seed(seed, "adapter"))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=linear_modules(network)
        if settings.target_modules == "all-linear"
        else list(settings.target_modules),
        layers_to_transform=list(range(layers))[-settings.last_layers :] if settings.last_layers else None,
        task_type=TaskType.FEATURE_EXTRACTION,
    )
    try:
        return get_peft_model(network, config)
    except ValueError as error:
        hint = "it has " + ", ".join(linear_modules(network))
        raise UserError("tune.method.lora.target_modules", str(error).splitlines()[0], hint) from error


def save_head(model: HeadModel, folder: Path) -> None:
    """Write the head, the weights or the adapter of its backbone, and the tokenizer; weights as safetensors alone."""
    model.network.save_pretrained(folder)
    model.backbone.tokenizer.save_pretrained(folder)
    save_file({name: weight.contiguous() for name, weight in model.linear.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / CONFIG, model.head.model_dump())
    if (folder / ADAPTER).is_file():
        base = Path(model.backbone.name)
        name = str(base.resolve()) if base.exists() else model.backbone.name
        write_json(folder / ADAPTER, {**read_json(folder / ADAPTER), "base_model_name_or_path": name})
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's form, not filled in


def load_head(folder: Path, precision: str = "auto", accept_terms: bool = False) -> HeadModel:
    """Load what `save_head` has written.

    Raises:
        UserError: The folder holds no head, or its files are damaged.
    """
    from peft import PeftModel

    if not (folder / CONFIG).is_file():
        raise UserError(
            folder, f"holds no head ({CONFIG} is missing)", "name the folder that tuning a head has written"
        )
    try:
        config = HeadConfig.model_validate(read_json(folder / CONFIG))
    except ValidationError as error:
        raise UserError(folder / CONFIG, f"is damaged ({error.error_count()} errors)", "copy it again") from error
    base = read_json(folder / ADAPTER)["base_model_name_or_path"] if (folder / ADAPTER).is_file() else str(folder)
    backbone = load_backbone(base, precision, accept_terms, config.bidirectional)
    if base != str(folder):
        backbone.network = PeftModel.from_pretrained(backbone.network, folder).eval()
    model = HeadModel(backbone, config, seed=0)
    try:
        model.linear.load_state_dict(load_file(folder / WEIGHTS))
    except Exception as error:  # a damaged or missing file can fail anywhere in the library
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(folder / WEIGHTS, f"cannot be read: {reason}", "copy it again") from error
    return model.eval()
