"""The tables of the documentation are those of the code: keys, commands, findings, metrics, types, layouts."""

from __future__ import annotations

import ast
import re
from argparse import ArgumentParser
from collections.abc import Iterator
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
CHECKING = ("data/checks.py", "data/examples.py", "data/splits.py", "prompts/checks.py")


def text_of(name: str, language: str) -> str:
    return (ROOT / "docs" / language / f"{name}.md").read_text(encoding="utf-8")


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
