"""Relations: sentences with two marked entities, and texts with triples.

Positions are characters of the text, the end behind the last one.
"""

from __future__ import annotations

import re
from typing import Any

from tunelift.data.layouts.common import Fields, UnusableError, filled_text

MARKED = re.compile(r"<e([12])>(.*?)</e\1>", re.DOTALL)
MARK = re.compile(r"</?e[12]>")
# White space inside of marks is no part of the text, unless nothing else stands between two words.
ONLY_SPACE = re.compile(r"(?<=\w)(<e[12]>)(\s+)|(?<!\s)(\s+)(</e[12]>)(?=\w)")
# What the two entities are called where they are given by their places.
ENDS = (("head", "tail"), ("h", "t"), ("e1", "e2"), ("subject", "object"))
ABSENT = "a subject or an object does not occur in its text"
SLOTS = "further objects of a relation were left out"


def fits_relation(fields: Fields) -> bool:
    """``relation`` with a ``sentence`` in which <e1> and <e2> are marked, or with a ``text`` and the two places."""
    if not isinstance(fields.get("relation"), str):
        return False
    sentence = _marked_sentence(fields)
    return isinstance(sentence, str) or (isinstance(fields.get("text"), str) and _places(fields) is not None)


def from_relation(fields: Fields, remarks: list[str]) -> Fields:
    """A sentence with two entities: its text, their places, and the sentence with marks around them."""
    filled_text(fields, "relation")
    sentence = _marked_sentence(fields)
    if sentence is not None:
        text, first, second = _without_marks(sentence)
    else:
        text, (first, second) = filled_text(fields, "text"), _sound_places(fields)
    e1, e2 = ({"start": start, "end": end, "text": text[start:end]} for start, end in (first, second))
    return {**fields, "text": text, "e1": e1, "e2": e2, "marked": _with_marks(text, first, second)}


def _marked_sentence(fields: Fields) -> str | None:
    for name in ("sentence", "marked", "text"):
        value = fields.get(name)
        if isinstance(value, str) and "<e1>" in value and "<e2>" in value:
            return value
    return None


def _without_marks(sentence: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """The text and the places of what was marked."""
    sentence = ONLY_SPACE.sub(lambda match: f"{match[2]}{match[1]}" if match[1] else f"{match[4]}{match[3]}", sentence)
    if len(MARK.findall(sentence)) != 4 or {match[1] for match in MARKED.finditer(sentence)} != {"1", "2"}:
        raise UnusableError("not two entities are marked with <e1> and <e2>")
    text, position = "", 0
    places = {}
    for match in MARKED.finditer(sentence):
        text += sentence[position : match.start()]
        entity = match[2].strip()
        places[match[1]] = (len(text), len(text) + len(entity))
        text += entity
        position = match.end()
    if any(start == end for start, end in places.values()):
        raise UnusableError("a marked entity is empty")
    return text + sentence[position:], places["1"], places["2"]


def _with_marks(text: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """The text with marks around two places; those of the place behind are set first."""
    for (start, end), name in sorted([(first, "e1"), (second, "e2")], reverse=True):
        text = f"{text[:start]}<{name}>{text[start:end]}</{name}>{text[end:]}"
    return text


def _sound_places(fields: Fields) -> tuple[tuple[int, int], tuple[int, int]]:
    places = _places(fields)
    if places is None:
        raise UnusableError("the places of the two entities are missing")
    first, second = places
    if not all(0 <= start < end <= len(fields["text"]) for start, end in places):
        raise UnusableError("an entity lies outside of the text")
    if first[0] < second[1] and second[0] < first[1]:
        raise UnusableError("the two entities overlap")
    return first, second


def _places(fields: Fields) -> tuple[tuple[int, int], tuple[int, int]] | None:
    for head, tail in ENDS:
        first, second = _place(fields.get(head)), _place(fields.get(tail))
        if first and second:
            return first, second
    return None


def _place(value: Any) -> tuple[int, int] | None:
    """Start and end of an entity, given as such or as ``pos``."""
    if not isinstance(value, dict):
        return None
    pair = value.get("pos", [value.get("start"), value.get("end")])
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(number) is int for number in pair):
        return None
    return pair[0], pair[1]


def fits_triples(fields: Fields) -> bool:
    """``text`` with ``spo_list``."""
    return isinstance(fields.get("text"), str) and isinstance(fields.get("spo_list"), list)


def from_triples(fields: Fields, remarks: list[str]) -> Fields:
    """A text with its triples of subject, predicate and object (DuIE)."""
    text = filled_text(fields, "text")
    listed = fields.get("spo_list")
    triples = [_triple(item, remarks) for item in listed] if isinstance(listed, list) else []
    if any(triple[0] not in text or triple[2] not in text for triple in triples):
        remarks.append(ABSENT)
    return {**fields, "triples": triples}


def _triple(item: Any, remarks: list[str]) -> list[str]:
    if not isinstance(item, dict):
        raise UnusableError("a relation is not an object with subject, predicate and object")
    goal = item.get("object")
    if isinstance(goal, dict):
        if len(goal) > 1:
            remarks.append(SLOTS)
        goal = goal.get("@value")
    triple = [item.get("subject"), item.get("predicate"), goal]
    if not all(isinstance(value, str) and value.strip() for value in triple):
        raise UnusableError("a relation has no subject, predicate or object")
    return [str(value) for value in triple]
