from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tunelift.core.hardware import KERNELS, limit_kernels, quota_cores, return_free_memory


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", None), ("250000 100000\n", 2), ("50000 100000\n", 1), ("nonsense", None)],
)
def test_the_quota_of_a_container(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert quota_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("400000", 4)])
def test_the_quota_in_the_older_layout(tmp_path: Path, quota: str, cores: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert quota_cores(tmp_path) == cores


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert quota_cores(tmp_path) is None


# Two thousand pieces, of which the last is kept: the library keeps all below it.
FRAGMENTED = """
import numpy
from pathlib import Path
from tunelift.core.hardware import return_free_memory

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

pieces = [numpy.ones(8000) for _ in range(2000)]
del pieces[:-1]
before = megabytes()
return_free_memory()
print(before - megabytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_free_memory_returns_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) > 100


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    return_free_memory()


PRODUCTS = """
import resource
import torch
from tunelift.core.hardware import limit_kernels, return_free_memory

limit_kernels()
weights = [torch.zeros(shape, dtype=torch.bfloat16) for shape in ((576, 1536), (1536, 576), (576, 192))]


def compute(rows):
    for weight in weights:
        states = torch.zeros(rows, len(weight), dtype=torch.bfloat16)
        states @ weight @ weight.T


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()


compute(400)
before = resident()
for rows in range(401, 481):
    compute(rows)
return_free_memory()
print((resident() - before) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_products_of_ever_new_shapes_do_not_fill_the_memory() -> None:
    # What this process has set shall not be what limits the other one.
    inherited = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
    command = [sys.executable, "-c", PRODUCTS]
    grown = subprocess.run(command, env=inherited, capture_output=True, text=True, check=True, timeout=60)
    assert int(grown.stdout) < 100


def test_the_user_may_keep_more_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRU_CACHE_CAPACITY", "unset below")
    monkeypatch.delenv("LRU_CACHE_CAPACITY")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "700")
    limit_kernels()
    assert os.environ["LRU_CACHE_CAPACITY"] == str(KERNELS)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "700"
