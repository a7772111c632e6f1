"""A data file as bytes: its ending, its compression, and the part of it that is meant."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tunelift.core.errors import UserError
from tunelift.core.records import Finding
from tunelift.data.formats.rows import Tally

CHUNK = 1 << 16
# Of zstd in one step: it packs up to 30,000 to one, so that this much stays below 128 MiB.
PACKED_CHUNK = 1 << 12
# Texts pack ten to one, tables of repeated values a hundred to one; what exceeds both limits is made to fill memory.
LARGEST_RATIO = 250
ALWAYS_ALLOWED = 100 * 2**20


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file and how it is to be read.

    Attributes:
        name: As the user wrote it; in errors and sources.
        path: Where it is.
        ending: What it is, in lower case, without that of compression: ".jsonl".
        packing: How it is compressed: ".gz", ".zst", or "".
        part: What stands behind "#" in its name: a sheet, a key, or what is a row.
        columns: Names of its columns, where it does not name them itself.
        findings: Remarks, added while it is read.
        dropped: Rows that cannot be used, counted while it is read.
    """

    name: str
    path: Path
    ending: str
    packing: str
    part: str | None = None
    columns: tuple[str, ...] | None = None
    findings: list[Finding] = field(default_factory=list)
    dropped: Tally = field(default_factory=Tally)

    def remark(self, check: str, message: str, remedy: str, count: int = 1) -> None:
        """Note how the file was read."""
        self.findings.append(Finding(check, "warning", message, count, remedy, (self.name,)))


def find_file(name: Path | str, columns: tuple[str, ...] | None = None) -> DataFile:
    """A data file by its name, behind which a part can stand: ``results.xlsx#Sheet 2``.

    Raises:
        UserError: There is no such file.
    """
    path, part = Path(name), None
    if not path.is_file():
        whole, mark, end = str(name).rpartition("#")
        if not (mark and Path(whole).is_file()):
            raise UserError(name, "file not found", "check the path; it is relative to where you are")
        path, part = Path(whole), end
    _, ending, packing = split_name(path)
    return DataFile(str(name), path, ending, packing, part, columns)


def split_name(path: Path) -> tuple[str, str, str]:
    """A file's name as stem, ending and compression: ("train", ".jsonl", ".gz"), the latter two in lower case."""
    packing = path.suffix.lower() if path.suffix.lower() in UNPACKERS else ""
    inner = Path(path.stem) if packing else Path(path.name)
    return inner.stem, inner.suffix.lower(), packing


@contextmanager
def open_bytes(file: DataFile) -> Iterator[BinaryIO]:
    """The content of a file, uncompressed as it is read.

    Raises:
        UserError: While it is read: it is damaged, or unpacks to far more than data do.
    """
    with file.path.open("rb") as stream:
        if file.packing:
            limit = largest_content(file.path.stat().st_size)
            yield io.BufferedReader(_Unpacked(file, UNPACKERS[file.packing](stream, file), limit), CHUNK)
        else:
            yield stream


@contextmanager
def open_seekable(file: DataFile) -> Iterator[BinaryIO]:
    """The content of a file for readers that jump around in it."""
    with open_bytes(file) as stream:
        if not file.packing:
            yield stream
            return
        with tempfile.TemporaryFile() as whole:
            shutil.copyfileobj(stream, whole)
            whole.seek(0)
            yield whole


def largest_content(size: int) -> int:
    """How many bytes a compressed file of this size may hold."""
    return max(ALWAYS_ALLOWED, LARGEST_RATIO * size)


def too_much(name: str, limit: int) -> UserError:
    """The error about a file that holds more than it may."""
    what = f"unpacks to more than {limit / 2**20:,.0f} MiB, over {LARGEST_RATIO} times its size"
    return UserError(name, what, "if it is sound, unpack it yourself and read the result")


class _Unpacked(io.RawIOBase):
    """Uncompressed content as a stream that ends in an error where there is too much."""

    def __init__(self, file: DataFile, chunks: Iterator[bytes], limit: int) -> None:
        self._file, self._chunks, self._limit = file, chunks, limit
        self._read = 0
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
            self._read += len(chunk)
            if self._read > self._limit:
                raise too_much(self._file.name, self._limit)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _gzip_chunks(stream: BinaryIO, file: DataFile) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            while chunk := unpacked.read(CHUNK):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(file, "gzip", error) from error


def _zstd_chunks(stream: BinaryIO, file: DataFile) -> Iterator[bytes]:
    """Frame after frame; the package's own stream takes a file that is cut off for a whole one."""
    try:
        import zstandard
    except ImportError as error:
        hint = "run: pip install 'tunelift[data]'"
        raise UserError(file.name, "content packed with zstd needs zstandard", hint) from error
    frame = None
    try:
        while packed := stream.read(PACKED_CHUNK):
            while packed:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(packed)
                packed = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise _damaged(file, "zstd", error) from error
    if frame:
        raise _damaged(file, "zstd", "it is cut off")


def _damaged(file: DataFile, kind: str, why: object) -> UserError:
    return UserError(file.name, f"is not a whole {kind} file ({why})", "copy or download it again")


UNPACKERS: dict[str, Callable[[BinaryIO, DataFile], Iterator[bytes]]] = {".gz": _gzip_chunks, ".zst": _zstd_chunks}
