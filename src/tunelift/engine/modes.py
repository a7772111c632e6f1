"""What a model is for a while: without dropout, in float32, or with layers computed another way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

NARROW = (torch.bfloat16, torch.float16)


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
    """Compute in the precision of the tensors for a while; the copies of weights that autocast has made stay."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def in_float32(model: Any) -> Iterator[None]:
    """Compute in float32 for a while.

    Weights of fewer bits are widened one layer at a time, while it computes, so that memory holds no second model;
    those outside of layers for all of the while.
    """
    # By the layer, since a module may compute with weights of modules inside it without calling them.
    layers = {
        layer for module in model.modules() if isinstance(module, torch.nn.ModuleList) for layer in module.children()
    }
    kept: dict[torch.nn.Module, list[tuple[torch.nn.Parameter, Tensor]]] = defaultdict(list)

    def widen(module: torch.nn.Module, weights: Iterable[torch.nn.Parameter]) -> None:
        for weight in weights:
            if weight.dtype in NARROW:
                kept[module].append((weight, weight.data))
                weight.data = weight.data.float()

    def restore(module: torch.nn.Module, *_: Any) -> None:
        for weight, data in kept.pop(module, ()):
            weight.data = data

    inside = {weight for layer in layers for weight in layer.parameters()}
    hooks = []
    try:
        for module in {module for layer in layers for module in layer.modules()}:
            weights = partial(module.parameters, recurse=module in layers)
            hooks.append(module.register_forward_pre_hook(lambda module, _, weights=weights: widen(module, weights())))
            hooks.append(module.register_forward_hook(restore))
        widen(model, (weight for weight in model.parameters() if weight not in inside))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module in list(kept):
            restore(module)


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
