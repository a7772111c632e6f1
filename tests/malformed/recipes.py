"""Recipes whose keys do not fit each other, the task, or the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .projects import Malformed, project, sound_recipe


def with_head(head: dict[str, Any], **system: Any) -> dict[str, Any]:
    """The keys of a recipe whose one condition asks a head."""
    return {"systems": {"h": {"head": head, **system}}, "conditions": {"h": {"system": "h"}}}


RECIPES: list[tuple[str, dict[str, Any], str]] = [
    ("missing task", {"task": "tsak.yaml"}, "not found"),
    ("task that is a folder", {"task": "data"}, "not found"),
    ("task with a null byte", {"task": "a\0b"}, "not found"),
    ("task with a long name", {"task": "a" * 5000}, "a{50}"),
    ("no task", {"task": ""}, "task"),
    ("task that is data", {"task": "data/train.jsonl"}, "train.jsonl"),
    ("task that is the recipe", {"task": "recipe.yaml"}, "recipe.yaml"),
    ("missing model", {"model": "./none"}, "none"),
    ("model that is a file", {"model": "task.yaml"}, "task.yaml"),
    ("model that is a folder without one", {"model": "data"}, "data"),
    ("unknown bundled model", {"model": "bundled/smolm2-135m"}, "bundled"),
    ("missing GGUF file", {"model": "none.gguf"}, "none.gguf"),
    ("no model", {"model": ""}, "recipe.yaml:1: .*model"),
    ("model with a null byte", {"model": "a\0b"}, "model"),
    ("model on the hub", {"model": "nobody/nothing"}, "nobody/nothing"),
    ("missing data", {"data": "none.jsonl"}, "none.jsonl"),
    ("no conditions", {"conditions": {}}, "conditions"),
    ("conditions of nothing", {"conditions": None}, "conditions"),
    ("unknown condition", {"conditions": {"zero-shoot": {}}}, "zero-shot"),
    ("condition without a system", {"conditions": {"mine": {"prompting": {"shots": 2}}}}, "mine"),
    ("condition of an unknown system", {"conditions": {"mine": {"system": "othr"}}}, "othr"),
    ("condition that is a path", {"conditions": {"../a": {"system": "base"}}}, r"\.\./a"),
    ("condition without a name", {"conditions": {"": {"system": "base"}}}, "conditions"),
    ("shots of a classifier", {"conditions": {"majority": {"shots": 2}}}, "no shots"),
    ("more shots than rows", {"conditions": {"few-shot": {"shots": 99}}}, "99 demonstrations"),
    ("system of a built-in name", {"systems": {"base": {"model": "a/b"}}}, "built-in"),
    ("system that is a path", {"systems": {"a/b": {}}}, "a/b"),
    ("tuned system that is not there", {"conditions": {"x": {"system": "tuned2"}}}, "tuned2"),
    ("two methods", {"tune": {"method": {"lora": {}, "full": {}}}}, "exactly one method"),
    ("no method", {"tune": {"method": {}}}, "exactly one method"),
    ("huge number", {"tune": {"epochs": 10**400}}, "epochs"),
    ("huge rank", {"tune": {"method": {"lora": {"rank": 10**12}}}}, "rank"),
    ("head of an unknown kind", with_head({"kind": "token"}), "kind"),
    ("head with shots", {**with_head({}), "conditions": {"h": {"system": "h", "prompting": {"shots": 2}}}}, "no shots"),
    ("regression of classes", with_head({"kind": "regression"}), "kind: is regression, but .* choice"),
    ("entities of classes", with_head({"kind": "entities"}), "kind: is entities, but .* choice"),
    ("relation of classes", with_head({"kind": "relation"}), "train.jsonl:1: .*e1"),
    ("weights of a regression", with_head({"kind": "regression", "focal_gamma": 1}), "classes"),
    ("weight of an unknown class", with_head({"class_weights": {"ugly": 2}}), "ugly"),
    ("window of one token", with_head({"max_length": 1}), "max_length"),
    ("head on a missing model", with_head({}, model="./none"), "none"),
    ("system without a model", {"systems": {"o": {"model": "./no"}}, "conditions": {"o": {"system": "o"}}}, "./no"),
]  # fmt: skip


def recipes(model: str) -> Iterator[Malformed]:
    for what, keys, named in RECIPES:
        yield Malformed(what, project(model, recipe={**sound_recipe(model), **keys}), named)
