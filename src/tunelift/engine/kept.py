"""What a forward pass keeps for its backward pass, in less memory and bit by bit the same.

Two kinds of results need not be kept as they are. Some take one cheap operation from others that are kept anyway, such
as the product of gate and values in a decoder's MLP; they are computed again. Others are only a wider form of what they
were made from, as norms widen their input to float32; they are kept in its precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor

# What an operation gave, from what the library keeps for its gradient; by the name of its node in the graph.
RECOMPUTED: dict[str, Callable[[Any], Tensor]] = {
    "SiluBackward0": lambda node: torch.nn.functional.silu(node._saved_self),
    "GeluBackward0": lambda node: torch.nn.functional.gelu(node._saved_self, approximate=node._saved_approximate),
    "MulBackward0": lambda node: node._saved_self * node._saved_other,
}
# So many operations at most: an activation, and its product.
STEPS = 2
WIDENED = "ToCopyBackward0"
VIEWED = "ViewBackward0"

Kind: TypeAlias = tuple[torch.Size, torch.dtype]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A tensor as it is. The library does not notice when one that a hook keeps is changed in place, so we do."""

    states: Tensor
    version: int
    steps: ClassVar[int] = 0

    @property
    def kind(self) -> Kind:
        return self.states.shape, self.states.dtype

    def tensor(self) -> Tensor:
        if self.states._version != self.version:
            raise RuntimeError("a tensor that the backward pass needs was changed in place")
        return self.states


@dataclass(frozen=True, slots=True)
class _Narrow:
    """A tensor in the precision of what it was made from, which holds all its numbers."""

    states: Tensor
    dtype: torch.dtype

    def tensor(self) -> Tensor:
        return self.states.to(self.dtype)


@dataclass(frozen=True, slots=True)
class _Recomputed:
    """A tensor that is computed again, in so many operations, from what its node in the graph keeps."""

    node: Any
    kind: Kind
    steps: int

    def tensor(self) -> Tensor:
        return RECOMPUTED[self.node.name()](self.node).reshape(self.kind[0])


_Form: TypeAlias = _Kept | _Narrow | _Recomputed


@contextmanager
def kept_in_less_memory() -> Iterator[None]:
    """A context for a forward pass."""
    narrow: dict[Any, _Narrow] = {}

    def pack(tensor: Tensor) -> _Form:
        node = tensor.grad_fn
        untouched = node is not None and tensor._version == 0
        if untouched and (recomputed := _recomputed(node, (tensor.shape, tensor.dtype))):
            return recomputed
        if untouched and (source := _narrower(node, tensor.dtype)):
            if node not in narrow:  # several operations keep the same tensor
                narrow[node] = _Narrow(tensor.detach().to(source), tensor.dtype)
            return narrow[node]
        # The tensor itself would hold the node that keeps it, for ever where no backward pass comes by.
        return _Kept(tensor.detach(), tensor._version)

    def unpack(form: _Form) -> Tensor:
        with torch.no_grad():
            return form.tensor()

    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            yield
    finally:
        # The graph holds the hooks where no backward pass comes by, and they would hold the graph.
        narrow.clear()


def _recomputed(node: Any, kind: Kind) -> _Recomputed | None:
    """How a result is computed again; None where its node keeps too little, or what others keep is too far."""
    # A linear layer keeps its input as a view in two dimensions.
    maker, number = node.next_functions[0] if node.name() == VIEWED else (node, 0)
    if maker.name() not in RECOMPUTED:
        return None
    metadata = maker._input_metadata[number]
    made = torch.Size(metadata.shape), metadata.dtype
    operands = [getattr(maker, name).data for name in ("_raw_saved_self", "_raw_saved_other") if hasattr(maker, name)]
    if not operands or not all(isinstance(form, _Kept | _Recomputed) and form.kind == made for form in operands):
        return None
    steps = 1 + max(form.steps for form in operands)
    return _Recomputed(maker, kind, steps) if steps <= STEPS else None


def _narrower(node: Any, dtype: torch.dtype) -> torch.dtype | None:
    """The precision that a result in float32 was made from, if that is half of it."""
    if node.name() != WIDENED or dtype != torch.float32:
        return None
    maker, number = node.next_functions[0]
    source: torch.dtype = maker._input_metadata[number].dtype
    return source if source in (torch.bfloat16, torch.float16) else None
