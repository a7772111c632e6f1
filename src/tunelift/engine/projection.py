"""Hidden states to the vocabulary: logits, log-probabilities and cross-entropy, in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits that are computed at once: a quarter of a gigabyte in float32.
LOGITS = 1 << 26
# Logits whose probabilities a CPU computes at once, which stay near it from one operation to the next.
LOGITS_NEAR_CPU = 1 << 20


def causal_model(model: Any) -> Any:
    """The language model itself, without the wrapper of an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def rows_at_once(model: Any) -> int:
    """How many hidden states are projected at once."""
    return int(max(1, LOGITS // model.config.get_text_config().vocab_size))


def project(model: Any, hidden: Tensor) -> Tensor:
    """Logits of hidden states.

    Args:
        model: A decoder with a language-model head.
        hidden: ``[tokens, width]``, as the last layer and its norm give them.

    Returns:
        ``[tokens, vocabulary]``, in float32 at least.
    """
    return _finished(model, causal_model(model).get_output_embeddings()(hidden))


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 at least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _finished(model: Any, products: Tensor) -> Tensor:
    """Logits, from the products of hidden states with the weights of the output layer."""
    logits = widened(products)
    config = model.config.get_text_config()
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if bound := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / bound) * bound
    return logits


def token_logprobs(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of one token behind each hidden state, in nats; it carries no gradients.

    Args:
        model: A decoder with a language-model head.
        hidden: ``[tokens, width]``.
        targets: ``[tokens]``, token ids.
    """
    return over_logits(model, hidden, targets, logprobs_of)


def over_logits(model: Any, hidden: Tensor, targets: Tensor, work: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What `work` makes of the logits behind each hidden state and of one token there, chunk by chunk, no gradients."""
    size = rows_at_once(model)
    with torch.no_grad():
        parts = [
            work(project(model, states), wanted)
            for states, wanted in zip(torch.split(hidden, size), torch.split(targets, size), strict=True)
        ]
    return torch.cat(parts)


def logprobs_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of one token at each place, in nats.

    Args:
        logits: ``[tokens, vocabulary]``.
        targets: ``[tokens]``, token ids.

    Returns:
        ``[tokens]``.
    """
    return logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def moments_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of one token at each place, and its moments under the model's own distribution, in nats.

    Args:
        logits: ``[tokens, vocabulary]``.
        targets: ``[tokens]``, token ids.

    Returns:
        ``[tokens, 3]``: the log-probability of the token, the mean of log p over tokens drawn from p, and its
        standard deviation (the mean is the negative entropy).
    """
    logprobs = logits.log_softmax(-1)
    chosen = logprobs.gather(-1, targets[:, None])[:, 0]
    probabilities = logprobs.exp()
    possible = logprobs.masked_fill_(probabilities == 0, 0)  # 0 log 0 is 0, and log 0 no number to go on with
    mean = (probabilities * possible).sum(-1)
    variance = (probabilities * (possible - mean[:, None]).square_()).sum(-1)
    return torch.stack([chosen, mean, variance.sqrt()], dim=-1)


def cross_entropy_sum(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropy, in nats.

    Gradients are computed together with the loss, so that the logits of one chunk alone are in memory: once on a CPU, a
    few times on other devices.

    Args:
        model: A decoder with a language-model head.
        hidden: ``[tokens, width]``.
        targets: ``[tokens]``, token ids.

    Returns:
        A scalar in float32 at least, for one backward pass.
    """
    if not torch.is_grad_enabled():
        return -token_logprobs(model, hidden, targets).sum()
    head = causal_model(model).get_output_embeddings()
    weights = [weight for weight in head.parameters() if weight.requires_grad]
    total: Tensor = _CrossEntropySum.apply(model, head, targets, hidden, *weights)  # type: ignore[no-untyped-call]
    return total


class _CrossEntropySum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, model: Any, head: Any, targets: Tensor, hidden: Tensor, *weights: Tensor) -> Tensor:
        size = rows_at_once(model)
        total = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        states_gradients: list[Tensor] = []
        weight_gradients: list[Tensor] = []
        for states, wanted in zip(torch.split(hidden, size), torch.split(targets, size), strict=True):
            with torch.enable_grad():
                leaf = states.detach().requires_grad_()
                # As a view: of a leaf autocast would keep a copy, and its graph, until the step ends.
                products = head(leaf.view_as(leaf))
            # Their gradient takes their place: no gradient of the head needs the products themselves.
            change = products.detach()
            total += _replace_by_gradient(model, change, wanted)
            states_gradient, *gradients = torch.autograd.grad(products, [leaf, *weights], change)
            states_gradients.append(states_gradient)
            if weight_gradients:
                gradients = [summed.add_(more) for summed, more in zip(weight_gradients, gradients, strict=True)]
            weight_gradients = gradients
        ctx.gradients = torch.cat(states_gradients), *weight_gradients
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError(
                "the gradients of a cross-entropy are known once: add losses up before the backward pass"
            )
        # In their place and let go, as nothing else needs them and those of output weights are large.
        gradients, ctx.gradients = ctx.gradients, None
        return None, None, None, *(gradient.mul_(upstream[0]) for gradient in gradients)


def _replace_by_gradient(model: Any, products: Tensor, targets: Tensor) -> Tensor:
    """Put the gradient of the summed cross-entropy in the place of the output layer's products; returns the sum."""
    size = max(1, LOGITS_NEAR_CPU // products.shape[1]) if products.device.type == "cpu" else len(products)
    total = products.new_zeros((), dtype=torch.promote_types(products.dtype, torch.float32))
    for part, wanted in zip(torch.split(products, size), torch.split(targets, size), strict=True):
        with torch.enable_grad():
            leaf = part.detach().requires_grad_()
            logits = _finished(model, leaf)
        logprobs = logits.detach().log_softmax(-1)
        total -= logprobs.gather(-1, wanted[:, None]).sum()
        # The gradient of the logits: the probabilities, less one at the target.
        probabilities = logprobs.exp_()
        probabilities.scatter_add_(-1, wanted[:, None], probabilities.new_full((len(wanted), 1), -1.0))
        part.copy_(torch.autograd.grad(logits, leaf, probabilities)[0])
    return total
