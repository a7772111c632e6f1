"""What heads add to the trainer: their objective, and a learning rate of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tunelift.engine.modes import without_autocast
from tunelift.heads.inputs import HeadInput
from tunelift.heads.model import HeadModel
from tunelift.tuning.trainer import PromptTrainer


class HeadObjective:
    """The loss of a head on the readings of its inputs."""

    def count(self, items: Sequence[HeadInput]) -> int:
        """Number of readings."""
        return sum(len(item.readings) for item in items)

    def loss(
        self,
        model: HeadModel,
        items: Sequence[HeadInput],
        token_budget: int,
        backward: Callable[[Tensor], object] | None = None,
    ) -> float:
        """See `tuning.trainer.Objective.loss`."""
        total = 0.0
        with torch.set_grad_enabled(backward is not None):
            for group in model.plan(items, token_budget):
                loss = model.loss_sum([items[index] for index in group])
                if backward:
                    with without_autocast(loss.device):
                        backward(loss)
                total += loss.item()
        return total


class HeadTrainer(PromptTrainer):
    """Tunes a `HeadModel` on lists of `HeadInput`.

    Args:
        **options: As for `PromptTrainer`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(objective=HeadObjective(), **options)

    def create_optimizer(self, model: Any = None) -> Any:
        """The library's, in which the weights of the head have a learning rate of their own."""
        optimizer = super().create_optimizer(model)
        learning_rate = self.model.head.learning_rate
        if learning_rate is not None:
            own = set(self.model.linear.parameters())
            for group in list(optimizer.param_groups):
                moved = [weight for weight in group["params"] if weight in own]
                group["params"] = [weight for weight in group["params"] if weight not in own]
                optimizer.add_param_group({**group, "params": moved, "lr": learning_rate})
        return optimizer
