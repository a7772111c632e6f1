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

from tunelift.core.errors import UserError
from tunelift.core.files import read_json, write_json, write_text
from tunelift.core.seeds import derive_seed, seed_torch
from tunelift.engine.projection import causal_model
from tunelift.heads.inputs import HeadInput
from tunelift.heads.losses import loss_sum
from tunelift.heads.settings import HeadConfig
from tunelift.heads.states import Way, find_way, hidden_states, plan_sequences
from tunelift.models.adapters import ADAPTER, save_network
from tunelift.models.card import how_to_load
from tunelift.models.load import HEAD, load_tokenizer, load_weights, locate, longest_sequence, model_fingerprint

WEIGHTS = "head.safetensors"
# PEFT's name for what the model below a head is for.
TASK_TYPE = "FEATURE_EXTRACTION"


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
        return int(min(longest_sequence(self.network) - self.way.first_position, self.tokenizer.model_max_length))


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
    from transformers import AutoModel

    source = locate(name, accept_terms)
    if (Path(source) / ADAPTER).is_file():
        raise UserError(name, "is an adapter", "put a head on a model without one, or export it merged first")
    tokenizer = load_tokenizer(name, source)
    network = load_weights(name, source, precision, AutoModel, spare="pooler.")
    if network.config.is_encoder_decoder:
        raise UserError(name, "has an encoder and a decoder", "heads are for models with one of them")
    if isinstance(getattr(network, "pooler", None), nn.Module):
        network.pooler = None  # heads read the states themselves
    way = find_way(name, network, bidirectional)
    return Backbone(name, network, tokenizer, model_fingerprint(network, source), way)


def save_head(model: HeadModel, folder: Path) -> None:
    """Write the head, the weights or the adapter of its backbone, and the tokenizer; weights as safetensors alone."""
    save_network(model.network, model.backbone.tokenizer, model.backbone.name, folder)
    save_file({name: weight.contiguous() for name, weight in model.linear.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / HEAD, model.head.model_dump())
    library = "peft" if (folder / ADAPTER).is_file() else "transformers"
    loading = how_to_load("head", model.backbone.name, library, has_template=False)
    write_text(folder / "README.md", f"# {model.backbone.name} with a head for {model.head.kind}\n\n{loading}\n")


def load_head(folder: Path, precision: str = "auto", accept_terms: bool = False) -> HeadModel:
    """Load what `save_head` has written.

    Raises:
        UserError: The folder holds no head, or its files are damaged.
    """
    from peft import PeftModel

    if not (folder / HEAD).is_file():
        raise UserError(folder, f"holds no head ({HEAD} is missing)", "name the folder that tuning a head has written")
    try:
        config = HeadConfig.model_validate(read_json(folder / HEAD))
    except ValidationError as error:
        raise UserError(folder / HEAD, f"is damaged ({error.error_count()} errors)", "copy it again") from error
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
