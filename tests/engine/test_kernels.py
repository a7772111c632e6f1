from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tunelift.engine import kernels
from tunelift.engine.kernels import attend, attend_backward

GROUPS, ROWS, MEMBERS, SIZE, SCALE = 2, 5, 3, 16, 0.3
# Largest error of a result or gradient, as a share of the largest number in it.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.02}


def mask(seen: Tensor) -> Tensor:
    return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)


def masks(width: int, keys: int, draw: torch.Generator) -> dict[str, tuple[Tensor | None, bool]]:
    """What is seen, and whether it is causal."""
    one = torch.rand(1, width, keys, generator=draw) < 0.5
    each = torch.rand(ROWS, width, keys, generator=draw) < 0.5
    one[..., 0] = each[..., 0] = True
    causal = torch.ones(1, width, keys, dtype=torch.bool).tril()
    return {"everything": (None, False), "one mask": (mask(one), False), "a mask each": (mask(each), False)} | (
        {"causal": (mask(causal), True)} if width == keys else {}
    )


def dense(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    products = queries @ keys[:, :, None].transpose(-1, -2) * SCALE
    products = products if mask is None else products + mask[:, None]
    return products.softmax(-1) @ values[:, :, None], products.logsumexp(-1)


def close(ours: Tensor, true: Tensor, precision: torch.dtype) -> bool:
    return bool((ours.double() - true).abs().max() <= TOLERANCES[precision] * true.abs().max())


@pytest.mark.parametrize("part", [1, 700, 1 << 18], ids=["rows", "groups", "at once"])
@pytest.mark.parametrize("precision", list(TOLERANCES), ids=str)
@pytest.mark.parametrize(("width", "keys"), [(1, 7), (6, 6), (4, 19)])
def test_results_and_gradients(
    width: int, keys: int, precision: torch.dtype, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_WEIGHTS", part)
    draw = torch.Generator().manual_seed(width)
    asking, asked = (GROUPS, ROWS, MEMBERS, width, SIZE), (GROUPS, ROWS, keys, SIZE)
    given = [torch.randn(*shape, generator=draw).to(precision) for shape in (asking, asked, asked, asking)]
    for name, (seen, causal) in masks(width, keys, draw).items():
        states = [state.double().clone().requires_grad_() for state in given[:3]]
        true, true_sums = dense(*states, seen)
        wanted = torch.autograd.grad(true, states, given[3].double())
        for route in ((), (torch.float32, torch.float64)):
            monkeypatch.setattr(kernels, "_FULL", route)
            monkeypatch.setattr(kernels, "_FORWARD", (*route, torch.bfloat16) if route else ())
            result, sums = attend(*given[:3], seen, causal, SCALE)
            gradients = attend_backward(given[3], given[0], result, sums, *given[1:3], seen, causal, SCALE)
            assert close(result, true, precision), (name, route)
            assert close(sums, true_sums, precision), (name, route)
            for ours, its in zip(gradients, wanted, strict=True):
                assert close(ours, its, precision), (name, route)


@pytest.mark.parametrize("route", [(), (torch.float32,)], ids=["products", "kernel"])
def test_a_query_that_sees_nothing_has_no_sum(route: tuple[torch.dtype, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_FORWARD", route)
    seen = mask(torch.tensor([[[True, False], [False, False]]]))
    keys = torch.ones(1, 1, 2, 4)
    result, sums = attend(torch.ones(1, 1, 1, 2, 4), keys, keys, seen, False, 1.0)
    assert result.isfinite().all()
    assert sums.flatten().tolist() == [4.0, -torch.inf]


def test_keys_that_are_not_seen_may_have_any_product() -> None:
    """Products that are far larger than all that are seen lead to no infinite weight."""
    queries = torch.full((1, 1, 1, 1, 4), 30.0)
    keys = torch.stack([torch.zeros(4), torch.full((4,), 30.0)])[None, None]
    seen = mask(torch.tensor([[[True, False]]]))
    result, sums = attend(queries, keys, keys, seen, False, 1.0)
    gradients = attend_backward(torch.ones_like(queries), queries, result, sums, keys, keys, seen, False, 1.0)
    assert result.eq(0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[2][0, 0, 0].tolist() == [1.0] * 4
    assert gradients[2][0, 0, 1].tolist() == [0.0] * 4
