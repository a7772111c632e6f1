"""Fixtures for invariants.

arrangement  test  the invariants hold as trees are arranged by default; with everything shared that is equal, in as
                   many blocks as possible, and few prompts read and answered at a time; and without trees
make_model   test  make_model(architecture, dtype): `tiny_model` for this arrangement; in float64 its norms are computed
                   in it, too: the library computes them in float32 whatever the precision of the weights, so that a
                   difference in the last bit of a float64 would become one in the last bit of a float32
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from tunelift.engine import answers, layout, plan, state, tree
from tunelift.engine.side_by_side import enable_cache


@pytest.fixture(params=["default", "finest", "plain"])
def arrangement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "finest":
        monkeypatch.setattr(tree, "SEGMENT_COST", 0)
        monkeypatch.setattr(plan, "SEGMENT_COST", 0)
        monkeypatch.setattr(layout, "ROWS_OF_A_BLOCK", 1)
        monkeypatch.setattr(layout, "SMALL", 0)
        monkeypatch.setattr(layout, "PADDING", 1.0)
        monkeypatch.setattr(state, "READ_TOGETHER", 12)
        monkeypatch.setattr(state, "SEGMENT_COST", 0)
        monkeypatch.setattr(state, "ROWS_OF_A_BLOCK", 1)
        monkeypatch.setattr(state, "CACHE_BYTES", 1 << 13)
        monkeypatch.setattr(answers, "SCORED_TOGETHER", 5)
    return str(request.param)


@pytest.fixture
def make_model(arrangement: str, tiny_model: Callable[..., Any]) -> Callable[..., Any]:
    def make(architecture: str, dtype: Any) -> Any:
        model = tiny_model(architecture, vocabulary=64, dtype=dtype, trees=arrangement != "plain")
        if arrangement == "plain":
            enable_cache(model)
        if dtype is torch.float64:
            widen_norms(model)
        return model

    return make


def widen_norms(model: Any) -> None:
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            epsilon = getattr(module, "variance_epsilon", None) or module.eps
            offset = 1.0 if "Gemma" in type(module).__name__ else 0.0
            module.forward = partial(root_mean_square_norm, module, epsilon, offset)


def root_mean_square_norm(module: Any, epsilon: float, offset: float, states: torch.Tensor) -> torch.Tensor:
    scale = torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + epsilon)
    return (offset + module.weight) * states * scale
