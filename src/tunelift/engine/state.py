"""Prompts that have been read, and what grows behind them, over a tree where the model takes one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from tunelift.engine.encoder_decoder import EncoderDecoderState, is_encoder_decoder
from tunelift.engine.forward import forward_layout, takes_trees, tree_layout, windows
from tunelift.engine.layout import ROWS_OF_A_BLOCK, Row, lay_out, rows_behind
from tunelift.engine.padding import READ_TOGETHER, later_tokens
from tunelift.engine.plan import plan_trees
from tunelift.engine.projection import project, rows_at_once, token_logprobs
from tunelift.engine.side_by_side import PlainState, RecomputedState, takes_cache
from tunelift.engine.slots import cut, keep, slot_cache
from tunelift.engine.tree import SEGMENT_COST, Indices, build_tree, common_length

# Memory for keys and values of all prompts that are answered at the same time.
CACHE_BYTES = 1 << 30


class TreeState:
    """Prompts as a tree that grows: prompts are read behind what is there, tokens are appended, answers are dropped.

    Prompts that begin like the last one read before them share its slots.

    Args:
        model: A decoder with a language-model head that takes trees.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.cache = slot_cache()
        self.size = 0
        self.paths: dict[int, Indices] = {}
        self.above: dict[int, int] = {}
        # The prompt read last and its slots.
        self.stem: tuple[Indices, Indices] = (np.empty(0, np.int64), np.empty(0, np.int64))

    def plan(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Which prompts to read together."""
        return plan_trees(prompts, READ_TOGETHER, rows_at_once(self.model))

    def has_room(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> bool:
        """Whether prompts can be read and answered with so many tokens each beside those that are here."""
        rows = len(self.paths) + len(prompts)
        slots = self.size + max(READ_TOGETHER, *map(len, prompts)) + rows * new_tokens
        fits = slots * _bytes_of_a_slot(self.model) <= CACHE_BYTES and rows <= rows_at_once(self.model)
        return fits or not self.paths

    def read(self, numbers: Sequence[int], prompts: Sequence[Sequence[int]]) -> Tensor:
        """Read prompts.

        Args:
            numbers: What they are called from now on.
            prompts: Token ids, none of them empty.

        Returns:
            Logits ``[prompts, vocabulary]`` behind each prompt.
        """
        tokens, slots = self.stem
        start = min(min(common_length(np.asarray(prompt), tokens), len(prompt) - 1) for prompt in prompts)
        start = start if start > SEGMENT_COST else 0
        tree = build_tree([prompt[start:] for prompt in prompts])
        rows = rows_behind(tree, slots[:start], self.size)
        layout = tree_layout(self.model, tree, slots[:start], self.size)
        hidden = forward_layout(self.model, layout, tree.token_ids, start + tree.positions, self.cache)
        self.size += len(tree.token_ids)
        for number, end in zip(numbers, tree.ends, strict=True):
            self.paths[number], self.above[number] = rows[end].path, rows[end].above
        self.stem = (np.asarray(prompts[-1], dtype=np.int64), self.paths[numbers[-1]])
        ends = torch.tensor([tree.path(number)[-1] for number in range(len(prompts))], device=hidden.device)
        return project(self.model, hidden[ends])

    def score(self, numbers: Sequence[int], continuations: Sequence[Sequence[int]]) -> Tensor:
        """Log-probability of each token of continuations but the first, which are forgotten afterwards.

        Args:
            numbers: The prompt that each continues.
            continuations: Token ids, at least two each.

        Returns:
            One continuation behind the other, in nats.
        """
        size = self.size
        hidden, _ = self._extend(numbers, [tokens[:-1] for tokens in continuations])
        self.size = size
        cut(self.cache, size)
        return token_logprobs(self.model, hidden, later_tokens(continuations).to(hidden.device))

    def step(self, numbers: Sequence[int], token_ids: Sequence[int]) -> Tensor:
        """Append one token to each of some prompts.

        Returns:
            Logits ``[prompts, vocabulary]`` behind these tokens.
        """
        hidden, paths = self._extend(numbers, [[token] for token in token_ids])
        self.paths.update(zip(numbers, paths, strict=True))
        return project(self.model, hidden)

    def drop(self, numbers: Sequence[int]) -> None:
        """Forget prompts and what stands behind them."""
        for number in numbers:
            del self.paths[number], self.above[number]
        living = self._living()
        if self.size > 2 * len(living) + READ_TOGETHER:
            keep(self.cache, living)
            self.paths = {number: np.searchsorted(living, path) for number, path in self.paths.items()}
            self.stem = (self.stem[0], np.searchsorted(living, self.stem[1]))
            self.size = len(living)

    def _living(self) -> Indices:
        """The slots that are still in use, ascending."""
        return np.unique(np.concatenate([self.stem[1], *self.paths.values()]))

    def _extend(self, numbers: Sequence[int], new: Sequence[Sequence[int]]) -> tuple[Tensor, list[Indices]]:
        token_ids = np.concatenate([np.asarray(tokens, dtype=np.int64) for tokens in new])
        before = [self.paths[number] for number in numbers]
        positions = np.concatenate(
            [len(path) + np.arange(len(tokens)) for path, tokens in zip(before, new, strict=True)]
        )
        borders = np.cumsum([0, *map(len, new)]) + self.size
        paths = [
            np.concatenate([path, np.arange(first, last)])
            for path, first, last in zip(before, borders[:-1], borders[1:], strict=True)
        ]
        rows = [
            Row(path, len(tokens), above)
            for path, tokens, above in zip(paths, new, self._shared_lengths(numbers), strict=True)
        ]
        layout = lay_out(rows, self.size, windows(self.model), self.model.device)
        hidden = forward_layout(self.model, layout, token_ids, positions, self.cache)
        self.size += len(token_ids)
        return hidden, paths

    def _shared_lengths(self, numbers: Sequence[int]) -> list[int]:
        """How much of the path of each prompt stands above the rows that continue it, because enough rows do."""
        if len(numbers) < ROWS_OF_A_BLOCK:
            return [0] * len(numbers)
        times = Counter(numbers)
        return [
            len(self.paths[number]) if times[number] >= ROWS_OF_A_BLOCK else self.above[number] for number in numbers
        ]


State: TypeAlias = TreeState | PlainState | RecomputedState | EncoderDecoderState


def open_state(model: Any) -> State:
    """An empty state of the kind that a model takes."""
    if is_encoder_decoder(model):
        return EncoderDecoderState(model)
    if takes_trees(model):
        return TreeState(model)
    return PlainState(model) if takes_cache(model) else RecomputedState(model)


def _bytes_of_a_slot(model: Any) -> int:
    """Memory for the keys and values of one token in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * model.dtype.itemsize)
