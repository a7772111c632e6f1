"""Random numbers, such as those of dropout, that are the same when something is computed a second time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RandomState:
    """Where the generators of the processor and of a device stand.

    Attributes:
        host: State of the processor's generator.
        device: The device.
        states: State of its generator; empty where the device is the processor.
    """

    host: Tensor
    device: torch.device
    states: tuple[Tensor, ...]


def random_state(device: torch.device) -> RandomState:
    """Where the generators stand now."""
    states = () if device.type == "cpu" else (torch.get_device_module(device).get_rng_state(device),)
    return RandomState(torch.get_rng_state(), device, states)


@contextmanager
def continued_from(state: RandomState) -> Iterator[None]:
    """Draw the random numbers that follow from a state, for a while."""
    with torch.random.fork_rng([state.device] * len(state.states), device_type=state.device.type):
        torch.set_rng_state(state.host)
        for each in state.states:
            torch.get_device_module(state.device).set_rng_state(each, state.device)
        yield
