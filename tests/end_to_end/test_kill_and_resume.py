"""A run that is killed at any moment and started again ends with the numbers of an undisturbed one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "tweets" / "recipe.yaml"


def start(recipe: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunelift.cli", "run", str(recipe), "--output", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def run_whole(recipe: Path, folder: Path) -> float:
    """Returns the seconds that it took."""
    started = time.monotonic()
    finish(start(recipe, folder))
    return time.monotonic() - started


def run_killed(recipe: Path, folder: Path, kills: int, seconds: tuple[float, float]) -> int:
    """Kill and continue, so often and after so many seconds; returns how often the run still lived to be killed."""
    draw = random.Random(11)
    for number in range(kills):
        process = start(recipe, folder)
        try:
            process.wait(timeout=draw.uniform(*seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        else:
            return number
    finish(start(recipe, folder))
    return kills


def assert_same_numbers(first: Path, second: Path) -> None:
    for name in ("comparison.json", "diagnosis.json", "check.json", "log.jsonl"):
        assert _without_timing(first / name) == _without_timing(second / name), name
    assert _samples(first) == _samples(second) != {}
    assert not [path for path in second.rglob("*") if path.name.endswith(".part")]


def _without_timing(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines() if b"train_runtime" not in line]


def _samples(folder: Path) -> dict[str, bytes]:
    files = folder.glob("conditions/*/**/samples_*.jsonl")
    return {str(file.relative_to(folder).parent): file.read_bytes() for file in files}


def test_a_killed_run_ends_with_the_numbers_of_an_undisturbed_one(project: Callable[..., Path], tmp_path: Path) -> None:
    recipe = project(epochs=4)
    whole = run_whole(recipe, tmp_path / "whole")
    assert run_killed(recipe, tmp_path / "killed", kills=4, seconds=(0.3 * whole, 0.9 * whole)) >= 1
    assert_same_numbers(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.long
def test_the_demo_killed_ten_times_ends_with_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    whole = run_whole(DEMO, tmp_path / "whole")
    run_whole(DEMO, tmp_path / "again")
    assert_same_numbers(tmp_path / "whole", tmp_path / "again")
    for longest in (0.25, 0.15, 0.08):  # on a machine that has become faster the run may end before the tenth kill
        killed = run_killed(DEMO, tmp_path / f"{longest}", kills=10, seconds=(0.02 * whole, longest * whole))
        if killed == 10:
            break
    assert killed == 10
    assert_same_numbers(tmp_path / "whole", tmp_path / f"{longest}")
