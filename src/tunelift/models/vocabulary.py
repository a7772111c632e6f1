"""Which control tokens a model has never been trained on."""

from __future__ import annotations

import re
from typing import Any

import torch

# Names of tokens that are kept for later use, such as <unused7> and <|reserved_special_token_7|>.
UNUSED = re.compile(r"[<\[].*(unused|reserved)")
# Rows whose lengths are looked at, to know that of an ordinary one.
LOOKED_AT = 4096
# Share of an ordinary row's length within which a row counts as that of an unused token. Of Gemma 3, unused tokens lie
# at 0.17 in the middle, its ordinary tokens at 1.1.
CLOSE = 0.25


def untrained_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Control tokens that a model can hardly learn to write, since it cannot tell them from tokens never used.

    Their rows of the output embeddings lie where those of unused tokens lie, as in Land and Bartolo 2024, "Fishing for
    Magikarp": the base models of many families have the control tokens of their chat models in the vocabulary, but have
    never seen them. An adapter beside frozen embeddings does not change that.

    Args:
        model: A language model.
        tokenizer: Its tokenizer; the vocabulary says which tokens are unused, and so do rows behind its end.

    Returns:
        Token ids; none where no token is known to be unused.
    """
    embeddings = model.get_output_embeddings()
    if embeddings is None:
        return frozenset()
    weight = embeddings.weight.detach()
    vocabulary = tokenizer.get_vocab()
    unused = {token_id for token, token_id in vocabulary.items() if UNUSED.match(token)}
    unused = {token_id for token_id in unused | set(range(len(tokenizer), len(weight))) if token_id < len(weight)}
    control = sorted(token_id for token_id in tokenizer.added_tokens_decoder if token_id < len(weight))
    if not unused or not control:
        return frozenset()
    ordinary = weight[:: max(1, len(weight) // LOOKED_AT)].float().norm(dim=1).median()
    middle = weight[sorted(unused)].float().mean(0)
    distances = (weight[control].float() - middle).norm(dim=1)
    return frozenset(torch.tensor(control)[(distances < CLOSE * ordinary).cpu()].tolist())
