"""Where the rows of a task come from: bundled, a file, a folder, named files, or the hub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.records import Source
from tunelift.data.bundled import PREFIX, read_bundled
from tunelift.data.formats import READERS, Row, Rows, plain, read_file
from tunelift.data.tasks import Task

LOADERS = ("json", "csv", "parquet")
HUB_ID = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")
SPLITS = ("train", "validation", "test")
ONLY_PART = "train"  # what a single file is called, as in the hub's library

Parts = dict[str, Callable[[], Rows]]


def read_pool(task: Task) -> Rows:
    """The rows of a task that divides one pool itself.

    Raises:
        UserError: The data cannot be read, or has several parts and the task does not say which is the pool.
    """
    parts = _find_parts(task)
    if task.training_split is None and len(parts) > 1:
        hint = 'remove "split" to use them as they are, or name the one to divide as training_split'
        raise UserError(task.dataset_path, f"has splits already ({shorten(parts)})", hint)
    return _part(task, parts, task.training_split or next(iter(parts)))


def read_splits(task: Task) -> dict[str, Rows]:
    """The rows of a task whose data is divided already.

    Splits that the task names are used; if it names none, those called train, validation and test are. As in the
    harness, the validation split is tested on where no test split is named, and demonstrations take the place of
    training data where there is no training split.

    Returns:
        Rows by "train", "validation" and "test"; the first two can be empty.

    Raises:
        UserError: The data cannot be read, or a split that is named or needed is not there.
    """
    parts = _find_parts(task)
    names: dict[str, str | None] = {
        "train": task.training_split or task.fewshot_split,
        "validation": task.validation_split,
        "test": task.test_split,
    }
    if not any(names.values()):
        names = {split: split if split in parts else None for split in SPLITS}
    elif names["test"] is None:
        names |= {"test": names["validation"], "validation": None}
    if names["test"] is None:
        hint = "name one as test_split, or have the rows divided: split: {train: 600, validation: 150, test: 400}"
        raise UserError(task.dataset_path, f"has no test split, only {shorten(parts)}", hint)
    return {split: _part(task, parts, name) if name else Rows([]) for split, name in names.items()}


def _part(task: Task, parts: Parts, name: str) -> Rows:
    if name not in parts:
        raise UserError(task.dataset_path, f'has no split "{name}"', nearest(name, parts))
    return parts[name]()


def _find_parts(task: Task) -> Parts:
    path = task.dataset_path
    local = Path(path)
    if path in LOADERS:
        return _named_files(task)
    if path.startswith(PREFIX):
        parts: Parts = {ONLY_PART: partial(read_bundled, path)}
    elif local.is_file():
        parts = {ONLY_PART: partial(read_file, local)}
    elif local.is_dir():
        parts = _files_of_folder(local)
    elif local.suffix.lower() in READERS or not HUB_ID.fullmatch(path):
        hint = "check dataset_path; it is relative to the task file or to where you are"
        raise UserError(path, "file not found", hint)
    else:
        return _hub_parts(task)
    if task.dataset_kwargs or task.dataset_name:
        hint = "remove them, or use dataset_path: json with dataset_kwargs: {data_files: ...}"
        raise UserError(path, "takes no dataset_name and no dataset_kwargs", hint)
    return parts


def _named_files(task: Task) -> Parts:
    """``dataset_path: json`` with ``data_files``: one file, a list, or either by split."""
    files = task.dataset_kwargs.get("data_files")
    others = sorted(task.dataset_kwargs.keys() - {"data_files"})
    if others:
        what = f"dataset_kwargs has {shorten(others)}, which files do not take"
        raise UserError(task.place("dataset_kwargs"), what, "remove it")
    named = files if isinstance(files, dict) else {ONLY_PART: files}
    lists = {str(split): _paths(paths) for split, paths in named.items()}
    if not all([lists, *lists.values()]):
        hint = "write dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}"
        raise UserError(task.place("dataset_path"), f'dataset_path "{task.dataset_path}" needs data_files', hint)
    return {split: partial(_read_files, paths) for split, paths in lists.items()}


def _paths(value: Any) -> list[Path]:
    """One path or a list of them; empty if it is neither."""
    values = value if isinstance(value, list) else [value]
    return [Path(item) for item in values] if all(isinstance(item, str) for item in values) else []


def _read_files(paths: list[Path]) -> Rows:
    read = [read_file(path) for path in paths]
    return Rows([row for rows in read for row in rows.rows])


def _files_of_folder(folder: Path) -> Parts:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in READERS)
    twice = sorted(stem for stem, count in Counter(file.stem for file in files).items() if count > 1)
    if twice:
        raise UserError(folder, f"holds several files named {shorten(twice)}", "keep one of them")
    if not files:
        hint = f"put train, validation and test files there ({', '.join(READERS)})"
        raise UserError(folder, "holds no data files", hint)
    return {file.stem: partial(read_file, file) for file in files}


def _hub_parts(task: Task) -> Parts:
    path = task.dataset_path
    try:
        import datasets
    except ImportError as error:
        raise UserError(path, 'needs the package "datasets"', "run: pip install datasets") from error
    try:
        loaded = datasets.load_dataset(path, task.dataset_name, **task.dataset_kwargs)
    except Exception as error:  # the library, the network and the data set's own files can fail in any way
        what = f"is neither a file here nor could it be loaded from the hub ({str(error).strip().splitlines()[0]})"
        hint = "check the spelling and the network; bundled/tweets and bundled/reviews-zh need none"
        raise UserError(path, what, hint) from error
    splits = loaded if isinstance(loaded, dict) else {ONLY_PART: loaded}
    return {str(split): partial(_hub_rows, f"{path}/{split}", data) for split, data in splits.items()}


def _hub_rows(name: str, data: Any) -> Rows:
    return Rows([Row(plain(record), Source(name, number)) for number, record in enumerate(data, start=1)])
