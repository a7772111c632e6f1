"""The code of a card is run as it stands, and gives the model that was tuned."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tunelift.core.recipe import HeadSettings, Lora
from tunelift.heads.model import TASK_TYPE, HeadModel, load_backbone, load_head, save_head
from tunelift.heads.settings import make_config
from tunelift.models.adapters import add_lora
from tunelift.models.card import FOLDER, HEADING, how_to_load, loading_kind, merged_card
from tunelift.models.load import load_model
from tunelift.tuning.tune import save_model

IDS = torch.tensor([[5, 6, 7, 8]])


def loaded_by(card: str, folder: Path) -> list[Any]:
    """What the variable ``model`` holds after each block of code."""
    models = []
    for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        assert FOLDER in code
        names: dict[str, Any] = {}
        exec(code.replace(FOLDER, str(folder)), names)
        models.append(names["model"])
    return models


def disturbed(model: Any) -> Any:
    """A model whose adapter changes something."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight += 0.3
    return model.eval()


@pytest.fixture(scope="session")
def pair_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("models") / "t5"
    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=0, **sizes)
    T5ForConditionalGeneration(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def logits(model: Any) -> torch.Tensor:
    decoder = {"decoder_input_ids": torch.tensor([[0]])} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, **decoder).logits.float()
    return found


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    """But for the rounding of weights in bfloat16, which the code may load."""
    assert (found - expected).norm() < 0.03 * expected.norm()


@pytest.mark.parametrize("base", ["tiny_folder", "pair_folder"])
@pytest.mark.parametrize("library", ["peft", "transformers"])
def test_language_models(request: pytest.FixtureRequest, base: str, library: str, tmp_path: Path) -> None:
    name = str(request.getfixturevalue(base))
    loaded = load_model(name, "float32")
    before = logits(loaded.model)
    if library == "peft":
        loaded.model = disturbed(add_lora(loaded.model, Lora(rank=2), 1))
        assert (logits(loaded.model) - before).norm() > 0.1 * before.norm()
    save_model(loaded, tmp_path)
    card = how_to_load(loading_kind(loaded.model), name, library, has_template=False)
    ours, theirs = loaded_by(card, tmp_path)
    for model in (ours.model.float(), theirs.float()):
        assert_alike(logits(model), logits(loaded.model))


@pytest.mark.parametrize("library", ["peft", "transformers"])
def test_heads(tiny_folder: Path, library: str, tmp_path: Path) -> None:
    backbone = load_backbone(str(tiny_folder), "float32")
    if library == "peft":
        backbone.network = disturbed(add_lora(backbone.network, Lora(rank=2), 1, TASK_TYPE))
    model = HeadModel(backbone, make_config(HeadSettings(), ["a", "b"], False, 64), 1)
    save_head(model, tmp_path)
    ours, theirs = loaded_by((tmp_path / "README.md").read_text(encoding="utf-8"), tmp_path)
    expected = states(backbone.network)
    assert torch.equal(ours.linear.weight, model.linear.weight)
    for network in (ours.network, theirs):
        assert_alike(states(network.float()), expected)


def states(network: Any) -> torch.Tensor:
    from tunelift.engine.projection import causal_model

    plain = causal_model(network)
    plain.set_attn_implementation("sdpa")
    with torch.no_grad():
        found: torch.Tensor = plain(input_ids=IDS).last_hidden_state
    return found


def test_a_bundled_base_is_put_together_by_tunelift() -> None:
    assert "comes with tunelift" in how_to_load("decoder", "bundled/smollm2-135m-instruct", "peft", has_template=True)


def test_a_card_of_merged_weights_speaks_of_no_adapter() -> None:
    header = yaml.safe_dump({"base_model": "a/b", "library_name": "peft", "tags": ["tunelift", "lora", "peft"]})
    section = how_to_load("decoder", "a/b", "peft", has_template=True)
    card = f"---\n{header}---\n\n# R\n\n{section}\n\n## Limits\n\nMany.\n"
    merged = merged_card(card, "decoder", has_template=True)
    assert yaml.safe_load(merged.split("---")[1])["library_name"] == "transformers"
    assert "peft" not in merged.lower()
    assert merged.endswith(
        f"{how_to_load('decoder', 'a/b', 'transformers', has_template=True)}\n\n## Limits\n\nMany.\n"
    )
    assert merged_card("# The card\n", "decoder", has_template=True) == "# The card\n"
    assert merged.count(HEADING) == 1


def test_a_head_is_no_language_model(tiny_folder: Path, tmp_path: Path) -> None:
    from tunelift.core.errors import UserError

    backbone = load_backbone(str(tiny_folder), "float32")
    save_head(HeadModel(backbone, make_config(HeadSettings(), ["a", "b"], False, 64), 1), tmp_path)
    with pytest.raises(UserError, match=r"is a model with a head - load it as the README\.md beside it says"):
        load_model(str(tmp_path))
    assert load_head(tmp_path, "float32").head.labels == ("a", "b")


@pytest.mark.parametrize("whole", [True, False])
def test_an_encoder_is_no_language_model(whole: bool, tokenizer: Any, tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM, BertModel

    from tunelift.core.errors import UserError

    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    kind: Callable[..., Any] = BertForMaskedLM if whole else BertModel
    kind(BertConfig(vocab_size=len(tokenizer), num_attention_heads=4, **sizes)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="an encoder takes a head, as a system of a recipe"):
        load_model(str(tmp_path), "float32")
