"""Which probes a run makes, decided before anything expensive happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunelift.core.evaluation import Evaluate
from tunelift.core.names import BASE, TUNED
from tunelift.core.recipe import Recipe
from tunelift.core.records import Example, Finding, Splits
from tunelift.data.examples import draw_positions
from tunelift.data.tasks import ROLLING, Task
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.safety.canaries import Planted
from tunelift.probes.attack import can_be_attacked
from tunelift.probes.canaries import canary_probes
from tunelift.probes.orders import choice_orders, demonstration_orders
from tunelift.probes.perturbations import injected, negated, perturbed
from tunelift.probes.safety import safety_probes
from tunelift.probes.tasks import other_tasks
from tunelift.probes.transfer import asked_alone, unseen_probe
from tunelift.probes.variation import (
    ATTACK,
    INJECTION,
    NEGATION,
    TEMPERATURE,
    UNASKED,
    Probe,
    ProbeName,
    Variation,
    positions_of,
)
from tunelift.probes.wordings import other_labels, other_wordings

# Probes that few tasks have.
OPTIONAL = ("label-wordings", "demonstrations")
UNCHANGED = "the task leaves nothing to change in this way"


@dataclass(frozen=True, slots=True)
class Probed:
    """The conditions whose systems are asked again, at most one of the untuned and one of the tuned model.

    Attributes:
        own: About the items of the run.
        shown: About the order of the demonstrations.
        others: About other items.
    """

    own: list[str]
    shown: list[str]
    others: list[str]


def plan_probes(
    recipe: Recipe,
    task: Task,
    items: Sequence[Example],
    splits: Splits,
    cache: Path,
    planted: Planted | None = None,
) -> tuple[list[Probe], list[Finding]]:
    """The probes that a recipe asks for, and findings about those that cannot be made.

    Args:
        recipe: The recipe.
        task: The task of the run.
        items: The items that every condition is asked.
        splits: The examples; those of the training split may be shown as demonstrations.
        cache: A folder that remembers which row of other tasks goes where.
        planted: The secrets among what is tuned on, where the recipe asks for such and tunes its own model.

    Raises:
        UserError: A perturbation or a task is unknown, or a task has errors.
    """
    probed = probed_conditions(recipe)
    if not probed.others:
        message = "probes are left out: no condition asks the recipe's own model, and other systems are not probed"
        count = _probes_asked_for(recipe.evaluate) + bool(splits.held_out)
        return [], [Finding("probe-impossible", "warning", message, count, UNASKED)] if count else []
    settings, seed, pool = recipe.evaluate, recipe.seed, splits.train
    fewest = min((recipe.conditions[name].prompting.shots for name in probed.shown), default=0)
    ways = _ways(settings, task, items, pool, fewest, seed)
    probes = [
        Probe(name, variations, True, asking, positions_of(items, variations))
        for name, variations in ways.items()
        for asking in [probed.shown if name == "demonstrations" else probed.own]
        if variations
    ]
    findings = [
        Finding(
            "probe-impossible", "info", f"the probe {name} cannot be made", 0, _remedy(name) if probed.own else UNASKED
        )
        for name, variations in ways.items()
        if not (variations and probed.own) and name not in OPTIONAL
    ]
    for name, names, margin in _other(recipe):
        variations, found = other_tasks(names, settings.probe_limit, seed, cache, settings.allow_execution)
        probes.append(Probe(name, variations, False, probed.others, [], margin))
        findings += found + asked_alone(f"{name} tasks", probed.others, len(variations))
    unseen, noticed = unseen_probe(task, splits, probed.own, settings.probe_limit, seed)
    probes, findings = probes + unseen, findings + noticed
    if settings.temperature:
        further, noticed = _temperature_probe(recipe, task, splits, probed.own)
        probes, findings = probes + further, findings + noticed
    if settings.safety:
        further, noticed = safety_probes(task, items, pool, probed.own, probed.others, settings.probe_limit, seed)
        probes, findings = probes + further, findings + noticed
    if settings.canaries:
        further, noticed = canary_probes(task, planted, probed.others, seed)
        probes, findings = probes + further, findings + noticed
    return [probe for probe in probes if probe.conditions], findings


def probed_conditions(recipe: Recipe) -> Probed:
    """The conditions whose systems are asked again.

    Of the untuned and of the tuned model the condition with the fewest demonstrations; for their order, the first that
    shows several. One that looks for the best prompt has found it for the items of the run, and is asked about other
    items alone, where there is no other condition: those have words of their own.
    """
    found = Probed([], [], [])
    for system in (BASE, TUNED):
        prompting = {name: one.prompting for name, one in recipe.conditions.items() if one.system == system}
        plain = [name for name in prompting if not prompting[name].wordings]
        fewest = sorted(plain, key=lambda name: prompting[name].shots)
        found.own.extend(fewest[:1])
        found.shown.extend([name for name in plain if prompting[name].shots > 1][:1])
        found.others.extend((fewest or list(prompting))[:1])
    return found


def _ways(
    settings: Evaluate, task: Task, items: Sequence[Example], pool: Sequence[Example], shots: int, seed: int
) -> dict[ProbeName, list[Variation]]:
    """How the items of the run are asked again, by probe; empty where the task leaves nothing to change."""
    limit = settings.probe_limit
    asked = [items[at] for at in sorted(draw_positions(len(items), limit, seed))]
    ways: dict[ProbeName, list[Variation]] = {}
    if settings.templates:
        ways["wordings"] = other_wordings(task, asked, pool, settings.templates)
        ways["label-wordings"] = other_labels(task, asked, pool)
    if settings.orders:
        ways["orders"] = choice_orders(task, asked, pool, settings.orders, seed)
        ways["demonstrations"] = demonstration_orders(task, asked, pool, settings.orders, shots)
    if settings.robustness:
        ways["robustness"] = perturbed(task, asked, pool, settings.robustness, seed)
        if settings.robustness.injections and task.output_type != ROLLING:
            ways[INJECTION] = injected(task, asked, pool, seed)
        if settings.robustness.negation and task.output_type != ROLLING:
            ways[NEGATION] = negated(task, items, pool, limit, seed)
        if settings.robustness.attack:
            described = f"the worst of at most {settings.robustness.attack} texts for each item"
            way = Variation("attack", described, task, list(asked), list(pool), attack=settings.robustness)
            possible = can_be_attacked(task, asked, make_metrics(task, settings.allow_execution)[0])
            ways[ATTACK] = [way] if possible and ways["robustness"] else []
    return {name: [] for name in ways} if task.output_type == ROLLING else ways


def _temperature_probe(
    recipe: Recipe, task: Task, splits: Splits, conditions: Sequence[str]
) -> tuple[list[Probe], list[Finding]]:
    """The probe that asks the tuned model the validation split, or why there is none."""
    tuned = [name for name in conditions if recipe.conditions[name].system == TUNED]
    if tuned and task.doc_to_choice is not None and splits.validation:
        validation = Variation("validation", "the validation split", task, splits.validation, splits.train)
        return [Probe(TEMPERATURE, [validation], False, tuned, [])], []
    message = "no temperature can be fitted without choices, a validation split and a tuned model"
    remedy = "give the task choices and a validation split, and add a condition that asks the tuned model"
    return [], [Finding("probe-impossible", "info", message, 0, remedy)]


def _remedy(name: ProbeName) -> str:
    """Why a task cannot be asked in a way."""
    return "an attack needs a text to change, and a score that falls to 0" if name == ATTACK else UNCHANGED


def _probes_asked_for(settings: Evaluate) -> int:
    """How many keys of the recipe ask for probes."""
    asked = (settings.templates, settings.orders, settings.held_out, settings.general, settings.robustness)
    return sum(map(bool, (*asked, settings.temperature, settings.safety, settings.canaries)))


def _other(recipe: Recipe) -> list[tuple[ProbeName, list[str], float | None]]:
    settings = recipe.evaluate
    found: list[tuple[ProbeName, list[str], float | None]] = []
    if settings.held_out:
        found.append(("held-out", settings.held_out, None))
    if settings.general:
        found.append(("general", settings.general.suites, settings.general.margin))
    return found
