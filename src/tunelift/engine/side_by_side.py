"""Prompts that have been read side by side, and what grows behind them, for decoders that take no trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from tunelift.engine.encoder_decoder import probe
from tunelift.engine.modes import evaluation_mode, in_float32
from tunelift.engine.padding import READ_TOGETHER, in_groups, later_tokens, pad, plan_padded, scores_behind
from tunelift.engine.plain import plain_logits
from tunelift.engine.projection import causal_model, logprobs_of, rows_at_once, widened
from tunelift.engine.refusal import RefusedError, failing_as
from tunelift.engine.support import TOLERANCE

# The finding is kept beside the model, not in its configuration, which is saved with it.
GOES_ON = "goes_on_behind_a_cache"


class PlainState:
    """As `state.TreeState`: prompts side by side, padded on the left, read when none is left.

    Args:
        model: A decoder with a language-model head.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.numbers: list[int] = []

    def plan(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """As `TreeState.plan`."""
        return plan_padded(prompts, READ_TOGETHER, rows_at_once(self.model))

    def has_room(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> bool:
        """As `TreeState.has_room`."""
        return not self.numbers

    def read(self, numbers: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """As `TreeState.read`."""
        token_ids, mask = (part.flip(1) for part in pad([prompt[::-1] for prompt in prompts]))
        self.numbers = list(numbers)
        self.mask = mask.to(self.device)
        self.lengths = self.mask.sum(1)
        self.cache = DynamicCache(config=self.model.config)
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        return widened(self._run(token_ids, self.mask, positions, self.cache, 1)[:, -1])

    def score(self, numbers: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """As `TreeState.score`."""

        def logits_of(rows: Tensor, token_ids: Tensor, valid: Tensor, cache: Any) -> Tensor:
            mask = torch.cat([self.mask[rows], valid], dim=1)
            positions = self.lengths[rows, None] + torch.arange(token_ids.shape[1], device=self.device)
            return self._run(token_ids, mask, positions, cache, 0)

        rows = [self.numbers.index(number) for number in numbers]
        most = rows_at_once(self.model)
        return scores_behind(self.cache, self.mask, rows, continuations, most, logits_of)

    def step(self, numbers: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """As `TreeState.step`, for all that are left, in the order in which they were read."""
        if list(numbers) != self.numbers:
            raise ValueError(f"prompts {self.numbers} go on together, not {list(numbers)}")
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(numbers), 1)], dim=1)
        logits = self._run(torch.tensor(token_ids)[:, None], self.mask, self.lengths[:, None], self.cache, 0)
        self.lengths = self.lengths + 1
        return widened(logits[:, -1])

    def drop(self, numbers: Sequence[int]) -> None:
        """As `TreeState.drop`."""
        left = [place for place, number in enumerate(self.numbers) if number not in set(numbers)]
        if 0 < len(left) < len(self.numbers):
            kept = torch.tensor(left, device=self.device)
            self.cache.reorder_cache(kept)
            self.mask, self.lengths = self.mask[kept], self.lengths[kept]
        self.numbers = [self.numbers[place] for place in left]

    def _run(self, token_ids: Tensor, mask: Tensor, positions: Tensor, cache: Any, logits_to_keep: int) -> Tensor:
        logits: Tensor = self.model(
            input_ids=token_ids.to(self.device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=logits_to_keep,
        ).logits
        return logits


class RecomputedState:
    """The same for models that cannot go on behind a cache: all tokens are computed again for every new one.

    Args:
        model: A decoder with a language-model head.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.sequences: dict[int, list[int]] = {}

    def plan(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """As `TreeState.plan`."""
        return plan_padded(prompts, READ_TOGETHER, rows_at_once(self.model))

    def has_room(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> bool:
        """As `TreeState.has_room`."""
        return not self.sequences

    def read(self, numbers: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """As `TreeState.read`."""
        self.sequences.update(zip(numbers, map(list, prompts), strict=True))
        return self._logits_behind(numbers)

    def score(self, numbers: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """As `TreeState.score`."""
        lengths = [
            (len(self.sequences[number]), len(tokens) - 1)
            for number, tokens in zip(numbers, continuations, strict=True)
        ]

        def scores(group: Sequence[int]) -> Tensor:
            behind = [continuations[index] for index in group]
            whole = [self.sequences[numbers[index]] + list(continuations[index][:-1]) for index in group]
            logits = plain_logits(self.model, whole, [sum(lengths[i]) + np.arange(-lengths[i][1], 0) for i in group])
            return logprobs_of(logits, later_tokens(behind).to(logits.device))

        return in_groups(lengths, READ_TOGETHER, rows_at_once(self.model), scores)

    def step(self, numbers: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """As `TreeState.step`."""
        for number, token in zip(numbers, token_ids, strict=True):
            self.sequences[number].append(token)
        return self._logits_behind(numbers)

    def drop(self, numbers: Sequence[int]) -> None:
        """As `TreeState.drop`."""
        for number in numbers:
            del self.sequences[number]

    def _logits_behind(self, numbers: Sequence[int]) -> Tensor:
        whole = [self.sequences[number] for number in numbers]
        return plain_logits(self.model, whole, [np.array([len(tokens) - 1]) for tokens in whole])


def takes_cache(model: Any) -> bool:
    """Whether a decoder that takes no trees goes on behind a cache, see `enable_cache`."""
    return getattr(causal_model(model), GOES_ON, False)


def enable_cache(model: Any) -> None:
    """Let a decoder that takes no trees go on behind a cache, if it computes the same so, in float32.

    Layers with a state instead of keys and values take several tokens at once behind it in some models only, and some
    models know no cache of the library's kind.

    Raises:
        RefusedError: It does not.
    """
    prompts, numbers, answers = probe(model)

    def compute(state: PlainState | RecomputedState) -> Tensor:
        read = state.read(range(3), prompts)
        scored = state.score(numbers, answers)
        first = state.step(range(3), [5, 6, 7])
        state.drop([1])
        second = state.step([0, 2], [8, 9])
        return torch.cat([scored, *(logits.log_softmax(-1).flatten() for logits in (read, first, second))])

    def refused(why: str) -> RefusedError:
        return RefusedError(f"it takes no cache: {why}")

    # Adapters come and go, and the model inside them stays.
    setattr(causal_model(model), GOES_ON, False)
    with torch.inference_mode(), evaluation_mode(model), in_float32(model):
        with failing_as(RefusedError):
            expected = compute(RecomputedState(model))
        with failing_as(refused):
            difference = ((compute(PlainState(model)) - expected).norm() / expected.norm()).item()
    if not difference <= TOLERANCE:
        raise RefusedError(f"behind a cache its log-probabilities differ by {difference:.1e} from those without one")
    setattr(causal_model(model), GOES_ON, True)
