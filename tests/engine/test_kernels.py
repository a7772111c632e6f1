from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tunelift.engine import kernels
from tunelift.engine.kernels import attend, attend_backward

BATCH, MEMBERS, SIZE, SCALE = 5, 3, 16, 0.3
# Largest error of a result or gradient, as a share of the largest number in it.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}


def masks(width: int, keys: int, draw: torch.Generator) -> dict[str, tuple[Tensor | None, bool]]:
    """What is seen, and whether it is said by `causal`."""
    one = torch.rand(1, 1, width, keys, generator=draw) < 0.5
    each = torch.rand(BATCH, 1, width, keys, generator=draw) < 0.5
    one[..., 0] = each[..., 0] = True
    return {"everything": (None, False), "one mask": (one, False), "a mask each": (each, False)} | (
        {"causal": (None, True)} if width == keys else {}
    )


def dense(queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    products = queries @ keys[:, None].transpose(-1, -2) * SCALE
    products = products if seen is None else products.masked_fill(~seen, -torch.inf)
    return products.softmax(-1) @ values[:, None], products.logsumexp(-1)


def close(ours: Tensor, true: Tensor, precision: torch.dtype) -> bool:
    return bool((ours.double() - true).abs().max() <= TOLERANCES[precision] * true.abs().max())


@pytest.mark.parametrize("part", [1, 1 << 18], ids=["in parts", "at once"])
@pytest.mark.parametrize("precision", list(TOLERANCES), ids=str)
@pytest.mark.parametrize(("width", "keys"), [(1, 7), (6, 6), (4, 19)])
def test_results_and_gradients(
    width: int, keys: int, precision: torch.dtype, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_WEIGHTS", part)
    draw = torch.Generator().manual_seed(width)
    shapes = [(BATCH, MEMBERS, width, SIZE), (BATCH, keys, SIZE), (BATCH, keys, SIZE), (BATCH, MEMBERS, width, SIZE)]
    given = [torch.randn(*shape, generator=draw).to(precision) for shape in shapes]
    for name, (seen, causal) in masks(width, keys, draw).items():
        states = [state.double().requires_grad_() for state in given[:3]]
        true, true_sums = dense(*states, torch.ones(width, keys, dtype=torch.bool).tril() if causal else seen)
        wanted = torch.autograd.grad(true, states, given[3].double())
        for route in ((), (torch.float32, torch.float64)):
            monkeypatch.setattr(kernels, "_FULL", route)
            monkeypatch.setattr(kernels, "_FORWARD", (*route, torch.bfloat16) if route else ())
            result, sums = attend(*given[:3], seen, causal, SCALE)
            gradients = attend_backward(given[3], *given[:3], result, sums, seen, causal, SCALE)
            assert close(result, true, precision), (name, route)
            assert close(sums, true_sums, precision), (name, route)
            for ours, its in zip(gradients, wanted, strict=True):
                assert close(ours, its, precision), (name, route)


@pytest.mark.parametrize("route", [(), (torch.float32,)], ids=["products", "kernel"])
def test_a_query_that_sees_nothing_has_no_sum(route: tuple[torch.dtype, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_FORWARD", route)
    seen = torch.tensor([[True, False], [False, False]])[None, None]
    result, sums = attend(torch.ones(1, 1, 2, 4), torch.ones(1, 2, 4), torch.ones(1, 2, 4), seen, False, 1.0)
    assert result.isfinite().all()
    assert sums[0, 0].tolist() == [4.0, -torch.inf]


def test_keys_that_are_not_seen_may_have_any_product() -> None:
    """Products that are far larger than all that are seen lead to no infinite weight."""
    queries = torch.full((1, 1, 1, 4), 30.0)
    keys = torch.stack([torch.zeros(4), torch.full((4,), 30.0)])[None]
    seen = torch.tensor([[[[True, False]]]])
    result, sums = attend(queries, keys, keys, seen, False, 1.0)
    gradients = attend_backward(torch.ones_like(queries), queries, keys, keys, result, sums, seen, False, 1.0)
    assert result.eq(0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[2][0, 0].tolist() == [1.0] * 4
    assert gradients[2][0, 1].tolist() == [0.0] * 4
