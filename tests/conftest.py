"""Fixtures for all tests.

tokenizer       session  the tokenizer of bundled/smollm2-135m-instruct, without its weights
gemma_tokenizer session  that of bundled/gemma3-270m with our default chat template; skips where it is not installed
smollm2         session  the whole of it in float32, loaded from the cache once: leave it as it is
tiny_model      session  tiny_model(architecture, vocabulary=128, dtype=float32, trees=True): a fresh random two-layer
                         model, the same weights at every call, with or without the attention that takes trees; llama,
                         qwen2, qwen3, gemma2 and gemma3_text (sliding window 32), gpt2
tiny_folder     session  a folder with such a model and the real tokenizer, as a user would have one
language_model  session  language_model(model, tokenizer): the two as the rest of the program takes them
cache           test     an empty cache of the test's own; its folder
task_file       test     task_file(**keys): a data file of 90 rows in three classes and a task file for it; its path
recipe_file     test     recipe_file(**keys): a recipe beside such a task; its path
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

# Read when torch and huggingface_hub are imported, here and in the processes that tests start: on a busy machine two
# threads on a tiny model spend their time waiting for each other, and no test may depend on a network.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

MODEL = "bundled/smollm2-135m-instruct"
WORDS = {"negative": "awful broken", "neutral": "plain usual", "positive": "great lovely"}


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    from tunelift.models.load import locate

    return AutoTokenizer.from_pretrained(locate(MODEL))


@pytest.fixture(scope="session")
def gemma_tokenizer() -> Any:
    from transformers import AutoTokenizer

    from tunelift.models.bundled import MODELS
    from tunelift.models.gguf import converted_folder
    from tunelift.prompts.chat import default_chat_template

    folder = converted_folder(MODELS["bundled/gemma3-270m"].sha256)
    if not folder.is_dir():
        pytest.skip("bundled/gemma3-270m is not installed; its terms are to be accepted first")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = default_chat_template(tokenizer, ())
    return tokenizer


@pytest.fixture(scope="session")
def smollm2() -> Any:
    from tunelift.models.load import load_model

    return load_model(MODEL, "float32")


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., Any]:
    return make_tiny_model


def make_tiny_model(
    architecture: str, vocabulary: int = 128, dtype: Any = None, trees: bool = True, **settings: Any
) -> Any:
    """Weights are large enough that the predictions differ clearly between tokens."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tunelift.engine.support import enable_trees

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
    }
    if architecture == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
        sizes |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    if architecture in ("gemma2", "gemma3_text"):
        sizes |= {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]}
    config = AutoConfig.for_model(
        architecture,
        vocab_size=vocabulary,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.2,
        **(sizes | settings),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config, dtype=dtype or torch.float32)
    if trees:
        enable_trees(model)
    return model.eval()


@pytest.fixture(scope="session")
def tiny_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model("llama", vocabulary=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def language_model() -> Callable[..., Any]:
    def make(model: Any, tokenizer: Any) -> Any:
        from tunelift.models.load import LanguageModel

        return LanguageModel("tiny", model, tokenizer, "tiny", "fingerprint")

    return make


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TUNELIFT_CACHE", str(folder))
    return folder


@pytest.fixture
def task_file(tmp_path: Path) -> Callable[..., Path]:
    def make(**keys: Any) -> Path:
        return write_task(tmp_path, **keys)

    return make


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[..., Path]:
    def make(**keys: Any) -> Path:
        write_task(tmp_path)
        recipe = {"model": MODEL, "task": "task.yaml", **keys}
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
        return path

    return make


def write_task(folder: Path, **keys: Any) -> Path:
    """90 distinct rows; the words of a row tell its class."""
    names = [f"{first}{second}" for first in ("book", "film", "song") for second in range(30)]
    rows = [
        {"text": f"The {name} was {WORDS[label]} number {index}", "label": label}
        for index, name in enumerate(names)
        for label in [list(WORDS)[index % 3]]
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = {
        "task": "tiny",
        "dataset_path": "rows.jsonl",
        "split": {"train": 48, "validation": 12, "test": 30},
        "doc_to_text": "Is this negative, neutral or positive?\n\n{{text}}",
        "doc_to_target": "label",
        "doc_to_choice": list(WORDS),
        "generation_kwargs": {"max_gen_toks": 8},
        **keys,
    }
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(task, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path
