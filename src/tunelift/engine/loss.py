"""Cross-entropy on the supervised tokens of a list of prompts, and only there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.core.records import Prompt
from tunelift.engine.forward import forward_tree, takes_trees
from tunelift.engine.plain import plain_logits, plan_padded
from tunelift.engine.projection import cross_entropy_sum, rows_at_once
from tunelift.engine.tree import build_tree, plan_trees


def supervised_tokens(prompts: Sequence[Prompt]) -> int:
    """Number of supervised tokens, the normaliser of an optimizer step."""
    return sum(sum(prompt.supervised) for prompt in prompts)


def predicting_tokens(prompt: Prompt) -> tuple[int, ...]:
    """The tokens of a prompt up to the one that predicts its last supervised token; nothing behind it is computed."""
    last = max((index for index, supervised in enumerate(prompt.supervised) if supervised), default=0)
    return prompt.token_ids[:last]


def micro_batches(model: Any, prompts: Sequence[Prompt], token_budget: int) -> list[list[Prompt]]:
    """The prompts of one optimizer step in groups that fit into memory; a pure function of model and list.

    Args:
        model: A decoder with a language-model head.
        prompts: All prompts of the step.
        token_budget: Largest group, in slots of a tree, or in tokens with padding for a model that takes no trees.
    """
    sequences = [predicting_tokens(prompt) for prompt in prompts]
    if takes_trees(model):
        plan = plan_trees(sequences, token_budget)
    else:
        plan = plan_padded(sequences, token_budget, rows_at_once(model))
    return [[prompts[index] for index in batch] for batch in plan]


def loss_sum(model: Any, prompts: Sequence[Prompt]) -> Tensor:
    """Sum of the cross-entropy over the supervised tokens of one micro-batch, in nats.

    Args:
        model: A decoder with a language-model head.
        prompts: Each has at least one supervised token, none of them its first.

    Returns:
        A scalar that carries gradients; divide it by the supervised tokens of the whole optimizer step.

    Raises:
        ValueError: Nothing is supervised.
    """
    supervised = [np.flatnonzero(prompt.supervised) for prompt in prompts]
    if not sum(map(len, supervised)):
        raise ValueError("no token of the micro-batch is supervised")
    sequences = [predicting_tokens(prompt) for prompt in prompts]
    wanted = np.concatenate([np.asarray(p.token_ids)[indices] for p, indices in zip(prompts, supervised, strict=True)])
    targets = torch.from_numpy(wanted).to(next(model.parameters()).device)
    if not takes_trees(model):
        logits = plain_logits(model, sequences, [indices - 1 for indices in supervised])
        return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    tree = build_tree(sequences)
    # Prompts that are equal, or continue each other, have predictors in common, which then stand here several times.
    predictors = np.concatenate([tree.path(number)[indices - 1] for number, indices in enumerate(supervised)])
    hidden = forward_tree(model, tree).index_select(0, torch.from_numpy(predictors).to(targets.device))
    return cross_entropy_sum(model, hidden, targets)


@torch.no_grad()
def mean_loss(model: Any, prompts: Sequence[Prompt], token_budget: int) -> float:
    """Cross-entropy per supervised token, in nats, without gradients and without dropout."""
    was_training = model.training
    model.eval()
    total = sum(loss_sum(model, batch).item() for batch in micro_batches(model, prompts, token_budget))
    model.train(was_training)
    return total / supervised_tokens(prompts)
