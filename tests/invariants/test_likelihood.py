"""Log-probabilities of supervised tokens are those of single prompts, however these are grouped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tunelift.core.records import Prompt
from tunelift.engine.likelihood import perplexity, supervised_logprobs, supervised_moments
from tunelift.engine.projection import moments_of

ARCHITECTURES = ["llama", "qwen3", "gemma3_text", "gpt2"]


def texts() -> list[Prompt]:
    """Texts that are supervised but for their first tokens; some begin alike, two are equal."""
    draw = np.random.default_rng(3)
    beginning = draw.integers(3, 64, 30).tolist()
    made = []
    for number, length in enumerate((5, 40, 1, 17, 17)):
        ids = (*beginning[: 30 if number % 2 else 7], *draw.integers(3, 64, length).tolist())
        made.append(Prompt(str(number), "", ids, (False,) + (True,) * (len(ids) - 1)))
    return [*made, made[1]]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("budget", [1, 60, 10_000])
def test_logprobs_are_those_of_single_prompts(make_model: Any, architecture: str, budget: int) -> None:
    model = make_model(architecture, torch.float32)
    prompts = texts()
    found = supervised_logprobs(model, prompts, budget)
    total = 0.0
    for prompt, logprobs in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt.token_ids])
        with torch.no_grad():
            plain = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
        np.testing.assert_allclose(logprobs, plain.numpy(), atol=1e-4)
        total += plain.sum().item()
    assert perplexity(found) == pytest.approx(np.exp(-total / sum(map(len, found))), rel=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("budget", [1, 10_000])
def test_moments_are_those_of_the_distributions(make_model: Any, architecture: str, budget: int) -> None:
    model = make_model(architecture, torch.float32)
    prompts = texts()
    logprobs = supervised_logprobs(model, prompts, budget)
    for prompt, moments, plain in zip(prompts, supervised_moments(model, prompts, budget), logprobs, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt.token_ids])).logits[0, :-1].double()
        probabilities, logs = logits.softmax(-1).numpy(), logits.log_softmax(-1).numpy()
        means = [np.average(row, weights=weights) for row, weights in zip(logs, probabilities, strict=True)]
        spreads = [
            np.cov(row, aweights=weights, ddof=0) ** 0.5 for row, weights in zip(logs, probabilities, strict=True)
        ]
        np.testing.assert_allclose(moments, np.stack([plain, means, spreads], axis=1), atol=1e-4)


def test_impossible_tokens_have_no_part_in_the_moments() -> None:
    logits = torch.tensor([[0.0, 0.0, -torch.inf, -torch.inf]])
    assert moments_of(logits, torch.tensor([1])).tolist() == [
        [pytest.approx(np.log(0.5)), pytest.approx(np.log(0.5)), 0.0]
    ]
