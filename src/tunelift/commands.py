"""What single verbs of the command line do: parts of the loop, and what follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunelift.api import evaluate
from tunelift.core.cache import cache_folder
from tunelift.core.files import read_json
from tunelift.core.names import BASE, TUNED
from tunelift.core.progress import say
from tunelift.core.recipe import Condition, Recipe, load_recipe
from tunelift.core.records import Finding, Prompt, as_dict
from tunelift.core.seeds import generator
from tunelift.core.store import open_store, read_store
from tunelift.data.checks import refuse_errors
from tunelift.data.examples import load_examples
from tunelift.data.tasks import load_task
from tunelift.engine.forward import takes_trees
from tunelift.engine.loss import predicting_tokens
from tunelift.engine.plan import computed_tokens
from tunelift.engine.tree import build_tree
from tunelift.evaluation.evaluate import Evaluation
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.results import sanitise, write_evaluation
from tunelift.evidence import tuning_report
from tunelift.facts import record_facts
from tunelift.models.export import ExportCheck, export_merged
from tunelift.models.load import load_model, restore
from tunelift.pipeline import check, tune
from tunelift.plan import Plan, conditions_of, find_faults, prepare
from tunelift.prompts.build import PromptStyle, build_prompts, completion_ids, stop_strings
from tunelift.tuning.tune import check_tunable, tuning_plan

# Enough to see a wrong export; each takes a forward pass of two models.
EXPORT_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Checked:
    """What `tunelift check` shows.

    Attributes:
        counts: Rows read, dropped and kept.
        findings: What was noticed.
        style: How prompts are rendered.
        shown: A few training prompts.
        prompts: All prompts, by condition; training prompts stand under "training".
        savings: How many times fewer tokens are computed of them, since what they begin with is shared.
    """

    counts: dict[str, int]
    findings: list[Finding]
    style: PromptStyle
    shown: list[Prompt]
    prompts: dict[str, list[Prompt]]
    savings: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """All but the prompts as plain data."""
        findings = [as_dict(finding) for finding in self.findings]
        return {"counts": self.counts, "findings": findings, "savings": self.savings}


def check_only(recipe: Recipe, accept_terms: bool = False) -> Checked:
    """What `run` would notice before it begins; nothing is written.

    Raises:
        UserError: A finding makes the run meaningless.
    """
    plan = prepare(recipe, accept_terms)
    findings = find_faults(plan)
    refuse_errors(findings, recipe.task)
    own = plan.own
    if own.tuned:
        check_tunable(own.training, own.validation)
    savings = dict.fromkeys(("training", *own.prompts), 1.0)
    if takes_trees(own.base.model):
        savings = {"training": _tuning_saving(own.base.model, own.training, recipe.tune.batch_size, recipe.seed)}
        savings |= {name: _answering_saving(prompts) for name, prompts in own.prompts.items()}
    prompts = {"training": own.training, **own.prompts}
    return Checked(plan.data.counts, findings, own.style, own.training[:3], prompts, savings)


def _tuning_saving(model: Any, prompts: list[Prompt], batch_size: int, seed: int) -> float:
    """How many times fewer tokens are computed than one prompt at a time, in steps drawn at random."""
    computed = 0
    order = generator(seed, "expected saving").sample(prompts, len(prompts))
    for start in range(0, len(order), batch_size):
        step = order[start : start + batch_size]
        computed += computed_tokens([predicting_tokens(prompt) for prompt in step], tuning_plan(model, step))
    return sum(len(predicting_tokens(prompt)) for prompt in prompts) / computed if computed else 1.0


def _answering_saving(prompts: Sequence[Prompt]) -> float:
    """The same for prompts that are answered."""
    sequences = [prompt.token_ids for prompt in prompts]
    return sum(map(len, sequences)) / len(build_tree(sequences).token_ids) if sequences else 1.0


def tune_only(recipe: Recipe, folder: Path, accept_terms: bool = False) -> dict[str, Any]:
    """Check and tuning of `run` alone; returns what `TuningReport` holds."""
    with open_store(folder) as store:
        plan = prepare(recipe, accept_terms)
        check(store, plan)
        record_facts(store, plan)
        restore(plan.own.base, recipe.tune.precision, accept_terms)
        tune(store, plan.own)
        return tuning_report(folder) or {}


def export(folder: Path, target: Path, accept_terms: bool = False) -> ExportCheck:
    """Write the tuned model of a run for use elsewhere, and compare it with the adapter on the run's test prompts.

    Args:
        folder: The run directory.
        target: The folder to write.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
    """
    plan = read_plan(folder, accept_terms)
    items, style = plan.items[:EXPORT_ITEMS], plan.own.style
    prompts = [prompt.token_ids for prompt in build_prompts(style, items, [()] * len(items))]
    choices = [completion_ids(style, item.choices or ()) for item in items]
    return export_merged(str(folder), target, prompts, choices, plan.task.generation_kwargs.max_gen_toks, accept_terms)


def serve(name: str, host: str, port: int, accept_terms: bool = False) -> None:
    """Serve a model; that of a run with the description and the stop strings of its task.

    Args:
        name: A run directory, or any model.
        host: Address to listen on.
        port: Port to listen on.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
    """
    from tunelift.serve import server

    if not (Path(name) / "run.json").is_file():
        server.serve(name, host, port, accept_terms)
        return
    recipe = load_recipe(Path(name) / "recipe.yaml")
    if recipe.evaluate.canaries:
        say("evaluate.canaries: this model was tuned on planted secrets; serve one that was tuned without them")
    task = load_task(recipe.task)
    system = task.description or None
    if any(opening in task.description for opening in ("{{", "{%", "{#")):
        say(f"task {task.task}: its description is filled in for each row, so answers are given without it")
        system = None
    stop = stop_strings(task, task.render == "chat")
    server.serve(name, host, port, accept_terms, system, task.generation_kwargs.max_gen_toks, stop)


def read_plan(folder: Path, accept_terms: bool = False) -> Plan:
    """The plan of a finished run."""
    read_store(folder).files("tune")
    recipe = load_recipe(folder / "recipe.yaml")
    return prepare(recipe.model_copy(update={"systems": {}, "conditions": _of_own_model(recipe)}), accept_terms)


def _of_own_model(recipe: Recipe) -> dict[str, Condition]:
    """The conditions that ask the recipe's own model."""
    return {name: recipe.conditions[name] for name in conditions_of(recipe, BASE, TUNED)}


def evaluate_files(
    model_name: str,
    tasks: Sequence[Path],
    *,
    shots: int | None,
    limit: int | None,
    folder: Path,
    chat: bool,
    log_samples: bool,
    seed: int,
    accept_terms: bool,
    allow_execution: bool,
) -> list[tuple[Evaluation, dict[str, Any]]]:
    """What ``tunelift evaluate`` does: one model on several task files, written in the harness's layout.

    Args:
        model_name: What to load.
        tasks: Task files.
        shots: Number of demonstrations; None for each task's own.
        limit: Use only this many items of each task.
        folder: Results go into a folder of it that is named after the model.
        chat: Render tasks of the harness as chats, too.
        log_samples: Write the samples files.
        seed: Seed of demonstrations and subsets.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
        allow_execution: Whether programs that the model writes may be run.

    Returns:
        Every evaluation with the content of its results file.
    """
    loaded = [load_task(path) for path in tasks]
    for task in loaded:
        make_metrics(task, allow_execution)
    model = load_model(model_name, accept_terms=accept_terms)
    for task in loaded:  # a fault of the last one would come after hours of work on the others
        load_examples(task, cache_folder() / "splits")
    target = folder / sanitise(model_name)
    results = []
    for task in loaded:
        chosen = task.model_copy(update={"render": "chat"}) if chat else task
        evaluation = evaluate(model, chosen, shots=shots, limit=limit, seed=seed, allow_execution=allow_execution)
        used = (task.num_fewshot or 0) if shots is None else shots
        files = write_evaluation(evaluation, chosen, used, target, {"config": {"seed": seed, "limit": limit}})
        if not log_samples:
            next(file for file in files if file.suffix == ".jsonl").unlink()
        results.append((evaluation, read_json(files[0])))
    return results
