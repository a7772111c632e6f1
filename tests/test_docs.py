"""The documentation says what the program does: its pages are run, its tables compared with the code.

A block whose info string names a file (```` ```yaml file=task.yaml ````) is written, ``console`` blocks and ``python``
blocks are run, one after another in one folder; other blocks are for reading. Output that a console block shows is
compared; ``...`` stands for anything. Only the English pages are run: the Chinese ones hold the same blocks.
"""

from __future__ import annotations

import ast
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
import yaml

import tunelift
from tunelift.cli import _parser
from tunelift.core.config import Strict
from tunelift.core.recipe import Recipe
from tunelift.data.tasks import UNSUPPORTED, Task

ROOT = Path(__file__).parents[1]
SOURCE = Path(tunelift.__file__).parents[1]
LANGUAGES = ("en", "zh")
PAGES = sorted(page.stem for page in (ROOT / "docs" / "en").glob("*.md"))
TEXTS = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*/*.md")]

MODEL = "bundled/smollm2-135m-instruct"
GOES_ON_FROM = {"python-api": "your-own-data", "export-and-serve": "your-own-data"}
LONG = {"export-and-serve"}
CHECKING = ("data/checks.py", "data/examples.py", "data/splits.py", "prompts/checks.py")


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


def text_of(name: str, language: str) -> str:
    return page_of(name, language).read_text(encoding="utf-8")


def is_run(block: Block) -> bool:
    return block.file is not None or block.language in ("console", "python")


def runnable() -> Iterator[Any]:
    for name in PAGES:
        if any(is_run(block) for block in blocks(page_of(name))):
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
    shown = done.stderr.replace("\r", "\n").rstrip().rpartition("\n")[2] if status else done.stdout
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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "section"), [("recipe", Recipe), ("task-file", Task)])
def test_every_key_stands_in_its_reference_with_its_default(name: str, section: type[Strict], language: str) -> None:
    all_keys = text_of(name, language).split("\n## ")[1]
    written = dict(re.findall(r"^\| `([\w.-]+)` \| .*? \| (\S.*?) \| .* \|$", all_keys, re.MULTILINE))
    defaults = dict(keys(section, ""))
    assert set(written) == set(defaults)
    assert {key: cell(written[key]) for key in defaults if defaults[key] is not SECTION} == {
        key: default for key, default in defaults.items() if default is not SECTION
    }


SECTION, REQUIRED = object(), object()


def keys(section: type[Strict], prefix: str) -> Iterator[tuple[str, Any]]:
    """All keys below a section with their defaults; NAME stands for names that the user gives."""
    for name, field in section.model_fields.items():
        key = prefix + (field.alias or name)
        nested = sections(field.annotation)
        if not nested:
            yield key, REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
            continue
        yield key, SECTION
        infix = ".NAME." if getattr(field.annotation, "__origin__", None) is dict else "."
        for inner in nested:
            yield from keys(inner, key + infix)


def sections(annotation: Any) -> list[type[Strict]]:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return [annotation]
    return [section for argument in getattr(annotation, "__args__", ()) for section in sections(argument)]


def cell(text: str) -> Any:
    """The default in a cell of a table: YAML in backticks, "-" for none, any word for "required"."""
    if text == "-":
        return None
    return yaml.safe_load(text.strip("`")) if text.startswith("`") else REQUIRED


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_and_every_flag_stands_in_its_reference(language: str) -> None:
    parts = text_of("command-line", language).split("\n## ")
    sections = {part.split("`")[1].split()[1]: part for part in parts if part.startswith("`tunelift ")}
    (verbs,) = (action.choices for action in _parser()._actions if isinstance(action.choices, dict))
    assert set(sections) == set(verbs)
    for verb, parser in verbs.items():
        flags = {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}
        assert set(re.findall(r"`(--[\w-]+)", sections[verb])) == flags, verb


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_stands_in_its_reference(language: str) -> None:
    page = text_of("errors", language)
    for file in CHECKING:
        tree = ast.parse((SOURCE / "tunelift" / file).read_text(encoding="utf-8"))
        texts = [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        names = {text for text in texts if re.fullmatch("[a-z]+(-[a-z]+)+", text)}
        assert {name for name in names if f"`{name}`" not in page} == set(), file


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_refused_and_what_is_public_stands_in_its_page(language: str) -> None:
    task, api = text_of("task-file", language), text_of("python-api", language)
    assert [key for key in UNSUPPORTED if f"`{key}`" not in task] == []
    assert [name for name in tunelift.__all__ if not re.search(rf"`(tunelift\.)?{name}\b", api)] == []
