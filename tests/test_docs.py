"""The documentation does what it says: its pages are run, and stand in both languages.

A block whose info string names a file (```` ```yaml file=task.yaml ````) is written, ``console`` blocks and ``python``
blocks are run, one after another in one folder; other blocks are for reading. Output that a console block shows is
compared; ``...`` stands for anything. Only the English pages are run: the Chinese ones hold the same blocks.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunelift

ROOT = Path(__file__).parents[1]
SOURCE = Path(tunelift.__file__).parents[1]
PAGES = sorted(page.stem for page in (ROOT / "docs" / "en").glob("*.md"))
TEXTS = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*/*.md")]

MODEL = "bundled/smollm2-135m-instruct"
GOES_ON_FROM = dict.fromkeys(["python-api", "export-and-serve", "heads"], "your-own-data")
LONG = {"export-and-serve", "judges"}
RUN_ELSEWHERE = {"extending"}  # by test_extending.py, with a copy of the package


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the file that it is, and its content."""

    language: str
    file: str | None
    content: str


def blocks(page: Path) -> list[Block]:
    found = []
    for info, content in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", page.read_text(encoding="utf-8"), re.MULTILINE):
        language, _, file = info.partition(" file=")
        found.append(Block(language, file or None, content))
    return found


def page_of(name: str, language: str = "en") -> Path:
    return ROOT / "docs" / language / f"{name}.md"


def is_run(block: Block) -> bool:
    return block.file is not None or block.language in ("console", "python")


def runnable() -> Iterator[Any]:
    for name in PAGES:
        if name not in RUN_ELSEWHERE and any(is_run(block) for block in blocks(page_of(name))):
            yield pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])


@pytest.mark.parametrize("name", runnable())
def test_a_page_can_be_followed(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    follow(name, tmp_path, str(tiny_folder))


@pytest.mark.long
@pytest.mark.parametrize("name", ["your-own-data", "python-api", "export-and-serve"])
def test_a_page_can_be_followed_with_the_model_that_it_names(name: str, tmp_path: Path) -> None:
    follow(name, tmp_path, MODEL)


def follow(name: str, folder: Path, model: str) -> None:
    """Do what a page says, with this model in place of the one that it names."""
    earlier = blocks(page_of(GOES_ON_FROM[name])) if name in GOES_ON_FROM else []
    with ExitStack() as servers:
        for block in [*(block for block in earlier if block.file), *filter(is_run, blocks(page_of(name)))]:
            content = block.content.replace(MODEL, model)
            if block.file:
                (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.file).write_text(content, encoding="utf-8")
            elif block.language == "python":
                finish([sys.executable, "-c", content], 0, "", folder)
            else:
                for entry in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                    line, _, output = entry.partition("\n")
                    enter(line, output, folder, servers)


def enter(line: str, output: str, folder: Path, servers: ExitStack) -> None:
    """Enter a command; one that ends in "&" goes on until the page ends."""
    line, _, status = line.partition("  # exit ")
    program, *arguments = shlex.split(line)
    assert program == "tunelift", line
    command = [sys.executable, "-m", "tunelift.cli", *arguments]
    if arguments[-1] == "&":
        servers.enter_context(background(command[:-1], folder))
    else:
        finish(command, int(status or 0), output, folder)


def finish(command: list[str], status: int, output: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=1200)
    assert done.returncode == status, done.stderr
    shown = done.stderr.replace("\r", "\n").rstrip().rpartition("\n")[2] if status == 2 else done.stdout
    if output:
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(output, shown, options), f"shown is\n{output}\nprinted is\n{shown}"


@contextmanager
def background(command: list[str], folder: Path) -> Iterator[None]:
    """A server, from when it says that it serves."""
    process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert any("is served at" in line for line in process.stderr), "the server ended"
        yield
    finally:
        process.terminate()
        process.communicate(timeout=60)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE)}


def test_a_page_stands_in_both_languages_with_the_same_blocks() -> None:
    assert sorted(page.stem for page in (ROOT / "docs" / "zh").glob("*.md")) == PAGES
    for name in PAGES:
        assert blocks(page_of(name)) == blocks(page_of(name, "zh")), name


def test_what_the_readme_shows_is_run_in_a_page() -> None:
    run = [block for name in PAGES for block in blocks(page_of(name))]
    shown = list(filter(is_run, blocks(ROOT / "README.md")))
    assert shown
    assert all(block in run for block in shown)


def test_the_readme_is_the_same_in_both_languages() -> None:
    first, second = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert list(filter(is_run, blocks(first))) == list(filter(is_run, blocks(second)))
    demo = re.compile("<!-- demo:begin -->\n(.+?)<!-- demo:end -->", re.DOTALL)
    assert len(demo.findall(first.read_text(encoding="utf-8"))) == 1
    assert demo.findall(first.read_text(encoding="utf-8")) == demo.findall(second.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if not link.startswith(("https://", "#"))]
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing
    anchored = [link.partition("#")[::2] for link in links if "#" in link and not link.startswith("https://")]
    assert [
        name + anchor for name, anchor in anchored if anchor not in anchors(page.parent / name if name else page)
    ] == []


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall("^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
