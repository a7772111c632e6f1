"""The public API: six functions over the rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunelift.comparison.compare import compare as compare_samples
from tunelift.comparison.records import Comparison
from tunelift.core.cache import cache_folder
from tunelift.core.errors import UserError, nearest
from tunelift.core.files import content_hash
from tunelift.core.recipe import Prompting, Recipe, Tune, load_recipe
from tunelift.core.records import Example
from tunelift.core.seeds import generator
from tunelift.data.examples import load_examples
from tunelift.data.tasks import Task, load_task
from tunelift.evaluation.evaluate import Evaluation, evaluate_model
from tunelift.models.load import LanguageModel, load_model
from tunelift.prompts.build import PromptStyle, answer_prompts, training_prompt
from tunelift.report.record import RunReport
from tunelift.tuning.tune import tune_model

__all__ = ["compare", "evaluate", "load_model", "load_task", "run", "tune"]


def tune(
    model: LanguageModel, task: Task, *, seed: int = 7, folder: str | Path | None = None, **settings: Any
) -> LanguageModel:
    """Tune a model on the training split of a task.

    Args:
        model: The base model. It stays as it is; a copy is tuned.
        task: What to tune on.
        seed: Decides order, initial adapter and dropout.
        folder: Where checkpoints and the tuned model go; by default a folder of the cache that belongs to exactly
            these inputs, where tuning that is done is not done again. Tuning that was interrupted goes on.
        **settings: Keys of the recipe's `tune` section, for example ``epochs=2, learning_rate=1e-3``.

    Returns:
        The tuned model.

    Raises:
        UserError: A setting is unknown or has the wrong type.

    Example:
        >>> base = load_model("bundled/smollm2-135m-instruct")  # doctest: +SKIP
        >>> tuned = tune(base, load_task("task.yaml"), epochs=2)  # doctest: +SKIP
    """
    unknown = [name for name in settings if name not in Tune.model_fields]
    if unknown:
        raise UserError(f"tune({unknown[0]}=...)", "is not a setting", nearest(unknown[0], Tune.model_fields))
    chosen = Tune.model_validate(settings)
    data = load_examples(task, cache_folder() / "splits")
    style = PromptStyle(task, model.tokenizer, chat=task.render == "chat")
    training = [training_prompt(style, example, []) for example in data.splits.train]
    validation = [training_prompt(style, example, []) for example in data.splits.validation]
    prompts = [prompt.token_ids for prompt in training + validation]
    key = content_hash([model.fingerprint, prompts, chosen.model_dump(), seed])
    target = Path(folder) if folder else cache_folder() / "tuned" / key[:16]
    if folder or not (target / "model" / "tuning.json").is_file():
        copy = load_model(model.name, chosen.precision, accept_terms=True)
        tune_model(copy, training, validation, chosen, seed, target)
    return load_model(str(target / "model"), chosen.precision, accept_terms=True)


def evaluate(
    model: LanguageModel,
    task: Task,
    *,
    shots: int | None = None,
    select: str = "random",
    limit: int | None = None,
    condition: str | None = None,
    seed: int = 7,
) -> Evaluation:
    """Let a model answer the test items of a task.

    Args:
        model: The model.
        task: The task.
        shots: Number of demonstrations; by default the task's own, otherwise none.
        select: How demonstrations are chosen: "random", "balanced" or "bm25".
        limit: Use only this many items, a seeded random subset.
        condition: Name of the condition; by default the model's name and the prompting.
        seed: Seed of the demonstrations and of the subset.

    Returns:
        The samples with their scores; ``print`` shows the means.
    """
    prompting = Prompting.model_validate(
        {"shots": (task.num_fewshot or 0) if shots is None else shots, "select": select}
    )
    data = load_examples(task, cache_folder() / "splits")
    items = draw_items(data.splits.test, limit, seed)
    style = PromptStyle(task, model.tokenizer, chat=task.render == "chat")
    prompts = answer_prompts(style, prompting, items, data.splits.train, seed)
    name = condition or f"{Path(model.name).name} {prompting.shots}-shot"
    return evaluate_model(model, style, items, prompts, name)


def draw_items(items: list[Example], limit: int | None, seed: int) -> list[Example]:
    """All items, or a seeded random subset that is the same for every condition."""
    return generator(seed, "limit").sample(items, limit) if limit and limit < len(items) else items


def compare(baseline: Evaluation, candidate: Evaluation, *, seed: int = 7) -> Comparison:
    """Compare two evaluations of the same items; positive effects mean that the candidate is better."""
    first, second = baseline.condition, candidate.condition
    if first == second:
        first, second = f"{first} (baseline)", f"{second} (candidate)"
    samples = {first: baseline.samples, second: candidate.samples}
    return compare_samples(samples, [(second, first)], baseline.task, seed)


def run(
    recipe: str | Path | Recipe, folder: str | Path | None = None, *, accept_terms: bool = False, **overrides: Any
) -> RunReport:
    """Carry a recipe through the whole loop; see `tunelift.pipeline.run`.

    Args:
        recipe: A recipe, or the path of a recipe file.
        folder: The run directory; by default ``runs/NAME``.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
        **overrides: Top-level keys of the recipe, for example ``seed=8``.
    """
    from tunelift import pipeline
    from tunelift.cli import run_name

    if isinstance(recipe, Recipe):
        name = Path(recipe.task).stem
    else:
        name = run_name(Path(recipe))
        recipe = load_recipe(Path(recipe), [f"{key}={value}" for key, value in overrides.items()])
    return pipeline.run(recipe, Path(folder) if folder else Path("runs") / name, accept_terms)
