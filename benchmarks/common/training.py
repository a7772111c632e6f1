"""What both sides of the tuning benchmark have in common: settings, clock, and what shows that the work is equal.

Both run Transformers' Trainer. The first optimizer step is a warm-up on short examples, with a learning rate of zero:
it makes the optimizer's state, and leaves the weights as they are. The clock runs from its end to the end of the last
step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from transformers import TrainerCallback

from common.stopwatch import Stopwatch
from common.workloads import Example

WARM_UP = Example(prompt="Say yes.\n", completion="yes")


class Clock(TrainerCallback):
    """Measures the steps after the first."""

    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start after the warm-up, look at every later step."""
        if state.global_step == 1:
            self.watch = Stopwatch()
        else:
            self.watch.look()


def trainer_settings(configuration: dict[str, Any], folder: str) -> dict[str, Any]:
    """Keywords for the training arguments of both sides.

    Args:
        configuration: What the script sends.
        folder: Where a trainer would save, which none does.
    """
    tune = configuration["tune"]
    return {
        "output_dir": folder,
        "max_steps": 1 + len(configuration["examples"]) // configuration["batch"],
        "learning_rate": tune["learning_rate"],
        "lr_scheduler_type": tune["schedule"],
        "warmup_steps": 1,
        "weight_decay": tune["weight_decay"],
        "max_grad_norm": tune["max_gradient_norm"],
        "train_sampling_strategy": "sequential",
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_steps": 1,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
    }


def with_warm_up(configuration: dict[str, Any]) -> list[Example]:
    """The examples of a repetition, those of the warm-up step first."""
    return [WARM_UP] * configuration["batch"] + configuration["examples"]


def touch_weights(model: Any) -> None:
    """Read every weight, so that those that are still in their file count as loaded."""
    for weight in model.parameters():
        weight.sum()


def work_done(sequences: Iterable[tuple[list[int], list[bool]]]) -> dict[str, Any]:
    """Counts and a digest of token ids with marks of what is supervised; equal for equal work in any order."""
    rows = sorted([list(ids), [int(mark) for mark in marks]] for ids, marks in sequences)
    return {
        "tokens": sum(len(ids) for ids, _ in rows),
        "supervised": sum(sum(marks) for _, marks in rows),
        "digest": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }


def losses(trainer: Any) -> list[float]:
    """The losses of the steps after the warm-up."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry][1:]


def trainable(model: Any) -> int:
    """Number of weights that are tuned."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
