"""The loss and its gradients are those of the plain, unshared, unpadded forward pass of the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.core.recipe import Lora
from tunelift.core.records import Prompt
from tunelift.engine.forward import forward_tree
from tunelift.engine.loss import loss_sum, micro_batches, supervised_tokens
from tunelift.engine.tree import build_tree
from tunelift.models.adapters import add_lora

ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma3_text", "gpt2"]
VOCABULARY = 64
# Norms and rotary positions of most models are computed in float32 whatever the precision of the weights, so that a
# difference in the last bit of a float64 becomes one in the last bit of a float32. GPT-2 is float64 throughout.
TOLERANCE = {"gpt2": 1e-9}
MIXED = 1e-6


@st.composite
def prompt_lists(draw: st.DrawFn) -> list[Prompt]:
    """Prompts with a common beginning of any length, among them identical ones and ones without any."""
    token = st.integers(3, VOCABULARY - 1)
    prefix = draw(st.lists(token, max_size=12))
    prompts = []
    for number in range(draw(st.integers(1, 6))):
        question = draw(st.lists(token, min_size=0 if prefix else 1, max_size=14))
        answer = draw(st.lists(token, min_size=1, max_size=4))
        ids = (*prefix, *question, *answer)
        supervised = (False,) * (len(ids) - len(answer)) + (True,) * len(answer)
        prompts.append(Prompt(str(number), "", ids, supervised))
    return prompts


def plain_loss(model: Any, prompts: Sequence[Prompt]) -> torch.Tensor:
    """One prompt at a time, every position projected, the library's own forward."""
    total = torch.zeros((), dtype=next(model.parameters()).dtype)
    for prompt in prompts:
        ids = torch.tensor([prompt.token_ids])
        logits = model(input_ids=ids, use_cache=False).logits[0]
        wanted = torch.tensor(prompt.supervised)[1:]
        total = total + torch.nn.functional.cross_entropy(logits[:-1][wanted], ids[0, 1:][wanted], reduction="sum")
    return total


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_equal_gradients(model: Any, ours: torch.Tensor, plain: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance)
    first, second = gradients(model, ours), gradients(model, plain)
    assert first.keys() == second.keys()
    scale = max(gradient.norm() for gradient in second.values())
    for name, gradient in second.items():
        difference = (first[name] - gradient).norm()
        # Where the exact gradient is zero, rounding leaves something the size of the others' last digits.
        assert difference <= tolerance * max(gradient.norm(), 1e-2 * scale), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loss_and_gradients_equal_the_plain_forward(make_model: Any, architecture: str, dtype: torch.dtype) -> None:
    model = make_model(architecture, dtype)
    tolerance = 1e-4 if dtype is torch.float32 else TOLERANCE.get(architecture, MIXED)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompt_lists())
    def holds(prompts: list[Prompt]) -> None:
        assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), tolerance)

    holds()


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_loss_and_gradients_with_an_adapter(make_model: Any, architecture: str) -> None:
    model = add_lora(make_model(architecture, torch.float64), Lora(rank=2), 7)
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # zero at the start, which would hide half of the adapter
            torch.nn.init.normal_(weight, std=0.1)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompt_lists())
    def holds(prompts: list[Prompt]) -> None:
        assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), MIXED)

    holds()


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_sequences_beyond_the_sliding_window(make_model: Any, architecture: str) -> None:
    model = make_model(architecture, torch.float64)
    draw = torch.Generator().manual_seed(3)
    prompts = []
    for number, length in enumerate((40, 61, 90)):
        ids = (*range(3, 20), *torch.randint(3, VOCABULARY, (length,), generator=draw).tolist())
        prompts.append(Prompt(str(number), "", ids, (False,) * (len(ids) - 3) + (True,) * 3))
    assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), MIXED)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(prompt_lists(), st.integers(1, 200))
def test_any_division_into_micro_batches_gives_the_same_gradient(
    make_model: Any, prompts: list[Prompt], budget: int
) -> None:
    model = make_model("llama", torch.float64)
    tokens = supervised_tokens(prompts)
    batches = micro_batches(prompts, budget)
    assert sorted(prompt.example_id for batch in batches for prompt in batch) == sorted(p.example_id for p in prompts)
    divided = sum((loss_sum(model, batch) / tokens for batch in batches), torch.zeros(()))
    assert_equal_gradients(model, divided, plain_loss(model, prompts) / tokens, MIXED)


def test_one_prompt_never_touches_another(tiny_model: Any) -> None:
    model = tiny_model("llama", vocabulary=VOCABULARY, dtype=torch.float32)
    shared = tuple(range(5, 30))
    first = (*shared, 40, 41, 42)
    logits = []
    for token in (50, 51):
        tree = build_tree([first, (*shared, 43, token, 44)])
        assert len(tree.segments) == 3
        logits.append(forward_tree(model, tree, tree.path(0)))
    assert torch.equal(*logits)
