"""Tuning a language model on training prompts."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from transformers import PrinterCallback, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from tunelift.core import hardware
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, new_folder, read_json, write_json
from tunelift.core.progress import say
from tunelift.core.recipe import Tune
from tunelift.core.records import Prompt
from tunelift.core.seeds import derive_seed
from tunelift.engine.forward import takes_trees
from tunelift.engine.loss import plan_step, supervised_tokens
from tunelift.engine.plan import Plan
from tunelift.engine.support import LayoutRefusedError, compare_with_plain
from tunelift.models.adapters import add_lora, merge_adapter, remove_adapter, trainable_parameters
from tunelift.models.load import LanguageModel
from tunelift.tuning.checkpoints import FOLDER, latest_checkpoint
from tunelift.tuning.trainer import PromptTrainer, Record, Validation, is_exhausted, validation_losses

# Training prompts whose logits are compared with those of the plain way before tuning.
SELF_CHECK = 4
# Largest micro-batch in tokens.
TOKEN_BUDGET = {"cpu": 512, "mps": 4096, "cuda": 16384}


@dataclass(frozen=True, slots=True)
class TuningReport:
    """What tuning did.

    Attributes:
        steps: Optimizer steps done.
        planned_steps: Optimizer steps that the recipe asked for; more than `steps` when it stopped early.
        best_step: Step with the lowest validation loss, whose weights were kept.
        validation_losses: The losses in order, in nats per supervised token.
        validation_steps: The steps after which they were measured.
        training_losses: The same for training, step by step.
        trainable_parameters: Number of weights that were tuned.
        parameters: Number of all weights.
        supervised_tokens: Supervised tokens of one epoch.
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
    work = _work_folder(loaded, training, validation, settings, seed, folder)
    loaded.model = merge_adapter(loaded.model)
    if settings.method.lora:
        loaded.model = add_lora(loaded.model, settings.method.lora, seed)
    if takes_trees(loaded.model):
        try:
            compare_with_plain(loaded.model, [prompt.token_ids for prompt in training[:SELF_CHECK]])
        except LayoutRefusedError as error:
            say(f"{loaded.name}: shared prefixes are not used, since {error}")
    checkpoint = latest_checkpoint(work)
    if checkpoint is None:
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)  # curves of other settings
    trainer = _make_trainer(loaded, training, validation, settings, seed, work, folder)
    _train(trainer, checkpoint, settings.patience)
    report = _report(trainer, loaded, training)
    with new_folder(folder / "model") as model_folder:
        shutil.copytree(work / "best", model_folder, dirs_exist_ok=True)
        write_json(model_folder / "tuning.json", asdict(report))
    loaded.model = remove_adapter(loaded.model).eval()
    return report


def check_tunable(training: list[Prompt], validation: list[Prompt]) -> None:
    """Refuse what cannot be tuned on.

    Raises:
        UserError: There are no prompts, or there is one without a supervised token.
    """
    for name, prompts in (("training", training), ("validation", validation)):
        if not prompts:
            raise UserError(
                f"{name} prompts", "there are none, but tuning needs them", f"name a {name}_split in the task"
            )
        empty = [prompt.example_id for prompt in prompts if not any(prompt.supervised)]
        if empty:
            raise UserError(f"{name} prompts", f"{len(empty)} have no supervised token", "check the answers")


def tuning_plan(model: Any, prompts: list[Prompt]) -> Plan:
    """How the prompts of one optimizer step are computed."""
    return plan_step(model, prompts, TOKEN_BUDGET[hardware.device()])


def _train(trainer: Any, checkpoint: Path | None, patience: int) -> None:
    """Train from the beginning or go on from a checkpoint, unless that is where tuning had stopped early."""
    if checkpoint:
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if is_exhausted(validation_losses(state.log_history), patience):
            trainer.state = state
            return
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _work_folder(
    loaded: LanguageModel, training: list[Prompt], validation: list[Prompt], settings: Tune, seed: int, folder: Path
) -> Path:
    """The folder for checkpoints: one for these inputs, so that no other run is ever gone on with."""
    inputs = [
        loaded.fingerprint,
        settings.model_dump(exclude={"checkpoint_steps"}),
        str(loaded.model.dtype),
        seed,
        [[p.token_ids, p.supervised] for p in training + validation],
    ]
    work = folder / FOLDER / content_hash(inputs)[:16]
    work.mkdir(parents=True, exist_ok=True)
    return work


def _make_trainer(
    loaded: LanguageModel,
    training: list[Prompt],
    validation: list[Prompt],
    settings: Tune,
    seed: int,
    work: Path,
    folder: Path,
) -> Any:
    device = hardware.device()
    bfloat16 = (hardware.fast_precision() if settings.precision == "auto" else settings.precision) == "bfloat16"
    if settings.method.full:
        for name, weight in loaded.model.float().named_parameters():
            # The library saves no weights that are the same in all models of a kind, as Marian's positions are.
            weight.requires_grad_(name not in (loaded.model._keys_to_ignore_on_save or ()))
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
    trainer = PromptTrainer(
        token_budget=TOKEN_BUDGET[device],
        autocast=bfloat16,
        model=loaded.model,
        args=arguments,
        train_dataset=training,
        eval_dataset=validation,
        processing_class=loaded.tokenizer,
        callbacks=[
            Validation(
                every=math.ceil(steps_per_epoch / settings.evaluations_per_epoch),
                patience=settings.patience,
                best=work / "best",
                save=lambda target: save_model(loaded, target),
            ),
            Record(sum(len(prompt.token_ids) for prompt in training), folder / "log.jsonl"),
            _tensorboard(folder / "tensorboard"),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _tensorboard(folder: Path) -> Any:
    return TensorBoardCallback(SummaryWriter(logdir=str(folder)))


def save_model(loaded: LanguageModel, folder: Path) -> None:
    """Write weights or adapter, tokenizer with its chat template, and generation configuration.

    An adapter names its base as the user did, so that it is found on another machine, too.
    """
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    loaded.model.generation_config.save_pretrained(folder)
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        base = Path(loaded.name)
        name = str(base.resolve()) if base.exists() else loaded.name
        write_json(adapter, {**read_json(adapter), "base_model_name_or_path": name})
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's form, not filled in


def _report(trainer: Any, loaded: LanguageModel, training: list[Prompt]) -> TuningReport:
    log = trainer.state.log_history
    losses = validation_losses(log)
    steps = [entry["step"] for entry in log if "eval_loss" in entry]
    trainable, total = trainable_parameters(loaded.model)
    return TuningReport(
        steps=trainer.state.global_step,
        planned_steps=trainer.state.max_steps,
        best_step=steps[losses.index(min(losses))],
        validation_losses=losses,
        validation_steps=steps,
        training_losses=[entry["loss"] for entry in log if "loss" in entry],
        trainable_parameters=trainable,
        parameters=total,
        supervised_tokens=supervised_tokens(training),
    )
