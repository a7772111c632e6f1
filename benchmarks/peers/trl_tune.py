"""TRL's side of the tuning benchmark: SFTTrainer on prompts and completions, the loss on the completions.

Gradient checkpointing, which SFTConfig turns on, is off: it would compute most of the forward pass twice. The examples
of a step are sorted by length, which wastes no less padding than `group_by_length` and leaves each step the examples
that it has on our side. Packing and padding-free batches need FlashAttention to keep examples apart; without it, as on
any CPU, one example sees the others, which is different work. `loss_type="chunked_nll"` is the name that earlier
versions gave to what "nll" does now: the vocabulary is projected in chunks, where a label stands.
"""

from __future__ import annotations

import tempfile
from typing import Any

from common.memory import peak_memory
from common.training import Clock, losses, touch_weights, trainable, trainer_settings, with_warm_up, work_done
from common.workers import serve

# Weights and whether autocast computes in bfloat16.
PRECISIONS = {
    "bfloat16": ("bfloat16", True),
    "bfloat16 without autocast": ("bfloat16", False),
    "float32 with autocast": ("float32", True),
    "float32": ("float32", False),
}


def repeat(configuration: dict[str, Any]) -> dict[str, Any]:
    """Load the model and train as many steps as there are examples for.

    Args:
        configuration: model (a folder or hub id), method, precision, micro_batch, batch, tune (settings), examples.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    weights, autocast = PRECISIONS[configuration["precision"]]
    model = AutoModelForCausalLM.from_pretrained(configuration["model"], dtype=getattr(torch, weights))
    tokenizer = AutoTokenizer.from_pretrained(configuration["model"])
    touch_weights(model)
    data = _data_set(configuration, tokenizer)
    with peak_memory() as peak, tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        settings = SFTConfig(
            **trainer_settings(configuration, folder),
            per_device_train_batch_size=configuration["micro_batch"],
            gradient_accumulation_steps=configuration["batch"] // configuration["micro_batch"],
            bf16=autocast,
            max_length=None,
            completion_only_loss=True,
            packing=False,
        )
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=_adapter(configuration),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        rows = trainer.train_dataset.select(range(configuration["batch"], len(trainer.train_dataset)))
        trainer.train()
    return {
        "seconds": clock.watch.seconds,
        "cores": clock.watch.cores,
        "memory": peak.above,
        "losses": losses(trainer),
        "trainable": trainable(trainer.model),
        **work_done((row["input_ids"], [label != -100 for label in row["labels"]]) for row in rows),
    }


def _data_set(configuration: dict[str, Any], tokenizer: Any) -> Any:
    """The examples with those of each step sorted by length, the longest first."""
    from datasets import Dataset

    def length(example: dict[str, str]) -> int:
        return len(tokenizer(example["prompt"] + example["completion"])["input_ids"])

    examples, batch = with_warm_up(configuration), configuration["batch"]
    steps = [sorted(examples[start : start + batch], key=length)[::-1] for start in range(0, len(examples), batch)]
    return Dataset.from_list([example for step in steps for example in step])


def _adapter(configuration: dict[str, Any]) -> Any:
    """The adapter with tunelift's settings; PEFT's "all-linear" leaves out the output projection, too."""
    from peft import LoraConfig, TaskType

    if configuration["method"] == "full":
        return None
    lora = configuration["tune"]["lora"]
    return LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["target_modules"],
        task_type=TaskType.CAUSAL_LM,
    )


if __name__ == "__main__":
    serve(["trl", "torch", "transformers", "peft"], repeat)
