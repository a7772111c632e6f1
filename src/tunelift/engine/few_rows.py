"""Linear layers of few rows on a CPU, as each step of generation has them.

Such a product takes as long as its weights take to be read. The library's product in float32 needs up to twice that for
2 to 16 rows; the same product with its factors exchanged does not (`benchmarks/few_rows.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import linear

ROWS = 16


@contextmanager
def fast_few_rows(model: torch.nn.Module) -> Iterator[None]:
    """Compute linear layers of few rows with their factors exchanged, for a while.

    Args:
        model: Its linear layers are those of the library, without a forward of their own.
    """
    layers = [module for module in model.modules() if type(module) is Linear and "forward" not in vars(module)]
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: Linear, states: Tensor) -> Tensor:
    product = exchanged if _is_slow(states, layer.weight) else linear
    return product(states, layer.weight, layer.bias)


def exchanged(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer.

    Args:
        states: ``[..., inputs]``.
        weight: ``[outputs, inputs]``.
        bias: ``[outputs]``.

    Returns:
        ``[..., outputs]``.
    """
    result = torch.mm(weight, states.reshape(-1, states.shape[-1]).T).T.contiguous()
    if bias is not None:
        result += bias
    return result.view(*states.shape[:-1], -1)


def _is_slow(states: Tensor, weight: Tensor) -> bool:
    rows = states.numel() // states.shape[-1]
    return states.device.type == "cpu" and states.dtype == weight.dtype == torch.float32 and 1 < rows <= ROWS
