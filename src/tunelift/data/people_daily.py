"""The People's Daily of January 1998, tagged by words, as sentences with the entities that its tags mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

# nr person (family and given name are words of their own), ns place, nt organisation.
TYPES = {"nr": "人名", "ns": "地名", "nt": "机构名"}
LONGEST = 100


def read_people_daily(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The sentences that are not too long to be read at once.

    Yields:
        The line, and the fields text, tokens and entities (a list of {type, start, end, text}).
    """
    with file.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            words = [word.rpartition("/")[::2] for word in line.split()]
            tokens = [token for token, _ in words]
            text = "".join(tokens)
            if text and len(text) <= LONGEST:
                yield number, {"text": text, "tokens": tokens, "entities": _entities(words)}


def _entities(words: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Adjacent words of a person's name are one entity; other entities are words."""
    found: list[dict[str, Any]] = []
    place = 0
    before = ""
    for token, tag in words:
        end = place + len(token)
        if tag == "nr" == before and len(token) <= 2 and len(found[-1]["text"]) <= 2:
            found[-1] |= {"end": end, "text": found[-1]["text"] + token}
            tag = "whole name"
        elif tag in TYPES:
            found.append({"type": TYPES[tag], "start": place, "end": end, "text": token})
        place, before = end, tag
    return found
