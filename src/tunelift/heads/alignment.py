"""Texts to units and their tokens, and entities to tags of units and back.

A unit is what carries a tag: a word, a punctuation mark, or a character where a script without spaces stands. Every
unit is encoded by itself, with the space before it, so that no token ever belongs to two units, whatever the tokenizer.
All offsets are in characters, their ends exclusive.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from tunelift.data.tagging import spans_of_tags, tags_of_spans
from tunelift.prompts.chat import encode_texts

Span = tuple[int, int]
Entity = tuple[str, int, int]  # type, start, end

# Scripts without spaces between words, by what the Unicode names of their letters begin with.
SPACELESS = (
    *("CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO"),
    *("THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "YI "),
)
# What SentencePiece writes for a space.
SPACE_MARK = "▁"


def split_units(text: str) -> list[Span]:
    """The units of a text, in order.

    Letters and digits that touch are one word; all other characters that are not white are units of their own. So is
    every character of a piece between white space that holds a script without spaces: there nothing tells where a word
    ends, not even one of Latin letters. Marks that combine belong to what they stand behind.
    """
    units: list[Span] = []
    for piece in re.finditer(r"\S+", text):
        spaced = not any(map(_is_spaceless, piece.group()))
        word = False
        for place, character in enumerate(piece.group(), piece.start()):
            letter = spaced and character.isalnum()
            mark = unicodedata.category(character)[0] == "M"
            if place > piece.start() and (mark or (letter and word)):
                units[-1] = (units[-1][0], place + 1)
            else:
                units.append((place, place + 1))
            word = letter or (mark and word)
    return units


def _is_spaceless(character: str) -> bool:
    return ord(character) > 0x0E00 and unicodedata.name(character, "").startswith(SPACELESS)


def encode_units(tokenizer: Any, text: str, units: Sequence[Span]) -> list[list[int]]:
    """Token ids of each unit, at least one.

    Args:
        tokenizer: The tokenizer.
        text: The text.
        units: Spans of it; control tokens in them are encoded as text.
    """
    # Such a tokenizer writes a space before every text, whether there is one or not.
    adds_space = tokenizer.convert_ids_to_tokens(encode_texts(tokenizer, ["a"])[0])[0].startswith(SPACE_MARK)
    spaced = [start > 0 and text[start - 1].isspace() for start, _ in units]
    lead = "" if adds_space else " "
    texts = [lead * space + text[start:end] for (start, end), space in zip(units, spaced, strict=True)]
    distinct = sorted(set(texts))
    known = dict(zip(distinct, encode_texts(tokenizer, distinct), strict=True))
    unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.eos_token_id
    mark = tokenizer.convert_tokens_to_ids(SPACE_MARK) if adds_space else None
    encoded = []
    for unit, space in zip(texts, spaced, strict=True):
        token_ids = known[unit] or [unknown]
        encoded.append(token_ids[1:] if not space and len(token_ids) > 1 and token_ids[0] == mark else token_ids)
    return encoded


def surrounding_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What a tokenizer puts before and behind a text."""
    inner = encode_texts(tokenizer, ["a"])[0]
    whole = encode_texts(tokenizer, ["a"], special_tokens=True)[0]
    start = next(place for place in range(len(whole)) if whole[place : place + len(inner)] == inner)
    return whole[:start], whole[start + len(inner) :]


def tag_units(units: Sequence[Span], entities: Sequence[Entity]) -> tuple[list[str], list[Entity]]:
    """The tag of each unit: O, or B- or I- and a type.

    An entity that cuts a unit takes the whole of it.

    Args:
        units: In order, without overlap.
        entities: In any order.

    Returns:
        The tags, and the entities that they do not give back: those that cut a unit or hold none, and those that
        overlap with one before them, which get no tags.
    """
    starts, ends = [start for start, _ in units], [end for _, end in units]
    tagged, lost = [], []
    behind = 0
    for kind, start, end in sorted(entities, key=lambda entity: (entity[1], -entity[2])):
        first, last = bisect_right(ends, start), bisect_left(starts, end)
        free = behind <= first < last
        if free:
            tagged.append((kind, first, last))
            behind = last
        if not free or (starts[first], ends[last - 1]) != (start, end):
            lost.append((kind, start, end))
    return tags_of_spans(tagged, len(units)), lost


def tagged_entities(units: Sequence[Span], tags: Sequence[str]) -> list[Entity]:
    """The entities that the tags of units tell."""
    return [(kind, units[first][0], units[last - 1][1]) for kind, first, last in spans_of_tags(tags)]
