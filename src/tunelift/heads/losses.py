"""Losses of heads, as sums over outputs: divided by the outputs of a whole step, any division of it gives the same.

One formula holds for all options. With a target distribution q, weights w and probabilities p the loss of a reading is
``-sum_c w_c q_c (1 - p_c)^gamma log p_c``; focal loss is after Lin et al. 2017 (https://arxiv.org/abs/1708.02002),
label smoothing after Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567). Labels that do not exclude each other are
two classes each, and their mean is the loss of the reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from tunelift.heads.settings import HeadConfig


def loss_sum(config: HeadConfig, logits: Tensor, targets: Sequence[Any]) -> Tensor:
    """Sum of the losses of readings.

    Args:
        config: Kind of the head and options of its loss.
        logits: ``[readings, outputs]``.
        targets: For each reading a class index, a tuple of 0 and 1, or a number.

    Returns:
        A scalar that carries gradients, in nats, or squared standard deviations for a regression.
    """
    if config.kind == "regression":
        wanted = torch.tensor(targets, dtype=logits.dtype, device=logits.device)
        return (logits[:, 0] - (wanted - config.mean) / config.deviation).square().sum()
    weights = logits.new_tensor(config.class_weights) if config.class_weights else logits.new_ones(logits.shape[1])
    smoothing = config.label_smoothing
    if config.kind == "labels":
        present = torch.tensor(targets, dtype=logits.dtype, device=logits.device) * (1 - smoothing) + smoothing / 2
        positive = _focal(logsigmoid(logits), config.focal_gamma) * present * weights
        negative = _focal(logsigmoid(-logits), config.focal_gamma) * (1 - present)
        return (positive + negative).mean(-1).sum()
    classes = logits.shape[1]
    chosen = one_hot(torch.tensor(targets, device=logits.device), classes).to(logits.dtype)
    distribution = chosen * (1 - smoothing) + smoothing / classes
    return (_focal(logits.log_softmax(-1), config.focal_gamma) * distribution * weights).sum()


def _focal(logprobs: Tensor, gamma: float) -> Tensor:
    """``-(1 - p)^gamma log p``; no power where gamma is 0, whose gradient is not a number at p = 1."""
    if not gamma:
        return -logprobs
    rest = -torch.expm1(logprobs)
    return -logprobs * rest.clamp(min=torch.finfo(logprobs.dtype).tiny) ** gamma


def balanced_weights(config: HeadConfig, targets: Sequence[Any]) -> tuple[float, ...]:
    """Weights inverse to how often each class occurs.

    Args:
        config: Kind of the head and its outputs.
        targets: Of all training readings.

    Returns:
        For classes that exclude each other ``n / (classes * count)``, as scikit-learn has it; for labels the number of
        readings without the label per reading with it. A class that does not occur weighs 1.
    """
    if config.kind == "labels":
        present = np.asarray(targets, dtype=np.int64).sum(0)
        absent = len(targets) - present
        return tuple(float(a / p) if p and a else 1.0 for a, p in zip(absent, present, strict=True))
    counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=len(config.outputs))
    return tuple(len(targets) / (np.count_nonzero(counts) * count) if count else 1.0 for count in counts.tolist())
