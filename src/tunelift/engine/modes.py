"""What a model is for a while: without dropout, or in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Compute without dropout for a while."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Compute in float32 for a while.

    Weights of fewer bits are widened one module at a time, while it computes, so that memory holds no second model.
    """
    kept: dict[torch.nn.Parameter, Tensor] = {}

    def widen(module: torch.nn.Module, _: Any) -> None:
        for weight in module.parameters(recurse=False):
            if weight.dtype in (torch.bfloat16, torch.float16):
                kept[weight], weight.data = weight.data, weight.data.float()

    def restore(module: torch.nn.Module, *_: Any) -> None:
        for weight in module.parameters(recurse=False):
            if weight in kept:
                weight.data = kept.pop(weight)

    hooks = [
        hook
        for module in model.modules()
        for hook in (module.register_forward_pre_hook(widen), module.register_forward_hook(restore))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for weight, data in kept.items():
            weight.data = data
