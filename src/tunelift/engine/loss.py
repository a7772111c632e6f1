"""Cross-entropy on the supervised tokens of a list of prompts, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunelift.core.records import Prompt
from tunelift.engine.batches import common_prefix_length, plan_batches
from tunelift.engine.forward import forward, shared_prefix_length


def supervised_tokens(prompts: Sequence[Prompt]) -> int:
    """Number of supervised tokens, the normaliser of an optimizer step."""
    return sum(sum(prompt.supervised) for prompt in prompts)


def micro_batches(prompts: Sequence[Prompt], token_budget: int) -> list[list[Prompt]]:
    """The prompts of one optimizer step in groups that fit into memory; a pure function of the list."""
    shared = common_prefix_length([prompt.token_ids for prompt in prompts])
    plan = plan_batches([len(prompt.token_ids) - shared for prompt in prompts], token_budget)
    return [[prompts[index] for index in batch] for batch in plan]


def loss_sum(model: Any, prompts: Sequence[Prompt]) -> Tensor:
    """Sum of the cross-entropy over the supervised tokens of one micro-batch, in nats.

    Args:
        model: A decoder with a language-model head.
        prompts: Each has at least one supervised token, none of them its first.

    Returns:
        A scalar that carries gradients; divide it by the supervised tokens of the whole optimizer step.
    """
    targets: list[int] = []
    keep: list[list[int]] = []
    for prompt in prompts:
        supervised = [index for index, flag in enumerate(prompt.supervised) if flag]
        targets += [prompt.token_ids[index] for index in supervised]
        keep.append([index - 1 for index in supervised])
    sequences = [prompt.token_ids for prompt in prompts]
    # The predictor of a supervised token belongs to its own row, also when that token is the first after the prefix.
    prefix_length = shared_prefix_length(model, sequences, limit=min(indices[0] for indices in keep))
    logits = forward(model, sequences, prefix_length, keep).logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.nn.functional.cross_entropy(logits, torch.tensor(targets, device=logits.device), reduction="sum")


@torch.no_grad()
def mean_loss(model: Any, prompts: Sequence[Prompt], token_budget: int) -> float:
    """Cross-entropy per supervised token, in nats, without gradients and without dropout."""
    was_training = model.training
    model.eval()
    total = sum(loss_sum(model, batch).item() for batch in micro_batches(prompts, token_budget))
    model.train(was_training)
    return total / supervised_tokens(prompts)
