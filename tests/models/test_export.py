from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.core.recipe import Lora
from tunelift.models import export
from tunelift.models.adapters import add_lora
from tunelift.models.export import ExportCheck, export_merged
from tunelift.models.load import load_model
from tunelift.prompts.chat import default_chat_template, encode_chat

TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好 <|im_end|> is it good?"}]
PROMPTS = [list(range(50, 50 + length)) for length in (3, 7, 20)]
CHOICES = [[[token] for token in range(40, 80)], [], [[90, 91], [60, 70], [80]]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secret")


@pytest.fixture(scope="module")
def small_tokenizer() -> Any:
    """Bytes and the control tokens of ChatML: loads in no time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet]
    inner = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(words[:3])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.chat_template = default_chat_template(tokenizer, ())
    return tokenizer


def save_base(model: Any, tokenizer: Any, folder: Path) -> Path:
    """A model whose own configuration does not know the stop token of the chat template."""
    model.generation_config.eos_token_id = 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_adapter(base: Path, folder: Path) -> Path:
    """An adapter that changes every layer clearly."""
    loaded = load_model(str(base), "float32")
    adapted = add_lora(loaded.model, Lora(rank=4), seed=1)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    generator = torch.Generator().manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.2
    adapted.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base(tiny_model: Callable[..., Any], small_tokenizer: Any, place: Path) -> Path:
    return save_base(tiny_model("llama", len(small_tokenizer)), small_tokenizer, place / "base")


@pytest.fixture(scope="module")
def adapter(base: Path, place: Path) -> Path:
    return save_adapter(base, place / "adapter")


@pytest.fixture(scope="module")
def real_adapter(tiny_model: Callable[..., Any], tokenizer: Any, place: Path) -> Path:
    base = save_base(tiny_model("llama", len(tokenizer)), tokenizer, place / "real" / "base")
    folder = save_adapter(base, place / "real" / "adapter")
    (folder / "README.md").write_text("# The card\n")
    return folder


@pytest.fixture(scope="module")
def target(place: Path) -> Path:
    return place / "exports" / "merged"


@pytest.fixture(scope="module")
def check(real_adapter: Path, target: Path) -> ExportCheck:
    """The comparison of the export at `target`."""
    return export_merged(str(real_adapter), target, PROMPTS, CHOICES, max_new_tokens=8)


def test_a_merged_adapter_gives_the_same_answers(check: ExportCheck, real_adapter: Path, target: Path) -> None:
    assert (check.items, check.flips, check.choice_flips) == (3, 0, 0)
    assert 3 < check.positions <= 3 * 9
    assert 0 < check.largest_logit_difference < 1e-3
    assert json.loads((target / "export.json").read_text()) == {
        "model": str(real_adapter),
        "fingerprint": load_model(str(real_adapter)).fingerprint,
        "precision": "float32",
        **asdict(check),
    }


@pytest.mark.usefixtures("check")
def test_the_folder_holds_a_whole_model_and_nothing_else(target: Path, place: Path) -> None:
    assert {path.name for path in target.iterdir()} == {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "export.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (target / "README.md").read_text() == "# The card\n"
    assert [path.name for path in target.parent.iterdir()] == ["merged"]
    assert json.loads((target / "config.json").read_text())["dtype"] == "float32"
    for path in target.iterdir():
        # No file but the record names a place on this machine.
        assert path.name == "export.json" or str(place).encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("check")
def test_transformers_alone_can_use_it(real_adapter: Path, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tuned = load_model(str(real_adapter), "float32")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(target), AutoTokenizer.from_pretrained(target)
    prompt = torch.tensor([PROMPTS[2]])
    with torch.inference_mode():
        torch.testing.assert_close(model(prompt).logits, tuned.model(prompt).logits, rtol=1e-3, atol=1e-3)
    encoded = tokenizer.apply_chat_template(TURNS, add_generation_prompt=True, sanitize_control_tokens=True)
    assert encoded["input_ids"] == encode_chat(tuned.tokenizer, TURNS)

    assert model.generation_config.eos_token_id == [0, 2]
    with torch.inference_mode():
        # Make the stop token of the template the most probable one here: generation has to stop at it by itself.
        model.lm_head.weight[2] = 100 * model.model(prompt).last_hidden_state[0, -1]
    assert model.generate(prompt, max_new_tokens=20)[0, prompt.shape[1] :].tolist() == [2]


def test_a_fully_tuned_model_is_written_as_it_is(base: Path, tmp_path: Path) -> None:
    check = export_merged(str(base), tmp_path / "out", PROMPTS, max_new_tokens=4)
    assert check.largest_logit_difference == 0
    assert check.flips == 0
    assert not (tmp_path / "out" / "README.md").exists()


def test_a_run_directory_is_exported(adapter: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(adapter, run / "model")
    (run / "run.json").write_text("{}")
    check = export_merged(str(run), run / "export" / "merged", PROMPTS[:1], max_new_tokens=2)
    assert check.items == 1
    assert (run / "export" / "merged" / "model.safetensors").is_file()


def test_the_empty_card_of_an_adapter_is_not_taken_over(adapter: Path, tmp_path: Path) -> None:
    assert "base_model:adapter" in (adapter / "README.md").read_text()
    export_merged(str(adapter), tmp_path / "out", PROMPTS[:1], max_new_tokens=1)
    assert not (tmp_path / "out" / "README.md").exists()


def test_a_faulty_merge_is_seen(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import PeftModel

    monkeypatch.setattr(PeftModel, "merge_and_unload", lambda model, **_: model.unload(), raising=False)
    check = export_merged(str(adapter), tmp_path / "out", PROMPTS, CHOICES, max_new_tokens=8)
    assert check.flips == 3
    assert check.choice_flips > 0
    assert check.largest_logit_difference > 0.1
    assert str(check).startswith("3 answers compared: 3 differ, ")


def test_one_model_is_in_memory_at_a_time(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[weakref.ref[Any]] = []

    def watching_load(*arguments: Any) -> Any:
        assert all(model() is None for model in models)
        loaded = load_model(*arguments)
        models.append(weakref.ref(loaded.model.get_input_embeddings()))
        return loaded

    monkeypatch.setattr(export, "load_model", watching_load)
    export_merged(str(adapter), tmp_path / "out", PROMPTS[:1], max_new_tokens=1)
    assert len(models) == 2


def test_an_adapter_that_is_not_a_number_is_not_written(adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    damaged = shutil.copytree(adapter, tmp_path / "damaged")
    weights = load_file(damaged / "adapter_model.safetensors")
    weights[next(name for name in weights if "lora_B" in name)][0, 0] = torch.nan
    save_file(weights, damaged / "adapter_model.safetensors")
    with pytest.raises(UserError, match="cannot be merged: NaNs detected"):
        export_merged(str(damaged), tmp_path / "out", PROMPTS, max_new_tokens=1)
    assert list(tmp_path.iterdir()) == [damaged]


def test_a_full_model_that_computes_no_numbers_is_not_written(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    damaged = shutil.copytree(base, tmp_path / "damaged")
    weights = load_file(damaged / "model.safetensors")
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, damaged / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="its logits are not numbers"):
        export_merged(str(damaged), tmp_path / "out", PROMPTS, max_new_tokens=1)
    assert list(tmp_path.iterdir()) == [damaged]


def test_targets(base: Path, tmp_path: Path) -> None:
    def write(target: Path) -> ExportCheck:
        return export_merged(str(base), target, PROMPTS[:1], max_new_tokens=1)

    target = tmp_path / "out"
    target.mkdir()
    first = write(target)
    (target / "old").write_text("from an earlier export")
    assert write(target) == first
    assert not (target / "old").exists()

    (target / "export.json").unlink()
    with pytest.raises(UserError, match="is not empty and not an earlier export - name a new folder"):
        write(target)
    with pytest.raises(UserError, match="is a file"):
        write(target / "config.json")
    with pytest.raises(UserError, match="needs prompts"):
        export_merged(str(base), tmp_path / "new", [])
    assert not (tmp_path / "new").exists()
