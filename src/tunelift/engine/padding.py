"""Sequences side by side, padded to one length: which of them together, and what is scored behind them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tunelift.engine.projection import logprobs_of, widened

# Tokens of prompts that are read together, padding included.
READ_TOGETHER = 1024
# Memory for what a cache holds of prompts, which is copied for every continuation that is scored.
COPIED_BYTES = 1 << 28


def pad(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, ``[sequences, longest]``, padded behind the sequences."""
    token_ids = [torch.tensor(sequence, dtype=torch.long) for sequence in sequences]
    mask = [torch.ones_like(tokens) for tokens in token_ids]
    return pad_sequence(token_ids, batch_first=True), pad_sequence(mask, batch_first=True)


def plan_padded(sequences: Sequence[Sequence[int]], budget: int, most: int) -> list[list[int]]:
    """Group sequences of similar length, the longest first.

    Args:
        sequences: Token ids.
        budget: Largest number of tokens of a group, padding included. A longer sequence is a group of its own.
        most: Largest number of sequences of a group.

    Returns:
        Indices of the sequences; a function of the whole list and of nothing else.
    """
    # One written token each, so that `most` bounds the sequences.
    return plan_pairs([(len(sequence) - 1, 1) for sequence in sequences], budget, most)


def plan_pairs(lengths: Sequence[tuple[int, int]], budget: int, most: int) -> list[list[int]]:
    """Group pairs of similar length, of what is read and of what is written behind it, the longest first.

    Args:
        lengths: For each pair the number of tokens that are read, and of those that are written.
        budget: Largest number of tokens of a group, padding included. A longer pair is a group of its own.
        most: Largest number of tokens that are written in a group, padding included.

    Returns:
        Indices of the pairs; a function of the whole list and of nothing else.
    """
    plan: list[list[int]] = []
    read, written = 0, 0
    for index in sorted(range(len(lengths)), key=lambda index: (-sum(lengths[index]), lengths[index], index)):
        read, written = max(read, lengths[index][0]), max(written, lengths[index][1])
        size = len(plan[-1]) + 1 if plan else 0
        if not plan or size * (read + written) > budget or size * written > most:
            plan.append([])
            read, written = lengths[index]
        plan[-1].append(index)
    return plan


def in_groups(
    lengths: Sequence[tuple[int, int]], budget: int, most: int, compute: Callable[[Sequence[int]], Tensor]
) -> Tensor:
    """What is computed for the written tokens of pairs, in groups that fit into memory.

    Args:
        lengths: As for `plan_pairs`.
        budget: Likewise.
        most: Likewise.
        compute: Gives a row for every written token of some pairs, one pair behind the other.

    Returns:
        The same for all pairs.
    """
    found: dict[int, Tensor] = {}
    for group in plan_pairs(lengths, budget, most):
        found |= zip(group, torch.split(compute(group), [lengths[index][1] for index in group]), strict=True)
    return torch.cat([found[index] for index in range(len(lengths))])


def scores_behind(
    cache: Any,
    mask: Tensor,
    rows: Sequence[int],
    continuations: Sequence[Sequence[int]],
    most: int,
    logits_of: Callable[[Tensor, Tensor, Tensor, Any], Tensor],
) -> Tensor:
    """Log-probability of each token of continuations but the first, behind what a cache holds, which stays as it is.

    Args:
        cache: What has been read.
        mask: Of that, ``[rows, width]``.
        rows: The row that each continues.
        continuations: Token ids, at least two each.
        most: As for `plan_pairs`.
        logits_of: Gives ``[rows, tokens, vocabulary]`` for some rows, the tokens behind them, padded at their end, the
            mask of these, and a copy of the rows of the cache.

    Returns:
        One continuation behind the other, in nats.
    """

    def scores(group: Sequence[int]) -> Tensor:
        behind = [continuations[index] for index in group]
        token_ids, valid = pad([tokens[:-1] for tokens in behind])
        chosen, valid = torch.tensor([rows[index] for index in group], device=mask.device), valid.to(mask.device)
        logits = logits_of(chosen, token_ids, valid, copied(cache, chosen))
        return logprobs_of(widened(logits[valid.bool()]), later_tokens(behind).to(mask.device))

    lengths = [(mask.shape[1], len(tokens) - 1) for tokens in continuations]
    return in_groups(lengths, copied_at_once(cache, *mask.shape), most, scores)


def later_tokens(continuations: Sequence[Sequence[int]]) -> Tensor:
    """The tokens of continuations but the first, one continuation behind the other."""
    return torch.tensor([token for tokens in continuations for token in tokens[1:]])


def copied_at_once(cache: Any, rows: int, width: int) -> int:
    """How many slots of a cache ``[rows, width]`` are copied at once."""
    held = sum(tensor.nbytes for tensor in _tensors(cache))
    return max(1, COPIED_BYTES // max(1, held // (rows * width)))


def copied(cache: Any, rows: Tensor) -> Any:
    """Some rows of a cache, each as often as it is named; the cache stays as it is."""
    shared = copy.deepcopy(cache, {id(tensor): tensor for tensor in _tensors(cache)})
    # It puts new tensors in the place of the shared ones, of attention and of linear layers; the library's other ways
    # to select know attention alone.
    shared.reorder_cache(rows)
    return shared


def _tensors(states: Any) -> Iterator[Tensor]:
    """All tensors in a cache, whatever kinds of layers it has."""
    if isinstance(states, Tensor):
        yield states
    elif isinstance(states, list | tuple):
        for part in states:
            yield from _tensors(part)
    elif isinstance(states, dict):
        yield from _tensors(list(states.values()))
    elif hasattr(states, "__dict__"):
        yield from _tensors(vars(states))
