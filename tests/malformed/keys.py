"""Keys that are unknown, and values of another type."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from .projects import TASK, Malformed, project, sound_recipe, with_key

WRONG: dict[str, list[Any]] = {
    "text": [3, 1.5, True, ["a"], {"a": "b"}, [None]],
    "texts": [3, True, {"a": "b"}, [["a"]], [3], [None]],
    "list": ["a", 3, True, {"a": "b"}, [3], [["a"]]],
    "count": [-1, 1.5, "many", True, [1], {"a": 1}, 1e999],
    "number": ["many", True, [1], {"a": 1}, float("nan"), float("inf"), -1],
    "share": ["many", True, [1], -0.1, 1.5, 1],
    "truth": ["maybe", 3, [True], {"a": True}],
    "keys": ["a", 3, True, ["a"]],
    "switch": ["a", 3, ["a"]],
    "price": ["many", [1], {"a": 1}, -1],
    "numbers": ["a", True, {"a": 1}, ["a"], [["a"]]],
    "word": ["nonsense", 3, True, ["a"], {"a": "b"}],
    "names": ["a", 3, True, ["a"], {"a": ["b"]}, {"a": 3}],
    "lists": ["a", 3, ["a"], {"a": "b"}, {"a": [3]}],
}  # fmt: skip
TASK_KEYS = {
    "task": "text", "task_alias": "text", "tag": "texts", "dataset_path": "text", "dataset_name": "text",
    "dataset_kwargs": "keys", "training_split": "text", "validation_split": "text", "test_split": "text",
    "fewshot_split": "text", "description": "text", "doc_to_text": "text", "doc_to_target": "keys",
    "doc_to_choice": "texts", "output_type": "word", "target_delimiter": "text", "fewshot_delimiter": "text",
    "num_fewshot": "count", "generation_kwargs": "keys", "generation_kwargs.until": "texts",
    "generation_kwargs.max_gen_toks": "count", "generation_kwargs.do_sample": "truth",
    "generation_kwargs.temperature": "number", "repeats": "count", "metric_list": "list",
    "should_decontaminate": "truth", "doc_to_decontamination_query": "text", "metadata": "keys", "language": "word",
    "split": "keys", "split.train": "count", "split.validation": "count", "split.test": "count", "split.seed": "word",
    "split.hold_out": "text",
    "group_by": "text", "where": "text", "render": "word", "type": "word", "labels": "names", "fields": "names",
    "format": "word", "answer": "keys", "answer.kind": "word", "answer.strict": "truth", "answer.synonyms": "lists",
    "answer.pattern": "text", "turns": "word", "head": "word", "templates": "list", "include": "keys",
}  # fmt: skip
RECIPE_KEYS = {
    "model": "text", "task": "text", "data": "text", "limit": "count", "seed": "word", "conditions": "keys",
    "conditions.few-shot": "keys", "conditions.few-shot.shots": "count", "conditions.few-shot.select": "word",
    "conditions.few-shot.prompting": "keys", "conditions.few-shot.encoder": "text",
    "systems": "keys", "systems.other": "keys", "systems.other.model": "text",
    "systems.other.head": "keys", "systems.other.head.kind": "word", "systems.other.head.pooling": "word",
    "systems.other.head.bidirectional": "truth", "systems.other.head.class_weights": "keys",
    "systems.other.head.focal_gamma": "number", "systems.other.head.label_smoothing": "share",
    "systems.other.head.dropout": "share", "systems.other.head.max_length": "count",
    "systems.other.head.overlap": "count", "systems.other.head.learning_rate": "number", "systems.other.tune": "keys",
    "tune": "keys", "tune.method": "keys", "tune.method.lora": "keys", "tune.method.lora.rank": "count",
    "tune.method.lora.alpha": "number", "tune.method.lora.dropout": "share",
    "tune.method.lora.target_modules": "list", "tune.method.lora.last_layers": "count", "tune.method.full": "keys",
    "tune.objective": "keys", "tune.objective.cross-entropy": "keys", "tune.learning_rate": "number",
    "tune.schedule": "word", "tune.warmup": "share", "tune.epochs": "count", "tune.batch_size": "count",
    "tune.weight_decay": "number", "tune.max_gradient_norm": "number", "tune.evaluations_per_epoch": "count",
    "tune.patience": "count", "tune.checkpoint_steps": "count", "tune.precision": "word", "evaluate": "keys",
    "evaluate.allow_execution": "truth", "evaluate.templates": "count", "evaluate.orders": "count",
    "evaluate.held_out": "list", "evaluate.general": "switch", "evaluate.general.suites": "list",
    "evaluate.general.margin": "number", "evaluate.robustness": "switch", "evaluate.robustness.perturbations": "list",
    "evaluate.robustness.strength": "number", "evaluate.robustness.injections": "truth",
    "evaluate.robustness.attack": "count", "evaluate.safety": "truth", "evaluate.temperature": "truth",
    "evaluate.robustness.negation": "truth", "evaluate.canaries": "switch", "evaluate.canaries.count": "count",
    "evaluate.canaries.copies": "count", "evaluate.membership": "truth", "evaluate.probe_limit": "count",
    "models": "list", "prices": "keys", "prices.currency": "text", "prices.per_hour": "price",
    "prices.watts": "number", "tune.seeds": "numbers", "systems.other.endpoint": "keys",
}  # fmt: skip


def _misspelt(random: Random, path: str) -> str:
    outer, dot, name = path.rpartition(".")
    return f"{outer}{dot}{name.replace(random.choice(name), 'zz', 1)}"


def task_keys(random: Random, model: str) -> Iterator[Malformed]:
    for path, kind in TASK_KEYS.items():
        task = with_key(TASK, path, random.choice(WRONG[kind]))
        yield Malformed(f"type of {path}", project(model, task), path.partition(".")[0])
    for path in random.sample(sorted(TASK_KEYS), 15):
        wrong = _misspelt(random, path)
        yield Malformed(f"{wrong} for {path}", project(model, with_key(TASK, wrong, "a")), f'unknown key "{wrong}"')


def recipe_keys(random: Random, model: str) -> Iterator[Malformed]:
    for path, kind in RECIPE_KEYS.items():
        keys = with_key(sound_recipe(model), path, random.choice(WRONG[kind]))
        yield Malformed(f"type of {path}", project(model, recipe=keys), path.rpartition(".")[2])
    for path in random.sample(
        sorted(path for path in RECIPE_KEYS if not path.startswith(("conditions.", "systems."))), 15
    ):
        wrong = _misspelt(random, path)
        keys = with_key(sound_recipe(model), wrong, {})
        yield Malformed(f"{wrong} for {path}", project(model, recipe=keys), f'unknown key "{wrong}"')
