"""Fixtures for heads.

make_network  session  make_network(architecture, dtype=float32, vocabulary=64): a fresh random model without a head;
                       bert, roberta, electra, mpnet, and what `tiny_model` makes
make_backbone session  make_backbone(architecture, bidirectional=False, ...): such a model as heads take it, with a
                       tokenizer of one word
make_inputs   session  make_inputs(config, count, seed=1): inputs of random tokens with targets that depend on them
minilm        session  bundled/minilm-l6, loaded once; skips where it is not installed
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tunelift.core.recipe import HeadSettings
from tunelift.heads.settings import HeadConfig, make_config

VOCABULARY = 64
MINILM = "bundled/minilm-l6"
ENCODERS = ("bert", "roberta", "electra", "mpnet", "modernbert")


@pytest.fixture(scope="session")
def make_network(tiny_model: Callable[..., Any]) -> Callable[..., Any]:
    def make(architecture: str, dtype: Any = None, vocabulary: int = VOCABULARY) -> Any:
        if architecture in ENCODERS:
            return make_encoder(architecture, dtype, vocabulary)
        return tiny_model(architecture, vocabulary=vocabulary, dtype=dtype, trees=False).base_model

    return make


def make_encoder(architecture: str, dtype: Any, vocabulary: int) -> Any:
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(
        architecture,
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=1 if architecture == "roberta" else 0,
        max_position_embeddings=128,
        initializer_range=0.2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = AutoModel.from_config(config, dtype=dtype or torch.float32).eval()
    if hasattr(network, "pooler"):
        network.pooler = None
    return network


@pytest.fixture(scope="session")
def make_backbone(make_network: Callable[..., Any]) -> Callable[..., Any]:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")

    def make(architecture: str, bidirectional: bool = False, **options: Any) -> Any:
        from tunelift.heads.model import Backbone
        from tunelift.heads.states import find_way

        network = make_network(architecture, **options)
        return Backbone("tiny", network, tokenizer, "fingerprint", find_way("tiny", network, bidirectional))

    return make


@pytest.fixture(scope="session")
def make_inputs() -> Callable[..., Any]:
    return random_inputs


def random_inputs(config: HeadConfig, count: int, seed: int = 1) -> list[Any]:
    """The target of a reading is a function of the tokens that it reads, so that there is something to learn."""
    from tunelift.heads.inputs import HeadInput

    draw = random.Random(seed)
    inputs = []
    for number in range(count):
        length = draw.randint(3, 14)
        tokens = (draw.randint(10, 17), *(draw.randint(5, VOCABULARY - 1) for _ in range(length - 1)))
        if config.kind == "entities":
            groups = [(place,) for place in range(length)]
            targets = [tokens[place] % len(config.outputs) for place in range(length)]
        else:
            groups = [tuple(range(draw.randint(1, length))) for _ in range(config.parts)]
            targets = [target_of(config, tokens[0])]
        readings = tuple((group,) for group in groups) if config.kind == "entities" else (tuple(groups),)
        inputs.append(HeadInput(f"{seed}-{number}", tokens, readings, tuple(targets)))
    return inputs


def target_of(config: HeadConfig, token: int) -> Any:
    if config.kind == "regression":
        return 100.0 + token % 3
    if config.kind == "labels":
        return tuple(token >> bit & 1 for bit in range(len(config.labels)))
    return token % len(config.labels)


@pytest.fixture(scope="session")
def make_head() -> Callable[..., HeadConfig]:
    def make(kind: str, sees_all: bool = True, labels: Any = ("a", "b", "c"), context: int = 128, **keys: Any) -> Any:
        settings = HeadSettings.model_validate({"kind": kind, "dropout": 0.0, **keys})
        return make_config(settings, labels, sees_all, context)

    return make


@pytest.fixture(scope="session")
def minilm() -> Any:
    from importlib.util import find_spec

    from tunelift.heads.model import load_backbone
    from tunelift.models.bundled import MODELS

    if find_spec(MODELS[MINILM].parts[0][0]) is None:
        pytest.skip("bundled/minilm-l6 is not installed")
    return load_backbone(MINILM, "float32")
