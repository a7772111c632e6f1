from __future__ import annotations

import pytest
import torch
from torch.nn import Linear

from tunelift.engine import few_rows
from tunelift.engine.few_rows import ROWS, fast_few_rows


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (1, 7, 5), (2, 3, 5), (ROWS, 5), (ROWS + 1, 5), (0, 5)])
def test_a_layer_gives_what_it_gives(bias: bool, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    layer, states = Linear(5, 9, bias=bias, dtype=dtype), torch.randn(shape, dtype=dtype)
    with torch.inference_mode():
        expected = layer(states)
        with fast_few_rows(layer):
            result = layer(states)
    assert result.is_contiguous()
    assert "forward" not in vars(layer)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(("rows", "called"), [(1, 0), (2, 1), (ROWS, 1), (ROWS + 1, 0)])
def test_few_rows_alone_are_exchanged(monkeypatch: pytest.MonkeyPatch, rows: int, called: int) -> None:
    calls = []
    monkeypatch.setattr(few_rows, "exchanged", lambda *arguments: calls.append(arguments))
    layer = Linear(5, 9)
    with fast_few_rows(layer):
        layer(torch.randn(rows, 5))
    layer(torch.randn(rows, 5))
    assert len(calls) == called
