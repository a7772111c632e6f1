from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.core import files
from tunelift.core.errors import UserError
from tunelift.core.files import (
    content_hash,
    file_hash,
    new_folder,
    read_json,
    remove_leftovers,
    write_json,
    write_jsonl,
    write_text,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fail_with(number: int) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_written_file_holds_the_text_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "one")
    write_text(path, "二\n")
    assert path.read_bytes() == "二\n".encode()
    assert everything_below(tmp_path) == ["new", "new/folder", "new/folder/a.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_no_half_written_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail_with(number))
    with pytest.raises(UserError, match=re.escape(f"{path}: no disk space left - free some space")):
        write_json(path, {"new": "x" * 10_000})
    monkeypatch.undo()
    assert read_json(path) == {"old": True}
    assert everything_below(tmp_path) == ["a.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a", "text")
    assert everything_below(tmp_path) == []


def test_what_is_not_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_jsonl(tmp_path / "a.jsonl", [{"fine": 1}, {"bad": object()}])
    assert everything_below(tmp_path) == []


def test_a_limit_of_the_system_stops_the_write_with_one_line(tmp_path: Path) -> None:
    """A real limit, not a simulated one: the system refuses to write more than 10 kB into one file."""
    code = """
        import resource, sys
        from pathlib import Path
        from tunelift.core.files import write_text
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        write_text(Path(sys.argv[1]), "small")
        try:
            write_text(Path(sys.argv[1]), "x" * 100_000)
        except Exception as error:
            print(type(error).__name__, error)
    """
    path = tmp_path / "a.txt"
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"UserError {path}: cannot be written (file too large) - ")
    assert path.read_text() == "small"
    assert everything_below(tmp_path) == ["a.txt"]


@pytest.fixture
def forbidden(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may not write into, also when the tests run as root."""
    folder = tmp_path / "forbidden"
    folder.mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)


def test_a_folder_that_may_not_be_written_into(forbidden: Path) -> None:
    message = r"cannot be written \(permission denied\) - choose another folder or fix its permissions"
    with pytest.raises(UserError, match=message):
        write_text(forbidden / "a", "text")
    with pytest.raises(UserError, match=message), new_folder(forbidden / "sub" / "folder"):
        pass


def test_a_file_stands_where_a_folder_should(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "file" / "a", "text")


def test_errors_of_the_system_inside_a_library_are_explained_too(tmp_path: Path) -> None:
    """safetensors only mentions the number of the system's error in its text."""
    code = """
        import resource, sys
        from pathlib import Path
        import numpy
        from safetensors.numpy import save_file
        from tunelift.core.files import new_folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            with new_folder(Path(sys.argv[1])) as folder:
                save_file({"weight": numpy.zeros(100_000)}, folder / "model.safetensors")
        except Exception as error:
            print(type(error).__name__, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"UserError {tmp_path / 'model'}: cannot be written (file too large)")
    assert everything_below(tmp_path) == []


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "a"):
        (tmp_path / "missing").read_text()
    with pytest.raises(ZeroDivisionError), files.explained_os_errors(tmp_path):
        _ = 1 / 0


def test_a_new_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with new_folder(tmp_path / "model") as staged:
            (staged / "sub").mkdir()
            (staged / "sub" / content).write_text(content)
            assert (tmp_path / "model" / "sub" / "old").exists() == (content == "new")
    assert everything_below(tmp_path) == ["model", "model/sub", "model/sub/new"]


def test_a_failed_new_folder_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("old")
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "model") as staged:
        shutil.copytree(tmp_path / "missing", shutil.copytree(tmp_path / "model", staged / "half"))
    assert everything_below(tmp_path) == ["model", "model/old"]


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    for name in (".a.json.123.part", "sub/.model.456.part/sub/file", "sub/kept.json", "kept.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path, "a.json")
    assert ".a.json.123.part" not in everything_below(tmp_path)
    assert "sub/.model.456.part/sub/file" in everything_below(tmp_path)
    remove_leftovers(tmp_path)
    assert everything_below(tmp_path) == ["kept.part", "sub", "sub/kept.json"]


def test_hashes_are_those_of_the_standard() -> None:
    assert content_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of "{}"
    assert content_hash({"b": [1, "二"], "a": None}) == content_hash({"a": None, "b": [1, "二"]})


@given(JSON)
def test_a_hash_tells_values_apart_as_json_does(value: object) -> None:
    again = json.loads(json.dumps(value))
    assert content_hash(value) == content_hash(again)
    assert content_hash([value]) != content_hash(value)


def test_the_hash_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "text")
    assert file_hash(tmp_path / "a") == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"


@given(value=JSON)
def test_json_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "file not found"), (b'{"a": 1', "is damaged"), (b"", "is damaged"), (b'"\xff"', "is damaged")],
)
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(f"{path}: {message}")):
        read_json(path)
