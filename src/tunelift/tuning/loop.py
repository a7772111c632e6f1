"""The loop of tuning, the same for every model and objective: checkpoints, the best weights, the report."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from transformers import PrinterCallback, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from tunelift.core import hardware
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, new_folder, write_json
from tunelift.core.recipe import Tune
from tunelift.core.seeds import derive_seed
from tunelift.models.adapters import trainable_parameters
from tunelift.tuning.checkpoints import FOLDER, latest_checkpoint
from tunelift.tuning.trainer import PromptTrainer, Record, Validation, is_exhausted, validation_losses

# Largest micro-batch in tokens.
TOKEN_BUDGET = {"cpu": 768, "mps": 4096, "cuda": 16384}


@dataclass(frozen=True, slots=True)
class TuningReport:
    """What tuning did.

    Attributes:
        steps: Optimizer steps done.
        planned_steps: Optimizer steps that the recipe asked for; more than `steps` when it stopped early.
        best_step: Step with the lowest validation loss, whose weights were kept.
        validation_losses: The losses in order, in nats per supervised token; of a head, per reading.
        validation_steps: The steps after which they were measured.
        training_losses: The same for training, step by step.
        trainable_parameters: Number of weights that were tuned.
        parameters: Number of all weights.
        supervised_tokens: Supervised tokens of one epoch; of a head, its readings.
    """

    steps: int
    planned_steps: int
    best_step: int
    validation_losses: list[float]
    validation_steps: list[int]
    training_losses: list[float]
    trainable_parameters: int
    parameters: int
    supervised_tokens: int


def check_items(noun: str, training: Sequence[Any], validation: Sequence[Any], is_faulty: Any, fault: str) -> None:
    """Refuse what cannot be tuned on.

    Args:
        noun: What the items are called in messages.
        training: The items to tune on.
        validation: The items to measure the loss on.
        is_faulty: Whether an item cannot be used.
        fault: What such items have.

    Raises:
        UserError: There are no items, or there is a faulty one.
    """
    for name, items in (("training", training), ("validation", validation)):
        where = f"{name} {noun}"
        if not items:
            raise UserError(where, "there are none, but tuning needs them", f"name a {name}_split in the task")
        faulty = [item.example_id for item in items if is_faulty(item)]
        if faulty:
            raise UserError(where, f"{len(faulty)} have no {fault}, the first {faulty[0]}", "check the data")


def work_folder(folder: Path, inputs: Sequence[Any], settings: Tune) -> Path:
    """The folder for checkpoints: one for these inputs and settings, so that no other run is ever gone on with."""
    work = folder / FOLDER / content_hash([settings.model_dump(exclude={"checkpoint_steps"}), *inputs])[:16]
    work.mkdir(parents=True, exist_ok=True)
    return work


def training_arguments(settings: Tune, seed: int, folder: Path) -> TrainingArguments:
    """Settings of tuning as the library takes them.

    Args:
        settings: How to tune.
        seed: Seed of the run.
        folder: For checkpoints.
    """
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        eval_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=hardware.device() == "cpu",
        seed=derive_seed(seed, "tuning") % 2**32,
    )


def tune_items(
    make_trainer: Callable[..., PromptTrainer],
    training: Sequence[Any],
    validation: Sequence[Any],
    settings: Tune,
    seed: int,
    work: Path,
    folder: Path,
    save: Callable[[Path], object],
) -> TuningReport:
    """Tune, keep the weights with the lowest validation loss, and write them into ``folder/model``.

    Goes on from the newest whole checkpoint.

    Args:
        make_trainer: Makes the trainer of a model from what is the same for all.
        training: Items with token ids.
        validation: The same for measuring the loss.
        settings: How to tune.
        seed: Seed of the run.
        work: For checkpoints, see `work_folder`.
        folder: For the log and the result.
        save: Writes the model into a folder.

    Raises:
        UserError: The loss is not finite.
    """
    checkpoint = latest_checkpoint(work)
    if checkpoint is None:
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)  # curves of other settings
    precision = hardware.fast_precision() if settings.precision == "auto" else settings.precision
    every = math.ceil(math.ceil(len(training) / settings.batch_size) / settings.evaluations_per_epoch)
    trainer = make_trainer(
        token_budget=TOKEN_BUDGET[hardware.device()],
        autocast=precision == "bfloat16",
        args=training_arguments(settings, seed, work),
        train_dataset=list(training),
        eval_dataset=list(validation),
        callbacks=[
            Validation(every, settings.patience, work / "best", save),
            Record(sum(len(item.token_ids) for item in training), folder / "log.jsonl"),
            TensorBoardCallback(SummaryWriter(logdir=str(folder / "tensorboard"))),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    _train(trainer, checkpoint, settings.patience)
    report = _report(trainer, training)
    with new_folder(folder / "model") as model_folder:
        shutil.copytree(work / "best", model_folder, dirs_exist_ok=True)
        write_json(model_folder / "tuning.json", asdict(report))
    return report


def _train(trainer: PromptTrainer, checkpoint: Path | None, patience: int) -> None:
    """Train from the beginning or go on from a checkpoint, unless that is where tuning had stopped early."""
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if is_exhausted(validation_losses(state.log_history), patience):
            trainer.state = state
            return
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _report(trainer: PromptTrainer, training: Sequence[Any]) -> TuningReport:
    log = trainer.state.log_history
    losses = validation_losses(log)
    steps = [entry["step"] for entry in log if "eval_loss" in entry]
    trainable, total = trainable_parameters(trainer.model)
    return TuningReport(
        steps=trainer.state.global_step,
        planned_steps=trainer.state.max_steps,
        best_step=steps[losses.index(min(losses))],
        validation_losses=losses,
        validation_steps=steps,
        training_losses=[entry["loss"] for entry in log if "loss" in entry],
        trainable_parameters=trainable,
        parameters=total,
        supervised_tokens=trainer.objective.count(training),
    )
