"""A data file as text: UTF-8, or another encoding where there can be no doubt which."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tunelift.core.errors import UserError
from tunelift.data.formats.files import CHUNK, DataFile, open_bytes
from tunelift.data.formats.rows import first_of

# Longer marks first: that of UTF-16 begins that of UTF-32.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What is detected, and the widest encoding of its family, which reads it.
FAMILIES = {
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030",
    "big5": "big5hkscs", "big5hkscs": "big5hkscs", "cp950": "big5hkscs",
    "cp1252": "cp1252", "latin_1": "cp1252",
}  # fmt: skip
SAMPLE = 1 << 18
FEWEST_BYTES = 10  # that are not UTF-8: fewer say nothing about what they are
LARGEST_CHAOS, LEAST_COHERENCE = 0.1, 0.1
# Western text hardly has these, but Turkish looks like Western text with them.
DOUBTFUL = frozenset("ðþýÐÞÝ")


@contextmanager
def open_text(file: DataFile, newline: str = "\n") -> Iterator[TextIO]:
    """A file as text, without its byte order mark.

    Args:
        file: The file; that it is not UTF-8 is noted in its findings.
        newline: As for `open`: a line feed splits lines there alone, an empty text at any kind of line end.

    Raises:
        UserError: It is neither UTF-8 nor surely anything else; all lines that are not are counted.
    """
    encoding = find_encoding(file)
    with open_bytes(file) as stream, io.TextIOWrapper(stream, encoding, newline=newline) as text:
        yield text


def find_encoding(file: DataFile) -> str:
    """The encoding of a file, in which all of it can be decoded."""
    with open_bytes(file) as stream:
        start = stream.read(4)
    marked = next((encoding for mark, encoding in MARKS.items() if start.startswith(mark)), "utf-8-sig")
    if _decodes(file, marked):
        if marked != "utf-8-sig":
            _remark(file, marked, 1)
        return marked
    if marked != "utf-8-sig":
        what = f"is not {marked.upper()}, although it begins as such"
        raise UserError(file.name, what, "save the file as UTF-8")
    return _guess(file)


def is_utf8(data: bytes) -> bool:
    """Whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decodes(file: DataFile, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_bytes(file) as stream:
            while chunk := stream.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _guess(file: DataFile) -> str:
    """The encoding of a file that is not UTF-8."""
    problems: list[tuple[int, str]] = []
    sample = bytearray()
    good = bad = 0
    with open_bytes(file) as stream:
        for number, line in enumerate(stream, start=1):
            text = line.decode("utf-8", "replace")
            lost = text.count("\ufffd")
            bad += lost
            good += len(text) - len(text.encode("ascii", "ignore")) - lost
            if not is_utf8(line):
                problems.append((number, "is not UTF-8"))
                sample += line[: SAMPLE - len(sample)]
    # Where most characters beyond ASCII are UTF-8, the file is damaged, and no other encoding mends it.
    likely = _detect(bytes(sample)) if good < bad >= FEWEST_BYTES else None
    encoding = FAMILIES.get(likely or "")
    if encoding and _decodes(file, encoding):
        _remark(file, encoding, len(problems))
        return encoding
    hint = f"save the file as UTF-8, for example: iconv -f {(likely or 'gb18030').upper()} -t UTF-8"
    raise first_of(file.name, problems, "line", hint)


def _detect(sample: bytes) -> str | None:
    """The encoding that a sample surely has."""
    from charset_normalizer import from_bytes

    matches = [
        match for match in from_bytes(sample) if match.chaos < LARGEST_CHAOS and match.coherence >= LEAST_COHERENCE
    ]
    if not matches:
        return None
    # Where several encodings give the same text, the package names one of them, not the most usual.
    best = matches[0].encoding
    western = any("cp1252" in (match.encoding, *match.could_be_from_charset) for match in matches)
    if not western or FAMILIES.get(best, "cp1252") != "cp1252":
        return best
    return None if DOUBTFUL & set(sample.decode("cp1252", "replace")) else "cp1252"


def _remark(file: DataFile, encoding: str, lines: int) -> None:
    remedy = "nothing, if the texts are right; otherwise save the file as UTF-8"
    file.remark("encoding", f"was read as {encoding}, not as UTF-8", remedy, lines)
