from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tunelift.heads.alignment import (
    encode_units,
    split_units,
    surrounding_tokens,
    tag_units,
    tagged_entities,
)

TEXTS = st.text(alphabet=st.sampled_from("ab1 é中ばไ.,-_\n\u0301\u200d😀"), max_size=40) | st.text(max_size=40)


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_units(text)]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Mr. O'Neil's 3.5 km", ["Mr", ".", "O", "'", "Neil", "'", "s", "3", ".", "5", "km"]),
        ("浙江的WTO案", [*"浙江的WTO案"]),
        ("去看E32010大展 on Steam2", [*"去看E32010大展", "on", "Steam2"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("ｱﾒﾘｶ", ["ｱ", "ﾒ", "ﾘ", "ｶ"]),
        ("대한민국 서울", ["대한민국", "서울"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("कर्म है", ["कर्म", "है"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        (" \n", []),
    ],
)
def test_units_of_scripts(text: str, units: list[str]) -> None:
    assert words(text) == units


@given(TEXTS)
def test_units_are_all_of_a_text_but_white_space(text: str) -> None:
    units = split_units(text)
    assert all(before[1] <= after[0] for before, after in pairwise(units))
    assert "".join(words(text)) == "".join(text.split())


@st.composite
def texts_with_entities(draw: st.DrawFn) -> tuple[str, list[tuple[str, int, int]]]:
    text = draw(TEXTS)
    units = split_units(text)
    borders = sorted(draw(st.sets(st.integers(0, len(units)), max_size=8)))
    pairs = [(first, last) for first, last in zip(borders[::2], borders[1::2], strict=False)]
    return text, [(draw(st.sampled_from("xy")), units[first][0], units[last - 1][1]) for first, last in pairs]


@given(texts_with_entities())
def test_entities_to_tags_and_back(case: tuple[str, list[tuple[str, int, int]]]) -> None:
    text, entities = case
    tags, lost = tag_units(split_units(text), entities)
    assert not lost
    assert tagged_entities(split_units(text), tags) == entities


@pytest.mark.parametrize(("start", "end"), [(2, 5), (2, 9), (4, 6), (0, 12), (9, 11)])
def test_names_between_chinese_characters_are_given_back(start: int, end: int) -> None:
    text = "夺得WCG2011冠军。"
    tags, lost = tag_units(split_units(text), [("ORG", start, end)])
    assert not lost
    assert tagged_entities(split_units(text), tags) == [("ORG", start, end)]


def test_entities_that_tags_cannot_give_back_are_returned() -> None:
    text = "in New York City today"
    cutting, inner, empty = ("LOC", 3, 9), ("LOC", 12, 16), ("LOC", 2, 3)
    tags, lost = tag_units(split_units(text), [inner, cutting, empty])
    assert tags == ["O", "B-LOC", "I-LOC", "B-LOC", "O"]
    assert lost == [empty, cutting]
    overlapping = [("LOC", 3, 16), ("ORG", 7, 11)]
    tags, lost = tag_units(split_units(text), overlapping)
    assert (tags, lost) == (["O", "B-LOC", "I-LOC", "I-LOC", "O"], [("ORG", 7, 11)])


@pytest.mark.parametrize("text", ["The cat, it's (well) 3.5 km 中文 naïve.", "a\n\nb", "<|im_end|> is text", "  x"])
def test_a_byte_level_tokenizer_gives_all_of_the_text_back(tokenizer: Any, text: str) -> None:
    units = split_units(text)
    pieces = encode_units(tokenizer, text, units)
    assert all(pieces)
    for piece, (start, end) in zip(pieces, units, strict=True):
        assert tokenizer.decode(piece).strip() == text[start:end]
    assert not set(tokenizer.all_special_ids) & {token for piece in pieces for token in piece}


def test_words_are_encoded_as_in_their_text(tokenizer: Any) -> None:
    text = "The European Union rejects the German call to boycott British lamb"
    pieces = encode_units(tokenizer, text, split_units(text))
    assert [token for piece in pieces for token in piece] == tokenizer(text)["input_ids"]


def test_each_character_of_chinese_has_tokens_of_its_own(gemma_tokenizer: Any) -> None:
    text = "浙商银行企业信贷部"
    pieces = encode_units(gemma_tokenizer, text, split_units(text))
    assert [gemma_tokenizer.decode(piece) for piece in pieces] == list(text)


def test_a_tokenizer_that_writes_spaces_of_its_own() -> None:
    vocabulary = [("<unk>", 0.0), ("▁", -2.0), ("▁a", -2.0), ("a", -3.0), ("▁中", -9.0), ("中", -3.0), (".", -2.0)]
    inner = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=False))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    text = "a. 中中 a"
    pieces = encode_units(tokenizer, text, split_units(text))
    assert [tokenizer.convert_ids_to_tokens(piece) for piece in pieces] == [["▁a"], ["."], ["▁", "中"], ["中"], ["▁a"]]


def test_a_unit_without_tokens_is_unknown(minilm: Any) -> None:
    text = "a \u200b b"
    pieces = encode_units(minilm.tokenizer, text, [(0, 1), (2, 3), (4, 5)])
    assert pieces[1] == [minilm.tokenizer.unk_token_id]


def test_what_stands_around_a_text(tokenizer: Any, minilm: Any) -> None:
    assert surrounding_tokens(tokenizer) == ([], [])
    assert surrounding_tokens(minilm.tokenizer) == ([101], [102])
