"""Decoders that take no trees, since some layers have a state instead of keys and values, compute what they would."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.core.recipe import Lora
from tunelift.core.records import Prompt
from tunelift.engine import padding, side_by_side
from tunelift.engine.answers import Stopping, answer_prompts
from tunelift.engine.likelihood import supervised_logprobs
from tunelift.engine.loss import plan_step, step_loss
from tunelift.engine.refusal import RefusedError
from tunelift.engine.side_by_side import PlainState, enable_cache, takes_cache
from tunelift.engine.support import enable_trees, predicts_ahead
from tunelift.models.adapters import add_lora, merge_adapter

VOCABULARY = 64
STOP = 2
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 2}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
# Whether the library continues several tokens behind a cache.
ARCHITECTURES: dict[str, tuple[bool, dict[str, Any]]] = {
    "lfm2": (True, {"layer_types": ["conv", "full_attention"]}),
    "qwen3_5_text": (True, {"layer_types": ["linear_attention", "full_attention"], **LINEAR}),
    "granitemoehybrid": (True, {"layer_types": ["mamba", "attention"], **MAMBA}),
    "falcon_h1": (True, {"mamba_d_ssm": 64, **MAMBA}),
    "jamba": (False, {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "num_experts_per_tok": 1}),
    "mamba2": (False, {"num_heads": 8, "head_dim": 8, "n_groups": 2, "state_size": 8}),
}

TOKENS = st.integers(3, VOCABULARY - 1)
ITEMS = st.lists(
    st.tuples(
        st.lists(TOKENS, min_size=1, max_size=12),
        st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=0, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def make(tiny_model: Callable[..., Any]) -> Callable[[str], Any]:
    def make_model(architecture: str) -> Any:
        goes_on, settings = ARCHITECTURES[architecture]
        model = tiny_model(architecture, VOCABULARY, trees=False, **settings)
        if goes_on:
            enable_cache(model)
        return model

    return make_model


def plain_logprobs(model: Any, ids: list[int]) -> torch.Tensor:
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)


def greedy(model: Any, prompt: list[int], steps: int) -> tuple[list[int], bool]:
    """Greedy tokens without cache, and whether any decision was too close to call."""
    ids, close = list(prompt), False
    while len(ids) < len(prompt) + steps:
        with torch.no_grad():
            logprobs = plain_logprobs(model, ids)[-1]
        best = logprobs.topk(2).values
        close = close or bool(best[0] - best[1] < 1e-4)
        if (token := int(logprobs.argmax())) == STOP:
            break
        ids.append(token)
    return ids[len(prompt) :], close


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_they_take_no_trees_and_it_is_known_which_go_on_behind_a_cache(
    tiny_model: Any, architecture: str, precision: torch.dtype
) -> None:
    goes_on, settings = ARCHITECTURES[architecture]
    model = tiny_model(architecture, VOCABULARY, precision, trees=False, **settings)
    saved = model.config.to_dict()
    with pytest.raises(RefusedError):
        enable_trees(model)
    assert not predicts_ahead(model)
    with nullcontext() if goes_on else pytest.raises(RefusedError):
        enable_cache(model)
    assert takes_cache(model) == goes_on
    assert model.config.to_dict() == saved


def test_the_finding_stays_with_the_model_inside_an_adapter(make: Any) -> None:
    model = make("lfm2")
    adapted = add_lora(model, Lora(rank=2), seed=1)
    assert takes_cache(adapted)
    enable_cache(adapted)
    assert takes_cache(merge_adapter(adapted))


def test_what_no_longer_holds_is_forgotten(make: Any) -> None:
    model = make("lfm2")
    assert takes_cache(model)
    # Behind a cache its layers are given fewer tokens than this.
    model.model.layers[0].register_forward_hook(lambda _, __, states: states * (1.1 if states.shape[1] > 9 else 1))
    with pytest.raises(RefusedError, match="behind a cache its log-probabilities differ"):
        enable_cache(model)
    assert not takes_cache(model)


def test_prompts_go_on_in_the_order_in_which_they_were_read(make: Any) -> None:
    state = PlainState(make("lfm2"))
    with torch.no_grad():
        state.read([3, 4], [[5, 6], [7]])
        with pytest.raises(ValueError, match=r"prompts \[3, 4\] go on together, not \[4, 3\]"):
            state.step([4, 3], [8, 9])


@pytest.mark.parametrize("together", ["many", "few"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_and_answers_equal_single_forward_passes(
    make: Any, architecture: str, together: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(architecture)
    if together == "few":
        monkeypatch.setattr(side_by_side, "READ_TOGETHER", 20)
        monkeypatch.setattr(padding, "COPIED_BYTES", 1 << 13)
    stopping = Stopping(frozenset([STOP]), (), 4, lambda ids: " ".join(map(str, ids)))

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ITEMS)
    def holds(items: list[tuple[list[int], list[list[int]]]]) -> None:
        prompts, choices = [prompt for prompt, _ in items], [choices for _, choices in items]
        answers = answer_prompts(model, prompts, choices, stopping, lambda done: None).answers
        for prompt, wanted, answer in zip(prompts, choices, answers, strict=True):
            expected = []
            for choice in wanted:
                with torch.no_grad():
                    logprobs = plain_logprobs(model, prompt + choice)
                expected.append(sum(logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(choice)))
            assert answer.logprobs == pytest.approx(expected, abs=1e-4)
            tokens, close = greedy(model, prompt, 4)
            assert close or answer.token_ids == tokens

    holds()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_gradients_and_log_probabilities_equal_single_forward_passes(make: Any, architecture: str) -> None:
    model = make(architecture).train()
    draw = torch.Generator().manual_seed(5)
    prompts = []
    for number, length in enumerate((9, 14, 5, 20)):
        ids = tuple(torch.randint(3, VOCABULARY, (length,), generator=draw).tolist())
        prompts.append(Prompt(str(number), "", ids, (False,) * (length - 3) + (True,) * 3))
    expected = [
        plain_logprobs(model, list(prompt.token_ids))[-4:-1].gather(-1, torch.tensor(prompt.token_ids)[-3:, None])
        for prompt in prompts
    ]
    plain = -torch.stack(expected).sum()
    plain.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    loss = step_loss(model, prompts, plan_step(model, prompts, 40), lambda loss: loss.backward())
    assert loss == pytest.approx(plain.item(), rel=1e-4)
    scale = max(gradient.norm() for gradient in gradients.values())
    for name, weight in model.named_parameters():
        if name in gradients:
            difference = (weight.grad - gradients[name]).norm()
            assert difference <= 1e-4 * max(gradients[name].norm(), 1e-2 * scale), name
    for logprobs, wanted in zip(supervised_logprobs(model, prompts, 40), expected, strict=True):
        assert logprobs == pytest.approx(wanted[:, 0].detach().numpy(), abs=1e-4)
