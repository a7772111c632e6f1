"""Text files to rows: lines, paragraphs, words with tags, or sentences with two marked entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.data.formats.files import DataFile, open_bytes
from tunelift.data.formats.rows import Numbered, Tally
from tunelift.data.formats.tables import read_tsv
from tunelift.data.formats.text import open_text

SNIFFED = 200
LINES, PARAGRAPHS = "lines", "paragraphs"
TAG = re.compile(r"O|[BIESMLU]-\S+")
TOKEN_COLUMN, TAG_COLUMN = "token", "tag"
DOCUMENT = "-DOCSTART-"
# The original form of SemEval-2010 Task 8: number and sentence, relation, comment, blank line.
MARKED = re.compile(r'(\d+)\t"?(.*<e1>.*?)"?')

Block = tuple[int, list[str]]


def read_text(file: DataFile) -> Numbered:
    """A text file: words with tags or marked sentences where it looks like such, otherwise one row a line.

    ``file.txt#paragraphs`` makes one row of lines up to a blank one, ``file.txt#lines`` one of each line. Where the
    columns are named, they are separated by tabs; those called "token" and "tag" make sentences of tagged words.
    """
    if file.columns:
        names_words = {TOKEN_COLUMN, TAG_COLUMN} <= set(file.columns)
        yield from (read_tagged if names_words else read_tsv)(file)
        return
    with open_text(file) as text:
        head = list(islice(text, SNIFFED))
        lines = chain(head, text)
        if file.part == PARAGRAPHS:
            yield from ((begins, {"text": "\n".join(block)}) for begins, block in _blocks(lines))
        elif file.part == LINES:
            yield from _text_lines(lines)
        elif file.part is not None:
            raise UserError(file.name, f'"{file.part}" is no part of a text', nearest(file.part, (LINES, PARAGRAPHS)))
        elif _are_tagged(head):
            yield from _sentences(file, lines)
        elif any(MARKED.match(line) for line in head[:1]):
            yield from _marked(file, lines)
        else:
            yield from _text_lines(lines)


def read_tagged(file: DataFile) -> Numbered:
    """Words with tags, one a line, and blank lines between sentences (CoNLL).

    The word stands in the first column and the tag in the last, unless the columns are named. A blank word is left
    out, and a sentence with a word that has no tag is dropped; both are counted. Comments begin with "# ".
    """
    with open_text(file) as text:
        yield from _sentences(file, text)


def _has_documents(file: DataFile) -> bool:
    with open_bytes(file) as stream:
        return any(line.startswith(DOCUMENT.encode()) for line in stream)


def _text_lines(lines: Iterable[str]) -> Numbered:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, {"text": line.rstrip("\r\n")}


def _blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Runs of lines between blank ones, with the number of the first; a mark of a document is a run of its own."""
    block: list[str] = []
    begins = 1
    for number, line in enumerate(lines, start=1):
        blank = not line.strip(" \t\r\n")
        if block and (blank or line.startswith(DOCUMENT) or block[0].startswith(DOCUMENT)):
            yield begins, block
            block = []
        if not blank:
            begins = begins if block else number
            block.append(line.rstrip("\r\n"))
    if block:
        yield begins, block


def _are_tagged(lines: list[str]) -> bool:
    """Whether nearly all of the first lines end in a tag."""
    content = (line.rstrip("\r\n") for line in lines if line.strip() and not line.startswith(DOCUMENT))
    words = [_columns(line) for line in content if not _is_comment(line)]
    tagged = [columns for columns in words if len(columns) > 1 and TAG.fullmatch(columns[-1])]
    return len(tagged) > 0.9 * len(words)


def _is_comment(line: str) -> bool:
    """Whether a line is about a sentence, as in ``# id = 7``, and not the word "#" with its tag."""
    return line.startswith("# ") and not TAG.fullmatch(line.split()[-1])


def _columns(line: str) -> list[str]:
    """The columns of a line, separated by tabs or by spaces; a blank in front of a tag stands for the word."""
    if "\t" in line:
        return line.split("\t")
    columns = [column for column in line.split(" ") if column]
    return ["", *columns] if line.startswith(" ") and len(columns) == 1 else columns


def _sentences(file: DataFile, lines: Iterable[str]) -> Numbered:
    if file.columns and not {TOKEN_COLUMN, TAG_COLUMN} <= set(file.columns):
        what = f"none of its columns ({shorten(file.columns)}) is called {TOKEN_COLUMN}, or none {TAG_COLUMN}"
        raise UserError(file.name, what, "name those of word and tag so")
    blank = Tally()
    numbered = _has_documents(file)
    document = 0
    for begins, block in _blocks(lines):
        if block[0].startswith(DOCUMENT):
            document += 1
            continue
        words = _words(file, begins, block, blank)
        if words:
            document = max(document, 1)  # the mark can also stand behind a document
            fields: dict[str, Any] = {"tokens": [word for word, _ in words], "tags": [tag for _, tag in words]}
            yield begins, fields | ({"document": document} if numbered else {})
    file.findings.extend(blank.findings("blank-words", "nothing, if that is right; they were left out"))


def _words(file: DataFile, begins: int, block: list[str], blank: Tally) -> list[tuple[str, str]]:
    """The words of a sentence with their tags; none if the sentence cannot be used."""
    names = file.columns
    word_at, tag_at = (names.index(TOKEN_COLUMN), names.index(TAG_COLUMN)) if names else (0, -1)
    words = []
    for number, line in enumerate(block, start=begins):
        if _is_comment(line):
            continue
        columns = _columns(line)
        if len(columns) != len(names) if names else len(columns) < 2:
            file.dropped.add("a word has no tag", f"{file.name}:{number}")
            return []
        if columns[word_at].strip():
            words.append((columns[word_at], columns[tag_at]))
        else:
            blank.add("lines have a tag but no word", f"{file.name}:{number}")
    return words


def _marked(file: DataFile, lines: Iterable[str]) -> Numbered:
    for begins, block in _blocks(lines):
        match = MARKED.fullmatch(block[0])
        if match and len(block) > 1:
            comment = {"comment": block[2]} if len(block) > 2 else {}
            yield begins, {"id": match[1], "sentence": match[2], "relation": block[1].strip(), **comment}
        else:
            file.dropped.add("not a numbered sentence with its relation below", f"{file.name}:{begins}")
