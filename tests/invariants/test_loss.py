"""The loss and its gradients are those of the plain, unshared, unpadded forward pass of the same prompts."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.core.recipe import Lora
from tunelift.core.records import Prompt
from tunelift.engine import plan, projection
from tunelift.engine.forward import forward_tree
from tunelift.engine.loss import loss_sum, plan_step, predicting_tokens, step_loss, supervised_tokens
from tunelift.engine.plan import Plan
from tunelift.engine.tree import build_tree
from tunelift.models.adapters import add_lora
from tunelift.tuning.adapters import fused_adapters

ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma3_text", "gpt2"]
VOCABULARY = 64
# Relative to the norm of each gradient.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


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

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompt_lists())
    def holds(prompts: list[Prompt]) -> None:
        assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[dtype])

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
        assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[torch.float64])

    holds()


# The library's own attention of gemma2 masks in float32 what the smallest float64 stands for, and gives no number.
@pytest.mark.parametrize(
    ("architecture", "dtype"), [("llama", torch.float64), ("gemma2", torch.float32), ("gemma3_text", torch.float64)]
)
def test_sequences_beyond_the_sliding_window(make_model: Any, architecture: str, dtype: torch.dtype) -> None:
    model = make_model(architecture, dtype)
    draw = torch.Generator().manual_seed(3)
    prompts = []
    for number, length in enumerate((40, 61, 90)):
        ids = (*range(3, 20), *torch.randint(3, VOCABULARY, (length,), generator=draw).tolist())
        prompts.append(Prompt(str(number), "", ids, (False,) * (len(ids) - 3) + (True,) * 3))
    assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[dtype])


def step_gradients(model: Any, prompts: Sequence[Prompt], plan: Plan) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = step_loss(model, prompts, plan, lambda loss: loss.backward())
    return loss, {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_equal_step(model: Any, prompts: Sequence[Prompt], plan: Plan, tolerance: float) -> None:
    plain = plain_loss(model, prompts)
    expected = gradients(model, plain)
    loss, ours = step_gradients(model, prompts, plan)
    assert loss == pytest.approx(plain.item(), rel=tolerance, abs=tolerance)
    assert ours.keys() == expected.keys()
    scale = max(gradient.norm() for gradient in expected.values())
    for name, gradient in expected.items():
        assert (ours[name] - gradient).norm() <= tolerance * max(gradient.norm(), 1e-2 * scale), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("adapter", [False, True])
def test_any_plan_of_a_step_gives_the_same_gradients(
    make_model: Any, architecture: str, dtype: torch.dtype, adapter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PASS_COST", 0)
    model = make_model(architecture, dtype)
    if adapter:
        # The keys and values of the first layer carry no gradients.
        model = add_lora(model, Lora(rank=2, last_layers=1), seed=1).to(dtype)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompts=prompt_lists(), budget=st.integers(1, 60))
    def holds(prompts: list[Prompt], budget: int) -> None:
        made = plan_step(model, prompts, budget)
        assert made == plan_step(model, prompts, budget)
        assert sorted(indices(made)) == list(range(len(prompts)))
        assert_equal_step(model, prompts, made, TOLERANCE[dtype])

    holds()


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
@pytest.mark.parametrize("weights", [torch.bfloat16, torch.float32])
def test_stems_in_bfloat16(make_model: Any, architecture: str, weights: torch.dtype) -> None:
    prompts = []
    for number in range(12):
        ids = (*range(3, 33), *[40 + number // 6] * 30, *[50 + number] * 40, 6, 7)
        prompts.append(Prompt(str(number), "", ids, (False,) * 100 + (True, True)))
    exact = make_model(architecture, torch.float32)
    expected = gradients(exact, plain_loss(exact, prompts))
    model = make_model(architecture, torch.float32).to(weights)
    made = plan_step(model, prompts, 100)
    model.zero_grad()
    autocast = []

    def backward(loss: torch.Tensor) -> None:
        autocast.append(torch.is_autocast_enabled("cpu"))
        loss.backward()

    with torch.autocast("cpu", torch.bfloat16):
        step_loss(model, prompts, made, backward)
    assert autocast
    assert not any(autocast)
    for name, weight in model.named_parameters():
        assert weight.grad.dtype == weights
        assert (weight.grad - expected[name]).norm() <= 0.1 * expected[name].norm() + 1e-3, name


def test_nothing_is_left_of_a_step(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def tensors() -> int:
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    monkeypatch.setattr(plan, "PASS_COST", 0)
    prompts = []
    for number in range(12):
        ids = (*range(3, 33), 50 + number, 6)
        prompts.append(Prompt(str(number), "", ids, (False,) * 31 + (True,)))
    model = add_lora(make_model("llama", torch.bfloat16), Lora(rank=2), seed=1)
    made = plan_step(model, prompts, 20)
    left = []
    for _ in range(2):
        with fused_adapters(model), torch.autocast("cpu", torch.bfloat16):
            step_loss(model, prompts, made, lambda loss: loss.backward())
        left.append(tensors())
    assert left[0] == left[1]


def test_a_stem_that_reaches_no_tuned_weight(make_model: Any, arrangement: str) -> None:
    settings = Lora(rank=2, last_layers=1, target_modules=["o_proj"])
    model = add_lora(make_model("llama", torch.float64), settings, seed=1).to(torch.float64)
    prompts = [example_prompt(number, 10) for number in range(8)]
    made = plan_step(model, prompts, 40)
    assert bool(made.below) == (arrangement != "plain")
    assert_equal_step(model, prompts, made, TOLERANCE[torch.float64])


def indices(made: Plan) -> list[int]:
    return [index for group in made.groups for index in group] + [i for part in made.below for i in indices(part)]


def test_stems_continue_stems(make_model: Any, arrangement: str) -> None:
    model = make_model("gemma3_text", torch.float64)
    prompts = []
    for number in range(12):
        ids = (*range(3, 33), *[40 + number // 6] * 30, *[50 + number] * 40, 6, 7)
        prompts.append(Prompt(str(number), "", ids, (False,) * 100 + (True, True)))
    sequences = [predicting_tokens(prompt) for prompt in prompts]
    made = plan.plan_stems(sequences, [99] * 12, 100)
    assert [len(part.stem) for part in made.below] == [30]
    assert [len(part.stem) for part in made.below[0].below] == [30, 30]
    assert plan.computed_tokens(sequences, made) == 30 + 2 * 30 + 12 * 41
    if arrangement != "plain":
        assert_equal_step(model, prompts, made, TOLERANCE[torch.float64])


@pytest.mark.parametrize(
    ("adapter", "attention", "again"), [(0.5, 0.0, False), (0.0, 0.3, False), (0.5, 0.3, False), (0.5, 0.3, True)]
)
def test_dropout_is_the_same_when_something_is_computed_again(
    make_model: Any, arrangement: str, adapter: float, attention: float, again: bool
) -> None:
    model = make_model("llama", torch.float64)
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = attention
    model = add_lora(model, Lora(rank=2, dropout=adapter), seed=1).to(torch.float64).train()
    torch.manual_seed(4)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    if again:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    weight = next(w for name, w in model.named_parameters() if "layers.0" in name and "k_proj.lora_B" in name)
    prompts = [example_prompt(number, 10) for number in range(8)]
    made = plan_step(model, prompts, 40)
    assert bool(made.below) == (arrangement != "plain" and not again)

    def loss() -> float:
        torch.manual_seed(5)
        return step_loss(model, prompts, made, lambda loss: loss.backward())

    model.zero_grad()
    loss()
    gradient = weight.grad[0, 0].item()
    losses = []
    for change in (1e-6, -1e-6):
        with torch.no_grad():
            weight[0, 0] += change
        losses.append(loss())
        with torch.no_grad():
            weight[0, 0] -= change
    assert gradient == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-6)
    torch.manual_seed(6)
    assert step_loss(model, prompts, made) != pytest.approx(losses[0], rel=1e-3)


def test_one_prompt_never_touches_another(tiny_model: Any) -> None:
    model = tiny_model("llama", vocabulary=VOCABULARY, dtype=torch.float32)
    shared = tuple(range(5, 30))
    first = (*shared, 40, 41, 42)
    states = []
    for token in (50, 51):
        tree = build_tree([first, (*shared, 43, token, 44)])
        assert len(tree.segments) == 3
        states.append(forward_tree(model, tree)[tree.path(0)])
    assert torch.equal(*states)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt2"])
def test_gradient_checkpointing_changes_nothing(make_model: Any, architecture: str) -> None:
    model = make_model(architecture, torch.float64)
    prompts = [example_prompt(number, length) for number, length in enumerate((4, 9, 30, 9))]
    expected = plain_loss(model, prompts)
    gradients(model, expected)
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[torch.float64])
    for budget in (40, 10_000):
        assert_equal_step(model, prompts, plan_step(model, prompts, budget), TOLERANCE[torch.float64])
    model.eval()
    torch.testing.assert_close(loss_sum(model, prompts), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_compiled_layers_change_nothing(make_model: Any, architecture: str) -> None:
    model = make_model(architecture, torch.float32)
    prompts = [example_prompt(number, length) for number, length in enumerate((4, 9, 30, 9))]
    plain = plain_loss(model, prompts)
    expected = gradients(model, plain)
    for layer in model.get_decoder().layers:
        layer.compile(backend="aot_eager")
    ours = loss_sum(model, prompts)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)
    for name, gradient in gradients(model, ours).items():
        assert (gradient - expected[name]).norm() <= 1e-4 * max(gradient.norm(), 1.0), name


def test_chunks_of_the_vocabulary_change_nothing(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("llama", torch.float64)
    prompts = [example_prompt(number, length) for number, length in enumerate((4, 9, 30))]
    monkeypatch.setattr(projection, "LOGITS", 2 * VOCABULARY)
    assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[torch.float64])


def test_a_trajectory_is_the_same_however_the_steps_are_divided(make_model: Any) -> None:
    def weights(budget: int | None) -> list[torch.Tensor]:
        model = make_model("llama", torch.float64)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, eps=1e-3)
        for step in range(4):
            prompts = [example_prompt(100 * step + number, 3 + number % 11) for number in range(32)]
            fours = Plan((), np.arange(32).reshape(8, 4).tolist(), [])
            made = fours if budget is None else plan_step(model, prompts, budget)
            tokens = supervised_tokens(prompts)
            optimizer.zero_grad()
            step_loss(model, prompts, made, lambda loss, tokens=tokens: (loss / tokens).backward())
            optimizer.step()
        return [weight.detach() for weight in model.parameters()]

    expected = weights(None)
    for budget in (40, 300, 10_000):
        for ours, plain in zip(weights(budget), expected, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_a_tokenizer_that_merges_across_the_boundary(tiny_model: Any, tokenizer: Any) -> None:
    """Texts begin alike further than their tokens do; what is shared is found in the tokens."""
    beginning = "Complete the word. The state of the lamp was un"
    ids = [tokenizer(beginning + ending)["input_ids"] for ending in ("known", "able", "", "k", "knowable")]
    alone = ids[2]
    assert sum(sequence[: len(alone)] != alone for sequence in ids) >= 2
    model = tiny_model("llama", vocabulary=len(tokenizer), dtype=torch.float32)
    prompts = [
        Prompt(str(number), "", (*sequence, 2), (False,) * (len(sequence) - 1) + (True, True))
        for number, sequence in enumerate(ids)
    ]
    assert_equal_gradients(model, loss_sum(model, prompts), plain_loss(model, prompts), TOLERANCE[torch.float32])


@pytest.mark.parametrize(
    ("supervised", "message"),
    [
        ((False, False, False), "prompt 'b': no token is supervised"),
        ((True, False, True), "prompt 'b': its first token"),
    ],
)
def test_what_cannot_be_predicted_is_an_error(make_model: Any, supervised: Any, message: str) -> None:
    model = make_model("llama", torch.float32)
    prompts = [Prompt("a", "", (5, 6, 7), (False, True, True)), Prompt("b", "", (5, 6, 7), supervised)]
    with pytest.raises(ValueError, match=message):
        loss_sum(model, prompts)
    with pytest.raises(ValueError, match=message):
        plan_step(model, prompts, 512)


def example_prompt(seed: int, length: int) -> Prompt:
    """An instruction that all share, a question of this length, and an answer of three tokens."""
    draw = torch.Generator().manual_seed(seed)
    ids = (*range(3, 27), *torch.randint(3, VOCABULARY, (length + 3,), generator=draw).tolist())
    return Prompt(str(seed), "", ids, (False,) * (len(ids) - 3) + (True,) * 3)
