"""Fixtures for invariants.

arrangement  test  the invariants hold as trees are arranged by default; with everything shared that is equal, in as
                   many blocks as possible, all products computed again in the backward pass; and without trees
make_model   test  make_model(architecture, dtype): `tiny_model` for this arrangement
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunelift.engine import attention, layout, tree


@pytest.fixture(params=["default", "finest", "plain"])
def arrangement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "finest":
        monkeypatch.setattr(tree, "SEGMENT_COST", 0)
        monkeypatch.setattr(layout, "ROWS_OF_A_BLOCK", 1)
        monkeypatch.setattr(layout, "SMALL", 0)
        monkeypatch.setattr(layout, "PADDING", 1.0)
        monkeypatch.setattr(attention, "KEPT_PRODUCTS", 0)
    return str(request.param)


@pytest.fixture
def make_model(arrangement: str, tiny_model: Callable[..., Any]) -> Callable[..., Any]:
    def make(architecture: str, dtype: Any) -> Any:
        return tiny_model(architecture, vocabulary=64, dtype=dtype, trees=arrangement != "plain")

    return make
