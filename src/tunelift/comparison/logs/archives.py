"""The zip archives in which Inspect keeps its logs, unpacked without trusting them."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tunelift.core.errors import UserError
from tunelift.data.formats.files import CHUNK, UNPACKERS, find_file, largest_content, too_much

HEADER, START = "header.json", "_journal/start.json"
SAMPLE = re.compile(r"samples/.*_epoch_\d+\.json", re.DOTALL)
ZIP_ZSTANDARD = 93  # zipfile knows it from Python 3.14 on, but unpacks it without a limit
LOCAL_HEADER = struct.Struct("<26xHH")  # of an entry; it ends with the lengths of its name and of its extra field
FINISH = "finish it first: inspect eval-retry LOG"
COPY = "copy the log again"
AS_JSON = f"{COPY}, or write it as JSON: inspect log dump LOG > LOG.json"


def unpack(path: Path) -> Iterator[tuple[str, Any]]:
    """The JSON values in an archive: the header, and then the samples one by one.

    Yields:
        The name of an entry, and its value.

    Raises:
        UserError: It is no such archive, damaged or not finished, or holds more than an archive of its size can.
    """
    with path.open("rb") as stream:
        try:
            yield from _values(path, stream)
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise UserError(path, f"is not a whole zip archive ({error})", AS_JSON) from error


def _values(path: Path, stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    limit = left = largest_content(path.stat().st_size)
    with zipfile.ZipFile(stream) as archive:
        names = dict.fromkeys(archive.namelist())  # what was written again stands in it twice; the last counts
        if HEADER not in names:
            what = "is of an evaluation that is not finished" if START in names else "is no log of Inspect"
            raise UserError(path, what, FINISH if START in names else "name a log of Inspect")
        for name in (HEADER, *filter(SAMPLE.fullmatch, names)):
            entry = archive.getinfo(name)
            content = bytearray()
            for chunk in _chunks(path, stream, archive, entry):
                content += chunk
                left -= len(chunk)
                if left < 0:
                    raise too_much(str(path), limit)
            if zlib.crc32(content) != entry.CRC:
                raise zipfile.BadZipFile(f"{name} is damaged")
            yield name, parse(f"{path}:{name}", bytes(content))


def _chunks(path: Path, stream: BinaryIO, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry, piece by piece."""
    if entry.compress_type == ZIP_ZSTANDARD:
        yield from UNPACKERS[".zst"](_packed(stream, entry), find_file(path))
    elif entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with archive.open(entry) as content:
            while chunk := content.read(CHUNK):
                yield chunk
    else:
        raise UserError(path, f"is compressed by method {entry.compress_type}, which Inspect does not use", AS_JSON)


def _packed(stream: BinaryIO, entry: zipfile.ZipInfo) -> BinaryIO:
    """The content of an entry as it is stored."""
    stream.seek(entry.header_offset)
    stream.seek(sum(LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))), io.SEEK_CUR)
    return io.BytesIO(stream.read(entry.compress_size))


def parse(where: object, content: bytes) -> Any:
    """A value from JSON, as Inspect writes it: NaN is a number.

    Raises:
        UserError: It is not JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(where, f"is not JSON ({error})", COPY) from error
