"""Which probes a run makes, decided before anything expensive happens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
    settings, seed, pool = recipe.evaluate, recipe.seed, splits.train
    positions = sorted(draw_positions(len(items), settings.probe_limit, seed))
    asked = [items[at] for at in positions]
    ways: dict[ProbeName, list[Variation]] = {}
    if settings.templates:
        ways["wordings"] = other_wordings(task, asked, pool, settings.templates)
        ways["label-wordings"] = other_labels(task, asked, pool)
    if settings.orders:
        ways["orders"] = choice_orders(task, asked, pool, settings.orders, seed)
        ways["demonstrations"] = demonstration_orders(task, asked, pool, settings.orders)
    if settings.robustness:
        ways["robustness"] = perturbed(task, asked, pool, settings.robustness, seed)
        ways["robustness"] += injected(task, asked, pool, seed) if settings.robustness.injections else []
        if settings.robustness.attack and can_be_attacked(task, asked):
            described = f"the worst of at most {settings.robustness.attack} texts for each item"
            ways[ATTACK] = [Variation("attack", described, task, asked, pool, attack=settings.robustness)]
    if task.output_type == ROLLING:
        ways = {name: [] for name in ways}
    conditions = probed_conditions(recipe)
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
        variations, found = other_tasks(names, settings.probe_limit, seed, cache)
        probes.append(Probe(name, variations, False, conditions[False], [], margin))
        findings += found
    tuned = [name for name in conditions[False] if recipe.conditions[name].system == TUNED]
    if settings.temperature and task.doc_to_choice is not None and splits.validation:
        validation = Variation("validation", "the validation split", task, splits.validation, pool)
        probes.append(Probe(TEMPERATURE, [validation], False, tuned, []))
    elif settings.temperature:
        message = "no temperature can be fitted without choices and a validation split"
        findings.append(Finding("probe-impossible", "info", message, 0, UNCHANGED))
    if settings.safety:
        further, noticed = safety_probes(task, items, pool, conditions[False], settings.probe_limit, seed)
        probes, findings = probes + further, findings + noticed
    return [probe for probe in probes if probe.conditions], findings


def probed_conditions(recipe: Recipe) -> dict[bool, list[str]]:
    """The conditions whose systems are asked again, by whether it is about their demonstrations.

    Of the untuned and of the tuned model the condition with the fewest demonstrations; for their order, the first that
    shows several.
    """
    found: dict[bool, list[str]] = {False: [], True: []}
    for system in (BASE, TUNED):
        shots = {
            name: condition.prompting.shots
            for name, condition in recipe.conditions.items()
            if condition.system == system
        }
        names = sorted(shots, key=lambda name: shots[name])
        shown = [name for name in shots if shots[name] > 1]
        found[False] += names[:1]
        found[True] += shown[:1]
    return found


def _other(recipe: Recipe) -> list[tuple[ProbeName, list[str], float | None]]:
    settings = recipe.evaluate
    found: list[tuple[ProbeName, list[str], float | None]] = []
    if settings.held_out:
        found.append(("held-out", settings.held_out, None))
    if settings.general:
        found.append(("general", settings.general.suites, settings.general.margin))
    return found
