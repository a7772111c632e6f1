"""What this machine has, and which precision it computes fast."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# Compiled kernels that are kept: somewhat more than a layer has shapes, forward and backward.
KERNELS = 64


def cpu_flags() -> frozenset[str]:
    """The instruction-set flags of the processor; empty where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def quota_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The cores that a container's quota of processor time amounts to, at least one; None without a quota.

    Args:
        cgroup: Where the system shows the control group of this process.
    """
    try:
        if (cgroup / "cpu.max").is_file():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")
            )
        return max(1, int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError):
        return None


def limit_threads() -> None:
    """Compute with no more threads than the quota has cores: they would stop each other many times a second."""
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), quota_cores() or torch.get_num_threads()))


def limit_kernels() -> None:
    """Keep few of the kernels that the library compiles for every new shape of a product in half precision.

    Sequences differ in length, so that shapes hardly ever come again, and the library would keep a thousand kernels of
    about half a megabyte, in each of two caches. Those of one layer are enough: all layers have the same shapes. The
    settings count only before the first such product, and what the user has set stays.
    """
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS))


def device() -> str:
    """The device to compute on: "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fast_precision() -> str:
    """The precision whose matrix products this machine does fastest: "bfloat16" or "float32".

    bfloat16 pays on a CPU only with instructions for its products (AMX, AVX512-BF16); without them it is
    several times slower than float32.
    """
    import torch

    if device() == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if cpu_flags() & {"amx_bf16", "avx512_bf16", "bf16"} else "float32"


def return_free_memory() -> None:
    """Give memory that this process no longer uses back to the system, where the C library (glibc) would keep it.

    What it keeps is in pieces. Between passes whose results have different sizes few of them fit, and they add up.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def peak_memory_bytes() -> int:
    """The largest resident size that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def describe() -> dict[str, Any]:
    """The machine as the run record keeps it."""
    import torch

    kind = device()
    name = torch.cuda.get_device_name() if kind == "cuda" else platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if kind == "cpu" and line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    return {
        "device": kind,
        "name": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": fast_precision(),
        "system": platform.platform(),
    }
