"""Checkpoints that appear whole or not at all.

The library writes a checkpoint into a staging folder; only when every file is there is it given a manifest with the
hash of each file and renamed to ``checkpoint-STEP``. What has no manifest, or does not match it, is never resumed
from.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunelift.core.cache import is_intact, write_manifest
from tunelift.core.files import new_folder

FOLDER = "checkpoints"
PREFIX = "checkpoint-"


@contextmanager
def staged_checkpoint(folder: Path, step: int, keep: int = 2) -> Iterator[Path]:
    """A folder to write the checkpoint of one step into; it gets its name when the block ends well.

    Args:
        folder: Where the checkpoints stand.
        step: Number of optimizer steps that have been done.
        keep: How many of the newest checkpoints remain.
    """
    with new_folder(folder / f"{PREFIX}{step}") as staged:
        yield staged
        write_manifest(staged)
    for old in _newest_first(folder)[keep:]:
        shutil.rmtree(old)


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole, or None."""
    return next((checkpoint for checkpoint in _newest_first(folder) if is_intact(checkpoint)), None)


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints of a run whose tuning is done."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda path: -int(path.name.removeprefix(PREFIX)))
