from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.core.recipe import Lora
from tunelift.heads.model import TASK_TYPE, HeadModel, load_backbone, load_head, save_head
from tunelift.models.adapters import add_lora, trainable_parameters

KINDS = ["classification", "labels", "regression", "entities", "relation"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"class_weights": {"b": 3.0}},
    {"focal_gamma": 2.0},
    {"label_smoothing": 0.1},
    {"class_weights": {"b": 3.0}, "focal_gamma": 2.0, "label_smoothing": 0.1},
]
CASES = [(kind, options) for kind in KINDS for options in (OPTIONS if kind != "regression" else OPTIONS[:1])]


def head_of(make_head: Any, kind: str, options: dict[str, Any], sees_all: bool) -> Any:
    if kind == "entities" and "class_weights" in options:
        options = {**options, "class_weights": {"O": 0.5}}
    return make_head(kind, sees_all=sees_all, **options)


def gradients(model: HeadModel, inputs: list[Any], division: list[list[int]]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    total = 0.0
    for group in division:
        loss = model.loss_sum([inputs[index] for index in group])
        loss.backward()
        total += loss.item()
    return total, {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize(("kind", "options"), CASES, ids=[f"{kind}-{'-'.join(of) or 'plain'}" for kind, of in CASES])
@pytest.mark.parametrize(
    ("architecture", "bidirectional"), [("bert", False), ("llama", False), ("llama", True), ("gemma3_text", False)]
)
def test_any_division_of_a_step_gives_the_same_gradient(
    make_backbone: Any,
    make_head: Any,
    make_inputs: Any,
    architecture: str,
    bidirectional: bool,
    kind: str,
    options: Any,
) -> None:
    backbone = make_backbone(architecture, bidirectional)
    config = head_of(make_head, kind, options, backbone.way.sees_all)
    model = HeadModel(backbone, config, seed=1).train()
    backbone.network.requires_grad_(True)
    torch.nn.init.normal_(model.linear.weight, std=0.3)
    inputs = make_inputs(config, 8)
    if kind == "regression":
        model.head = config.model_copy(update={"mean": 101.0, "deviation": 0.8})
    whole, expected = gradients(model, inputs, [list(range(8))])
    for division in ([[number] for number in range(8)], model.plan(inputs, 25)):
        assert len(division) > 1
        total, ours = gradients(model, inputs, division)
        assert total == pytest.approx(whole, rel=1e-5)
        assert ours.keys() == expected.keys()
        for name, gradient in expected.items():
            assert (ours[name] - gradient).norm() <= 1e-5 * max(gradient.norm(), 1.0), name


@pytest.mark.parametrize("architecture", ["bert", "roberta", "llama"])
def test_a_head_reads_the_means_of_its_groups(
    make_backbone: Any, make_head: Any, make_inputs: Any, architecture: str
) -> None:
    backbone = make_backbone(architecture)
    config = make_head("relation", sees_all=backbone.way.sees_all)
    model = HeadModel(backbone, config, seed=1).eval()
    inputs = make_inputs(config, 5)
    with torch.no_grad():
        logits = model(inputs)
        for item, row in zip(inputs, logits, strict=True):
            states = backbone.network(input_ids=torch.tensor([item.token_ids])).last_hidden_state[0]
            read = torch.cat([states[list(group)].mean(0) for group in item.readings[0]])
            torch.testing.assert_close(row, model.linear(read), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "llama", "gpt2"])
def test_an_adapter_and_the_head_are_trained(make_backbone: Any, make_head: Any, architecture: str) -> None:
    backbone = make_backbone(architecture)
    backbone.network = add_lora(backbone.network, Lora(rank=2), 1, TASK_TYPE)
    model = HeadModel(backbone, make_head("classification"), seed=1)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert {"linear.weight", "linear.bias"} <= set(trained)
    assert all("lora_" in name for name in trained if not name.startswith("linear."))
    trainable, total = trainable_parameters(model)
    assert trainable < total / 2
    with pytest.raises(UserError, match=r"tune\.method\.lora\.target_modules: .* - it has "):
        add_lora(make_backbone(architecture).network, Lora(target_modules=["nothing"]), 1, TASK_TYPE)


def test_equal_seeds_make_equal_heads(make_backbone: Any, make_head: Any) -> None:
    first, second, other = (HeadModel(make_backbone("bert"), make_head("labels"), seed).linear for seed in (1, 1, 2))
    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, other.weight)


@pytest.fixture(scope="session")
def bert_folder(make_network: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bert"
    make_network("bert", vocabulary=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("base", ["bert_folder", "tiny_folder"])
def test_what_is_saved_is_loaded(
    request: pytest.FixtureRequest, base: str, lora: bool, make_head: Any, make_inputs: Any, tmp_path: Path
) -> None:
    backbone = load_backbone(str(request.getfixturevalue(base)), "float32")
    config = make_head("entities", sees_all=backbone.way.sees_all, label_smoothing=0.1)
    if lora:
        backbone.network = add_lora(backbone.network, Lora(rank=2), 1, TASK_TYPE)
    model = HeadModel(backbone, config, seed=1).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or not lora:
                weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name)))
    save_head(model, tmp_path)
    assert not [file for file in tmp_path.iterdir() if file.suffix in (".bin", ".pt", ".pkl")]
    loaded = load_head(tmp_path, "float32")
    assert loaded.head == config
    inputs = make_inputs(config, 6)
    with torch.no_grad():
        torch.testing.assert_close(loaded(inputs), model(inputs), rtol=1e-4, atol=1e-5)
        loaded.double()
        torch.testing.assert_close(loaded(inputs).float(), model(inputs), rtol=1e-3, atol=1e-4)


def test_damaged_heads_are_explained(bert_folder: Path, make_head: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no head \(head.json is missing\)"):
        load_head(tmp_path)
    backbone = load_backbone(str(bert_folder), "float32")
    save_head(HeadModel(backbone, make_head("labels"), seed=1), tmp_path)
    whole = (tmp_path / "head.safetensors").read_bytes()
    (tmp_path / "head.safetensors").write_bytes(whole[:-4])
    with pytest.raises(UserError, match=r"head.safetensors: cannot be read: .* - copy it again"):
        load_head(tmp_path)
    settings = json.loads((tmp_path / "head.json").read_text())
    (tmp_path / "head.json").write_text(json.dumps({**settings, "pooling": "max"}))
    with pytest.raises(UserError, match=r"head.json: is damaged \(1 errors\)"):
        load_head(tmp_path)


def test_models_that_take_no_head(tiny_folder: Path, make_head: Any, tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    config = T5Config(vocab_size=64, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path / "t5")
    with pytest.raises(UserError, match="has an encoder and a decoder"):
        load_backbone(str(tmp_path / "t5"))
    backbone = load_backbone(str(tiny_folder), "float32")
    backbone.network = add_lora(backbone.network, Lora(rank=2), 1, TASK_TYPE)
    save_head(HeadModel(backbone, make_head("labels"), seed=1), tmp_path / "adapter")
    with pytest.raises(UserError, match="is an adapter - put a head on a model without one"):
        load_backbone(str(tmp_path / "adapter"))


def test_weights_that_are_missing_are_an_error(bert_folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "bert"
    shutil.copytree(bert_folder, folder)
    weights = load_file(folder / "model.safetensors")
    lost = next(key for key in weights if "layer.1" in key)
    save_file(
        {name: of for name, of in weights.items() if name != lost}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match=r"lacks weights \(.*layer\.1"):
        load_backbone(str(folder), "float32")


def test_the_bundled_encoder(minilm: Any) -> None:
    assert minilm.way.kind == "packs"
    assert minilm.context == 512
    assert minilm.network.pooler is None
