"""Which control tokens a model has never been trained on."""

from __future__ import annotations

import re
from typing import Any

# Names of tokens that are kept for later use, such as <unused7>, [UNUSED_TOKEN_7] and <|reserved_special_token_7|>.
UNUSED = re.compile(r"(<|\[|>>).*(unused|reserved|place.?holder)", re.IGNORECASE)
# Rows that are looked at, to know how far an ordinary one lies from those of unused tokens.
LOOKED_AT = 4096
# Share of that distance within which a row counts as that of an unused token. Half of the unused tokens of Gemma 3 lie
# within 0.15.
CLOSE = 0.25


def untrained_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Control tokens that a model can hardly learn to write, since it cannot tell them from tokens never used.

    Their rows of the output embeddings lie where those of unused tokens lie, as in Land and Bartolo 2024, "Fishing for
    Magikarp": the base models of many families have the control tokens of their chat models in the vocabulary, but have
    never seen them. An adapter beside frozen embeddings does not change that.

    Args:
        model: A language model.
        tokenizer: Its tokenizer; the vocabulary says which tokens are unused, and so do rows that belong to none.

    Returns:
        Token ids; none where no token is known to be unused, or where the output embeddings cannot be read as numbers,
        as those that are packed after quantisation.
    """
    import torch

    weight = getattr(model.get_output_embeddings(), "weight", None)
    if weight is None or not weight.is_floating_point():
        return frozenset()
    weight = weight.detach()
    vocabulary = tokenizer.get_vocab()
    named = {token_id for token, token_id in vocabulary.items() if UNUSED.match(token) and token_id < len(weight)}
    unused = named | set(range(len(weight))).difference(vocabulary.values())
    control = sorted(token_id for token_id in tokenizer.added_tokens_decoder if token_id < len(weight))
    if not unused or not control:
        return frozenset()
    middle = weight[sorted(unused)].float().mean(0)
    ordinary = (weight[:: max(1, len(weight) // LOOKED_AT)].float() - middle).norm(dim=1).median()
    distances = (weight[control].float() - middle).norm(dim=1)
    return frozenset(torch.tensor(control)[(distances < CLOSE * ordinary).cpu()].tolist())
