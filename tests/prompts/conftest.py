"""Fixtures for prompts.

plain_tokenizer  session  a small tokenizer with BOS and EOS but no control tokens that mark turns, and no chat template
make_task        session  make_task(**keys): a task of two choices
make_example     session  make_example(id, text, target): an example of it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def plain_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["a question and its answer"] * 9, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Any]:
    def make(**keys: Any) -> Any:
        from tunelift.data.tasks import Task

        defaults = {
            "task": "toy",
            "dataset_path": "unused",
            "doc_to_text": "Is this good?\n\n{{text}}",
            "doc_to_target": "label",
            "doc_to_choice": ["good", "bad"],
        }
        return Task.model_validate({**defaults, **keys})

    return make


@pytest.fixture(scope="session")
def make_example() -> Callable[..., Any]:
    def make(id: str, text: str, target: str = "good") -> Any:
        from tunelift.core.records import Example, Source

        source = Source("rows.jsonl", int("0" + "".join(filter(str.isdigit, id))))
        return Example(id, {"text": text, "label": target}, target, source, ("good", "bad"))

    return make
