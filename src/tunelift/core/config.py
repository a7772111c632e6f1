"""Strict YAML: unknown keys and wrong types are errors that name the key, the line and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tunelift.core.errors import UserError, nearest

Path_ = tuple[str | int, ...]


class Strict(BaseModel):
    """Base of every configuration section: immutable, and no key passes unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


Section = TypeVar("Section", bound=Strict)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    """Read a YAML mapping with the line of every key.

    Returns:
        The plain data, and for every path of keys the line (from 1) on which it stands.

    Raises:
        UserError: The file is missing, is not UTF-8, is not YAML, is empty, is not a mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UserError(path, "file not found", "check the path; it is relative to where you are") from error
    except UnicodeDecodeError as error:
        raise UserError(path, f"is not UTF-8 (byte {error.start})", "save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise UserError(where, f"is not valid YAML: {error.problem}", "check indentation, colons and quotes") from error
    except yaml.YAMLError as error:
        raise UserError(path, f"is not valid YAML: {error}", "check for control characters") from error
    if not isinstance(data, dict):
        raise UserError(path, "holds no keys", 'write "key: value" lines; examples/tweets/ has a complete one')
    lines: dict[Path_, int] = {}
    _collect_lines(node, (), lines, path)
    return data, lines


def _collect_lines(node: yaml.Node | None, path: Path_, lines: dict[Path_, int], file: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key_path = (*path, key_node.value)
            line = key_node.start_mark.line + 1
            if key_path in lines and key_node.value != "<<":
                hint = f"keep one; the other is on line {lines[key_path]}"
                raise UserError(f"{file}:{line}", f'key "{key_node.value}" stands twice', hint)
            lines[key_path] = line
            _collect_lines(value_node, key_path, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _collect_lines(item, (*path, index), lines, file)


def apply_override(data: dict[str, Any], override: str) -> None:
    """Apply one ``--set a.b=value`` to plain data, in place. The value is read as YAML.

    Raises:
        UserError: The override has no ``=``, or goes through something that is not a mapping.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"--set {override}", 'has no "="', "write it as --set tune.epochs=3")
    *parents, last = key.split(".")
    for parent in parents:
        child = data.get(parent)
        if child is None:
            child = data[parent] = {}
        if not isinstance(child, dict):
            raise UserError(f"--set {override}", f'"{parent}" holds a value, not keys', "set it as a whole")
        data = child
    try:
        data[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}", "the value is not valid YAML", "quote it") from error


def build(section: type[Section], data: dict[str, Any], file: Path, lines: dict[Path_, int]) -> Section:
    """Check plain data against a configuration section.

    Args:
        section: The class to build.
        data: What was read.
        file: Named in errors.
        lines: Line numbers by path of keys, from `read_yaml`.

    Raises:
        UserError: A key is unknown or missing, or a value has the wrong type or range.
    """
    try:
        return section.model_validate(data)
    except ValidationError as error:
        raise _explain(section, data, error, file, lines) from error


def _explain(
    section: type[Strict], data: dict[str, Any], error: ValidationError, file: Path, lines: dict[Path_, int]
) -> UserError:
    """The first problem of a validation as one line; unknown keys come first, since they often cause the others."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    path = tuple(problem["loc"])
    line = next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)
    where = f"{file}:{line}" if line else str(file)
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        valid = _valid_keys(section, path[:-1])
        return UserError(where, f'unknown key "{key}"', nearest(str(path[-1]), valid))
    if problem["type"] == "missing":
        return UserError(where, f'key "{key}" is missing', "add it")
    message = problem["msg"].removeprefix("Value error, ")
    what, _, hint = message.partition(" - ")
    if problem["type"] != "value_error":
        value = problem["input"]
        what = f"is {value!r}, but {what[0].lower()}{what[1:]}"
    return UserError(where, f'"{key}" {what}' if key else what, hint or "correct the value")


def _valid_keys(section: type[Strict], path: Path_) -> list[str]:
    """The keys that a section accepts at a path, found through its field types."""
    for part in path:
        field = next((f for n, f in section.model_fields.items() if part in (n, f.alias)), None)
        nested = _section_in(field.annotation) if field else None
        section = nested or section
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    found = [_section_in(argument) for argument in getattr(annotation, "__args__", ())]
    return next((section for section in found if section), None)
