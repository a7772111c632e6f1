"""Tuning a model with a head on inputs whose targets are known."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter
from transformers import PrinterCallback, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from tunelift.core import hardware
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, new_folder, write_json
from tunelift.core.recipe import Tune
from tunelift.core.seeds import derive_seed
from tunelift.heads.inputs import HeadInput
from tunelift.heads.losses import balanced_weights
from tunelift.heads.model import Backbone, HeadModel, add_adapter, save_head
from tunelift.heads.predict import best_threshold, predict_head
from tunelift.heads.settings import HeadConfig
from tunelift.heads.trainer import HeadTrainer, count_readings
from tunelift.models.adapters import merge_adapter, remove_adapter, trainable_parameters
from tunelift.tuning.checkpoints import FOLDER, latest_checkpoint
from tunelift.tuning.trainer import Record, Validation, is_exhausted, validation_losses
from tunelift.tuning.tune import TOKEN_BUDGET, TuningReport


def tune_head(
    backbone: Backbone,
    config: HeadConfig,
    training: Sequence[HeadInput],
    validation: Sequence[HeadInput],
    settings: Tune,
    seed: int,
    folder: Path,
) -> TuningReport:
    """Tune a model with a fresh head and keep the weights with the lowest validation loss.

    Goes on from the newest whole checkpoint in the folder if that belongs to the same inputs, as `tuning.tune_model`.

    Args:
        backbone: The model. It remains what it was where an adapter is tuned, and is used up otherwise.
        config: The head, as `settings.make_config` makes it; class weights, and mean and deviation of a regression, are
            taken from the training inputs, and the threshold of labels from those for validation.
        training: Inputs with targets.
        validation: The same for measuring the loss.
        settings: How to tune.
        seed: Seed of the run.
        folder: For checkpoints, log and the result; ``folder/model`` is for `model.load_head` afterwards.

    Returns:
        The report of `tuning.tune_model`; losses are per reading, and its `supervised_tokens` are the readings.

    Raises:
        UserError: There are no inputs, one has no target, or the loss is not finite.
    """
    _check_inputs(training, validation)
    config = fit_config(config, training)
    work = _work_folder(backbone, config, training, validation, settings, seed, folder)
    backbone.network = merge_adapter(backbone.network)
    if settings.method.lora:
        backbone.network = add_adapter(backbone.network, settings.method.lora, seed)
    else:
        backbone.network.float().requires_grad_(True)
    model = HeadModel(backbone, config, seed)
    checkpoint = latest_checkpoint(work)
    if checkpoint is None:
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)  # curves of other settings
    trainer = _make_trainer(model, training, validation, settings, seed, work, folder)
    _train(trainer, checkpoint, settings.patience)
    report = _report(trainer, model, training)
    with new_folder(folder / "model") as model_folder:
        shutil.copytree(work / "best", model_folder, dirs_exist_ok=True)
        write_json(model_folder / "tuning.json", asdict(report))
    backbone.network = remove_adapter(backbone.network).eval()
    return report


def fit_config(config: HeadConfig, training: Sequence[HeadInput]) -> HeadConfig:
    """Take what a head has from its training inputs: balanced class weights, mean and deviation of the targets."""
    targets = [target for item in training for target in item.targets]
    if config.kind == "regression":
        values = np.asarray(targets, dtype=np.float64)
        return config.model_copy(update={"mean": float(values.mean()), "deviation": float(values.std()) or 1.0})
    return config.model_copy(update={"class_weights": balanced_weights(config, targets)}) if config.balanced else config


def _check_inputs(training: Sequence[HeadInput], validation: Sequence[HeadInput]) -> None:
    for name, inputs in (("training", training), ("validation", validation)):
        if not count_readings(inputs):
            raise UserError(
                f"{name} inputs", "there are none, but tuning needs them", f"name a {name}_split in the task"
            )
        unknown = [item.example_id for item in inputs if None in item.targets]
        if unknown:
            raise UserError(
                f"{name} inputs", f"{len(unknown)} have no target, the first {unknown[0]}", "check the data"
            )


def _work_folder(
    backbone: Backbone,
    config: HeadConfig,
    training: Sequence[HeadInput],
    validation: Sequence[HeadInput],
    settings: Tune,
    seed: int,
    folder: Path,
) -> Path:
    """The folder for checkpoints: one for these inputs, so that no other run is ever gone on with."""
    inputs = [
        backbone.fingerprint,
        config.model_dump(),
        settings.model_dump(exclude={"checkpoint_steps"}),
        str(backbone.network.dtype),
        seed,
        [asdict(item) for item in [*training, *validation]],
    ]
    work = folder / FOLDER / content_hash(inputs)[:16]
    work.mkdir(parents=True, exist_ok=True)
    return work


def _train(trainer: HeadTrainer, checkpoint: Path | None, patience: int) -> None:
    """Train from the beginning or go on from a checkpoint, unless that is where tuning had stopped early."""
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if is_exhausted(validation_losses(state.log_history), patience):
            trainer.state = state
            return
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _make_trainer(
    model: HeadModel,
    training: Sequence[HeadInput],
    validation: Sequence[HeadInput],
    settings: Tune,
    seed: int,
    work: Path,
    folder: Path,
) -> HeadTrainer:
    device = hardware.device()
    precision = hardware.fast_precision() if settings.precision == "auto" else settings.precision
    steps_per_epoch = math.ceil(len(training) / settings.batch_size)
    arguments = TrainingArguments(
        output_dir=str(work),
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
        use_cpu=device == "cpu",
        seed=derive_seed(seed, "tuning") % 2**32,
    )
    trainer = HeadTrainer(
        head_learning_rate=model.head.learning_rate,
        token_budget=TOKEN_BUDGET[device],
        autocast=precision == "bfloat16",
        model=model,
        args=arguments,
        train_dataset=list(training),
        eval_dataset=list(validation),
        callbacks=[
            Validation(
                every=math.ceil(steps_per_epoch / settings.evaluations_per_epoch),
                patience=settings.patience,
                best=work / "best",
                save=lambda target: _save_best(model, validation, target),
            ),
            Record(sum(len(item.token_ids) for item in training), folder / "log.jsonl"),
            TensorBoardCallback(SummaryWriter(logdir=str(folder / "tensorboard"))),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _save_best(model: HeadModel, validation: Sequence[HeadInput], folder: Path) -> None:
    if model.head.kind == "labels":
        targets: list[Any] = [item.targets[0] for item in validation]
        threshold = best_threshold(predict_head(model, validation), targets)
        model.head = model.head.model_copy(update={"threshold": threshold})
    save_head(model, folder)


def _report(trainer: HeadTrainer, model: HeadModel, training: Sequence[HeadInput]) -> TuningReport:
    log = trainer.state.log_history
    losses = validation_losses(log)
    steps = [entry["step"] for entry in log if "eval_loss" in entry]
    trainable, total = trainable_parameters(model)
    return TuningReport(
        steps=trainer.state.global_step,
        planned_steps=trainer.state.max_steps,
        best_step=steps[losses.index(min(losses))],
        validation_losses=losses,
        validation_steps=steps,
        training_losses=[entry["loss"] for entry in log if "loss" in entry],
        trainable_parameters=trainable,
        parameters=total,
        supervised_tokens=count_readings(training),
    )
