"""Where the rows of a task come from: bundled, a file, a folder, named files, or the hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError, counted, nearest, shorten
from tunelift.core.records import Source
from tunelift.data.bundled import PREFIX, read_bundled
from tunelift.data.formats import READERS, Row, Rows, join_rows, plain, read_file, split_name
from tunelift.data.formats.rows import said
from tunelift.data.tasks import Task

LOADERS = ("json", "csv", "parquet")
HUB_ID = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?")
SPLITS = ("train", "validation", "test")
ONLY_PART = "train"  # what a single file is called, as in the hub's library
COLUMNS = "column_names"  # as the hub's library calls the names of columns that a file does not name itself
# One of several files of a split, as the hub names them: train-00000-of-00002.parquet
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")
# One task of Super-NaturalInstructions; a folder of such is one pool.
TASK_FILE = re.compile(r"task\d+_.+")
# What `save_to_disk` of the hub's library writes: data of several splits, or of one.
SAVED = ("dataset_dict.json", "dataset_info.json")
NO_DATA = ("readme", "license", "licence", "notice", "source", "sources", "changelog", "citation")

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
        _refuse_arguments(task)
        return {ONLY_PART: partial(read_bundled, path)}
    if local.is_dir() or local.is_file() or Path(path.rpartition("#")[0]).is_file():
        return _local_parts(local, _columns(task))
    if split_name(local)[1] in READERS or not HUB_ID.fullmatch(path):
        hint = "check dataset_path; it is relative to the task file or to where you are"
        raise UserError(path, "file not found", hint)
    return _hub_parts(task)


def read_path(path: Path | str, columns: Sequence[str] | None = None) -> Rows:
    """The rows of a file, or of a folder that holds one pool.

    Args:
        path: A file as for `read_file`, or a folder.
        columns: Names of the columns, where the files do not name them.

    Raises:
        UserError: It cannot be read, or the folder holds several splits.
    """
    parts = _local_parts(Path(path), columns)
    if len(parts) > 1:
        raise UserError(path, f"holds several splits ({shorten(parts)})", "name one of its files")
    return next(iter(parts.values()))()


def _local_parts(path: Path, columns: Sequence[str] | None) -> Parts:
    if not path.is_dir():
        return {ONLY_PART: partial(read_file, path, columns)}
    if any((path / name).is_file() for name in SAVED):
        if columns:
            raise UserError(path, "names its columns itself", "do not name them")
        return _saved_parts(path)
    return _files_of_folder(path, columns)


def _refuse_arguments(task: Task, *allowed: str) -> None:
    """Arguments of the hub's library that would do nothing."""
    given = [*sorted(task.dataset_kwargs.keys() - set(allowed)), *(["dataset_name"] if task.dataset_name else [])]
    if given:
        hint = f"remove it; valid here: {', '.join(allowed)}" if allowed else "remove it"
        raise UserError(task.place("dataset_kwargs"), f"{task.dataset_path} takes no {shorten(given)}", hint)


def _columns(task: Task, *allowed: str) -> list[str] | None:
    """Names for the columns of files, the one argument that all of them take."""
    _refuse_arguments(task, COLUMNS, *allowed)
    names: Any = task.dataset_kwargs.get(COLUMNS)
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise UserError(task.place("dataset_kwargs"), f"{COLUMNS} is not a list of names", "write [question, answer]")
    return names


def _named_files(task: Task) -> Parts:
    """``dataset_path: json`` with ``data_files``: one file, a list, or either by split."""
    files = task.dataset_kwargs.get("data_files")
    columns = _columns(task, "data_files")
    named = files if isinstance(files, dict) else {ONLY_PART: files}
    lists = {str(split): _paths(paths) for split, paths in named.items()}
    if not all([lists, *lists.values()]):
        hint = "write dataset_kwargs: {data_files: {train: train.jsonl, test: test.jsonl}}"
        raise UserError(task.place("dataset_path"), f'dataset_path "{task.dataset_path}" needs data_files', hint)
    return {split: partial(_read_files, paths, columns) for split, paths in lists.items()}


def _paths(value: Any) -> list[Path]:
    """One path or a list of them; empty if it is neither."""
    values = value if isinstance(value, list) else [value]
    return [Path(item) for item in values] if all(isinstance(item, str) for item in values) else []


def _read_files(paths: list[Path], columns: Sequence[str] | None) -> Rows:
    return join_rows(read_file(path, columns) for path in paths)


def _files_of_folder(folder: Path, columns: Sequence[str] | None) -> Parts:
    """The files of a folder by split: shards of one split belong together, and so do the tasks of a collection."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and split_name(file)[1] in READERS)
    data = [file for file in files if split_name(file)[1] != ".txt"]
    data = data or [file for file in files if file.stem.lower() not in NO_DATA]
    if not data:
        hint = f"put train, validation and test files there ({', '.join(READERS)})"
        raise UserError(folder, "holds no data files", hint)
    splits: dict[str, list[Path]] = {}
    for file in data:
        shard = SHARD.fullmatch(split_name(file)[0])
        splits.setdefault(shard[1] if shard else split_name(file)[0], []).append(file)
    if all(TASK_FILE.fullmatch(split) for split in splits):
        splits = {ONLY_PART: data}
    else:
        _check_shards(folder, splits)
    return {split: partial(_read_files, paths, columns) for split, paths in splits.items()}


def _check_shards(folder: Path, splits: dict[str, list[Path]]) -> None:
    """See that a split is one file, or all of its shards."""
    for split, paths in splits.items():
        shards = [SHARD.fullmatch(split_name(path)[0]) for path in paths]
        numbers = {shard[2] for shard in shards if shard}
        total = max((int(shard[3]) for shard in shards if shard), default=1)
        if len(paths) > 1 and len(numbers) < len(paths):
            raise UserError(folder, f"holds several files named {split}", "keep one of them")
        if len(paths) != total:
            what = f"holds {counted(len(paths), 'file')} of {split}, which has {total} by their names"
            raise UserError(folder, what, "add the files that are missing")


def _saved_parts(folder: Path) -> Parts:
    """What `save_to_disk` of the hub's library wrote."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(folder, 'needs the package "datasets"', "run: pip install 'tunelift[data]'") from error
    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:  # the library fails in many ways on folders that are not whole
        what = f"was saved by save_to_disk, but cannot be read ({said(error)})"
        raise UserError(folder, what, "save it again") from error
    return _dataset_parts(str(folder), loaded)


def _hub_parts(task: Task) -> Parts:
    path = task.dataset_path
    try:
        import datasets
    except ImportError as error:
        raise UserError(path, 'needs the package "datasets"', "run: pip install 'tunelift[data]'") from error
    try:
        loaded = datasets.load_dataset(path, task.dataset_name, **task.dataset_kwargs)
    except Exception as error:  # the library, the network and the data set's own files can fail in any way
        what = f"is neither a file here nor could it be loaded from the hub ({said(error)})"
        hint = "check the spelling and the network; bundled/tweets and bundled/reviews-zh need none"
        raise UserError(path, what, hint) from error
    return _dataset_parts(path, loaded)


def _dataset_parts(name: str, loaded: Any) -> Parts:
    splits = loaded if isinstance(loaded, dict) else {ONLY_PART: loaded}
    return {str(split): partial(_hub_rows, f"{name}/{split}", data) for split, data in splits.items()}


def _hub_rows(name: str, data: Any) -> Rows:
    return Rows([Row(plain(record), Source(name, number)) for number, record in enumerate(data, start=1)])
