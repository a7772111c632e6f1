"""The page on extending says what works: what it adds is added to a copy of the package, and then used."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import tunelift

DOCS = Path(__file__).parents[1] / "docs"
PACKAGE = Path(tunelift.__file__).parent
MODEL = "bundled/smollm2-135m-instruct"


def blocks(language: str) -> list[tuple[str, str]]:
    """Info string and content of the page's fenced blocks."""
    page = (DOCS / language / "extending.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w.*)\n((?:.*\n)*?)```$", page, re.MULTILINE)


def apply_diff(text: str, diff: str) -> str:
    """A text with new lines between lines that it has, exactly once and one behind the other."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        assert {line[0] for line in lines} == {" ", "+"}
        before = "".join(line[1:] for line in lines if line[0] == " ")
        assert text.count(before) == 1, before
        text = text.replace(before, "".join(line[1:] for line in lines))
    return text


def add(folder: Path, info: str, content: str) -> None:
    """Do what one block says."""
    how, _, name = info.partition(" ")[2].partition("=")
    file = folder / name
    if how == "file":
        assert not file.exists(), name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    elif how == "append":
        file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{content}", encoding="utf-8")
    else:
        assert how == "change", info
        file.write_text(apply_diff(file.read_text(encoding="utf-8"), content), encoding="utf-8")


def run(line: str, folder: Path) -> str:
    program, *arguments = shlex.split(line)
    assert program == "tunelift", line
    command = [sys.executable, "-m", "tunelift.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_the_page_adds_works(tmp_path: Path, tiny_folder: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "src" / "tunelift", ignore=shutil.ignore_patterns("__pycache__"))
    for info, content in blocks("en"):
        if info != "console":
            add(tmp_path, info, content)
            continue
        for entry in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
            line, _, shown = entry.partition("\n")
            printed = run(line.replace(MODEL, str(tiny_folder)), tmp_path)
            assert doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS), printed


def test_both_languages_add_the_same() -> None:
    kinds = [info.partition("=")[0] for info, _ in blocks("en")]
    assert {"python append", "python file", "yaml file", "diff change", "console"} <= set(kinds)
    assert blocks("en") == blocks("zh")
