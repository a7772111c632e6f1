"""Embeddings of texts; the bundled encoder, for English, is all-MiniLM-L6-v2 (Reimers and Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core.errors import UserError
from tunelift.models.load import load_tokenizer, load_weights, locate, model_fingerprint

NAME = "bundled/minilm-l6"
LANGUAGE = "en"  # the one that it knows
LONGEST = 256  # tokens; that model was trained on no more, and the rest of a text is left out
TOKENS_OF_A_BATCH = 2048


def embed_texts(texts: Sequence[str], name: str = NAME) -> NDArray[np.float32]:
    """Embed texts: the mean over their tokens of the last hidden states, scaled to length 1.

    Args:
        texts: Texts in a language that the model knows; of each the first 256 tokens count.
        name: An encoder, or a decoder: ``bundled/...``, a ``.gguf`` file, a folder, or a hub id.

    Returns:
        Shape (texts, width). The dot product of two rows is their cosine; a text without tokens has none.

    Raises:
        UserError: The model cannot be loaded, or has both an encoder and a decoder.
    """
    import torch

    from tunelift.engine.encoders import Encoder, encode
    from tunelift.engine.padding import plan_padded

    tokenizer, model = _load(name)
    embeddings = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    if not texts:
        return embeddings
    sequences = tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    places = [place for place, sequence in enumerate(sequences) if sequence]
    sequences = [sequences[place] for place in places]
    with torch.inference_mode():
        for batch in plan_padded(sequences, TOKENS_OF_A_BATCH, len(texts)):
            states = encode(Encoder(model, None), [sequences[index] for index in batch])
            means = torch.stack([state.mean(dim=0) for state in states])
            embeddings[[places[index] for index in batch]] = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
    return embeddings


def embedder_hash(name: str) -> str:
    """Hash of a model's weights and configuration, which its embeddings depend on.

    Raises:
        UserError: As for `embed_texts`.
    """
    return model_fingerprint(_load(name)[1], locate(name))


@lru_cache(maxsize=1)
def _load(name: str) -> tuple[Any, Any]:
    """Tokenizer and model, loaded once: a run embeds the answers of several conditions."""
    from transformers import AutoModel

    source = locate(name)
    tokenizer = load_tokenizer(name, source)
    model = load_weights(name, source, "float32", AutoModel, spare="pooler.")
    if model.config.is_encoder_decoder:
        raise UserError(name, "has an encoder and a decoder", "name a model with one of them")
    return tokenizer, model
