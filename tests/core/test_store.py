from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tunelift.core.errors import UserError
from tunelift.core.files import file_hash, write_text
from tunelift.core.store import RunStore, open_store, read_store, timestamp


class Work:
    """Writes one file with the number of times it was called."""

    def __init__(self, store: RunStore, name: str = "result.txt") -> None:
        self.path = store.folder / name
        self.calls = 0

    def __call__(self) -> list[Path]:
        self.calls += 1
        write_text(self.path, f"{self.calls}\n")
        return [self.path]


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "run") as store:
        work = Work(store)
        assert store.stage("one", {"seed": 7}, work) == [work.path]
        assert store.stage("one", {"seed": 7}, work) == [work.path]
    with open_store(tmp_path / "run") as store:
        assert store.stage("one", {"seed": 7}, work) == [work.path]
        assert store.files("one") == [work.path]
    assert work.calls == 1
    entry = json.loads((tmp_path / "run" / "run.json").read_text())["stages"]["one"]
    assert entry["files"] == {"result.txt": file_hash(work.path)}
    assert entry["seconds"] >= 0
    assert entry["peak_memory_bytes"] > 10_000_000


def test_a_stage_that_was_interrupted_before_says_so(tmp_path: Path) -> None:
    def fail() -> list[Path]:
        raise KeyboardInterrupt

    with open_store(tmp_path / "run") as store:
        work = Work(store)
        for inputs in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                store.stage("one", inputs, fail)
    with open_store(tmp_path / "run") as store:
        for inputs, resumed in ((2, True), (3, False)):
            store.stage("one", inputs, work)
            assert store.record["stages"]["one"]["resumed"] is resumed
        work.path.unlink()
        store.stage("one", 3, work)
        assert store.record["stages"]["one"]["resumed"] is False


def test_a_stage_is_done_again_when_an_input_changes(tmp_path: Path) -> None:
    with open_store(tmp_path / "run") as store:
        work = Work(store)
        for seed in (7, 8, 8, 7):
            store.stage("one", {"seed": seed}, work)
    assert work.calls == 3


@pytest.mark.parametrize("damage", [lambda path: path.write_text("other"), lambda path: path.unlink()])
def test_a_stage_is_done_again_when_its_file_is_changed_or_gone(tmp_path: Path, damage: Any) -> None:
    with open_store(tmp_path / "run") as store:
        work = Work(store)
        store.stage("one", 1, work)
        damage(work.path)
        store.stage("one", 1, work)
        store.stage("one", 1, work)
    assert work.calls == 2


def test_outdated_files_of_a_stage_are_removed_once_the_new_ones_are_entered(tmp_path: Path) -> None:
    """File names hold the time; two samples files in one folder would leave open which of them counts."""
    with open_store(tmp_path / "run") as store:
        old, new = Work(store, "samples_1.jsonl"), Work(store, "samples_2.jsonl")
        store.stage("one", 1, old)
        store.stage("one", 2, new)
        assert not old.path.exists()
        assert store.files("one") == [new.path]


def test_a_stage_that_fails_is_not_entered_and_leaves_the_others(tmp_path: Path) -> None:
    def fail() -> list[Path]:
        write_text(tmp_path / "run" / "half.txt", "half")
        raise RuntimeError

    with open_store(tmp_path / "run") as store:
        store.stage("one", 1, Work(store))
        with pytest.raises(RuntimeError):
            store.stage("two", 1, fail)
    with open_store(tmp_path / "run") as store:
        assert list(store.record["stages"]) == ["one"]
        with pytest.raises(UserError, match='stage "two" is not finished - continue it with'):
            store.files("two")


def test_killed_between_the_files_and_their_entry_the_stage_is_done_again(tmp_path: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from tunelift.core.files import write_text
        from tunelift.core.store import open_store

        def work():
            write_text(store.folder / "result.txt", "from the killed process")
            (store.folder / ".model.1.part").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)

        with open_store(Path(sys.argv[1])) as store:
            store.stage("one", 1, lambda: [write_text(store.folder / "one.txt", "one") or store.folder / "one.txt"])
            store.stage("two", 1, work)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "run")], check=False)
    assert killed.returncode == -9
    with open_store(tmp_path / "run") as store:
        one, two = Work(store, "one.txt"), Work(store)
        store.stage("one", 1, one)
        store.stage("two", 1, two)
        assert not (store.folder / ".model.1.part").exists()
    assert (one.calls, two.calls) == (0, 1)
    assert two.path.read_text() == "1\n"


def test_a_second_process_is_told_that_the_folder_is_in_use(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from tunelift.core.store import open_store
        try:
            with open_store(Path(sys.argv[1])):
                print("opened")
        except Exception as error:
            print(type(error).__name__, error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "run")]
    with open_store(tmp_path / "run"):
        second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.startswith(f"UserError {tmp_path / 'run'}: another process works in this run directory - ")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "opened\n"


@pytest.mark.parametrize(
    "content", [b"", b'{"format": 1, "stag', b"[]", b"null", b'{"format": 2, "stages": {}}', b'{"format": 1}', b"\xff"]
)
def test_a_damaged_record_is_named_and_the_lock_released(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_bytes(content)
    for _ in range(2):  # a lock that stayed would give another error the second time
        with pytest.raises(UserError, match=re.escape(f"{folder / 'run.json'}: is damaged")), open_store(folder):
            pass


def test_what_is_not_a_run_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a run directory \(no run\.json\)"):
        read_store(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), open_store(tmp_path / "file"):
        pass


def test_facts_are_entered_beside_the_stages(tmp_path: Path) -> None:
    with open_store(tmp_path / "run") as store:
        store.update(seed=7)
        store.stage("one", 1, Work(store))
        store.update(seed=8)
    record = read_store(tmp_path / "run").record
    assert record["seed"] == 8
    assert "one" in record["stages"]


def test_the_time_in_file_names_is_written_as_the_harness_does() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{6}", timestamp())


def test_what_a_kill_left_beside_a_new_result_is_removed_next_time(tmp_path: Path) -> None:
    with open_store(tmp_path / "run") as store:
        old, new = Work(store, "samples_1.jsonl"), Work(store, "samples_2.jsonl")
        store.stage("one", 1, old)
        store.stage("one", 2, new)
        write_text(old.path, "not yet removed when the run was killed\n")
    with open_store(tmp_path / "run") as store:
        store.stage("one", 2, new)
    assert new.calls == 1
    assert not old.path.exists()
    assert new.path.exists()


def test_a_forgotten_stage_is_gone_with_its_files(tmp_path: Path) -> None:
    with open_store(tmp_path / "run") as store:
        one, two = Work(store, "1.txt"), Work(store, "2.txt")
        store.stage("one", 1, one)
        store.stage("two", 1, two)
        store.forget(["one", "never there"])
        assert not one.path.exists()
        assert store.files("two") == [two.path]
    with pytest.raises(UserError, match='stage "one" is not finished'):
        read_store(tmp_path / "run").files("one")


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "x",
        {"files": {}, "replaced": []},
        {"inputs": "x", "replaced": []},
        {"inputs": "x", "files": []},
        {"inputs": "x", "files": {"../other.txt": "hash"}, "replaced": []},
        {"inputs": "x", "files": {}, "replaced": ["/etc/passwd"]},
    ],
)
def test_an_edited_entry_is_refused(tmp_path: Path, entry: Any) -> None:
    with open_store(tmp_path / "run") as store:
        store.stage("one", 1, Work(store))
        store.record["stages"]["one"] = entry
        store.save()
    with pytest.raises(UserError, match="is damaged or of another version"):
        read_store(tmp_path / "run")
