"""Keys and values of the slots of a tree that still grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from tunelift.engine.tree import Indices


class SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, in memory that is taken ahead, so that growing by a token copies only that token."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take the first memory."""
        super().lazy_initialization(key_states, value_states)
        self.keys, self.values = key_states[..., :0, :], value_states[..., :0, :]
        self.size = 0

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append new slots; returns the keys and values of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        size = self.size + key_states.shape[-2]
        if size > self.keys.shape[-2]:
            self.keys = _grown(self.keys, self.size, size + size // 2)
            self.values = _grown(self.values, self.size, size + size // 2)
        self.keys[..., self.size : size, :] = key_states
        self.values[..., self.size : size, :] = value_states
        self.size = size
        return self.keys[..., :size, :], self.values[..., :size, :]

    def get_seq_length(self) -> int:
        """Number of slots."""
        return self.size if self.is_initialized else 0


def _grown(states: Tensor, size: int, capacity: int) -> Tensor:
    grown = states.new_empty(*states.shape[:-2], capacity, states.shape[-1])
    grown[..., :size, :] = states[..., :size, :]
    return grown


def slot_cache() -> Cache:
    """An empty cache."""
    return Cache(layer_class_to_replicate=SlotLayer)


def continued_cache(states: Sequence[tuple[Tensor, Tensor]]) -> Cache:
    """A cache for one pass behind these keys and values of each layer, through which gradients flow to them."""
    cache = Cache(layer_class_to_replicate=DynamicLayer)
    for layer, (keys, values) in enumerate(states):
        cache.update(keys, values, layer)
    return cache


def cut(cache: Cache, size: int) -> None:
    """Take all slots from this one on out of a cache."""
    for layer in cache.layers:
        layer.size = size


def keep(cache: Cache, slots: Indices) -> None:
    """Keep some slots, which are numbered in this order from then on, and give the memory of the others back."""
    for layer in cache.layers:
        chosen = torch.from_numpy(slots).to(layer.keys.device)
        layer.keys = layer.keys.index_select(-2, chosen)
        layer.values = layer.values.index_select(-2, chosen)
        layer.size = len(slots)
