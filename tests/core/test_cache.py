from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tunelift.core.cache import MANIFEST, cache_folder, cached_folder, is_intact
from tunelift.core.errors import UserError


def make(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "weights").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    made = folder.parent.parent / "made.txt"
    made.write_text(made.read_text() + "made\n" if made.exists() else "made\n")


def times_made(cache: Path) -> int:
    return len((cache / "made.txt").read_text().splitlines())


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TUNELIFT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "tunelift"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert cache_folder() == Path("/var/xdg/tunelift")
    monkeypatch.setenv("TUNELIFT_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"


def test_a_folder_is_made_once(cache: Path) -> None:
    folder = cached_folder("models/a", make)
    assert folder == cache / "models" / "a"
    assert cached_folder("models/a", make) == folder
    assert times_made(cache) == 1
    assert (folder / "sub" / "weights").read_bytes() == b"weights"


@pytest.mark.parametrize("file", ["sub/weights", "config.json", MANIFEST])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_folder_is_made_anew(cache: Path, file: str, damage: str) -> None:
    path = cached_folder("models/a", make) / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"other" if damage == "changed" else path.read_bytes()[:-2])
    assert not is_intact(cache / "models" / "a")
    assert is_intact(cached_folder("models/a", make))
    assert times_made(cache) == 2


def test_what_cannot_be_made_is_not_there(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise UserError("model", "is damaged", "install it again")

    with pytest.raises(UserError, match="is damaged"):
        cached_folder("models/a", fail)
    assert [path.name for path in (cache / "models").iterdir() if path.suffix != ".lock"] == []
    assert is_intact(cached_folder("models/a", make))


def test_leftovers_of_a_killed_process_are_removed(cache: Path) -> None:
    for name in (".a.123.part", ".b.123.part"):
        (cache / "models" / name).mkdir(parents=True)
        (cache / "models" / name / "half").write_text("half")
    cached_folder("models/a", make)
    assert not (cache / "models" / ".a.123.part").exists()
    assert (cache / "models" / ".b.123.part").exists(), "another process may be at work on it"


def test_two_processes_at_once_make_it_once(cache: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from tunelift.core.cache import cached_folder

        def make(folder):
            with (folder.parent.parent / "made.txt").open("a") as stream:
                stream.write("made\\n")
            time.sleep(0.5)
            (folder / "weights").write_text("weights")

        sys.stdin.readline()
        print((cached_folder("models/a", make) / "weights").read_text())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == ["weights\n"] * 3
    assert times_made(cache) == 1


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TUNELIFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}/file/models/a: cannot be written (not a directory)")):
        cached_folder("models/a", make)
