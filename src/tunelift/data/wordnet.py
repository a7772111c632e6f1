"""WordNet 3.0's files as rows: one for each set of synonyms that occurs in the texts which were tagged with them.

The format is that of WordNet's manual page wndb(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PARTS = {"noun": "1", "verb": "2", "adj": "3", "adv": "4"}
HYPERNYMS = ("@", "@i")
EXAMPLE = re.compile(r'"([^"]+)"')


def read_wordnet(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The sets of synonyms whose first word has been found in this sense in texts that were tagged by hand.

    Args:
        folder: With data.noun, data.verb, data.adj, data.adv, lexnames and cntlist.rev.

    Yields:
        A number, and the fields word, synonyms, part, topic, gloss, examples, count (how often the word has been found
        in this sense), hypernym and its gloss (empty where there is none).
    """
    counts = dict(_counts(folder / "cntlist.rev"))
    topics = {line.split("\t")[0]: line.split("\t")[1] for line in _lines(folder / "lexnames")}
    for part, kind in PARTS.items():
        entries = {line[:8]: _entry(line, kind, counts) for line in _lines(folder / f"data.{part}") if line[0] != " "}
        for offset, entry in entries.items():
            if not entry["count"]:
                continue
            above = entries.get(entry["above"] or "", {})
            yield (
                int(kind + offset),
                {
                    **{name: value for name, value in entry.items() if name != "above"},
                    "part": part,
                    "topic": topics[entry["topic"]].partition(".")[2],
                    "hypernym": above.get("word", ""),
                    "hypernym_gloss": above.get("gloss", ""),
                },
            )


def _entry(line: str, kind: str, counts: dict[str, int]) -> dict[str, Any]:
    """One line: offset, file, type, words with their numbers, pointers, and the gloss behind a bar."""
    data, _, text = line.partition(" | ")
    parts = data.split(" ")
    size = int(parts[3], 16)
    words = [(parts[4 + 2 * at].partition("(")[0], parts[5 + 2 * at]) for at in range(size)]
    behind = 4 + 2 * size
    pointers = [parts[behind + 1 + 4 * at : behind + 3 + 4 * at] for at in range(int(parts[behind]))]
    keys = [f"{word.lower()}%{kind}:{parts[1]}:{int(number, 16):02d}" for word, number in words]
    return {
        "word": words[0][0].replace("_", " "),
        "synonyms": [word.replace("_", " ") for word, _ in words],
        "topic": parts[1],
        "gloss": text.partition('; "')[0].strip(),
        "examples": EXAMPLE.findall(text),
        "count": counts.get(keys[0], 0),
        "above": next((offset for symbol, offset in pointers if symbol in HYPERNYMS), None),
    }


def _counts(file: Path) -> Iterator[tuple[str, int]]:
    """How often each sense was found, by its key without what belongs to satellites of adjectives."""
    for line in _lines(file):
        key, _, count = line.split(" ")
        yield ":".join(key.split(":")[:3]), int(count)


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            if line.strip():
                yield line.rstrip("\n")
