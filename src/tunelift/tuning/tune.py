"""Tuning a language model on training prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tunelift.core import hardware
from tunelift.core.recipe import Tune
from tunelift.core.records import Prompt
from tunelift.engine.loss import plan_step
from tunelift.engine.plan import Plan
from tunelift.models.adapters import make_trainable, remove_adapter, save_network
from tunelift.models.load import LanguageModel, check_trees
from tunelift.tuning.loop import TOKEN_BUDGET, TuningReport, check_items, tune_items, work_folder
from tunelift.tuning.trainer import PromptTrainer


def tune_model(
    loaded: LanguageModel, training: list[Prompt], validation: list[Prompt], settings: Tune, seed: int, folder: Path
) -> TuningReport:
    """Tune a model and keep the weights with the lowest validation loss.

    Goes on from the newest whole checkpoint in the folder if that belongs to the same inputs. The checkpoints remain;
    `remove_checkpoints` takes them away.

    Args:
        loaded: The base model. It remains what it was where an adapter is tuned, and is used up otherwise.
        training: Prompts with answers.
        validation: The same for measuring the loss.
        settings: How to tune.
        seed: Seed of the run.
        folder: For checkpoints, log and the result; the tuned model stands in ``folder/model`` afterwards, its
            weights as safetensors beside the tokenizer that rendered the prompts.

    Raises:
        UserError: Nothing is supervised, or the loss is not finite.
    """
    check_tunable(training, validation)
    tokens = [[prompt.token_ids, prompt.supervised] for prompt in training + validation]
    work = work_folder(folder, [loaded.fingerprint, str(loaded.model.dtype), seed, tokens], settings)
    loaded.model = make_trainable(loaded.model, settings.method, seed)
    check_trees(loaded, training)
    make_trainer = partial(PromptTrainer, model=loaded.model, processing_class=loaded.tokenizer)
    save = partial(save_model, loaded)
    report = tune_items(make_trainer, training, validation, settings, seed, work, folder, save)
    loaded.model = remove_adapter(loaded.model).eval()
    return report


def check_tunable(training: list[Prompt], validation: list[Prompt]) -> None:
    """Refuse what cannot be tuned on.

    Raises:
        UserError: There are no prompts, or there is one without a supervised token.
    """
    check_items("prompts", training, validation, lambda prompt: not any(prompt.supervised), "supervised token")


def tuning_plan(model: Any, prompts: list[Prompt]) -> Plan:
    """How the prompts of one optimizer step are computed."""
    return plan_step(model, prompts, TOKEN_BUDGET[hardware.device()])


def save_model(loaded: LanguageModel, folder: Path) -> None:
    """Write weights or adapter, tokenizer with its chat template, and generation configuration."""
    save_network(loaded.model, loaded.tokenizer, loaded.name, folder)
    loaded.model.generation_config.save_pretrained(folder)
