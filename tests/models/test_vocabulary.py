from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tunelift.models.load import load_model
from tunelift.models.vocabulary import UNUSED, untrained_tokens
from tunelift.prompts.chat import stop_token_id


@pytest.fixture
def with_unused_tokens(smollm2: Any) -> tuple[Any, Any]:
    """A model with two reserved tokens and an end of turn of its own, whose rows nobody has trained."""
    model, tokenizer = copy.deepcopy(smollm2.model), copy.deepcopy(smollm2.tokenizer)
    tokenizer.add_tokens(["<|reserved_1|>", "<|reserved_2|>", "<|eot|>"], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        model.get_output_embeddings().weight[-3:] = 0.01 * torch.randn(3, model.config.hidden_size)
    return model, tokenizer


def test_a_token_whose_row_is_that_of_unused_tokens_is_untrained(with_unused_tokens: tuple[Any, Any]) -> None:
    model, tokenizer = with_unused_tokens
    end = tokenizer.convert_tokens_to_ids("<|eot|>")
    untrained = untrained_tokens(model, tokenizer)
    assert end in untrained
    assert stop_token_id(tokenizer) not in untrained
    with torch.no_grad():
        model.get_output_embeddings().weight[end] = model.get_output_embeddings().weight[1000]
    assert end not in untrained_tokens(model, tokenizer)


def test_rows_behind_the_vocabulary_are_unused_too(smollm2: Any) -> None:
    model, tokenizer = copy.deepcopy(smollm2.model), copy.deepcopy(smollm2.tokenizer)
    tokenizer.add_tokens(["<|eot|>"], special_tokens=True)
    model.resize_token_embeddings(len(tokenizer) + 8, mean_resizing=False)
    with torch.no_grad():
        model.get_output_embeddings().weight[len(tokenizer) - 1 :] = 0
    assert len(tokenizer) - 1 in untrained_tokens(model, tokenizer)


def test_a_row_of_no_token_between_others_is_unused(with_unused_tokens: tuple[Any, Any]) -> None:
    model, tokenizer = with_unused_tokens
    end = tokenizer.convert_tokens_to_ids("<|eot|>")
    vocabulary = tokenizer.get_vocab()
    known = {token: place for token, place in vocabulary.items() if not token.startswith("<|reserved")}
    tokenizer.get_vocab = lambda: known
    assert len(tokenizer) == len(model.get_output_embeddings().weight)
    assert end in untrained_tokens(model, tokenizer)


def test_what_all_rows_have_in_common_says_nothing(with_unused_tokens: tuple[Any, Any]) -> None:
    model, tokenizer = with_unused_tokens
    untrained, weight = untrained_tokens(model, tokenizer), model.get_output_embeddings().weight
    with torch.no_grad():
        weight += 10 * weight.norm(dim=1).median() / weight.shape[1] ** 0.5  # changes no probability
    assert untrained_tokens(model, tokenizer) == untrained
    assert stop_token_id(tokenizer) not in untrained


def test_packed_or_missing_output_embeddings_say_nothing(
    with_unused_tokens: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = with_unused_tokens
    packed = torch.nn.Module()
    packed.weight = torch.nn.Parameter(torch.zeros(len(tokenizer), 4, dtype=torch.uint8), requires_grad=False)
    for output in (None, torch.nn.Module(), packed):
        monkeypatch.setattr(model, "get_output_embeddings", lambda output=output: output)
        assert untrained_tokens(model, tokenizer) == frozenset()


@pytest.mark.parametrize(
    "token",
    [
        *("<unused7>", "[unused7]", "[UNUSED_TOKEN_7]", ">>UNUSED_7<<"),
        *("<reserved_7>", "<|reserved_special_token_7|>", "<|placeholder7|>", "<｜place▁holder▁no▁7｜>"),
    ],
)
def test_tokens_kept_for_later_use_are_known_by_their_names(token: str) -> None:
    assert UNUSED.match(token)


@pytest.mark.parametrize("token", ["unused", "▁reserved", ">unused", "<|im_end|>", "<unk>", "</s>", "[MASK]"])
def test_other_tokens_have_other_names(token: str) -> None:
    assert not UNUSED.match(token)


def test_an_instruction_tuned_model_knows_its_end_of_turn(smollm2: Any) -> None:
    assert not smollm2.untrained_tokens


def test_a_base_model_ends_answers_with_a_token_that_it_knows(gemma_tokenizer: Any) -> None:
    loaded = load_model(gemma_tokenizer.name_or_path, "float32")
    assert gemma_tokenizer.convert_tokens_to_ids("<end_of_turn>") in loaded.untrained_tokens
    assert stop_token_id(loaded.tokenizer) == loaded.tokenizer.eos_token_id
    assert loaded.tokenizer.eos_token_id not in loaded.untrained_tokens
