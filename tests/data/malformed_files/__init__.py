"""Data files with every kind of damage, made from a seed: for tests that nothing in them ends in a traceback."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import zstandard

from .contents import CONVERSATIONS, TEXT_DAMAGES
from .writers import PACKINGS, WRITERS, Rows, excel_of, json_lines

WORDS = ["the", "cat", "sat", "on", "a", "mat", "很", "好", "的", "房间", "Zürich", "naïve", "€5", "😀"]
BOMB = 120  # MiB


def malformed_files(seed: int, count: int) -> list[tuple[str, bytes, str]]:
    """Damaged files.

    Args:
        seed: The same seed gives the same files.
        count: How many; 300 hold every kind of damage in every format at least once.

    Returns:
        For each its name, its content, and what is wrong with it.
    """
    random = Random(seed)
    makers = [*SPECIAL, *_pairs()]
    random.shuffle(makers)
    files = []
    for number in range(count):
        name, content, what = makers[number % len(makers)](random)
        files.append((f"{number:03}{name}", content, what))
    return files


def _pairs() -> list[Callable[[Random], tuple[str, bytes, str]]]:
    """Every damage in every format that can have it."""
    return [
        *(
            lambda random, ending=ending, what=what: _damaged_bytes(random, ending, what)
            for ending in WRITERS
            for what in BYTE_DAMAGES
        ),
        *(
            lambda random, ending=ending, what=what: _damaged_rows(random, ending, what)
            for ending in WRITERS
            for what in ROW_DAMAGES
        ),
        *(
            lambda random, ending=ending, what=what: _damaged_text(random, ending, what)
            for ending, damages in TEXT_DAMAGES.items()
            for what in damages
        ),
        *(lambda random, turns=turns: _conversation(random, turns) for turns in CONVERSATIONS),
    ]


def _damaged_bytes(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    """Damaged before or after it is compressed."""
    packing = random.choice(list(PACKINGS))
    steps = [PACKINGS[packing], lambda content: BYTE_DAMAGES[what](random, content)]
    random.shuffle(steps)
    content = WRITERS[ending](_rows(random))
    for step in steps:
        content = step(content)
    return f"{ending}{packing}", content, what


def _damaged_rows(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    rows = _rows(random)
    ROW_DAMAGES[what](random, rows)
    return ending, WRITERS[ending](rows), what


def _damaged_text(random: Random, ending: str, what: str) -> tuple[str, bytes, str]:
    return ending, TEXT_DAMAGES[ending][what](random).encode(), what


def _conversation(random: Random, turns: str) -> tuple[str, bytes, str]:
    values: Any = json.loads(turns)
    layout = random.choice(["messages", "conversations"])
    good = {layout: [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    return ".jsonl", json_lines([good, {layout: values}, good]), "turns"


# Rows that are sound.


def _text(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=random.randint(1, 8)))


def _rows(random: Random) -> Rows:
    size = random.randint(3, 6)
    texts = [{"instruction": _text(random), "output": _text(random)} for _ in range(size)]
    return [{"id": str(at), **text, "score": at / 2} for at, text in enumerate(texts)]


# Rows that are not, in place.


def _set(value: Any, name: str | None = None) -> Callable[[Random, Rows], None]:
    def damage(random: Random, rows: Rows) -> None:
        random.choice(rows)[random.choice(["instruction", "output"]) if name is None else name] = value

    return damage


def _missing(random: Random, rows: Rows) -> None:
    random.choice(rows).pop("output")


def _repeated_ids(random: Random, rows: Rows) -> None:
    rows[-1]["id"] = rows[0]["id"]


def _all_empty(random: Random, rows: Rows) -> None:
    for row in rows:
        row["output"] = ""


def _deep(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


ROW_DAMAGES: dict[str, Callable[[Random, Rows], None]] = {
    "not a number": _set(math.nan, "score"),
    "infinite": _set(-math.inf, "score"),
    "huge integer": _set(10**400),
    "number": _set(3),
    "truth value": _set(True),
    "null": _set(None),
    "nested nulls": _set([None, [None, {"a": None}]]),
    "object in place of text": _set({"a": 1}),
    "deep nesting": _set(_deep(150)),
    "lone surrogate": _set("half \ud83d"),
    "null byte": _set("a\0b"),
    "line breaks and quotes": _set('a\r\n"b",\tc'),
    "missing column": _missing,
    "repeated ids": _repeated_ids,
    "empty answers": _all_empty,
}


# Files whose bytes are damaged.


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(1, len(content))]


def _changed(random: Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.randint(1, 20)):
        damaged[random.randrange(len(damaged))] = random.randrange(256)
    return bytes(damaged)


def _bad_utf8(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + b"\xff\xc3(" + content[at:]


def _null_bytes(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content))
    return content[:at] + b"\0" * random.randint(1, 9) + content[at:]


BYTE_DAMAGES: dict[str, Callable[[Random, bytes], bytes]] = {
    "empty": lambda random, content: b"",
    "only a mark": lambda random, content: b"\xef\xbb\xbf",
    "cut off": _cut,
    "bytes changed": _changed,
    "bad UTF-8": _bad_utf8,
    "null bytes": _null_bytes,
    "random bytes": lambda random, content: random.randbytes(len(content)),
    "twice": lambda random, content: content + content,
    "UTF-16 without its end": lambda random, content: "good\n".encode("utf-16")[:-1],
}


# Files that are made to harm.


def _bombs() -> list[Callable[[Random], tuple[str, bytes, str]]]:
    zeros = b"\0" * 2**20
    rows = '<row r="{}"><c t="inlineStr"><is><t>a</t></is></c></row>'
    entities = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 30))
    laughs = f'<!DOCTYPE w [<!ENTITY e0 "ha">{entities}]>'
    laugh = '<row r="1"><c t="inlineStr"><is><t>&e29;</t></is></c></row>'
    return [
        lambda random: (".jsonl.gz", gzip.compress(zeros, mtime=0) * BOMB, "bomb"),
        lambda random: (".csv.zst", zstandard.ZstdCompressor().compress(zeros) * BOMB, "bomb"),
        lambda random: (".parquet.gz", gzip.compress(zeros, mtime=0) * BOMB, "bomb"),
        lambda random: (".xlsx", excel_of(" " * (BOMB * 2**20)), "bomb"),
        lambda random: (".xlsx", excel_of(rows.format(1) + rows.format(10**12)), "a line far away"),
        lambda random: (".xlsx", excel_of(laugh, before=laughs), "entities of entities"),
        lambda random: (".xlsx", excel_of(rows.format(1), sheet="xl/other.xml"), "no sheet"),
        lambda random: (".xlsx", excel_of("<row><c><v>&"), "broken XML"),
    ]


SPECIAL = _bombs()
