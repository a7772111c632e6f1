"""Cross-entropy on the supervised tokens of a list of prompts, and only there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tunelift.core.records import Prompt
from tunelift.engine.encoder_decoder import is_encoder_decoder, plan_completions
from tunelift.engine.forward import NOTHING, Stem, forward_tree, read_stem, takes_trees
from tunelift.engine.kept import kept_in_less_memory
from tunelift.engine.modes import without_autocast
from tunelift.engine.padding import plan_padded
from tunelift.engine.plain import plain_logits
from tunelift.engine.plan import Plan, plan_stems
from tunelift.engine.projection import cross_entropy_sum, rows_at_once
from tunelift.engine.random_numbers import continued_from, random_state
from tunelift.engine.tree import build_tree


def supervised_tokens(prompts: Sequence[Prompt]) -> int:
    """Number of supervised tokens, the normaliser of an optimizer step."""
    return sum(sum(prompt.supervised) for prompt in prompts)


def predicting_tokens(prompt: Prompt) -> tuple[int, ...]:
    """The tokens of a prompt up to the one that predicts its last supervised token; nothing behind it is computed.

    Raises:
        ValueError: No token is supervised, or the first one is, which nothing predicts.
    """
    places = [index for index, supervised in enumerate(prompt.supervised) if supervised]
    if not places:
        raise ValueError(f"prompt {prompt.example_id!r}: no token is supervised")
    if not places[0]:
        raise ValueError(f"prompt {prompt.example_id!r}: its first token is supervised, but nothing stands before it")
    return prompt.token_ids[: places[-1]]


def plan_step(model: Any, prompts: Sequence[Prompt], token_budget: int) -> Plan:
    """How the prompts of one optimizer step are computed, in groups that fit into memory.

    Args:
        model: A decoder with a language-model head, or an encoder-decoder, whose encoder reads a prompt up to its first
            supervised token.
        prompts: All prompts of the step.
        token_budget: Largest group, in slots of a tree, or in tokens with padding for a model that takes no trees.

    Returns:
        A plan for the tokens that predict; a pure function of model and list.

    Raises:
        ValueError: A prompt has no supervised token, or its first token is supervised.
    """
    sequences = [predicting_tokens(prompt) for prompt in prompts]
    borders = [prompt.supervised.index(True) for prompt in prompts]
    if is_encoder_decoder(model):
        return Plan((), plan_completions(model, sequences, borders, token_budget), [])
    if not takes_trees(model):
        return Plan((), plan_padded(sequences, token_budget, rows_at_once(model)), [])
    # A layer that is computed again in the backward pass takes no keys and values from before.
    again = model.training and getattr(model, "is_activation_checkpointing", False)
    return plan_stems(sequences, [0 if again else border - 1 for border in borders], token_budget)


def step_loss(
    model: Any,
    prompts: Sequence[Prompt],
    plan: Plan,
    backward: Callable[[Tensor], object] | None = None,
) -> float:
    """Sum of the cross-entropy over the supervised tokens of one optimizer step, in nats.

    Args:
        model: As for `plan_step`.
        prompts: Each has at least one supervised token, none of them its first.
        plan: Of these prompts, see `plan_step`.
        backward: Called, outside of autocast, with the loss of each group, to add its gradients to those of the
            weights. None computes no gradients.
    """

    def run(plan: Plan, stem: Stem) -> float:
        total = sum(behind(part, stem) for part in plan.below)
        for group in plan.groups:
            with kept_in_less_memory():
                loss = loss_sum(model, [prompts[index] for index in group], stem)
            if backward:
                with without_autocast(loss.device):
                    backward(loss)
            total += loss.item()
        return total

    def behind(plan: Plan, above: Stem) -> float:
        tokens = np.array(plan.stem)
        random_numbers = random_state(model.device)
        # Its graph is made when the gradients of all that continues it are known. Until then nothing is kept but what
        # says which states have gradients.
        with torch.autograd.graph.saved_tensors_hooks(lambda _: None, lambda nothing: nothing):
            states = read_stem(model, tokens, above)
        inner, leaves = _continue(above, len(plan.stem), states)
        del states  # they are copied, and would keep their graph alive
        total = run(plan, inner)
        if any(leaf.requires_grad for leaf in leaves):
            with continued_from(random_numbers), kept_in_less_memory():
                states = read_stem(model, tokens, above)
            tuned = [(state, leaf.grad) for state, leaf in zip(states, leaves, strict=True) if state.requires_grad]
            with without_autocast(model.device):
                torch.autograd.backward([state for state, _ in tuned], [gradient for _, gradient in tuned])
        return total

    with torch.set_grad_enabled(backward is not None):
        return run(plan, NOTHING)


def _continue(above: Stem, length: int, states: Sequence[Tensor]) -> tuple[Stem, list[Tensor]]:
    """A stem behind another one, and copies of its keys and values that gather gradients, in float32 at least."""
    leaves = [
        state.detach().to(torch.promote_types(state.dtype, torch.float32)).requires_grad_(state.requires_grad)
        for state in states
    ]
    own = [leaf.to(state.dtype) for leaf, state in zip(leaves, states, strict=True)]
    layers = list(zip(own[::2], own[1::2], strict=True))
    if above.states:
        layers = [
            (torch.cat([upper[0], lower[0]], dim=-2), torch.cat([upper[1], lower[1]], dim=-2))
            for upper, lower in zip(above.states, layers, strict=True)
        ]
    return Stem(above.length + length, tuple(layers)), leaves


def loss_sum(model: Any, prompts: Sequence[Prompt], stem: Stem = NOTHING) -> Tensor:
    """Sum of the cross-entropy over the supervised tokens of one group, in nats.

    Args:
        model: As for `plan_step`.
        prompts: Each has at least one supervised token, none of them its first.
        stem: Tokens that all of them begin with, and that have been computed; none of them predicts a supervised one.

    Returns:
        A scalar that carries gradients; divide it by the supervised tokens of the whole optimizer step.

    Raises:
        ValueError: A prompt has no supervised token, or its first token is supervised.
    """
    supervised = [np.flatnonzero(prompt.supervised) for prompt in prompts]
    sequences = [predicting_tokens(prompt)[stem.length :] for prompt in prompts]
    predicting = [indices - 1 - stem.length for indices in supervised]
    wanted = np.concatenate([np.asarray(p.token_ids)[indices] for p, indices in zip(prompts, supervised, strict=True)])
    targets = torch.from_numpy(wanted).to(next(model.parameters()).device)
    if not takes_trees(model):
        logits = plain_logits(model, sequences, predicting)
        return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    tree = build_tree(sequences)
    # Prompts that are equal, or continue each other, have predictors in common, which then stand here several times.
    predictors = np.concatenate([tree.path(number)[indices] for number, indices in enumerate(predicting)])
    hidden = forward_tree(model, tree, stem).index_select(0, torch.from_numpy(predictors).to(targets.device))
    return cross_entropy_sum(model, hidden, targets)
