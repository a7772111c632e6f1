"""Prompts that have been read, and what grows behind them: over a tree, or side by side without one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from tunelift.engine.forward import forward_rows, forward_tree, takes_trees
from tunelift.engine.layout import Row, lengths_above
from tunelift.engine.slots import forget, slot_cache
from tunelift.engine.tree import Indices, build_tree


class TreeState:
    """Prompts that have been read as a tree.

    Args:
        model: A decoder with a language-model head that takes trees.
        prompts: Token ids, none of them empty.

    Attributes:
        logits: ``[prompts, vocabulary]``, behind each prompt.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        tree = build_tree(prompts)
        above = lengths_above(tree)
        self.model = model
        self.cache = slot_cache()
        self.size = len(tree.token_ids)
        self.paths = [tree.path(number) for number in range(len(prompts))]
        self.above = [above[end] for end in tree.ends]
        keep, places = np.unique([path[-1] for path in self.paths], return_inverse=True)
        self.logits = forward_tree(model, tree, keep, self.cache)[torch.from_numpy(places)]

    def score(self, prompts: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """Logits at the tokens of continuations, which are forgotten afterwards.

        Args:
            prompts: The number of the prompt that each continues.
            continuations: Token ids.

        Returns:
            ``[tokens of all continuations, vocabulary]``, one continuation behind the other.
        """
        logits, _ = self._extend([self.paths[number] for number in prompts], prompts, continuations)
        self.size -= sum(map(len, continuations))
        forget(self.cache, self.size)
        return logits

    def step(self, active: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """Append one token to each of some prompts.

        Args:
            active: The numbers of the prompts.
            token_ids: Their next tokens.

        Returns:
            ``[active prompts, vocabulary]``, behind these tokens.
        """
        paths = [self.paths[number] for number in active]
        logits, paths = self._extend(paths, active, [[token] for token in token_ids])
        for number, path in zip(active, paths, strict=True):
            self.paths[number] = path
        return logits

    def _extend(
        self, paths: Sequence[Indices], prompts: Sequence[int], new: Sequence[Sequence[int]]
    ) -> tuple[Tensor, list[Indices]]:
        token_ids = np.concatenate([np.asarray(tokens, dtype=np.int64) for tokens in new])
        positions = np.concatenate(
            [len(path) + np.arange(len(tokens)) for path, tokens in zip(paths, new, strict=True)]
        )
        borders = np.cumsum([0, *map(len, new)]) + self.size
        longer = [
            np.concatenate([path, np.arange(first, last)])
            for path, first, last in zip(paths, borders[:-1], borders[1:], strict=True)
        ]
        rows = [
            Row(path, len(tokens), self.above[number])
            for path, tokens, number in zip(longer, new, prompts, strict=True)
        ]
        keep = np.arange(len(token_ids))
        logits = forward_rows(self.model, rows, token_ids, positions, self.size, keep, self.cache)
        self.size += len(token_ids)
        return logits, longer


class PlainState:
    """The same for models that take no trees: prompts side by side, padded on the left.

    Args:
        model: A decoder with a language-model head.
        prompts: Token ids, none of them empty.

    Attributes:
        logits: ``[prompts, vocabulary]``, behind each prompt.
    """

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        width = max(map(len, prompts))
        token_ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros_like(token_ids)
        for row, prompt in enumerate(prompts):
            token_ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        self.mask = mask.to(self.device)
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=self.device)
        self.active = list(range(len(prompts)))
        output = model(
            input_ids=token_ids.to(self.device),
            attention_mask=self.mask,
            position_ids=(self.mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=DynamicCache(config=model.config),
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache = output.past_key_values
        self.logits = output.logits[:, -1]

    def score(self, prompts: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """As `TreeState.score`; padding stands behind the continuations."""
        width = max(map(len, continuations))
        token_ids = torch.zeros(len(continuations), width, dtype=torch.long)
        valid = torch.zeros_like(token_ids)
        for row, tokens in enumerate(continuations):
            token_ids[row, : len(tokens)] = torch.tensor(tokens)
            valid[row, : len(tokens)] = 1
        valid = valid.to(self.device)
        chosen = torch.tensor(prompts, device=self.device)
        cache = copy.deepcopy(self.cache)
        cache.batch_select_indices(chosen)
        logits = self.model(
            input_ids=token_ids.to(self.device),
            attention_mask=torch.cat([self.mask[chosen], valid], dim=1),
            position_ids=self.lengths[chosen, None] + torch.arange(width, device=self.device),
            past_key_values=cache,
            use_cache=True,
        ).logits
        return logits[valid.bool()]

    def step(self, active: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """As `TreeState.step`; prompts that are left out once are gone."""
        if len(active) < len(self.active):
            kept = torch.tensor([self.active.index(number) for number in active], device=self.device)
            self.cache.batch_select_indices(kept)
            self.mask, self.lengths, self.active = self.mask[kept], self.lengths[kept], list(active)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(active), 1)], dim=1)
        logits = self.model(
            input_ids=torch.tensor(token_ids, device=self.device)[:, None],
            attention_mask=self.mask,
            position_ids=self.lengths[:, None],
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        self.lengths = self.lengths + 1
        return logits[:, -1]


def read_prompts(model: Any, prompts: Sequence[Sequence[int]]) -> TreeState | PlainState:
    """Read prompts in the way that a model takes."""
    return TreeState(model, prompts) if takes_trees(model) else PlainState(model, prompts)
