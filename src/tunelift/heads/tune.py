"""Tuning a model with a head on inputs whose targets are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tunelift.core.recipe import Tune
from tunelift.heads.inputs import HeadInput
from tunelift.heads.losses import balanced_weights
from tunelift.heads.model import TASK_TYPE, Backbone, HeadModel, save_head
from tunelift.heads.predict import best_threshold, predict_head
from tunelift.heads.settings import HeadConfig
from tunelift.heads.trainer import HeadTrainer
from tunelift.models.adapters import make_trainable, remove_adapter
from tunelift.tuning.loop import TuningReport, check_items, tune_items, work_folder


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

    Raises:
        UserError: There are no inputs, one has no target, or the loss is not finite.
    """
    check_items("inputs", training, validation, lambda item: None in item.targets, "target")
    config = fit_config(config, training)
    items = [asdict(item) for item in [*training, *validation]]
    identity = [backbone.fingerprint, config.model_dump(), str(backbone.network.dtype), seed, items]
    work = work_folder(folder, identity, settings)
    backbone.network = make_trainable(backbone.network, settings.method, seed, TASK_TYPE)
    model = HeadModel(backbone, config, seed)
    save = partial(_save_best, model, validation)
    report = tune_items(partial(HeadTrainer, model=model), training, validation, settings, seed, work, folder, save)
    backbone.network = remove_adapter(backbone.network).eval()
    return report


def fit_config(config: HeadConfig, training: Sequence[HeadInput]) -> HeadConfig:
    """Take what a head has from its training inputs: balanced class weights, mean and deviation of the targets."""
    targets = [target for item in training for target in item.targets]
    if config.kind == "regression":
        values = np.asarray(targets, dtype=np.float64)
        return config.model_copy(update={"mean": float(values.mean()), "deviation": float(values.std()) or 1.0})
    return config.model_copy(update={"class_weights": balanced_weights(config, targets)}) if config.balanced else config


def _save_best(model: HeadModel, validation: Sequence[HeadInput], folder: Path) -> None:
    if model.head.kind == "labels":
        targets: list[Any] = [item.targets[0] for item in validation]
        threshold = best_threshold(predict_head(model, validation), targets)
        model.head = model.head.model_copy(update={"threshold": threshold})
    save_head(model, folder)
