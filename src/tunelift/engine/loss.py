"""Cross-entropy on the supervised tokens of a list of prompts, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.core.records import Prompt
from tunelift.engine.forward import forward_tree, takes_trees
from tunelift.engine.plain import plain_logits
from tunelift.engine.tree import build_tree, plan_trees


def supervised_tokens(prompts: Sequence[Prompt]) -> int:
    """Number of supervised tokens, the normaliser of an optimizer step."""
    return sum(sum(prompt.supervised) for prompt in prompts)


def micro_batches(prompts: Sequence[Prompt], token_budget: int) -> list[list[Prompt]]:
    """The prompts of one optimizer step in groups that fit into memory; a pure function of the list."""
    plan = plan_trees([prompt.token_ids for prompt in prompts], token_budget)
    return [[prompts[index] for index in batch] for batch in plan]


def loss_sum(model: Any, prompts: Sequence[Prompt]) -> Tensor:
    """Sum of the cross-entropy over the supervised tokens of one micro-batch, in nats.

    Args:
        model: A decoder with a language-model head.
        prompts: Each has at least one supervised token, none of them its first.

    Returns:
        A scalar that carries gradients; divide it by the supervised tokens of the whole optimizer step.
    """
    supervised = [np.flatnonzero(prompt.supervised) for prompt in prompts]
    targets = np.concatenate([np.asarray(p.token_ids)[indices] for p, indices in zip(prompts, supervised, strict=True)])
    sequences = [prompt.token_ids for prompt in prompts]
    if takes_trees(model):
        tree = build_tree(sequences)
        predictors = [tree.path(number)[indices - 1] for number, indices in enumerate(supervised)]
        # Prompts that are equal, or continue each other, have predictors in common: each is projected once.
        keep, places = np.unique(np.concatenate(predictors), return_inverse=True)
        logits = forward_tree(model, tree, keep)
        logits = logits.index_select(0, torch.from_numpy(places).to(logits.device))
    else:
        logits = plain_logits(model, sequences, [indices - 1 for indices in supervised])
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets).to(logits.device), reduction="sum")


@torch.no_grad()
def mean_loss(model: Any, prompts: Sequence[Prompt], token_budget: int) -> float:
    """Cross-entropy per supervised token, in nats, without gradients and without dropout."""
    was_training = model.training
    model.eval()
    total = sum(loss_sum(model, batch).item() for batch in micro_batches(prompts, token_budget))
    model.train(was_training)
    return total / supervised_tokens(prompts)
