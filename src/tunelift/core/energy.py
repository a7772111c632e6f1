"""The energy that a piece of work takes, from counters of the processor and of NVIDIA GPUs where they can be read.

The counters are those of the whole machine: what other processes do meanwhile is counted, too. RAPL counts the
processor's packages and, where the machine has such a counter, its memory; NVML counts the GPUs that this process may
use. Disks, fans and losses of the power supply are counted by neither.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
# A counter of RAPL begins anew after a quarter of a million joules or less: minutes on a large machine.
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of energy.

    Attributes:
        name: What it counts, for example "package-0" or "gpu 0".
        read: Gives its state in joules; None or an OSError where it cannot be read.
        span: Where it begins anew, in joules.
    """

    name: str
    read: Callable[[], float | None]
    span: float = inf


@dataclass(slots=True)
class Energy:
    """What counters have counted so far.

    Attributes:
        parts: Joules by name of the counter; those that cannot be read are not there. On many machines only root may
            read those of the processor: the names say what the energy is that of.
    """

    parts: dict[str, float] = field(default_factory=dict)

    @property
    def joules(self) -> float | None:
        """All together; None where no counter can be read."""
        return sum(self.parts.values()) if self.parts else None


@contextmanager
def measured_energy(counters: list[Counter] | None = None, seconds: float = SECONDS) -> Iterator[Energy]:
    """Count the energy that is taken while the block runs.

    ``with measured_energy() as energy: work()``; afterwards ``energy.joules`` holds it, or None. A counter that stops
    being readable on the way is left out as a whole: half of an energy would be taken for all of it.

    Args:
        counters: What to read; by default all that this machine lets this process read.
        seconds: How often they are read, so that none of them begins anew twice between two readings.
    """
    energy = Energy()
    states = {counter.name: (counter, state) for counter in _found(counters) if (state := _state(counter)) is not None}
    energy.parts = dict.fromkeys(states, 0.0)
    done = threading.Event()

    def update() -> None:
        for name, (counter, before) in list(states.items()):
            state = _state(counter)
            if state is None:
                del states[name], energy.parts[name]
                continue
            energy.parts[name] += state - before if state >= before else state - before + counter.span
            states[name] = counter, state

    def watch() -> None:
        while not done.wait(seconds):
            update()

    watcher = threading.Thread(target=watch, name="energy", daemon=True)
    if states:
        watcher.start()
    try:
        yield energy
    finally:
        done.set()
        if states:
            watcher.join()
        update()


def _found(counters: list[Counter] | None) -> list[Counter]:
    return [*rapl_counters(), *nvml_counters()] if counters is None else counters


def _state(counter: Counter) -> float | None:
    try:
        return counter.read()
    except (OSError, ValueError, AttributeError):  # the last one: a driver that is too old
        return None


def rapl_counters(folder: Path = POWERCAP) -> list[Counter]:
    """The counters of packages and memory; none where the kernel or its permissions do not show them.

    Memory is no part of its package; cores are, and "psys" holds all of it a second time.

    Args:
        folder: Where the kernel shows them.
    """
    counters = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
            span = float((zone / "max_energy_range_uj").read_text()) / 1e6
        except (OSError, ValueError):
            continue
        if name.startswith("package") or name == "dram":
            package = zone.name.split(":")[1]
            label = name if name.startswith("package") else f"{name}-{package}"
            counters.append(Counter(label, partial(_microjoules, zone / "energy_uj"), span))
    return counters


def _microjoules(file: Path) -> float:
    """The energy of a zone in joules; the kernel gives microjoules."""
    return float(file.read_text()) / 1e6


def nvml_counters() -> list[Counter]:
    """The counters of the GPUs that PyTorch may use; none where there is no GPU or its driver has none (Volta on)."""
    import torch

    if not torch.cuda.is_available():
        return []
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        if nvml.nvmlInit_v2() != 0:
            return []
    except (OSError, AttributeError):
        return []
    counters = []
    for number in range(torch.cuda.device_count()):
        identity = f"GPU-{torch.cuda.get_device_properties(number).uuid}".encode()
        device = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByUUID(identity, ctypes.byref(device)) == 0:
            counters.append(Counter(f"gpu {number}", partial(_millijoules, nvml, device)))
    return counters


def _millijoules(nvml: ctypes.CDLL, device: ctypes.c_void_p) -> float | None:
    """The energy of a GPU since its driver was loaded, in joules; NVML gives millijoules."""
    counted = ctypes.c_ulonglong()
    known = nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(counted)) == 0
    return counted.value / 1000 if known else None
