"""How probable a model finds texts: log-probabilities of supervised tokens, and perplexity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tunelift.core.records import Prompt
from tunelift.engine.forward import forward_tree, takes_trees
from tunelift.engine.loss import plan_step, predicting_tokens
from tunelift.engine.modes import evaluation_mode
from tunelift.engine.plain import plain_logits
from tunelift.engine.plan import plan_trees
from tunelift.engine.projection import logprobs_of, moments_of, over_logits, rows_at_once
from tunelift.engine.tree import build_tree


def supervised_logprobs(model: Any, prompts: Sequence[Prompt], token_budget: int) -> list[NDArray[np.float64]]:
    """Log-probability of every supervised token, without dropout.

    Args:
        model: As for `loss.plan_step`.
        prompts: Each has at least one supervised token, none of them its first.
        token_budget: Largest group that is computed together, in slots of a tree, or in tokens with padding.

    Returns:
        ``[supervised tokens]`` for each prompt, in nats.
    """
    return _supervised(model, prompts, token_budget, logprobs_of)


def supervised_moments(model: Any, prompts: Sequence[Prompt], token_budget: int) -> list[NDArray[np.float64]]:
    """Log-probability of every supervised token, and its mean and standard deviation under the model's distribution.

    Args:
        model: As for `supervised_logprobs`.
        prompts: Likewise.
        token_budget: Likewise.

    Returns:
        ``[supervised tokens, 3]`` for each prompt, in nats; see `projection.moments_of`.
    """
    return _supervised(model, prompts, token_budget, moments_of)


@torch.inference_mode()
def _supervised(
    model: Any, prompts: Sequence[Prompt], token_budget: int, work: Callable[[Tensor, Tensor], Tensor]
) -> list[NDArray[np.float64]]:
    """What `work` makes of the logits before every supervised token and of the token, for each prompt."""
    sequences = [predicting_tokens(prompt) for prompt in prompts]
    trees = takes_trees(model)
    if trees:
        plan = plan_trees(sequences, token_budget, rows_at_once(model))
    else:
        plan = plan_step(model, prompts, token_budget).groups
    found: list[NDArray[np.float64]] = [np.empty(0)] * len(prompts)
    with evaluation_mode(model):
        for group in plan:
            supervised = [np.flatnonzero(prompts[index].supervised) for index in group]
            wanted = [np.asarray(prompts[i].token_ids)[at] for i, at in zip(group, supervised, strict=True)]
            targets = torch.from_numpy(np.concatenate(wanted)).to(next(model.parameters()).device)
            given = [sequences[index] for index in group]
            if trees:
                tree = build_tree(given)
                predictors = np.concatenate([tree.path(number)[at - 1] for number, at in enumerate(supervised)])
                hidden = forward_tree(model, tree)[torch.from_numpy(predictors).to(targets.device)]
                values = over_logits(model, hidden, targets, work)
            else:
                values = work(plain_logits(model, given, [at - 1 for at in supervised]), targets)
            ends = np.cumsum([len(at) for at in supervised])
            for index, part in zip(group, np.split(values.double().cpu().numpy(), ends[:-1]), strict=True):
                found[index] = part
    return found


def perplexity(logprobs: Sequence[NDArray[np.float64]]) -> float:
    """The exponential of the mean negative log-probability per token."""
    return math.exp(-float(np.concatenate(logprobs).mean()))
