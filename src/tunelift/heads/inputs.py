"""What a head reads: the tokens of a text, and which of their states make each output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

from tunelift.core.errors import UserError, nearest
from tunelift.heads.alignment import (
    Entity,
    Span,
    encode_units,
    split_units,
    surrounding_tokens,
    tag_units,
)
from tunelift.heads.settings import HeadConfig
from tunelift.prompts.chat import encode_texts

# Written around the entities of a relation. Marks of punctuation serve as well as tokens that are new to the model
# (Zhou and Chen 2022, https://arxiv.org/abs/2102.01373), and need no weights of their own.
MARKERS = (("@", "@"), ("#", "#"))

Group = tuple[int, ...]
Target = int | float | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeadInput:
    """A text, or a window of one, as a head takes it.

    Attributes:
        example_id: The example that it comes from.
        token_ids: Its tokens.
        readings: One for each output, and in it groups of positions: the states of a group are averaged, and the means
            are put one behind the other.
        targets: One for each reading: a class index, 0 and 1 for each label, or a number; None where it is unknown.
        token_types: 0 for tokens of the first text and 1 for those of the second; empty for one text.
    """

    example_id: str
    token_ids: tuple[int, ...]
    readings: tuple[tuple[Group, ...], ...]
    targets: tuple[Target | None, ...]
    token_types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadInputs:
    """Inputs, and what happened while they were made.

    Attributes:
        inputs: In the order of the examples; the windows of one example one behind the other.
        cut: Ids of examples of whose text tokens were left out, since it, or a unit of it, was too long.
        units: For entities, the units of each example.
        lost: For entities, those of each example that tags cannot give back, by its id; see `alignment.tag_units`.
    """

    inputs: list[HeadInput]
    cut: list[str] = field(default_factory=list)
    units: list[list[Span]] = field(default_factory=list)
    lost: dict[str, list[Entity]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextRow:
    """A text, or a pair of texts, to be classified, labelled, or given a number.

    Attributes:
        example_id: The example.
        text: Its text.
        second: The second text of a pair.
        target: A label, a list of labels, or a number; None where it is unknown.
    """

    example_id: str
    text: str
    second: str | None = None
    target: str | float | Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class EntityRow:
    """A text whose entities are wanted.

    Attributes:
        example_id: The example.
        text: Its text.
        entities: Type, start, and end (exclusive) of those that it has, in characters; None where they are unknown.
        units: What carries tags; None for those of `alignment.split_units`.
    """

    example_id: str
    text: str
    entities: Sequence[Sequence[Any]] | None = None
    units: Sequence[Span] | None = None


@dataclass(frozen=True, slots=True)
class RelationRow:
    """Two entities of a text, whose relation is wanted.

    Attributes:
        example_id: The example.
        text: Its text.
        first: The first entity.
        second: The second, which may stand before the first, or in it.
        target: A label; None where it is unknown.
    """

    example_id: str
    text: str
    first: Span
    second: Span
    target: str | None = None


def classification_inputs(tokenizer: Any, config: HeadConfig, rows: Sequence[TextRow]) -> HeadInputs:
    """Inputs for classification, labels and regression.

    The end of a text that is too long is left out, of a pair that of its longer text.

    Args:
        tokenizer: Of the model.
        config: Of the head.
        rows: The texts.

    Raises:
        UserError: A target is none of the labels, or not a number.
    """
    before, behind = surrounding_tokens(tokenizer)
    room = config.max_length - len(before) - len(behind)
    inputs, cut = [], []
    for row in rows:
        if row.second is not None and tokenizer.sep_token_id is not None:
            token_ids, types, is_cut = _encode_pair(tokenizer, row.text, row.second, config.max_length)
        else:
            (inner,) = encode_texts(tokenizer, [row.text if row.second is None else f"{row.text}\n{row.second}"])
            token_ids, types, is_cut = [*before, *inner[:room], *behind], [], len(inner) > room
        if is_cut:
            cut.append(row.example_id)
        if not token_ids:  # an empty text, and a tokenizer that puts nothing around it
            token_ids = [tokenizer.eos_token_id]
        reading = (_pooled(range(len(token_ids)), config.pooling),)
        target = _target(config, row.target, row.example_id)
        inputs.append(HeadInput(row.example_id, tuple(token_ids), (reading,), (target,), tuple(types)))
    return HeadInputs(inputs, cut)


def _encode_pair(tokenizer: Any, text: str, second: str, longest: int) -> tuple[list[int], list[int], bool]:
    options = {"split_special_tokens": True, "verbose": False}
    encoded = tokenizer(text, second, **options)
    is_cut = len(encoded["input_ids"]) > longest
    if is_cut:
        encoded = tokenizer(text, second, truncation="longest_first", max_length=longest, **options)
    types = encoded.get("token_type_ids", [])  # of tokenizers whose models take them
    return encoded["input_ids"], types if any(types) else [], is_cut


def entity_inputs(tokenizer: Any, config: HeadConfig, rows: Sequence[EntityRow]) -> HeadInputs:
    """Inputs for entities: a long text becomes windows, and each unit is read where it is the most central.

    Raises:
        UserError: The type of an entity is none of the labels, or its offsets are not in the text.
    """
    before, behind = surrounding_tokens(tokenizer)
    room = config.max_length - len(before) - len(behind)
    inputs, cut, all_units, lost = [], [], [], {}
    for row in rows:
        units = list(row.units) if row.units is not None else split_units(row.text)
        all_units.append(units)
        tags: Sequence[int | None] = [None] * len(units)
        if row.entities is not None:
            entities = [(kind, start, end) for kind, start, end, *_ in row.entities]
            _check_spans(row.example_id, row.text, [(start, end) for _, start, end in entities])
            for kind, *_ in entities:
                _index(config, kind, row.example_id)
            names, cutting = tag_units(units, entities)
            tags = [config.outputs.index(name) for name in names]
            if cutting:
                lost[row.example_id] = cutting
        whole = encode_units(tokenizer, row.text, units)
        pieces = [piece[:room] for piece in whole]
        if pieces != whole:
            cut.append(row.example_id)
        for first, last, read in windows([len(piece) for piece in pieces], room, config.overlap):
            token_ids, groups = list(before), []
            for piece in pieces[first:last]:
                groups.append(range(len(token_ids), len(token_ids) + len(piece)))
                token_ids += piece
            readings = tuple((_pooled(groups[unit - first], config.pooling),) for unit in read)
            targets = tuple(tags[unit] for unit in read)
            inputs.append(HeadInput(row.example_id, (*token_ids, *behind), readings, targets))
    return HeadInputs(inputs, cut, all_units, lost)


def windows(lengths: Sequence[int], room: int, overlap: int) -> list[tuple[int, int, range]]:
    """Divide units into windows of whole units.

    Args:
        lengths: Of the units, in tokens; none is longer than the room.
        room: Largest number of tokens of a window.
        overlap: How many tokens of a window stand in the next one, too, at most; fewer than half of the room.

    Returns:
        The first unit of each window, the one behind its last, and the units that are read in it: those that have more
        tokens around them there than in any other window. Every unit is read once, in order.
    """
    borders = [0, *accumulate(lengths)]
    found: list[tuple[int, int]] = []
    first, last = 0, 0
    while last < len(lengths):
        while last < len(lengths) and borders[last + 1] - borders[first] <= room:
            last += 1
        found.append((first, last))
        if last < len(lengths):  # the next window has room for the next unit at least
            earliest = max(borders[last] - overlap, borders[last + 1] - room)
            first = next(unit for unit in range(first + 1, last + 1) if borders[unit] >= earliest)
    # Units in two windows are read in the first of them up to the middle of what the two share.
    middles = [0]
    for (_, end), (start, _) in pairwise(found):
        middle = (borders[start] + borders[end]) / 2
        middles.append(next(unit for unit in range(start, end + 1) if borders[unit] >= middle))
    middles.append(len(lengths))
    return [
        (start, end, range(middle, following))
        for (start, end), middle, following in zip(found, middles, middles[1:], strict=False)
    ]


def relation_inputs(tokenizer: Any, config: HeadConfig, rows: Sequence[RelationRow]) -> HeadInputs:
    """Inputs for relations: the entities are marked, and read with their markers beside the text.

    Of a text that is too long, the tokens are left out that are furthest from both entities.

    Raises:
        UserError: A span is not in the text, or a target is none of the labels.
    """
    before, behind = surrounding_tokens(tokenizer)
    room = config.max_length - len(before) - len(behind)
    inputs, cut = [], []
    for row in rows:
        _check_spans(row.example_id, row.text, [row.first, row.second])
        text, marked = mark_entities(row.text, row.first, row.second)
        borders = sorted({0, len(text), *(place for span in marked for place in span)})
        units = [(start, end) for start, end in pairwise(borders) if text[start:end].strip()]
        pieces = encode_units(tokenizer, text, [_strip(text, unit) for unit in units])
        owners = [unit for unit, piece in zip(units, pieces, strict=True) for _ in piece]
        inner = [token for piece in pieces for token in piece]
        inside = [[start <= owner[0] and owner[1] <= end for owner in owners] for start, end in marked]
        kept = _nearest(inside, room)
        if len(kept) < len(inner):
            cut.append(row.example_id)
        entities = [
            _pooled([len(before) + place for place, token in enumerate(kept) if entity[token]], config.pooling)
            for entity in inside
        ]
        token_ids = [*before, *(inner[token] for token in kept), *behind]
        reading = (*entities, _pooled(range(len(token_ids)), config.pooling))
        target = _target(config, row.target, row.example_id)
        inputs.append(HeadInput(row.example_id, tuple(token_ids), (reading,), (target,)))
    return HeadInputs(inputs, cut)


def mark_entities(text: str, first: Span, second: Span) -> tuple[str, list[Span]]:
    """Write markers around two entities.

    Returns:
        The text, and in it the spans of both entities with their markers.
    """
    marks = []  # where, in which order at one place, which entity, and what is written
    for number, ((start, end), (opening, closing)) in enumerate(zip((first, second), MARKERS, strict=True)):
        marks.append((start, (1, -end, number), number, f" {opening} "))
        marks.append((end, (0, -start, -number), number, f" {closing} "))
    pieces: list[str] = []
    spans: list[list[int]] = [[], []]
    place = length = 0
    for where, order, number, mark in sorted(marks):
        pieces += [text[place:where], mark]
        length += where - place + len(mark)
        spans[number].append(length - len(mark) + 1 if order[0] else length - 1)
        place = where
    return "".join([*pieces, text[place:]]), [(start, end) for start, end in spans]


def _strip(text: str, unit: Span) -> Span:
    start, end = unit
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())


def _nearest(inside: Sequence[Sequence[bool]], room: int) -> list[int]:
    """The tokens nearest to where either entity begins, as many as there is room for, in order."""
    begins = [entity.index(True) for entity in inside]
    tokens = sorted(range(len(inside[0])), key=lambda token: min(abs(token - begin) for begin in begins))
    return sorted(tokens[:room])


def _pooled(positions: Sequence[int], pooling: str) -> Group:
    if pooling == "first":
        return (positions[0],)
    return (positions[-1],) if pooling == "last" else tuple(positions)


def _target(config: HeadConfig, target: Any, where: str) -> Target | None:
    if target is None:
        return None
    if config.kind == "regression":
        try:
            return float(target)
        except (TypeError, ValueError) as error:
            raise UserError(
                where, f"the target {target!r} is not a number", "check the column of the target"
            ) from error
    if config.kind == "labels":
        present = {_index(config, label, where) for label in ([target] if isinstance(target, str) else target)}
        return tuple(int(number in present) for number in range(len(config.labels)))
    return _index(config, target, where)


def _index(config: HeadConfig, label: Any, where: str) -> int:
    if label not in config.labels:
        raise UserError(where, f"{label!r} is none of the labels", nearest(str(label), config.labels))
    return config.labels.index(label)


def _check_spans(where: str, text: str, spans: Sequence[Span]) -> None:
    for start, end in spans:
        if not 0 <= start < end <= len(text):
            what = f"the span {start} to {end} is not in its text of {len(text)} characters"
            raise UserError(where, what, "give offsets in characters, the end exclusive")
