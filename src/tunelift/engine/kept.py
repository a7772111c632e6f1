"""What a forward pass keeps for its backward pass, in less memory and without a change of any gradient.

Two kinds of results need not be kept as they are. Some take one cheap operation from others that are kept anyway, such
as the product of gate and values in a decoder's MLP; they are computed again. Others were made in float32 from fewer
bits, as norms do with their input; they are kept in those.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# What an operation gave, from what the library keeps for its gradient; by the name of its node in the graph.
AGAIN: dict[str, Callable[[Any], Tensor]] = {
    "SiluBackward0": lambda node: torch.nn.functional.silu(node._saved_self),
    "GeluBackward0": lambda node: torch.nn.functional.gelu(node._saved_self, approximate=node._saved_approximate),
    "MulBackward0": lambda node: node._saved_self * node._saved_other,
}


@dataclass(frozen=True, slots=True)
class _Narrow:
    """A tensor in float32 whose numbers are all numbers of bfloat16."""

    states: Tensor


def kept_in_less_memory() -> AbstractContextManager[object]:
    """A context for a forward pass: what it keeps takes less memory, and comes back bit by bit the same."""
    narrow: dict[Any, Tensor | None] = {}

    def pack(tensor: Tensor) -> Any:
        node = tensor.grad_fn
        if node is None:
            return tensor
        if node.name() in AGAIN and _has_operands(node, tensor):
            return node
        if node.name() == "ToCopyBackward0" and tensor.dtype == torch.float32:
            if node not in narrow:  # several operations keep the same tensor
                narrow[node] = _narrow(tensor)
            states = narrow[node]
            return tensor if states is None else _Narrow(states)
        return tensor

    return torch.autograd.graph.saved_tensors_hooks(pack, _unpack)


def _has_operands(node: Any, result: Tensor) -> bool:
    """Whether an operation on one or two tensors of the result's shape and precision keeps all of them."""
    names = [name for name in ("_saved_self", "_saved_other") if hasattr(node, name)]
    operands = [getattr(node, name) for name in names]
    return all(
        operand is not None and operand.shape == result.shape and operand.dtype == result.dtype for operand in operands
    )


def _narrow(tensor: Tensor) -> Tensor | None:
    """The same numbers in bfloat16, or None where some of them are no numbers of it."""
    with torch.no_grad():
        states = tensor.to(torch.bfloat16)
        return states if torch.equal(states.float(), tensor) else None


def _unpack(kept: Any) -> Tensor:
    if isinstance(kept, Tensor):
        return kept
    if isinstance(kept, _Narrow):
        return kept.states.float()
    with torch.no_grad():
        return AGAIN[kept.name()](kept)
