"""Asking a system the questions of the probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunelift import __version__
from tunelift.core.errors import UserError, counted
from tunelift.core.files import content_hash
from tunelift.core.progress import say
from tunelift.core.recipe import Prompting, Recipe
from tunelift.core.records import Prompt, Sample
from tunelift.core.store import RunStore
from tunelift.data.tasks import ROLLING, Task, dump_task
from tunelift.evaluation.evaluate import evaluate_model
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.results import read_samples, write_evaluation
from tunelift.models.load import LanguageModel
from tunelift.probes.attack import attacked_items, item_scores
from tunelift.probes.variation import TEMPERATURE, UNSEEN, Probe, Variation, variation_prompts
from tunelift.prompts.build import PromptStyle


def stage_name(probe: Probe, variation: Variation, condition: str) -> str:
    """Name of the stage, and of the directory, of one variation under one condition."""
    return f"probes/{probe.name}/{variation.name}/{condition}"


def probe_stages(probes: Sequence[Probe]) -> set[str]:
    """The stages of all probes of a run."""
    return {stage_name(probe, way, name) for probe in probes for way in probe.variations for name in probe.conditions}


def announce(probes: Sequence[Probe]) -> None:
    """Say before anything is computed what the probes will ask."""
    for probe in probes:
        asked = f"{counted(len(probe.variations), 'variation')}, {counted(probe.questions, 'question')} for each of"
        say(f"probe {probe.name}: {asked} {', '.join(probe.conditions)}")


def ask_probes(
    store: RunStore,
    probes: Sequence[Probe],
    recipe: Recipe,
    name: str,
    model: LanguageModel,
    plain: Sequence[Sample],
    seconds_per_1000: float,
) -> None:
    """Let the system of a condition answer the probes, and say before each what it will cost.

    Args:
        store: The run directory.
        probes: Those that ask this condition.
        recipe: The recipe.
        name: The condition.
        model: Its model.
        plain: Its answers to the items of the run as they stand.
        seconds_per_1000: What 1,000 answers took under this condition.
    """
    for probe in probes:
        left = [way for way in probe.variations if stage_name(probe, way, name) not in store.record["stages"]]
        count = sum(variation.questions for variation in left)
        if count:
            minutes = seconds_per_1000 * count / 60_000
            say(f"probe {probe.name}, {name}: {counted(count, 'question')}, about {minutes:.1f} min")
        for variation in probe.variations:
            _ask(store, probe, variation, recipe, name, model, plain)


def _ask(
    store: RunStore,
    probe: Probe,
    variation: Variation,
    recipe: Recipe,
    name: str,
    model: LanguageModel,
    plain: Sequence[Sample],
) -> None:
    prompting, task = prompting_of(probe, recipe, name), variation.task
    style = PromptStyle(task, model.tokenizer, chat=task.render == "chat")
    stage = stage_name(probe, variation, name)

    def work() -> list[Path]:
        asked = variation
        if variation.attack:
            scores = item_scores(make_metrics(task, recipe.evaluate.allow_execution)[0], plain)
            lost = [sample.example_id for sample, score in zip(plain, scores, strict=True) if score == 0]
            items, pool, seed = variation.items, variation.pool, recipe.seed
            found = attacked_items(model, task, prompting, items, pool, variation.attack, seed, lost)
            asked = replace(variation, items=found)
        prompts = variation_prompts(style, prompting, asked, recipe.seed)
        check_length(prompts, task, model.context, f"probe {probe.name}, {variation.name}")
        positions = range(len(asked.items))
        allowed = recipe.evaluate.allow_execution
        evaluation = evaluate_model(model, style, asked.items, positions, prompts, name, allowed)
        remove_unrecorded(store, stage)
        facts = {"config": {"seed": recipe.seed}}
        return write_evaluation(evaluation, task, prompting.shots, store.folder / stage, facts)

    items = [[item.id, item.fields, item.target, item.choices] for item in variation.items]
    pool = [example.id for example in variation.pool] if prompting.shots else []
    search = variation.attack and variation.attack.model_dump()
    asked: list[Any] = [dump_task(task), content_hash(items), pool, prompting.model_dump(), variation.order, search]
    computed = [model.fingerprint, str(model.model.dtype), model.tokenizer.chat_template]
    store.stage(stage, [__version__, asked, computed, recipe.seed, recipe.evaluate.allow_execution], work)


def prompting_of(probe: Probe, recipe: Recipe, name: str) -> Prompting:
    """How a probe asks the system of a condition.

    Other tasks are asked without demonstrations, other rows of the task as the test items are.
    """
    as_asked = probe.same_items or probe.name in (TEMPERATURE, UNSEEN)
    return recipe.conditions[name].prompting if as_asked else Prompting()


def check_questions(probes: Sequence[Probe], recipe: Recipe, model: LanguageModel) -> None:
    """Refuse before anything is computed what the model cannot take.

    The texts of an attack are searched for and can become longer; they are checked when they are known.

    Raises:
        UserError: As for `check_length`, or a question cannot be rendered.
    """
    for probe in probes:
        for prompting in {prompting_of(probe, recipe, name) for name in probe.conditions}:
            for way in probe.variations:
                style = PromptStyle(way.task, model.tokenizer, chat=way.task.render == "chat")
                prompts = variation_prompts(style, prompting, way, recipe.seed)
                check_length(prompts, way.task, model.context, f"probe {probe.name}, {way.name}")


def check_length(prompts: Sequence[Prompt], task: Task, context: int, where: str) -> None:
    """Refuse questions that the model cannot take; whole texts are cut into windows.

    Raises:
        UserError: A prompt is longer than the model's context.
    """
    long = 0 if task.output_type == ROLLING else sum(len(prompt.token_ids) >= context for prompt in prompts)
    if long:
        what = f"{counted(long, 'question')} of task {task.task} leave no room in the model's {context:,} tokens"
        raise UserError(where, what, "take this probe or task out of evaluate, or show fewer demonstrations")


def remove_unrecorded(store: RunStore, stage: str) -> None:
    """Remove answers that a killed run left in the directory of a stage before it could enter them."""
    recorded = store.record["stages"].get(stage, {"files": {}})["files"]
    folder = store.folder / stage
    for file in [*folder.glob("results_*.json"), *folder.glob("samples_*.jsonl")]:
        if file.relative_to(store.folder).as_posix() not in recorded:
            file.unlink()


def probe_samples(store: RunStore, probe: Probe, variation: Variation) -> dict[str, list[Sample]]:
    """The answers to a variation, by condition."""
    return {
        name: [
            replace(sample, condition=name)
            for file in store.files(stage_name(probe, variation, name))
            if file.suffix == ".jsonl"
            for sample in read_samples(file)
        ]
        for name in probe.conditions
    }
