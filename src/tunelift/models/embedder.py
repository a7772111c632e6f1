"""Embeddings of English sentences by the bundled encoder all-MiniLM-L6-v2 (Reimers and Gurevych 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunelift.core import hardware
from tunelift.models.bundled import bundled_folder

NAME = "bundled/minilm-l6"
LONGEST = 256  # tokens; the model was trained on no more, and the rest of a text is left out
TOKENS_OF_A_BATCH = 2048


def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts: the mean over their tokens of the last hidden states, scaled to length 1.

    Args:
        texts: English texts; of each the first 256 tokens count.

    Returns:
        Shape (texts, 384). The dot product of two rows is their cosine.

    Raises:
        UserError: The package of the encoder is not installed, or damaged.
    """
    import torch

    from tunelift.engine.encoders import Encoder, encode
    from tunelift.engine.plain import plan_padded

    tokenizer, model = _load()
    embeddings = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    if not texts:
        return embeddings
    sequences = tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    with torch.inference_mode():
        for batch in plan_padded(sequences, TOKENS_OF_A_BATCH, len(texts)):
            states = encode(Encoder(model, None), [sequences[index] for index in batch])
            means = torch.stack([state.mean(dim=0) for state in states])
            embeddings[batch] = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
    return embeddings


@lru_cache(maxsize=1)
def _load() -> tuple[Any, Any]:
    """Tokenizer and model, loaded once: a run embeds the answers of several conditions."""
    from transformers import AutoModel, AutoTokenizer

    folder = bundled_folder(NAME)
    hardware.limit_threads()
    model = AutoModel.from_pretrained(folder, use_safetensors=True)
    return AutoTokenizer.from_pretrained(folder), model.float().to(hardware.device()).eval()
