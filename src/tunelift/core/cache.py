"""The user's cache: what can be made again from what it was made from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tunelift.core.errors import UserError
from tunelift.core.files import explained_os_errors, file_hash, new_folder, read_json, remove_leftovers, write_json

MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """``TUNELIFT_CACHE``, or ``tunelift`` below the user's cache directory."""
    chosen = os.environ.get("TUNELIFT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tunelift"


def write_manifest(folder: Path) -> None:
    """Enter the hash of every file of a folder into its manifest."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    write_json(folder / MANIFEST, {file.relative_to(folder).as_posix(): file_hash(file) for file in files})


def is_intact(folder: Path) -> bool:
    """Whether a folder holds exactly what its manifest says."""
    try:
        manifest = read_json(folder / MANIFEST)
    except UserError:
        return False
    if not isinstance(manifest, dict):
        return False
    return all(
        (folder / file).is_file() and file_hash(folder / file) == expected for file, expected in manifest.items()
    )


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made if it is missing and made anew if it is damaged.

    Safe when two processes ask for the same folder at once: one makes it, the other waits.

    Args:
        name: Where in the cache; it should hold a hash of everything that the content depends on.
        make: Writes the content into the folder that it is given.

    Raises:
        UserError: The cache cannot be written.
    """
    folder = cache_folder() / name
    with explained_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not is_intact(folder):
                remove_leftovers(folder.parent, folder.name)
                with new_folder(folder) as staged:
                    make(staged)
                    write_manifest(staged)
    return folder
