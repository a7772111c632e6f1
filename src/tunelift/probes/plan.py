"""Which probes a run makes, decided before anything expensive happens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tunelift.core.evaluation import Evaluate
from tunelift.core.names import BASE, TUNED
from tunelift.core.recipe import Recipe
from tunelift.core.records import Example, Finding, Splits
from tunelift.data.examples import draw_positions
from tunelift.data.tasks import ROLLING, Task
from tunelift.probes.attack import can_be_attacked
from tunelift.probes.orders import choice_orders, demonstration_orders
from tunelift.probes.perturbations import injected, perturbed
from tunelift.probes.safety import safety_probes
from tunelift.probes.tasks import other_tasks
from tunelift.probes.variation import ATTACK, TEMPERATURE, Probe, ProbeName, Variation
from tunelift.probes.wordings import other_labels, other_wordings

UNCHANGED = "the task leaves nothing to change in this way"
UNASKED = "add a condition that asks the model of the recipe, untuned or tuned, in its own words"


def plan_probes(
    recipe: Recipe, task: Task, items: Sequence[Example], splits: Splits, cache: Path
) -> tuple[list[Probe], list[Finding]]:
    """The probes that a recipe asks for, and findings about those that cannot be made.

    Args:
        recipe: The recipe.
        task: The task of the run.
        items: The items that every condition is asked.
        splits: The examples; those of the training split may be shown as demonstrations.
        cache: A folder that remembers which row of other tasks goes where.

    Raises:
        UserError: A perturbation or a task is unknown, or a task has errors.
    """
    conditions = probed_conditions(recipe)
    if not conditions[False]:
        message = "there is no condition whose model can be asked the questions of probes"
        return [], [Finding("probe-impossible", "info", message, 0, UNASKED)] if _is_probed(recipe.evaluate) else []
    settings, seed, pool = recipe.evaluate, recipe.seed, splits.train
    positions = sorted(draw_positions(len(items), settings.probe_limit, seed))
    asked = [items[at] for at in positions]
    fewest = min((recipe.conditions[name].prompting.shots for name in conditions[True]), default=0)
    ways = _ways(settings, task, asked, pool, fewest, seed)
    probes = [
        Probe(name, variations, True, conditions[name == "demonstrations"], positions)
        for name, variations in ways.items()
        if variations and conditions[name == "demonstrations"]
    ]
    optional = ("label-wordings", "demonstrations")
    findings = [
        Finding("probe-impossible", "info", f"no {name} could be probed", 0, UNCHANGED)
        for name, variations in ways.items()
        if not variations and name not in optional
    ]
    for name, names, margin in _other(recipe):
        variations, found = other_tasks(names, settings.probe_limit, seed, cache, settings.allow_execution)
        probes.append(Probe(name, variations, False, conditions[False], [], margin))
        findings += found
    tuned = [name for name in conditions[False] if recipe.conditions[name].system == TUNED]
    if settings.temperature and tuned and task.doc_to_choice is not None and splits.validation:
        validation = Variation("validation", "the validation split", task, splits.validation, pool)
        probes.append(Probe(TEMPERATURE, [validation], False, tuned, []))
    elif settings.temperature:
        message = "no temperature can be fitted without choices, a validation split and a tuned model"
        findings.append(Finding("probe-impossible", "info", message, 0, UNCHANGED))
    if settings.safety:
        further, noticed = safety_probes(task, items, pool, conditions[False], settings.probe_limit, seed)
        probes, findings = probes + further, findings + noticed
    return [probe for probe in probes if probe.conditions], findings


def probed_conditions(recipe: Recipe) -> dict[bool, list[str]]:
    """The conditions whose systems are asked again, by whether it is about their demonstrations.

    Of the untuned and of the tuned model the condition with the fewest demonstrations; for their order, the first that
    shows several. Not those that ask with the best prompt, whose wording is not known before it is found.
    """
    found: dict[bool, list[str]] = {False: [], True: []}
    for system in (BASE, TUNED):
        shots = {
            name: condition.prompting.shots
            for name, condition in recipe.conditions.items()
            if condition.system == system and not condition.prompting.wordings
        }
        names = sorted(shots, key=lambda name: shots[name])
        shown = [name for name in shots if shots[name] > 1]
        found[False] += names[:1]
        found[True] += shown[:1]
    return found


def _ways(
    settings: Evaluate, task: Task, asked: Sequence[Example], pool: Sequence[Example], shots: int, seed: int
) -> dict[ProbeName, list[Variation]]:
    """How the items of the run are asked again, by probe; empty where the task leaves nothing to change."""
    ways: dict[ProbeName, list[Variation]] = {}
    if settings.templates:
        ways["wordings"] = other_wordings(task, asked, pool, settings.templates)
        ways["label-wordings"] = other_labels(task, asked, pool)
    if settings.orders:
        ways["orders"] = choice_orders(task, asked, pool, settings.orders, seed)
        ways["demonstrations"] = demonstration_orders(task, asked, pool, settings.orders, shots)
    if settings.robustness:
        ways["robustness"] = perturbed(task, asked, pool, settings.robustness, seed)
        ways["robustness"] += injected(task, asked, pool, seed) if settings.robustness.injections else []
        if settings.robustness.attack and can_be_attacked(task, asked):
            described = f"the worst of at most {settings.robustness.attack} texts for each item"
            ways[ATTACK] = [Variation("attack", described, task, list(asked), list(pool), attack=settings.robustness)]
    return {name: [] for name in ways} if task.output_type == ROLLING else ways


def _is_probed(settings: Evaluate) -> bool:
    """Whether probes are asked for."""
    asked = (settings.templates, settings.orders, settings.held_out, settings.general, settings.robustness)
    return any((*asked, settings.temperature, settings.safety))


def _other(recipe: Recipe) -> list[tuple[ProbeName, list[str], float | None]]:
    settings = recipe.evaluate
    found: list[tuple[ProbeName, list[str], float | None]] = []
    if settings.held_out:
        found.append(("held-out", settings.held_out, None))
    if settings.general:
        found.append(("general", settings.general.suites, settings.general.margin))
    return found
