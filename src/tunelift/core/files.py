"""Files that appear whole or not at all, and the hashes that identify content."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values have equal texts."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def explained_os_errors(path: Path) -> Iterator[None]:
    """Turn "disk full" and "not permitted" while writing `path` into errors that say what to do."""
    try:
        yield
    except Exception as error:
        number = _os_error_number(error)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(path, "no disk space left", "free some space and run the same command again") from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EFBIG):
            what = f"cannot be written ({os.strerror(number).lower()})"
            raise UserError(path, what, "choose another folder or fix its permissions") from error
        raise


def _os_error_number(error: Exception) -> int | None:
    """The system's number of an error; safetensors and tokenizers only mention it in the text of their own errors."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left half-written in a folder that no other process writes into.

    Args:
        folder: Searched with everything below it.
        name: Name of the file or folder that was being written; all by default.
    """
    for path in [*folder.rglob(f".{name}.*.part")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside it, fsync, rename.

    Raises:
        UserError: The disk is full or the place is not writable; nothing half-written stays behind.
    """
    with explained_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with staged.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)
        _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """Read a JSON file that tunelift wrote.

    Raises:
        UserError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(path, "file not found", "check the path, or run the step that writes it") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        hint = "delete it and run the same command again; it is made anew"
        raise UserError(path, f"is damaged ({error})", hint) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A staging folder that becomes `path` when the block ends well, replacing what was there.

    Yields:
        The folder to write into. It is removed if the block raises.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}.part")
    with explained_os_errors(path):
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        try:
            yield staged
            for file in staged.rglob("*"):
                if file.is_file():
                    with file.open("rb") as stream:
                        os.fsync(stream.fileno())
            if path.exists():
                shutil.rmtree(path)
            staged.replace(path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
