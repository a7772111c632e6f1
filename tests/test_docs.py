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
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from math import isinf
from pathlib import Path
from typing import Any

import pytest
import yaml

import tunelift
from tunelift.cli import _parser
from tunelift.core.config import Strict
from tunelift.core.errors import UserError
from tunelift.core.recipe import HeadSettings, Recipe
from tunelift.data.bundled import DATA_SETS
from tunelift.data.convert import ENDINGS
from tunelift.data.formats import READERS
from tunelift.data.formats.files import UNPACKERS
from tunelift.data.layouts import LAYOUTS
from tunelift.data.tasks import ROLLING, TYPES, UNSUPPORTED, Task, task_types
from tunelift.evaluation.heads import KINDS
from tunelift.evaluation.metrics.constraints import KINDS as CONSTRAINTS
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.metrics.table import ALIASES, BY_KIND, METRICS, OF_THE_TASK, SCORED
from tunelift.evaluation.suites import BUILTIN
from tunelift.models.bundled import MODELS

ROOT = Path(__file__).parents[1]
SOURCE = Path(tunelift.__file__).parents[1]
LANGUAGES = ("en", "zh")
PAGES = sorted(page.stem for page in (ROOT / "docs" / "en").glob("*.md"))
TEXTS = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*/*.md")]

MODEL = "bundled/smollm2-135m-instruct"
GOES_ON_FROM = dict.fromkeys(["python-api", "export-and-serve", "heads"], "your-own-data")
LONG = {"export-and-serve", "judges"}
RUN_ELSEWHERE = {"extending"}  # by test_extending.py, with a copy of the package
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
SAME_KEYS = {"systems.NAME.tune"}  # as `tune`, whose keys are listed there


def keys(section: type[Strict], prefix: str) -> Iterator[tuple[str, Any]]:
    """All keys below a section with their defaults; NAME stands for names that the user gives."""
    for name, field in section.model_fields.items():
        key = prefix + (field.alias or name)
        nested = sections(field.annotation)
        if not nested:
            yield key, REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
            continue
        yield key, SECTION
        if key in SAME_KEYS:
            continue
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
    sections = {heading(part): part for part in parts if part.startswith("`tunelift ")}
    commands = dict(commands_of(_parser(), ()))
    assert set(sections) == set(commands) - {"task types"}
    assert "`tunelift task types`" in sections["task new"]
    for command, section in sections.items():
        assert set(re.findall(r"`(--[\w-]+)", section)) == flags_of(commands[command]), command
    assert flags_of(commands["task types"]) == {"--debug", "--help"}


def heading(part: str) -> str:
    """The command that a section is about: its words in lower case."""
    return " ".join(word for word in part.split("`")[1].split()[1:] if word.islower())


def commands_of(parser: ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, ArgumentParser]]:
    """All commands with their parsers; a group of commands is none."""
    groups = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    if not groups:
        yield " ".join(words), parser
    for name, inner in (item for group in groups for item in group.items()):
        yield from commands_of(inner, (*words, name))


def flags_of(parser: ArgumentParser) -> set[str]:
    return {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_stands_in_its_reference(language: str) -> None:
    page = text_of("errors", language)
    for file in CHECKING:
        tree = ast.parse((SOURCE / "tunelift" / file).read_text(encoding="utf-8"))
        texts = [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        names = {text for text in texts if re.fullmatch("[a-z]+(-[a-z]+)+", text)}
        assert {name for name in names if f"`{name}`" not in page} == set(), file


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_of_the_code_stands_in_its_reference(language: str) -> None:
    page = text_of("errors", language)
    assert [name for name in sorted(findings()) if f"`{name}`" not in page] == []


def findings() -> set[str]:
    """The names in calls that make findings."""
    makers = {"Finding", "_finding", "remark", "findings"}
    names = set()
    for file in (SOURCE / "tunelift").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                names |= {str(node.args[0].value)} if called in makers else set()
    assert {"layout", "encoding", "head-text-cut", "single-answer"} <= names
    return names


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_refused_and_what_is_public_stands_in_its_page(language: str) -> None:
    task, api = text_of("task-file", language), text_of("python-api", language)
    assert [key for key in UNSUPPORTED if f"`{key}`" not in task] == []
    assert [name for name in tunelift.__all__ if not re.search(rf"`(tunelift\.)?{name}\b", api)] == []


def rows_of(name: str, language: str, columns: int) -> list[list[str]]:
    """The rows of the tables of a page that have so many columns and begin with a name in backticks."""
    lines = re.findall(r"^\| (`.*) \|$", text_of(name, language), re.MULTILINE)
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    return [row for row in rows if len(row) == columns]


def quoted(text: str) -> list[str]:
    return re.findall("`([^`]+)`", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_metric_stands_in_its_page_with_range_direction_and_arguments(language: str) -> None:
    rows = {quoted(name)[0]: cells for name, *cells in rows_of("metrics", language, 5)}
    assert set(rows) == set(METRICS)
    for name, (interval, direction, arguments, _) in rows.items():
        taken = signature(METRICS[name]).parameters
        assert set(quoted(arguments)) == taken.keys() - OF_THE_TASK - {"name"}, name
        metric = made(name)
        if metric is not None:
            assert interval == interval_of(metric), name
            assert direction == ("↑" if metric.higher_is_better else "↓"), name


def made(name: str) -> Metric | None:
    """A metric with its usual arguments; None where this machine cannot have it."""
    given = {"language": "en", "labels": ("a", "b"), "allow_execution": True, "out_of_scope": "b"}
    taken = signature(METRICS[name]).parameters
    try:
        return METRICS[name](**{key: value for key, value in given.items() if key in taken})
    except UserError:
        return None


def interval_of(metric: Metric) -> str:
    low = "(-∞" if isinf(metric.low) else f"[{metric.low:g}"
    high = "∞)" if isinf(metric.high) else f"{metric.high:g}]"
    return f"{low}, {high}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_aliases_defaults_and_constraints_stand_beside_the_metrics(language: str) -> None:
    page = text_of("metrics", language)
    assert [name for name in ALIASES if f"`{name}`" not in page] == []
    defaults = {kind: quoted(names) for kinds, names in rows_of("metrics", language, 2) for kind in quoted(kinds)}
    assert {kind: names for kind, names in defaults.items() if kind in BY_KIND} == {
        kind: list(names) for kind, names in BY_KIND.items()
    }
    checks = rows_of("metrics", language, 3)
    kinds = {kind: quoted(arguments) for names, arguments, _ in checks for kind in quoted(names)}
    assert kinds == {kind: list(signature(check).parameters)[1:] for kind, check in CONSTRAINTS.items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_stands_in_its_page_with_answer_metrics_and_head(language: str) -> None:
    rows = {quoted(name)[0]: cells for name, *cells in rows_of("task-types", language, 5)}
    assert set(rows) == set(task_types())
    for name, (fields, answer, metrics, head) in rows.items():
        keys = yaml.safe_load((TYPES / f"{name}.yaml").read_text(encoding="utf-8"))
        about = (TYPES / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
        assert all(word in about for word in quoted(fields) if word not in ("<e1>", "<e2>", "####")), name
        kind = keys.get("answer", {}).get("kind", "choice" if "doc_to_choice" in keys else "text")
        assert quoted(answer) == ([] if keys.get("output_type") == ROLLING else [kind]), name
        assert quoted(metrics) == [entry.get("name", entry["metric"]) for entry in keys["metric_list"]], name
        assert head == "-" or quoted(head) == [keys.get("head") or KINDS[kind][0]], name
    kinds = {quoted(row[0])[0] for row in rows_of("task-types", language, 3)}
    assert kinds == set(BY_KIND)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_ending_and_every_layout_stands_in_its_page(language: str) -> None:
    page = text_of("data-formats", language)
    assert [name for name in (*READERS, *UNPACKERS, *LAYOUTS) if f"`{name}`" not in page] == []
    targets = {
        target: tuple(quoted(endings))
        for names, _, endings in rows_of("data-formats", language, 3)
        for target in quoted(names)
        if target in ENDINGS
    }
    assert {name: targets[name] for name in ENDINGS} == ENDINGS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_of_a_head_and_every_task_of_a_suite_stand_in_their_pages(language: str) -> None:
    settings = {quoted(key)[0]: default for key, default, _ in rows_of("heads", language, 3)}
    assert set(settings) == set(HeadSettings.model_fields)
    suites = {quoted(row[0])[0]: row[1] for row in rows_of("suites", language, 3)}
    for suite in BUILTIN.iterdir():
        if suite.is_dir():
            files = suite.glob("*.jsonl")
            sizes = {file.stem: str(len(file.read_text(encoding="utf-8").splitlines())) for file in files}
            assert suites == sizes, suite.name
            assert f"`builtin/{suite.name}`" in text_of("suites", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_bundled_stands_in_the_first_page_and_the_readme(language: str) -> None:
    readme = (ROOT / ("README.md" if language == "en" else "README.zh-CN.md")).read_text(encoding="utf-8")
    for text in (text_of("get-started", language), readme):
        assert [name for name in (*MODELS, *DATA_SETS) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_generates_nothing_stands_in_the_task_file(language: str) -> None:
    section = next(
        part for part in text_of("task-file", language).split("\n## ") if "`output_type: multiple_choice`" in part
    )
    assert [name for name in sorted(SCORED) if f"`{name}`" not in section] == []
