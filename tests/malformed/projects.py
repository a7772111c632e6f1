"""A sound project, to be spoilt."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import yaml

Row = dict[str, Any]
Files = dict[str, bytes | None]


class Malformed(NamedTuple):
    """A project in which something is wrong.

    Attributes:
        what: What is wrong.
        files: Its files by name; the recipe is "recipe.yaml". None stands for an empty folder.
        named: Regular expression that the error matches, or a finding.
    """

    what: str
    files: Files
    named: str


TASK: dict[str, Any] = {
    "task": "sound",
    "language": "en",
    "dataset_path": "data",
    "doc_to_text": "Good or bad?\n\n{{ text }}",
    "doc_to_target": "label",
    "doc_to_choice": ["bad", "good"],
    "generation_kwargs": {"max_gen_toks": 8},
}
WORDS = [
    "river",
    "lamp",
    "cloud",
    "stone",
    "bread",
    "glass",
    "paper",
    "field",
    "train",
    "music",
    "wheel",
    "coat",
    "ice",
]
ROWS: list[Row] = [
    {"text": f"The {word} is {label}", "label": label, "names": [word], "number": at, "nothing": None}
    for at, word in enumerate(WORDS[:12])
    for label in ("good", "bad")
]


def sound_recipe(model: str) -> dict[str, Any]:
    """A recipe without mistakes."""
    return {"model": model, "task": "task.yaml", "conditions": {"majority": {}, "zero-shot": {}}}


def project(
    model: str, task: dict[str, Any] = TASK, rows: list[Row] = ROWS, recipe: dict[str, Any] | None = None
) -> Files:
    """The files of a project with this task, these rows and this recipe, or a sound one."""
    return {
        "recipe.yaml": as_yaml(sound_recipe(model) if recipe is None else recipe),
        "task.yaml": as_yaml(task),
        "data/train.jsonl": as_lines(rows[:12]),
        "data/validation.jsonl": as_lines(rows[12:16]),
        "data/test.jsonl": as_lines(rows[16:]),
    }


def as_yaml(value: dict[str, Any]) -> bytes:
    return yaml.safe_dump(value, sort_keys=False).encode()


def as_lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def with_key(keys: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Plain data with another value at the end of a path."""
    name, _, inner = path.partition(".")
    own = keys.get(name)
    return {**keys, name: with_key(own if isinstance(own, dict) else {}, inner, value) if inner else value}
