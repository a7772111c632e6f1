"""Texts with marked spans: words with tags, and spans in JSON, to text and entities.

An entity is ``{"type": ..., "start": ..., "end": ..., "text": ...}``: its place in characters of the text, the end
behind the last one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, get_args

from tunelift.core.errors import UserError
from tunelift.data.layouts.common import Fields, UnusableError, filled_text
from tunelift.data.tagging import Scheme, spans_of_tags, tags_of_spans, violations

TAG_FIELDS = ("tags", "ner_tags")
# Scripts that are written without spaces, with their punctuation and full-width forms.
UNSPACED = re.compile(
    "[\u2e80-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
# A word of a spaced script, a single character of another, or a sign.
WORD = re.compile(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern})\w)+|\S")
OUTSIDE = "a span lies outside of its text"
OTHER_TEXT = "a span covers another text than the one given"
BROKEN_RULES = "tags break the rules of their scheme"


def fits_tags(fields: Fields) -> bool:
    """``tokens`` and ``tags``: lists of texts."""
    return _are_texts(fields.get("tokens")) and _are_texts(_tags(fields))


def common_scheme(rows: Iterable[Fields]) -> Scheme:
    """The scheme whose rules the tags of all rows break least."""
    schemes = dict.fromkeys(get_args(Scheme), 0)
    for fields in rows:
        tags = _tags(fields)
        if _are_texts(tags):
            for scheme in schemes:
                schemes[scheme] += _violations(tags, scheme)
    return min(schemes, key=lambda scheme: schemes[scheme])


def from_tags(fields: Fields, remarks: list[str], scheme: Scheme = "BIO") -> Fields:
    """Words with tags as text and entities."""
    tokens: Any = fields.get("tokens")
    tags = _tags(fields)
    if not _are_texts(tokens) or not _are_texts(tags):
        raise UnusableError("words and tags are not lists of texts")
    if len(tokens) != len(tags):
        raise UnusableError("there are not as many tags as words")
    try:
        spans = spans_of_tags(tags, scheme)
    except UserError as error:
        raise UnusableError(error.what) from error
    if violations(tags, scheme):
        remarks.append(BROKEN_RULES)
    text, starts = join_tokens(tokens)
    entities = [
        _entity(kind, starts[first], starts[end - 1] + len(tokens[end - 1]), text) for kind, first, end in spans
    ]
    return {**fields, "text": text, "entities": entities}


def join_tokens(tokens: Sequence[str]) -> tuple[str, list[int]]:
    """Words as a text, and where each begins in it.

    Words are joined by spaces, but not beside a character of a script without such, and not at all where every word
    is one character of a text in such a script.
    """
    single = all(len(token) == 1 for token in tokens) and any(map(UNSPACED.match, tokens))
    parts = [tokens[0]] if tokens else []
    for left, right in pairwise(tokens):
        spaced = not (single or UNSPACED.match(left[-1:]) or UNSPACED.match(right[:1]))
        parts.append(f" {right}" if spaced else right)
    starts, position = [], 0
    for part, token in zip(parts, tokens, strict=True):
        position += len(part)
        starts.append(position - len(token))
    return "".join(parts), starts


def fits_spans(fields: Fields) -> bool:
    """``text`` with spans: ``entities`` or ``label`` as lists, or ``label`` as types with mentions."""
    labels_nothing = "entities" not in fields and fields.get("label") == []  # or has no classes
    return isinstance(fields.get("text"), str) and not labels_nothing and _listed_spans(fields) is not None


def from_spans(fields: Fields, remarks: list[str]) -> Fields:
    """Spans of any kind as entities; what does not fit the text is left out, and remarked."""
    text = filled_text(fields, "text")
    listed = _listed_spans(fields)
    if listed is None:
        raise UnusableError("the spans are not lists of start, end and type")
    entities = []
    for kind, start, end, mention in listed:
        if not 0 <= start < end <= len(text):
            remarks.append(OUTSIDE)
        elif mention is not None and text[start:end] != mention:
            remarks.append(OTHER_TEXT)
        else:
            entities.append(_entity(kind, start, end, text))
    return {**fields, "entities": sorted(entities, key=lambda entity: (entity["start"], entity["end"]))}


Listed = tuple[str, int, int, str | None]


def _listed_spans(fields: Fields) -> list[Listed] | None:
    """Type, start, end and mention of every span; None if these are no spans."""
    label = fields.get("label")
    if isinstance(label, dict):
        return _mentions(label)
    spans = fields.get("entities") if isinstance(fields.get("entities"), list) else label
    listed = [_span(span) for span in spans] if isinstance(spans, list) else [None]
    return None if None in listed else [span for span in listed if span]


def _span(span: Any) -> Listed | None:
    """A span as an object, or as start, end and type."""
    if isinstance(span, dict):
        mention: Any = span.get("text")
        values: list[Any] = [span.get("start", span.get("start_offset")), span.get("end", span.get("end_offset"))]
        values.append(span.get("type", span.get("label")))
    else:
        mention, values = None, span if isinstance(span, list) else []
    if len(values) != 3 or not _are_numbers(values[:2]) or not isinstance(values[2], str):
        return None
    return values[2], values[0], values[1], mention if isinstance(mention, str) else None


def _mentions(label: dict[str, Any]) -> list[Listed] | None:
    """The spans of CLUENER: by type and mention, with the last character in place of the end."""
    listed = []
    for kind, mentions in label.items():
        if not isinstance(mentions, dict):
            return None
        for mention, spans in mentions.items():
            for span in spans if isinstance(spans, list) else [None]:
                if not isinstance(span, list) or len(span) != 2 or not _are_numbers(span):
                    return None
                listed.append((kind, span[0], span[1] + 1, mention))
    return listed


def to_spans(fields: Fields) -> Fields:
    """Text and entities, with the words where they are known, so that the same tags can be made again."""
    row = {"text": fields["text"], "entities": fields["entities"]}
    return row | {name: fields[name] for name in ("tokens", "document") if name in fields}


def to_tags(fields: Fields, scheme: Scheme) -> Fields:
    """Words and tags of a text with entities.

    Raises:
        UnusableError: An entity does not begin and end with a word, or entities overlap.
    """
    tokens, starts = _words(fields)
    first_at = {start: number for number, start in enumerate(starts)}
    end_at = {start + len(token): number for number, (start, token) in enumerate(zip(starts, tokens, strict=True), 1)}
    try:
        spans = [(each["type"], first_at[each["start"]], end_at[each["end"]]) for each in fields["entities"]]
        tags = tags_of_spans(spans, len(tokens), scheme)
    except KeyError as error:
        raise UnusableError("an entity does not begin and end with a word") from error
    except UserError as error:
        raise UnusableError("entities overlap, which tags cannot say") from error
    document = {"document": fields["document"]} if "document" in fields else {}
    return {"tokens": tokens, "tags": tags, **document}


def _words(fields: Fields) -> tuple[list[str], list[int]]:
    """The words of a text and where they begin; where they are not given, they end at least where an entity does."""
    text: str = fields["text"]
    if _are_texts(fields.get("tokens")):
        joined, starts = join_tokens(fields["tokens"])
        if joined == text:
            return fields["tokens"], starts
    edges = sorted({0, len(text), *(each[edge] for each in fields["entities"] for edge in ("start", "end"))})
    found = [match for begin, end in pairwise(edges) for match in WORD.finditer(text, begin, end)]
    return [match[0] for match in found], [match.start() for match in found]


def _violations(tags: Sequence[str], scheme: Scheme) -> int:
    """How often tags break the rules; a tag that the scheme does not have does so more than any other."""
    try:
        return violations(tags, scheme)
    except UserError:
        return 2 * len(tags)


def _tags(fields: Fields) -> Any:
    return next((fields[name] for name in TAG_FIELDS if name in fields), None)


def _entity(type: str, start: int, end: int, text: str) -> Fields:
    return {"type": type, "start": start, "end": end, "text": text[start:end]}


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)
