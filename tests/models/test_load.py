from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Mamba2Config

from tunelift.core.errors import UserError
from tunelift.core.recipe import Lora
from tunelift.core.records import Prompt
from tunelift.engine.forward import takes_trees
from tunelift.engine.side_by_side import RecomputedState
from tunelift.engine.state import open_state
from tunelift.models.adapters import add_lora
from tunelift.models.load import LanguageModel, check_trees, load_model, locate

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture(scope="module")
def whole(tiny_model: Callable[..., Any], tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "whole"
    tiny_model("llama", vocabulary=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


def test_a_folder_is_loaded_as_the_library_does(folder: Path) -> None:
    loaded = load_model(str(folder), "float32")
    direct = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert torch.equal(logits(loaded.model), logits(direct))
    assert not loaded.model.training
    assert (loaded.name, loaded.source, loaded.context) == (str(folder), str(folder), 512)


def test_a_model_that_differs_on_long_prompts_is_computed_the_plain_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = [Prompt(str(last), "", (*range(3, 63), last), (False,) * 61) for last in range(70, 74)]
    loaded = load_model(str(folder), "float32")
    check_trees(loaded, [])
    check_trees(loaded, prompts)
    assert takes_trees(loaded.model)
    layer = loaded.model.model.layers[0]
    layer.register_forward_hook(lambda _, __, hidden: hidden * 1.1 if hidden.shape[1] == 64 else hidden)
    check_trees(loaded, prompts[:1])
    assert takes_trees(loaded.model)
    check_trees(loaded, prompts)
    assert not takes_trees(loaded.model)
    said = capsys.readouterr().err
    assert "shared prefixes are not used, since over a tree its logits differ by" in said
    assert "answers take long" not in said


def test_a_model_that_cannot_be_computed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("\nno kernel\nfor this device")

    monkeypatch.setattr("transformers.models.llama.modeling_llama.LlamaMLP.forward", fail)
    with pytest.raises(UserError, match=r": cannot be used: no kernel - choose another model$"):
        load_model(str(folder), "float32")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_that_cannot_go_on_behind_a_cache_is_loaded(
    tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_heads": 8, "head_dim": 8, "n_groups": 2, "state_size": 8}
    AutoModelForCausalLM.from_config(Mamba2Config(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path), precision)
    assert isinstance(open_state(loaded.model), RecomputedState)
    assert loaded.model.config.use_cache
    assert "answers take long, all tokens being computed again for every new one, since " in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_have_the_precision_asked_for(folder: Path, precision: str) -> None:
    weights = {weight.dtype for weight in load_model(str(folder), precision).model.parameters()}
    assert weights == {getattr(torch, precision)}


def test_generation_stops_at_the_stop_token_of_the_template_too(folder: Path) -> None:
    change(folder / "generation_config.json", eos_token_id=0)
    loaded = load_model(str(folder), "float32")
    assert loaded.stop_token_ids == {0, 2}
    assert loaded.model.generation_config.eos_token_id == [0, 2]
    assert loaded.model.generation_config.pad_token_id == loaded.tokenizer.pad_token_id


def test_a_base_model_gets_the_default_template_and_a_padding_token(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    change(folder / "tokenizer_config.json", pad_token=None)
    loaded = load_model(str(folder), "float32")
    assert "<|im_start|>" in loaded.tokenizer.chat_template
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id == 2


def test_the_fingerprint_follows_weights_and_configuration(folder: Path, tmp_path: Path) -> None:
    first = load_model(str(folder), "float32").fingerprint
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    assert load_model(str(moved), "float32").fingerprint == first
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert load_model(str(folder), "float32").fingerprint != first
    change(moved / "config.json", rms_norm_eps=1e-4)
    assert load_model(str(moved), "float32").fingerprint != first


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def pickle_only(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "is a folder without config.json or adapter_config.json"),
        (lambda f: (f / "config.json").write_text("{bad"), "cannot be loaded: .*not a valid JSON file"),
        (lambda f: change(f / "config.json", model_type="nonsense"), "cannot be loaded: "),
        (lambda f: change(f / "config.json", hidden_size=64), "cannot be loaded: "),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded: .*no file named model.safetensors"),
        (lambda f: cut(f / "model.safetensors", 0), "its weights are damaged .* - copy or download it again"),
        (lambda f: cut(f / "model.safetensors", 1000), "its weights are damaged"),
        (lambda f: cut(f / "model.safetensors", -1), "its weights are damaged"),
        (drop_a_weight, r"lacks weights \(model\.layers\.1\.mlp\.up_proj\.weight\)"),
        (pickle_only, "cannot be loaded: .*no file named model.safetensors"),
        (lambda f: [file.unlink() for file in f.glob("tokenizer*")], "cannot be loaded: "),
        (lambda f: (f / "tokenizer.json").write_text("{"), "cannot be loaded: "),
        (lambda f: (f / "chat_template.jinja").write_text("{{ no.such }}"), "the chat template fails: "),
    ],
)
def test_a_damaged_folder_is_explained_in_one_line(folder: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        load_model(str(folder), "float32")
    assert caught.value.where == str(folder)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt2", "is not a model - give a folder, a .gguf file, a hub id like org/name"),
        ("./missing", "is not a model"),
        ("/missing/model", "is not a model"),
        ("~/missing", "is not a model"),
        ("a/b/c", "is not a model"),
        ("org/name", "cannot be loaded: .* - check the name; without a network use a folder"),
        ("org/na me", "cannot be loaded: "),
    ],
)
def test_an_unknown_name(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_model(name)
    assert caught.value.where == name


def test_a_run_directory_stands_for_its_tuned_model(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    with pytest.raises(UserError, match="holds no tuned model yet - finish it with: tunelift run RECIPE"):
        locate(str(run))
    shutil.move(folder, run / "model")
    assert locate(str(run)) == str(run / "model")


@pytest.fixture
def adapted(folder: Path, tmp_path: Path) -> tuple[Path, LanguageModel]:
    """An adapter folder, and the model in memory that it was saved from."""
    loaded = load_model(str(folder), "float32")
    loaded.model = add_lora(loaded.model, Lora(rank=4), seed=7).eval()
    for name, weight in loaded.model.named_parameters():
        if "lora_B" in name:  # zero at the start, which would hide the adapter
            torch.nn.init.normal_(weight, std=0.1)
    loaded.model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", loaded


def test_an_adapter_folder_loads_its_base(adapted: tuple[Path, LanguageModel], folder: Path) -> None:
    adapter, in_memory = adapted
    loaded = load_model(str(adapter), "float32")
    assert torch.equal(logits(loaded.model), logits(in_memory.model))
    assert not torch.equal(logits(loaded.model), logits(load_model(str(folder), "float32").model))
    assert (loaded.name, loaded.source) == (str(adapter), str(adapter))
    assert loaded.tokenizer.chat_template == in_memory.tokenizer.chat_template
    assert not loaded.model.training


def test_an_adapter_has_the_tokenizer_it_was_saved_with(adapted: tuple[Path, LanguageModel]) -> None:
    adapter, in_memory = adapted
    in_memory.tokenizer.chat_template = "{% for message in messages %}{{ message.content }}<|im_end|>{% endfor %}"
    in_memory.tokenizer.save_pretrained(adapter)
    assert load_model(str(adapter), "float32").tokenizer.chat_template == in_memory.tokenizer.chat_template


def test_an_adapter_whose_weights_change_has_another_fingerprint(adapted: tuple[Path, LanguageModel]) -> None:
    adapter, _ = adapted
    first = load_model(str(adapter), "float32").fingerprint
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: weight * 2 for name, weight in weights.items()}, adapter / "adapter_model.safetensors")
    assert load_model(str(adapter), "float32").fingerprint != first


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: change(f / "adapter_config.json", base_model_name_or_path=None),
            "does not say which model it adapts",
        ),
        (lambda f: change(f / "adapter_config.json", base_model_name_or_path="/gone"), "^/gone: is not a model"),
        (lambda f: change(f / "adapter_config.json", r=8), "cannot be loaded: "),
        (lambda f: (f / "adapter_config.json").write_text("{bad"), "cannot be loaded: "),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "cannot be loaded: "),
        (lambda f: cut(f / "adapter_model.safetensors", 500), "its weights are damaged"),
    ],
)
def test_a_damaged_adapter_is_explained(
    adapted: tuple[Path, LanguageModel], damage: Callable[[Path], Any], message: str
) -> None:
    damage(adapted[0])
    with pytest.raises(UserError, match=message):
        load_model(str(adapted[0]), "float32")


def test_the_bundled_model_is_what_it_says(smollm2: LanguageModel) -> None:
    assert smollm2.context == 8192
    assert smollm2.stop_token_ids == {2}
    assert {weight.dtype for weight in smollm2.model.parameters()} == {torch.float32}
    assert sum(weight.numel() for weight in smollm2.model.parameters()) == 134_515_008
