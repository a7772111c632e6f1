"""Transformers' Trainer with our objectives and our batches; everything else is the library's.

One Trainer batch is the list of items of one optimizer step. The objective divides it into micro-batches, and
`training_step` normalises by the losses of the whole step, so that any division gives the same gradient.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from peft.helpers import disable_input_dtype_casting
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tunelift.core.errors import UserError
from tunelift.core.files import new_folder, write_jsonl
from tunelift.core.hardware import return_free_memory
from tunelift.core.progress import progress
from tunelift.core.records import Prompt
from tunelift.engine.loss import plan_step, step_loss, supervised_tokens
from tunelift.engine.modes import evaluation_mode
from tunelift.tuning.adapters import fused_adapters
from tunelift.tuning.checkpoints import staged_checkpoint

TRAINED = "trained.safetensors"


class Objective(Protocol):
    """A sum of losses that is minimised, divided by their number."""

    def count(self, items: Sequence[Any]) -> int:
        """Number of losses of items, the normaliser of an optimizer step."""

    def loss(
        self,
        model: Any,
        items: Sequence[Any],
        token_budget: int,
        backward: Callable[[Tensor], object] | None = None,
    ) -> float:
        """Sum of the losses of items, computed in as many parts as the budget asks for.

        Args:
            model: The model.
            items: Of one optimizer step.
            token_budget: Largest part, in tokens.
            backward: To be called, outside of autocast, with the loss of each part. None computes no gradients.
        """


class CrossEntropy:
    """The cross-entropy on the supervised tokens of prompts, in nats."""

    def count(self, items: Sequence[Prompt]) -> int:
        """Number of supervised tokens."""
        return supervised_tokens(items)

    def loss(
        self,
        model: Any,
        items: Sequence[Prompt],
        token_budget: int,
        backward: Callable[[Tensor], object] | None = None,
    ) -> float:
        """See `Objective.loss`."""
        return step_loss(model, items, plan_step(model, items, token_budget), backward)


class PromptTrainer(Trainer):  # type: ignore[misc]
    """Tunes on lists of prompts, or of what another objective takes.

    Args:
        token_budget: Largest micro-batch, in tokens.
        autocast: Compute in bfloat16 what is safe in it, whatever the precision of the weights that are tuned.
        objective: What is minimised.
        **options: As for `transformers.Trainer`; the data sets are lists.
    """

    def __init__(
        self, *, token_budget: int, autocast: bool, objective: Objective | None = None, **options: Any
    ) -> None:
        # The library writes this argument, off by default, into the model's configuration, which is saved with it.
        config = getattr(options["model"], "config", None)
        options["args"].use_cache = getattr(config, "use_cache", False)
        super().__init__(data_collator=list, **options)
        self.token_budget = token_budget
        self.autocast = autocast
        self.objective = objective or CrossEntropy()
        self._staging: Path | None = None

    def training_step(self, model: Any, inputs: list[Any], num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """Forward and backward of one optimizer step.

        Ranks have different numbers of losses and of micro-batches. So the model is run without the wrapper that
        averages gradients in every backward pass, and gradients are added up here, once.

        Returns:
            The mean loss of all ranks.

        Raises:
            UserError: The loss is not finite.
        """
        model = self.accelerator.unwrap_model(model)
        model.train()
        count = sum_over_ranks(torch.tensor(self.objective.count(inputs), device=self.args.device)).item()

        def backward(loss: Tensor) -> None:
            self.accelerator.backward(loss / count)

        # One context for the step: under autocast, weights that are tuned in float32 are made in bfloat16 once, not for
        # every micro-batch.
        with fused_adapters(model), self._precision():
            share = self.objective.loss(model, inputs, self.token_budget, backward) / count
        if self.args.device.type == "cpu":
            # Not between micro-batches: each would wait for the system to give the memory again.
            return_free_memory()
        if self.args.world_size > 1:
            for weight in model.parameters():
                if weight.requires_grad:
                    # All ranks take part, also one whose examples did not reach the weight.
                    weight.grad = sum_over_ranks(torch.zeros_like(weight) if weight.grad is None else weight.grad)
        loss = sum_over_ranks(torch.tensor(share, device=self.args.device)).item()
        if not math.isfinite(loss):
            where = f"step {self.state.global_step + 1}"
            raise UserError(where, f"the loss is {loss}", "lower tune.learning_rate, or use float32")
        return torch.tensor(loss, device=self.args.device)

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """The mean loss on the validation items."""
        items = list(self.eval_dataset)
        with evaluation_mode(self.model), self._precision():
            total = self.objective.loss(self.model, items, self.token_budget)
        metrics = {"eval_loss": total / self.objective.count(items)}
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def floating_point_ops(self, inputs: list[Any]) -> int:
        """Not estimated: the library's formula does not know shared prefixes."""
        return 0

    @contextmanager
    def _precision(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.autocast:
                stack.enter_context(torch.autocast(self.args.device.type, torch.bfloat16))
                # Otherwise the input of every adapter is copied in the precision of the adapter's weights.
                stack.enter_context(disable_input_dtype_casting(self.model))
            yield

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        with staged_checkpoint(Path(self.args.output_dir), step) as folder:
            # The library names a folder of its own inside the one it is given; its content is what is wanted.
            self._staging = folder / "library"
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._staging = None
            for file in (folder / "library" / f"checkpoint-{step}").iterdir():
                file.rename(folder / file.name)
            shutil.rmtree(folder / "library")

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The weights that are trained, and no others."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: weight.detach().contiguous() for name, weight in self._trained()}, folder / TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        kept = load_file(Path(resume_from_checkpoint) / TRAINED)
        with torch.no_grad():
            for name, weight in self._trained():
                weight.copy_(kept[name])

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes that train together, in its place."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)
    return tensor


class Validation(TrainerCallback):  # type: ignore[misc]
    """Measures the validation loss, keeps the weights of the best, and stops when it no longer falls.

    What it decides follows from the trainer's log alone, so that a resumed run decides as an undisturbed one.

    Args:
        every: Optimizer steps between measurements.
        patience: Measurements without a new best before tuning stops.
        best: Folder for the best weights.
        save: Writes the weights into a folder.
    """

    def __init__(self, every: int, patience: int, best: Path, save: Any) -> None:
        self.every = every
        self.patience = patience
        self.best = best
        self.save = save

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ask for a measurement when it is time."""
        control.should_evaluate = state.global_step % self.every == 0 or state.global_step == state.max_steps

    def on_evaluate(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Keep the best weights; stop when patience is used up."""
        losses = validation_losses(state.log_history)
        if best_index(losses) == len(losses) - 1:
            with new_folder(self.best) as folder:
                self.save(folder)
        control.should_training_stop = is_exhausted(losses, self.patience)


class Record(TrainerCallback):  # type: ignore[misc]
    """Shows progress with tokens per second, and writes the log as JSON lines.

    Args:
        tokens: Prompt and answer tokens of all training prompts.
        log: The file.
    """

    def __init__(self, tokens: int, log: Path) -> None:
        self.tokens = tokens
        self.log = log
        self.bar: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        """Open the progress bar where the run stands."""
        total = int(self.tokens * args.num_train_epochs)
        self.bar = progress(total, "tuning", "token")
        self.bar.update(int(total * state.global_step / max(state.max_steps, 1)))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        """Advance by one step's share of the tokens."""
        self.bar.update(int(self.tokens * args.num_train_epochs * state.global_step / state.max_steps) - self.bar.n)

    def on_log(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Write the whole log, so that a resumed run has each line once, its keys in the same order."""
        write_jsonl(self.log, [dict(sorted(entry.items())) for entry in state.log_history])

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the progress bar."""
        self.bar.close()


def validation_losses(log: Sequence[dict[str, Any]]) -> list[float]:
    """The validation losses in a trainer's log, in order."""
    return [entry["eval_loss"] for entry in log if "eval_loss" in entry]


def best_index(losses: Sequence[float]) -> int:
    """Which loss is the lowest, the first of equals."""
    return min(range(len(losses)), key=lambda index: losses[index])


def is_exhausted(losses: Sequence[float], patience: int) -> bool:
    """Whether so many losses have come since the lowest."""
    return bool(losses) and len(losses) - 1 - best_index(losses) >= patience
