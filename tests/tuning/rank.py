"""One rank of a training run: four steps of a small model in float64, whose weights it writes into a file."""

from __future__ import annotations

import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, TrainingArguments

from tunelift.core.records import Prompt
from tunelift.engine.attention import NAME
from tunelift.tuning.trainer import PromptTrainer

ROWS = 8


def train(examples_of_a_rank: int, output: str) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=64, **sizes)).double()
    model.set_attn_implementation(NAME)
    draw = torch.Generator().manual_seed(1)
    prompts = []
    for number in range(4 * ROWS):
        # Ranks get different numbers of tokens, supervised ones, and micro-batches.
        answer = 1 + number % 5
        ids = (*range(3, 23), *torch.randint(3, 64, (5 * (number % 7) + answer,), generator=draw).tolist())
        prompts.append(Prompt(str(number), "", ids, (False,) * (len(ids) - answer) + (True,) * answer))
    arguments = TrainingArguments(
        output_dir=output + ".trainer",
        per_device_train_batch_size=examples_of_a_rank,
        max_steps=4,
        learning_rate=1e-2,
        train_sampling_strategy="sequential",
        logging_steps=1,
        save_strategy="no",
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = PromptTrainer(token_budget=60, autocast=False, model=model, args=arguments, train_dataset=prompts)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if arguments.process_index == 0:
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        torch.save({"losses": losses, "weights": dict(model.state_dict())}, output)


if __name__ == "__main__":
    train(int(sys.argv[1]), sys.argv[2])
