"""tunelift's side of the tuning benchmark: the trainer of a run, on given examples, without validation and saving."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from common.memory import peak_memory
from common.training import Clock, losses, touch_weights, trainable, trainer_settings, with_warm_up, work_done
from common.workers import serve
from common.workloads import Example


def repeat(configuration: dict[str, Any], watch: Callable[[Any], object] = lambda _: None) -> dict[str, Any]:
    """Load the model and train as many steps as there are examples for.

    Args:
        configuration: model, method, precision, batch, tune (settings), examples.
        watch: Called with the trainer before it starts.
    """
    from tunelift.core.recipe import Lora
    from tunelift.models.adapters import add_lora
    from tunelift.models.load import load_model

    lora = configuration["method"] == "lora"
    # Weights that are tuned are kept in float32, whatever is computed in.
    loaded = load_model(configuration["model"], configuration["precision"] if lora else "float32", accept_terms=True)
    touch_weights(loaded.model)
    prompts = [encode(loaded.tokenizer, example) for example in with_warm_up(configuration)]
    with peak_memory() as peak, tempfile.TemporaryDirectory() as folder:
        if lora:
            loaded.model = add_lora(loaded.model, Lora.model_validate(configuration["tune"]["lora"]), seed=7)
        clock = Clock()
        trainer = make_trainer(loaded, prompts, configuration, clock, folder)
        watch(trainer)
        trainer.train()
    return {
        "seconds": clock.watch.seconds,
        "cores": clock.watch.cores,
        "memory": peak.above,
        "losses": losses(trainer),
        "trainable": trainable(trainer.model),
        **work_done((prompt.token_ids, prompt.supervised) for prompt in prompts[configuration["batch"] :]),
    }


def encode(tokenizer: Any, example: Example) -> Any:
    """A training prompt with the token ids that TRL makes of the example: the completion starts where they diverge."""
    from tunelift.core.records import Prompt

    text = example["prompt"] + example["completion"] + tokenizer.eos_token
    alone, ids = tokenizer(example["prompt"])["input_ids"], tokenizer(text)["input_ids"]
    agreed = next((place for place, pair in enumerate(zip(alone, ids, strict=False)) if pair[0] != pair[1]), len(alone))
    return Prompt("", text, tuple(ids), tuple(place >= agreed for place in range(len(ids))))


def make_trainer(loaded: Any, prompts: list[Any], configuration: dict[str, Any], clock: Clock, folder: str) -> Any:
    """The trainer as `tunelift.tuning.tune` makes it, without its callbacks."""
    from transformers import PrinterCallback, TrainingArguments

    from tunelift.core import hardware
    from tunelift.tuning.loop import TOKEN_BUDGET
    from tunelift.tuning.trainer import PromptTrainer

    if configuration["method"] == "full":
        loaded.model.float().requires_grad_(True)
    arguments = TrainingArguments(
        **trainer_settings(configuration, folder),
        per_device_train_batch_size=configuration["batch"],
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
    )
    trainer = PromptTrainer(
        token_budget=TOKEN_BUDGET[hardware.device()],
        autocast=configuration["precision"] == "bfloat16",
        model=loaded.model,
        args=arguments,
        train_dataset=prompts,
        processing_class=loaded.tokenizer,
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


if __name__ == "__main__":
    serve(["tunelift", "torch", "transformers", "peft"], repeat)
