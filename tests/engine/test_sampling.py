from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tunelift.engine.sampling import Sampling, most_probable, sampler

LOGITS = torch.tensor([[1.0, 3.0, 2.0, -1.0, 0.0]])
DRAWS = 4000


def frequencies(settings: Sampling) -> np.ndarray:
    choose = sampler(settings)
    tokens = choose(LOGITS.expand(DRAWS, -1), [(number, 0) for number in range(DRAWS)])
    return np.bincount(tokens, minlength=5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_distribution(temperature: float) -> None:
    expected = (LOGITS[0].double() / temperature).softmax(-1).numpy() * DRAWS
    assert chisquare(frequencies(Sampling(temperature)), expected).pvalue > 1e-3


def test_only_the_most_probable_are_drawn() -> None:
    assert np.flatnonzero(frequencies(Sampling(top_k=2))).tolist() == [1, 2]
    assert np.flatnonzero(frequencies(Sampling(top_p=0.6))).tolist() == [1]
    assert np.flatnonzero(frequencies(Sampling(top_p=0.7))).tolist() == [1, 2]


def test_a_draw_is_decided_by_its_place() -> None:
    choose = sampler(Sampling(seed=5))
    places = [(number, step) for number in range(3) for step in range(4)]
    together = choose(LOGITS.expand(12, -1), places)
    assert [choose(LOGITS, [place])[0] for place in places] == together
    assert len(set(together)) > 1


def test_zero_temperature_is_greedy() -> None:
    assert sampler(Sampling(temperature=0)) is most_probable
    assert most_probable(LOGITS, [(0, 0)]) == [1]


def test_the_smallest_temperature_is_greedy_too() -> None:
    assert frequencies(Sampling(temperature=1e-300)).tolist() == [0, DRAWS, 0, 0, 0]
