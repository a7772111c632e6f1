"""Hidden states to the vocabulary: logits, log-probabilities and cross-entropy, in chunks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

# Logits that are computed at once: a quarter of a gigabyte in float32.
LOGITS = 1 << 26
# The same on a CPU where gradients are computed, which take four times the memory; with fewer rows the weights of the
# output layer would be read too often.
LOGITS_ON_CPU = 1 << 22
ROWS_ON_CPU = 32


def causal_model(model: Any) -> Any:
    """The language model itself, without the wrapper of an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def rows_at_once(model: Any) -> int:
    """How many hidden states are projected at once."""
    return int(max(1, LOGITS // model.config.get_text_config().vocab_size))


def _rows_with_gradients(model: Any, weights: Sequence[Tensor]) -> int:
    """How many hidden states are projected at once where gradients of them, and of such weights, are computed."""
    # The gradient of the output layer's weights is larger than that of any logits, and each chunk makes one.
    if weights or model.device.type != "cpu":
        return rows_at_once(model)
    return int(min(max(ROWS_ON_CPU, LOGITS_ON_CPU // model.config.get_text_config().vocab_size), rows_at_once(model)))


def project(model: Any, hidden: Tensor) -> Tensor:
    """Logits of hidden states.

    Args:
        model: A decoder with a language-model head.
        hidden: ``[tokens, width]``, as the last layer and its norm give them.

    Returns:
        ``[tokens, vocabulary]``, in float32 at least.
    """
    logits = widened(causal_model(model).get_output_embeddings()(hidden))
    config = model.config.get_text_config()
    if scale := getattr(config, "logits_scaling", None):
        logits = logits / scale
    if bound := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / bound) * bound
    return logits


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 at least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


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

    Gradients are computed chunk by chunk together with the loss, so that the logits of one chunk alone are ever kept.

    Args:
        model: A decoder with a language-model head.
        hidden: ``[tokens, width]``.
        targets: ``[tokens]``, token ids.
    """
    if not torch.is_grad_enabled():
        return -token_logprobs(model, hidden, targets).sum()
    weights = [weight for weight in causal_model(model).get_output_embeddings().parameters() if weight.requires_grad]
    total: Tensor = _CrossEntropySum.apply(model, targets, hidden, *weights)  # type: ignore[no-untyped-call]
    return total


class _CrossEntropySum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, model: Any, targets: Tensor, hidden: Tensor, *weights: Tensor) -> Tensor:
        size = _rows_with_gradients(model, weights)
        total = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        states_gradients = []
        weight_gradients = [torch.zeros_like(weight) for weight in weights]
        for states, wanted in zip(torch.split(hidden, size), torch.split(targets, size), strict=True):
            with torch.enable_grad():
                leaf = states.detach().requires_grad_()
                loss = torch.nn.functional.cross_entropy(project(model, leaf), wanted, reduction="sum")
                gradients = torch.autograd.grad(loss, [leaf, *weights])
            total += loss.detach()
            states_gradients.append(gradients[0])
            for summed, gradient in zip(weight_gradients, gradients[1:], strict=True):
                summed += gradient
        ctx.save_for_backward(torch.cat(states_gradients), *weight_gradients)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(gradient * upstream[0] for gradient in ctx.saved_tensors)
