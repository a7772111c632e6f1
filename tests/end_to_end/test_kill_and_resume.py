"""A run that is killed at any moment and started again ends with the numbers of an undisturbed one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

KILLS = 4


def start(recipe: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunelift.cli", "run", str(recipe), "--output", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(project: Callable[..., Path], tmp_path: Path) -> None:
    recipe = project(epochs=4)
    started = time.monotonic()
    finish(start(recipe, tmp_path / "whole"))
    whole = time.monotonic() - started
    draw = random.Random(11)
    killed = 0
    while killed < KILLS:
        process = start(recipe, tmp_path / "killed")
        try:
            process.wait(timeout=draw.uniform(0.3, 0.9) * whole)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    finish(start(recipe, tmp_path / "killed"))
    assert killed >= 1
    for name in ("comparison.json", "diagnosis.json", "check.json", "log.jsonl"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("whole", "killed"))
        assert _without_timing(first) == _without_timing(second), name
    leftovers = [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(".part")]
    assert not leftovers


def _without_timing(content: bytes) -> bytes:
    return b"\n".join(line for line in content.splitlines() if b"train_runtime" not in line)
