from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.evaluation.contamination.membership import min_k_hint, min_k_plus_plus_hint

NATS = st.lists(st.floats(-30, 0), min_size=1, max_size=40)


def moments(logits: torch.Tensor, tokens: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities of tokens, and mean and standard deviation of those of the next token, by the definition."""
    logprobs = logits.log_softmax(-1)
    probabilities = logits.softmax(-1)
    mean = (probabilities * logprobs).sum(-1)
    variance = (probabilities * (logprobs - mean[:, None]) ** 2).sum(-1)
    return logprobs[torch.arange(len(tokens)), tokens].numpy(), mean.numpy(), variance.sqrt().numpy()


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 1.0])
def test_both_against_logits(share: float) -> None:
    generator = torch.Generator().manual_seed(7)
    texts = []
    for length in (1, 3, 10, 64):
        logits = 4 * torch.randn(length, 50, generator=generator, dtype=torch.float64)
        texts.append((logits, torch.randint(50, (length,), generator=generator)))
    parts = [moments(*text) for text in texts]
    logprobs, means, deviations = (list(column) for column in zip(*parts, strict=True))
    plain, standardised = [], []
    for logits, tokens in texts:
        # As the authors' own programs compute it, but for one token at least.
        logs, probabilities = logits.log_softmax(-1), logits.softmax(-1)
        chosen = logs.gather(-1, tokens[:, None])[:, 0]
        mu = (probabilities * logs).sum(-1)
        sigma = (probabilities * logs.square()).sum(-1) - mu.square()
        count = max(1, int(len(tokens) * share))
        plain.append(chosen.sort().values[:count].mean().item())
        standardised.append(((chosen - mu) / sigma.sqrt()).sort().values[:count].mean().item())
    assert min_k_hint(logprobs, share) == pytest.approx(np.array(plain))
    assert min_k_plus_plus_hint(logprobs, means, deviations, share) == pytest.approx(np.array(standardised))


@settings(max_examples=50, deadline=None)
@given(NATS)
def test_all_tokens_give_the_mean(logprobs: list[float]) -> None:
    assert min_k_hint([logprobs], 1.0)[0] == pytest.approx(np.mean(logprobs))


@settings(max_examples=50, deadline=None)
@given(NATS, st.randoms())
def test_the_order_of_tokens_does_not_matter_and_fewer_of_them_are_lower(logprobs: list[float], random) -> None:
    shuffled = random.sample(logprobs, len(logprobs))
    assert min_k_hint([shuffled])[0] == pytest.approx(min_k_hint([logprobs])[0])
    values = [min_k_hint([logprobs], share)[0] for share in (0.1, 0.3, 0.7, 1.0)]
    assert all(low <= high + 1e-12 for low, high in pairwise(values))


@settings(max_examples=50, deadline=None)
@given(NATS, st.floats(-5, 5), st.floats(0.1, 10))
def test_standardising_takes_out_shift_and_scale(logprobs: list[float], shift: float, scale: float) -> None:
    values = np.array(logprobs)
    zeros, ones = np.zeros(len(values)), np.ones(len(values))
    moved = min_k_plus_plus_hint([values * scale + shift], [zeros + shift], [ones * scale])
    assert moved == pytest.approx(min_k_plus_plus_hint([values], [zeros], [ones]), abs=1e-9)


def test_a_token_of_a_uniform_distribution_counts_nothing() -> None:
    uniform = [math.log(1 / 4)] * 5
    assert min_k_plus_plus_hint([uniform], [uniform], [[0.0] * 5]) == pytest.approx([0.0])


def test_a_text_without_tokens_has_no_value() -> None:
    assert np.isnan(min_k_hint([[], [-1.0]])).tolist() == [True, False]
    assert np.isnan(min_k_plus_plus_hint([[]], [[]], [[]])).all()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_share_is_checked(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        min_k_hint([[-1.0]], share)
