from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

RANK = Path(__file__).with_name("rank.py")


def test_two_ranks_train_as_one(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launcher, str(RANK), "4", str(tmp_path / "two")], check=True, capture_output=True)
    subprocess.run([sys.executable, str(RANK), "8", str(tmp_path / "one")], check=True, capture_output=True)
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one", "two"))
    assert len(one["losses"]) == 4
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4)
    for name, weight in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], weight, rtol=1e-6, atol=1e-7)
