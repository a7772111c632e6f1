"""Malformed recipes, tasks and data of every kind, through the command line: said in one line or counted, and no harm.

Each ends with exit status 2 and one line, or with a finding that names what is wrong; never in a traceback, never
without an end, and no file is changed.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
import yaml

from tunelift.cli import main
from tunelift.core.recipe import Recipe
from tunelift.data.tasks import Task

TESTS = Path(__file__).parents[1]
SEED = 7
SECONDS = 30  # for one input; the slowest takes three on an idle machine
THROUGH_THE_SHELL = 30
ONE_LINE = re.compile(r"error: .+: .+ - .+")
# Findings that name damage of a file; others tell about what sound files hold, too.
OF_FILES = {"dropped-rows", "layout", "numbers", "repeated-ids"}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the time limit needs SIGALRM")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.parent.name if path.stem == "__init__" else path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


projects = load(TESTS / "malformed" / "__init__.py")
files = load(TESTS / "data" / "test_malformed.py")
MODEL = "MODEL"  # what stands in recipes for the folder of the model, which is not known yet
PROJECTS = projects.malformed_projects(SEED, MODEL)


class TooLongError(BaseException):
    """Not an error that anybody catches."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", autouse=True)
def once(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every input needs the same model, which is loaded once; and a cache that is not the user's.

    The folder is made first, from the user's cache.
    """
    import tunelift.heads.model
    import tunelift.plan

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((tunelift.plan, "load_model"), (tunelift.heads.model, "load_backbone")):
            patch.setattr(module, name, functools.cache(getattr(module, name)))
        patch.setenv("TUNELIFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test is, too. To number hundreds of folders takes longer than most of the tests."""
    path = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    monkeypatch.chdir(path)
    return path


def write(folder: Path, content: dict[str, bytes | None], model: Path) -> None:
    for name, data in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir()
        else:
            path.write_bytes(data.replace(MODEL.encode(), str(model).encode()) if name == "recipe.yaml" else data)


def held(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def outcome(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[dict[str, Any]]]:
    """Exit status, the line of the error, and findings; what holds for every input is seen to here."""
    before = held(folder)
    with time_limit(SECONDS):
        status = main(["check", "recipe.yaml", "--json"])
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert held(folder) == before
    assert "Traceback" not in printed.err
    if status == 0:
        assert not errors
        return status, "", json.loads(printed.out)["findings"]
    assert status == 2
    assert not printed.out
    assert len(errors) == 1
    assert ONE_LINE.fullmatch(errors[0])
    return status, errors[0], []


@pytest.mark.parametrize("case", PROJECTS, ids=[f"{number}-{case.what[:40]}" for number, case in enumerate(PROJECTS)])
def test_a_malformed_task_or_recipe_is_named(
    case: Any, folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, case.files, tiny_folder)
    _, error, findings = outcome(folder, capsys)
    counted = [f"{finding['message']} {finding['rows']}" for finding in findings if finding["count"]]
    assert any(re.search(case.named, text) for text in [error, *counted]), [error, *counted]


def project_of(name: str, content: bytes, what: str) -> dict[str, bytes | None]:
    """A task that is tuned on a file of any format."""
    texts = "messages" if what == "turns" else "{{ instruction|default(text)|default(a)|default(version) }}"
    target = "reply" if what == "turns" else "{{ output|default(text)|default(a)|default(version) }}"
    task = {
        "task": "damaged",
        "language": "en",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"train": name, "test": "sound.jsonl"}},
        "doc_to_text": texts,
        "doc_to_target": target,
        "generation_kwargs": {"max_gen_toks": 64},
    }
    if what == "turns":
        layout = "messages" if b'"messages"' in content else "conversations"
        content += line({layout: turns("r", "b")})  # all other answers are the same
    words = ["river", "lamp", "cloud", "stone", "bread", "glass", "paper", "field"]
    sound = [{"messages": turns(word, word[:2])} if what == "turns" else row(word) for word in words]
    recipe = {"model": MODEL, "task": "task.yaml", "conditions": {"majority": {}, "zero-shot": {}}}
    return {
        name: content,
        "sound.jsonl": b"".join(map(line, sound)),
        "task.yaml": yaml.safe_dump(task).encode(),
        "recipe.yaml": yaml.safe_dump(recipe).encode(),
    }


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def row(word: str) -> dict[str, str]:
    return {"instruction": f"Say {word}", "output": word, "text": f"{word} is said"}


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


@pytest.mark.parametrize(
    ("name", "content", "what"), files.FILES, ids=[f"{what}-{name}" for name, _, what in files.FILES]
)
def test_a_damaged_file_is_named(
    name: str,
    content: bytes,
    what: str,
    folder: Path,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(folder, project_of(name, content, what), tiny_folder)
    _, error, findings = outcome(folder, capsys)
    places = [
        place
        for finding in findings
        if finding["check"] in OF_FILES and finding["severity"] == "warning" and finding["count"]
        for place in finding["rows"]
    ]
    harmless = files.HARMLESS | (files.HARMLESS_IN_JSON if ".json" in name else files.HARMLESS_IN_TEXTS)
    assert what in harmless or any(name in text for text in [error, *places])


def test_there_are_hundreds_of_all_kinds() -> None:
    assert len({case.what for case in PROJECTS}) > 500
    assert projects.malformed_projects(SEED, MODEL) == PROJECTS
    assert set(Task.model_fields) <= {path.partition(".")[0] for path in projects.TASK_KEYS}
    assert set(Recipe.model_fields) <= {path.partition(".")[0] for path in projects.RECIPE_KEYS}


@pytest.mark.parametrize(
    "override",
    ["a", "=3", "tune..epochs=3", "tune.epochs=[", 'seed=!!int ""', "conditions=3", "model.x=3", "seed=" + "[" * 600],
)
def test_a_malformed_override_is_named(
    override: str, folder: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, projects.project(MODEL), tiny_folder)
    with time_limit(SECONDS):
        assert main(["check", "recipe.yaml", "--set", override]) == 2
    printed = capsys.readouterr()
    assert ONE_LINE.fullmatch(printed.err.strip())
    assert "--set" in printed.err


def shell_cases() -> list[tuple[str, list[str], dict[str, bytes | None]]]:
    """Some of the inputs: recipes, tasks and files that are found out at once, and a few that need the libraries."""
    random = Random(SEED)
    read = [case for case in PROJECTS if "yaml" in case.what or "type of" in case.what or " for " in case.what]
    later = [case for case in PROJECTS if case not in read]
    damaged = [(name, content, what) for name, content, what in files.FILES if "bomb" not in what]
    check = ["check", "recipe.yaml"]
    return [
        *((case.what, check, case.files) for case in random.sample(read, 16)),
        *((case.what, check, case.files) for case in random.sample(later, 2)),
        *(
            (f"{what}-{name}", ["data", "convert", name, "new.jsonl", "--to", "alpaca"], {name: content})
            for name, content, what in random.sample(damaged, 12)
        ),
    ]


@pytest.mark.parametrize(("what", "command", "content"), shell_cases(), ids=[case[0] for case in shell_cases()])
def test_the_command_itself_ends_without_a_traceback(
    what: str, command: list[str], content: dict[str, bytes | None], folder: Path, tiny_folder: Path
) -> None:
    write(folder, content, tiny_folder)
    before = held(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tunelift.cli", *command],
        cwd=folder, capture_output=True, text=True, check=False, timeout=20 * SECONDS,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    after = held(folder)
    after.pop(folder / "new.jsonl", None)
    assert after == before
    errors = [text for text in done.stderr.splitlines() if text.startswith("error: ")]
    assert done.returncode in (0, 2)
    assert len(errors) == (done.returncode == 2)
    assert all(map(ONE_LINE.fullmatch, errors))


def test_thirty_go_through_the_shell() -> None:
    assert len(shell_cases()) == THROUGH_THE_SHELL
