"""Linear layers of few rows on a CPU, as each step of generation has them.

Such a product takes as long as its weights take to be read. The library's product in float32 needs up to twice that for
2 to 16 rows; the same product with its factors exchanged does not (`benchmarks/few_rows.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

ROWS = 16


class FewRows(TorchFunctionMode):
    """A context in which linear layers of few rows are computed with their factors exchanged."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        """Called by the library for each of its functions."""
        if function is linear and not options and _is_slow(*arguments[:2]):
            return exchanged(*arguments)
        return function(*arguments, **(options or {}))


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
