"""Linear layers of few rows on a CPU, as each step of generation has them.

Such a product takes as long as its weights take to be read. The library's product in float32 needs up to twice that for
2 to 16 rows; the same product with its factors exchanged does not (`benchmarks/few_rows.py`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import linear

from tunelift.engine.modes import computed_by, has_own_forward

ROWS = 16


def fast_few_rows(model: torch.nn.Module) -> AbstractContextManager[None]:
    """A context in which linear layers of few rows are computed with their factors exchanged.

    Args:
        model: Layers of another class, or with a forward of their own, are left alone.
    """
    layers = [module for module in model.modules() if type(module) is Linear and not has_own_forward(module)]
    return computed_by({layer: partial(_forward, layer) for layer in layers})


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
