"""The run store: stages that are skipped when nothing they depend on has changed.

A run directory holds `run.json`, which names for every finished stage the hash of its inputs and the hash of
every file it wrote. A stage writes its files whole or not at all and is entered in `run.json` last, so that a run
killed at any moment goes on with the first stage that is not entered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tunelift.core import hardware
from tunelift.core.energy import measured_energy
from tunelift.core.errors import UserError
from tunelift.core.files import content_hash, explained_os_errors, file_hash, read_json, remove_leftovers, write_json

FORMAT = 1


def timestamp() -> str:
    """Now, as the harness writes it into file names: ISO with ":" replaced by "-"."""
    return datetime.now().isoformat().replace(":", "-")


class RunStore:
    """One run directory.

    Args:
        folder: The directory; `open_store` makes it and takes its lock.
        record: The content of its `run.json`.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder = folder
        self.record = record

    def stage(self, name: str, inputs: Any, work: Callable[[], Iterable[Path]]) -> list[Path]:
        """Do a piece of work once.

        Args:
            name: Name of the stage, for example "conditions/zero-shot".
            inputs: Everything that the result depends on, as plain data; large inputs as hashes.
            work: Writes its files below the run directory and returns their paths.

        Returns:
            The files of the stage, whether written now or before.
        """
        key = content_hash(inputs)
        if self._is_done(name, key):
            self._remove_replaced(name)
            return self.files(name)
        begun = [name, key]
        is_resumed = self.record.get("begun") == begun
        self.update(begun=begun)
        started = time.perf_counter()
        before = self.record["stages"].get(name, {"files": {}, "replaced": []})
        with measured_energy() as energy:
            files = sorted(work())
        written = {file.relative_to(self.folder).as_posix(): file_hash(file) for file in files}
        self.record["stages"][name] = {
            "inputs": key,
            "files": written,
            "replaced": sorted({*before["files"], *before["replaced"]} - written.keys()),
            "seconds": round(time.perf_counter() - started, 3),
            "peak_memory_bytes": hardware.peak_memory_bytes(),
            "joules": None if energy.joules is None else round(energy.joules, 1),
            "joules_of": sorted(energy.parts),
            "resumed": is_resumed,
            "finished": datetime.now().isoformat(timespec="seconds"),
        }
        self.update(begun=None)
        self._remove_replaced(name)
        return files

    def forget(self, names: Iterable[str]) -> None:
        """Take stages out of the record, and their files out of the run directory."""
        entries = [self.record["stages"].pop(name) for name in names if name in self.record["stages"]]
        self.save()
        for entry in entries:
            self._remove([*entry["files"], *entry["replaced"]])

    def files(self, name: str) -> list[Path]:
        """The current files of a finished stage.

        Raises:
            UserError: The stage has not been finished in this run directory.
        """
        entry = self.record["stages"].get(name)
        if entry is None:
            raise UserError(self.folder, f'stage "{name}" is not finished', "continue it with: tunelift run RECIPE")
        return [self.folder / file for file in entry["files"]]

    def update(self, **facts: Any) -> None:
        """Enter facts about the run (versions, hashes, hardware) into `run.json`."""
        self.record.update(facts)
        self.save()

    def save(self) -> None:
        """Write `run.json`."""
        write_json(self.folder / "run.json", self.record)

    def _remove_replaced(self, name: str) -> None:
        """Remove what an earlier result of the stage has left; done again after a kill."""
        self._remove(self.record["stages"][name]["replaced"])

    def _remove(self, files: Iterable[str]) -> None:
        for file in files:
            (self.folder / file).unlink(missing_ok=True)

    def _is_done(self, name: str, key: str) -> bool:
        entry = self.record["stages"].get(name)
        if entry is None or entry["inputs"] != key:
            return False
        paths = {self.folder / file: expected for file, expected in entry["files"].items()}
        return all(path.is_file() and file_hash(path) == expected for path, expected in paths.items())


def read_store(folder: Path) -> RunStore:
    """An existing run directory, for reading.

    Raises:
        UserError: There is no run, or its `run.json` is damaged or of another format.
    """
    if not (folder / "run.json").is_file():
        raise UserError(folder, "is not a run directory (no run.json)", "name a folder that `tunelift run` has written")
    record = read_json(folder / "run.json")
    stages = record.get("stages") if isinstance(record, dict) and record.get("format") == FORMAT else None
    if not isinstance(stages, dict) or not all(_is_entry(entry) for entry in stages.values()):
        raise UserError(folder / "run.json", "is damaged or of another version", "use a new run directory")
    return RunStore(folder, record)


def _is_entry(entry: Any) -> bool:
    """Whether this is what `RunStore.stage` enters, its files inside the run directory."""
    if not isinstance(entry, dict) or not isinstance(entry.get("inputs"), str):
        return False
    files, replaced = entry.get("files"), entry.get("replaced")
    if not isinstance(files, dict) or not isinstance(replaced, list):
        return False
    return all(
        isinstance(f, str) and not Path(f).is_absolute() and ".." not in Path(f).parts for f in [*files, *replaced]
    )


@contextmanager
def open_store(folder: Path) -> Iterator[RunStore]:
    """A run directory for writing, made if it is missing, locked against a second process.

    Raises:
        UserError: Another process works in it, it is damaged, or it cannot be written.
    """
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            hint = "wait until it ends, or choose another folder with --output"
            raise UserError(folder, "another process works in this run directory", hint) from error
    try:
        remove_leftovers(folder)
        if (folder / "run.json").exists():
            yield read_store(folder)
        else:
            yield RunStore(folder, {"format": FORMAT, "stages": {}})
    finally:
        lock.release()
