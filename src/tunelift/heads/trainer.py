"""Transformers' Trainer for heads: the sums of losses of any micro-batches, divided by the readings of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerControl

from tunelift.core.errors import UserError
from tunelift.engine.modes import evaluation_mode
from tunelift.heads.inputs import HeadInput
from tunelift.heads.model import HeadModel
from tunelift.tuning.adapters import fused_adapters
from tunelift.tuning.trainer import PromptTrainer, sum_over_ranks

TRAINED = "trained.safetensors"


def count_readings(inputs: Sequence[HeadInput]) -> int:
    """Number of outputs, the normaliser of an optimizer step."""
    return sum(len(item.readings) for item in inputs)


class HeadTrainer(PromptTrainer):
    """Tunes on lists of `HeadInput`.

    Args:
        head_learning_rate: Peak for the weights of the head itself; None for that of all.
        **options: As for `PromptTrainer`.
    """

    def __init__(self, *, head_learning_rate: float | None, **options: Any) -> None:
        super().__init__(**options)
        self.head_learning_rate = head_learning_rate

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Forward and backward of one optimizer step, as `PromptTrainer.training_step`.

        Returns:
            Loss per reading of all ranks.

        Raises:
            UserError: The loss is not finite.
        """
        model = self.accelerator.unwrap_model(model)
        model.train()
        count = sum_over_ranks(torch.tensor(count_readings(inputs), device=self.args.device)).item()
        share = 0.0
        with fused_adapters(model):
            for group in model.plan(inputs, self.token_budget):
                with self._precision():
                    loss = model.loss_sum([inputs[index] for index in group])
                self.accelerator.backward(loss / count)
                share += loss.item() / count
        if self.args.world_size > 1:
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.grad = sum_over_ranks(torch.zeros_like(weight) if weight.grad is None else weight.grad)
        loss_of_all = sum_over_ranks(torch.tensor(share, device=self.args.device))
        if not math.isfinite(loss_of_all.item()):
            where = f"step {self.state.global_step + 1}"
            raise UserError(where, f"the loss is {loss_of_all.item()}", "lower tune.learning_rate, or use float32")
        return loss_of_all

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Loss per reading of the validation inputs."""
        with self._precision():
            metrics = {"eval_loss": mean_loss(self.model, list(self.eval_dataset), self.token_budget)}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def create_optimizer(self, model: Any = None) -> Any:
        """The library's, in which the weights of the head have a learning rate of their own."""
        optimizer = super().create_optimizer(model)
        if self.head_learning_rate is not None:
            own = set(self.model.linear.parameters())
            for group in list(optimizer.param_groups):
                moved = [weight for weight in group["params"] if weight in own]
                group["params"] = [weight for weight in group["params"] if weight not in own]
                optimizer.add_param_group({**group, "params": moved, "lr": self.head_learning_rate})
        return optimizer

    @contextmanager
    def _precision(self) -> Any:
        with ExitStack() as stack:
            if self.autocast:
                stack.enter_context(torch.autocast(self.args.device.type, torch.bfloat16))
                # Otherwise the input of every adapter is copied in the precision of the adapter's weights.
                stack.enter_context(disable_input_dtype_casting(self.model))
            yield

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The weights that are trained, and no others."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_weights(self.model), folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        kept = load_file(Path(resume_from_checkpoint) / TRAINED)
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(kept[name])


def trained_weights(model: HeadModel) -> dict[str, Tensor]:
    """The weights that are trained, by name."""
    return {name: weight.detach().contiguous() for name, weight in model.named_parameters() if weight.requires_grad}


def mean_loss(model: HeadModel, inputs: Sequence[HeadInput], token_budget: int) -> float:
    """Loss per reading, without gradients and without dropout."""
    total = 0.0
    with torch.no_grad(), evaluation_mode(model):
        for group in model.plan(inputs, token_budget):
            total += model.loss_sum([inputs[index] for index in group]).item()
    return total / count_readings(inputs)
