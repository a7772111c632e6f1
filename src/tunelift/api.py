"""The public API: six functions over the rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import PositiveInt

from tunelift.comparison.compare import compare as compare_samples
from tunelift.comparison.records import Comparison
from tunelift.core.cache import cache_folder
from tunelift.core.config import argument_places, build
from tunelift.core.files import content_hash
from tunelift.core.recipe import Prompting, Recipe, Tune, change_recipe, load_recipe
from tunelift.core.records import Splits
from tunelift.data.checks import check_answers, refuse_errors
from tunelift.data.examples import draw_positions, load_examples
from tunelift.data.tasks import Task, load_task
from tunelift.evaluation.evaluate import Evaluation, evaluate_model
from tunelift.models.load import LanguageModel, load_model, load_tuned
from tunelift.prompts.build import PromptStyle, answer_prompts, training_prompts
from tunelift.prompts.checks import check_prompts
from tunelift.report.record import RunReport
from tunelift.tuning.checkpoints import remove_checkpoints
from tunelift.tuning.tune import tune_model

__all__ = ["compare", "evaluate", "load_model", "load_task", "run", "tune"]


class _Asked(Prompting):
    """What `evaluate` asks: a prompting, and of which items."""

    limit: PositiveInt | None
    seed: int


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
        UserError: A setting is unknown or has the wrong type, or data or prompts make tuning meaningless.

    Example:
        >>> base = load_model("bundled/smollm2-135m-instruct")  # doctest: +SKIP
        >>> tuned = tune(base, load_task("task.yaml"), epochs=2)  # doctest: +SKIP
    """
    chosen = build(Tune, settings, "tune()", argument_places("tune", settings))
    data = load_examples(task, cache_folder() / "splits")
    style = PromptStyle(task, model.tokenizer, chat=task.render == "chat")
    training = training_prompts(style, data.splits.train)
    validation = training_prompts(style, data.splits.validation)
    splits = Splits(data.splits.train, data.splits.validation, [])
    examples = [*splits.train, *splits.validation]
    untrained = frozenset() if chosen.method.full else model.untrained_tokens
    prompt_findings = check_prompts(style, examples, training + validation, {}, model.context, untrained)
    refuse_errors([*data.findings, *check_answers(splits), *prompt_findings], f"task {task.task}")
    prompts = [prompt.token_ids for prompt in training + validation]
    key = content_hash([model.fingerprint, prompts, chosen.model_dump(), seed])
    target = Path(folder) if folder else cache_folder() / "tuned" / key[:16]
    base = load_model(model.name, chosen.precision, accept_terms=True)  # the caller's stays as it is
    if folder or not (target / "model" / "tuning.json").is_file():
        tune_model(base, training, validation, chosen, seed, target)
        remove_checkpoints(target)
    return load_tuned(base, target / "model", chosen.precision, accept_terms=True)


def evaluate(
    model: LanguageModel,
    task: Task,
    *,
    shots: int | None = None,
    select: str = "random",
    limit: int | None = None,
    condition: str | None = None,
    seed: int = 7,
    allow_execution: bool = False,
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
        allow_execution: Whether programs that the model writes may be run, in a sandbox, to see whether they work.

    Returns:
        The samples with their scores; ``print`` shows the means.

    Raises:
        UserError: An argument has the wrong type or range, or data or prompts make the scores meaningless.
    """
    shots = (task.num_fewshot or 0) if shots is None else shots
    arguments = {"shots": shots, "select": select, "limit": limit, "seed": seed}
    asked = build(_Asked, arguments, "evaluate()", argument_places("evaluate", arguments))
    data = load_examples(task, cache_folder() / "splits")
    test = data.splits.test
    positions = draw_positions(len(test), asked.limit, asked.seed)
    items = [test[position] for position in positions]
    style = PromptStyle(task, model.tokenizer, chat=task.render == "chat")
    prompts = answer_prompts(style, asked, items, data.splits.train, asked.seed)
    name = condition or f"{Path(model.name).name} {asked.shots}-shot"
    prompt_findings = check_prompts(style, items, [], {name: prompts}, model.context, model.untrained_tokens)
    refuse_errors([*check_answers(Splits([], [], test)), *prompt_findings], f"task {task.task}")
    return evaluate_model(model, style, test, positions, prompts, name, allow_execution)


def compare(baseline: Evaluation, candidate: Evaluation, *, seed: int = 7) -> Comparison:
    """Compare two evaluations of the same items; positive effects mean that the candidate is better."""
    first, second = baseline.condition, candidate.condition
    if first == second:
        first, second = f"{first} (baseline)", f"{second} (candidate)"
    samples = {first: baseline.samples, second: candidate.samples}
    return compare_samples(samples, [(second, first)], baseline.task, seed, candidate.metrics)


def run(
    recipe: str | Path | Recipe, folder: str | Path | None = None, *, accept_terms: bool = False, **overrides: Any
) -> RunReport:
    """Carry a recipe through the whole loop; see `tunelift.pipeline.run`.

    Args:
        recipe: A recipe, or the path of a recipe file.
        folder: The run directory; by default ``runs/NAME``.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
        **overrides: Values that replace top-level keys of the recipe, for example ``seed=8``.

    Returns:
        The report, which also stands in the run directory.

    Raises:
        UserError: The user has to change something: recipe, data, model or machine.
    """
    from tunelift import pipeline
    from tunelift.cli import run_name

    if isinstance(recipe, Recipe):
        name = Path(recipe.task).stem
    else:
        name = run_name(Path(recipe))
        recipe = load_recipe(Path(recipe))
    recipe = change_recipe(recipe, overrides, "run")
    return pipeline.run(recipe, Path(folder) if folder else Path("runs") / name, accept_terms)
