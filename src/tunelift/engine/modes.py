"""What a model is for a while: without dropout, in float32, or with layers computed another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Compute without dropout for a while."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """Compute in the precision of the tensors for a while, as a backward pass does; what autocast has made stays."""
    return torch.autocast(device.type, enabled=False)


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


@contextmanager
def computed_by(forwards: Mapping[torch.nn.Module, Callable[..., Tensor]]) -> Iterator[None]:
    """Compute modules by other functions than their class's for a while.

    Args:
        forwards: What each module computes; none has a forward of its own already, see `has_own_forward`.
    """
    for module, forward in forwards.items():
        vars(module)["forward"] = forward
    try:
        yield
    finally:
        for module in forwards:
            del vars(module)["forward"]


def has_own_forward(module: torch.nn.Module) -> bool:
    """Whether a module is computed by another function than its class's, as `computed_by` or other libraries set it."""
    return "forward" in vars(module)
