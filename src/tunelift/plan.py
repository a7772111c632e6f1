"""What a run works on: task, examples, metrics, and every system with its prompts or inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tunelift.core.cache import cache_folder
from tunelift.core.errors import UserError
from tunelift.core.names import BASE, BUILT_IN_SYSTEMS, CLASSICAL, TUNED
from tunelift.core.recipe import Condition, Precision, Recipe, Tune
from tunelift.core.records import Example, Finding, Prompt
from tunelift.data.checks import check_examples
from tunelift.data.examples import LoadedTask, draw_positions, load_examples
from tunelift.data.tasks import ROLLING, Task, load_task
from tunelift.evaluation.heads import HeadSystem, head_system
from tunelift.evaluation.metrics.metric import Metric
from tunelift.evaluation.metrics.table import make_metrics
from tunelift.evaluation.parsing.answers import check_references, check_scoring
from tunelift.evaluation.robustness.checks import check_injections
from tunelift.evaluation.safety.canaries import Planted
from tunelift.models import embedder
from tunelift.models.endpoint import Endpoint, check_endpoint
from tunelift.models.load import LanguageModel, load_model, locate, release
from tunelift.probes.ask import check_questions
from tunelift.probes.canaries import plant_canaries, planted_finding
from tunelift.probes.plan import plan_probes
from tunelift.probes.search import check_searchable
from tunelift.probes.variation import UNSEEN, Probe
from tunelift.prompts.build import PromptStyle, answer_prompts, choose_demonstrations, training_prompts
from tunelift.prompts.checks import check_prompts


@dataclass(frozen=True, slots=True)
class LanguageSystem:
    """A language model of a run, untuned and tuned.

    Attributes:
        name: Of the system in the recipe; empty for the recipe's own model.
        base: The untuned model.
        style: How its prompts are rendered.
        settings: How it is tuned, where a condition asks the tuned model.
        seed: Seed of its tuning.
        training: Prompts with answers to tune on.
        validation: The same for measuring the loss.
        prompts: The prompts of every condition that asks one of the two.
        untuned: The conditions that ask the untuned model.
        tuned: The conditions that ask the tuned model.
    """

    name: str
    base: LanguageModel
    style: PromptStyle
    settings: Tune
    seed: int
    training: list[Prompt]
    validation: list[Prompt]
    prompts: dict[str, list[Prompt]]
    untuned: list[str]
    tuned: list[str]


@dataclass(frozen=True, slots=True)
class EndpointSystem:
    """A model that answers somewhere else.

    Attributes:
        name: Of the system in the recipe.
        endpoint: Where it answers.
        shown: The demonstrations of every item, by condition.
    """

    name: str
    endpoint: Endpoint
    shown: dict[str, list[list[Example]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works on, once recipe, data and tokenizers are read.

    Attributes:
        recipe: The recipe.
        task: The task.
        data: The examples of the task.
        positions: Which items of the test split are asked, the same for every condition.
        items: These items.
        metrics: The metrics of the task, the headline first.
        models: The recipe's own model first, then the further language models.
        heads: The models with a head.
        endpoints: The models that answer somewhere else.
        probes: What the systems are asked besides.
        probe_findings: What cannot be probed, and what was noticed about the tasks of the probes.
        planted: The training examples of the recipe's own model with secrets among them, where it asks for such.
    """

    recipe: Recipe
    task: Task
    data: LoadedTask
    positions: list[int]
    items: list[Example]
    metrics: list[Metric]
    models: list[LanguageSystem]
    heads: list[HeadSystem]
    endpoints: list[EndpointSystem]
    probes: list[Probe]
    probe_findings: list[Finding]
    planted: Planted | None

    @property
    def own(self) -> LanguageSystem:
        """The recipe's own model."""
        return self.models[0]


def conditions_of(recipe: Recipe, *systems: str) -> list[str]:
    """The conditions that ask one of these systems."""
    return [name for name, condition in recipe.conditions.items() if condition.system in systems]


def has_tuned(recipe: Recipe) -> bool:
    """Whether any condition asks for the tuned model."""
    return bool(conditions_of(recipe, TUNED))


def kind_of(recipe: Recipe, condition: Condition) -> str:
    """What a condition is in a comparison: tuned, base, or a classical baseline."""
    if condition.system in BUILT_IN_SYSTEMS:
        return condition.system
    return TUNED if recipe.system(condition.system).tune else BASE


def kinds_of(recipe: Recipe) -> dict[str, str]:
    """What every condition is in a comparison."""
    return {name: kind_of(recipe, condition) for name, condition in recipe.conditions.items()}


def tuning_stage(recipe: Recipe, condition: Condition) -> str | None:
    """Name of the stage that tunes what a condition asks; None where nothing is tuned for it."""
    if kind_of(recipe, condition) != TUNED:
        return None
    return "tune" if condition.system == TUNED else f"tune/{condition.system}"


def planned_contrasts(conditions: dict[str, Condition], kinds: dict[str, str]) -> list[tuple[str, str]]:
    """What is compared with what.

    Every tuned condition with all that is not tuned, tuned conditions with each other, then few-shot with zero-shot of
    the same system (elicitation).
    """
    order = (TUNED, BASE, "tfidf", "nearest", "majority")
    by_kind = {kind: [name for name in conditions if kinds[name] == kind] for kind in order}
    tuned, others = by_kind[TUNED], [name for kind in order[1:] for name in by_kind[kind]]
    shots = {name: conditions[name].prompting.shots for name in by_kind[BASE]}
    elicitation = [
        (few, zero)
        for few in shots
        for zero in shots
        if shots[few] > 0 and shots[zero] == 0 and conditions[few].system == conditions[zero].system
    ]
    among = [(later, earlier) for at, later in enumerate(tuned) for earlier in tuned[:at]]
    return [(name, other) for name in tuned for other in others] + among + elicitation


def prepare(recipe: Recipe, accept_terms: bool) -> Plan:
    """Read task, data and models, draw the test items, and render every prompt of the run."""
    task = load_task(recipe.task)
    if recipe.data:
        task = task.model_copy(update={"dataset_path": recipe.data})
    metrics = make_metrics(task, recipe.evaluate.allow_execution)
    if task.output_type == ROLLING and conditions_of(recipe, *CLASSICAL):
        what = f"{', '.join(CLASSICAL)} cannot tell the probability of a text"
        raise UserError(f"task {task.task}", what, "leave them out of the conditions")
    check_encoders(recipe, task, accept_terms)
    own = load_model(recipe.model, recipe.tune.precision, accept_terms)
    data = load_examples(task, cache_folder() / "splits")
    check_searchable(recipe.conditions, data.splits.validation)
    positions = draw_positions(len(data.splits.test), recipe.limit, recipe.seed)
    items = [data.splits.test[at] for at in positions]
    canaries = recipe.evaluate.canaries if has_tuned(recipe) else None
    planted = plant_canaries(canaries, task, data.splits.train, recipe.seed) if canaries else None
    probes, probe_findings = plan_probes(recipe, task, items, data.splits, cache_folder() / "splits", planted)
    plan = Plan(recipe, task, data, positions, items, metrics, [], [], [], probes, probe_findings, planted)
    asking = [conditions_of(recipe, BASE), conditions_of(recipe, TUNED)]
    plan.models.append(language_system(plan, "", own, recipe.tune, *asking))
    add_systems(plan, accept_terms)
    return plan


def check_encoders(recipe: Recipe, task: Task, accept_terms: bool) -> None:
    """Refuse encoders that are not there, and the bundled one for a language that it does not know."""
    for name, condition in recipe.conditions.items():
        if condition.encoder == embedder.NAME and task.language != embedder.LANGUAGE:
            what = f'{embedder.NAME} knows English alone, and the language of the task is "{task.language}"'
            raise UserError(f'condition "{name}"', what, "name another encoder, or none for TF-IDF")
        if condition.encoder:
            locate(condition.encoder, accept_terms)


def add_systems(plan: Plan, accept_terms: bool) -> None:
    """Add the systems that a recipe names and conditions ask.

    Several share one base, so that it is in memory once: an adapter is taken off again, and what was tuned as a whole
    is loaded again for the next one. Where there are several bases, only tokenizers and configurations stay; the
    weights are loaded again when it is their turn.

    Args:
        plan: Where they are added; it has the recipe's own model.
        accept_terms: The user accepts the terms of use of a bundled model that has such.
    """
    recipe, task, data = plan.recipe, plan.task, plan.data
    bases: dict[tuple[str, Precision], LanguageModel] = {(recipe.model, recipe.tune.precision): plan.own.base}
    for name, system in recipe.systems.items():
        asked = conditions_of(recipe, name)
        if system.head is not None and asked:
            release(plan.own.base)
            head = head_system(name, system, task, data, plan.items, recipe.model, accept_terms)
            plan.heads.append(head)
        elif system.endpoint is not None and asked:
            plan.endpoints.append(endpoint_system(plan, name, Endpoint(**system.endpoint.model_dump()), asked))
        elif asked:
            settings = system.tune or recipe.tune
            key = (system.model or recipe.model, settings.precision)
            if key not in bases:
                release(plan.own.base)
                bases[key] = load_model(*key, accept_terms)
            asking = [[], asked] if system.tune else [asked, []]
            plan.models.append(language_system(plan, name, bases[key], settings, *asking))
            if bases[key] is not plan.own.base:
                release(bases[key])


def endpoint_system(plan: Plan, name: str, endpoint: Endpoint, conditions: list[str]) -> EndpointSystem:
    """An endpoint with the demonstrations of every condition that asks it.

    Raises:
        UserError: It does not answer, or there are fewer examples to show than are asked for.
    """
    check_endpoint(endpoint)
    train, seed = plan.data.splits.train, plan.recipe.seed
    prompting = {condition: plan.recipe.conditions[condition].prompting for condition in conditions}
    shown = {
        condition: choose_demonstrations(plan.task, prompting[condition], plan.items, train, seed)
        for condition in conditions
    }
    return EndpointSystem(name, endpoint, shown)


def language_system(
    plan: Plan, name: str, base: LanguageModel, settings: Tune, untuned: list[str], tuned: list[str]
) -> LanguageSystem:
    """A language model with every prompt that it is tuned on and asked."""
    splits, seed = plan.data.splits, plan.recipe.seed
    style = PromptStyle(plan.task, base.tokenizer, chat=plan.task.render == "chat")
    prompts = {
        condition: answer_prompts(style, plan.recipe.conditions[condition].prompting, plan.items, splits.train, seed)
        for condition in [*untuned, *tuned]
    }
    train = plan.planted.examples if plan.planted and name in planted_systems(plan.recipe) else splits.train
    training, validation = (training_prompts(style, part) for part in (train, splits.validation))
    seed_of_tuning = plan.recipe.seed_of(settings)
    return LanguageSystem(name, base, style, settings, seed_of_tuning, training, validation, prompts, untuned, tuned)


def planted_systems(recipe: Recipe) -> set[str]:
    """The systems that are tuned on planted secrets: the recipe's own model, and what repeats it with another seed."""
    again = [name for name, original in recipe.repeats.items() if recipe.conditions[original].system == TUNED]
    return {"", *(recipe.conditions[name].system for name in again)}


def find_faults(plan: Plan) -> list[Finding]:
    """Look at data and prompts before anything expensive happens.

    Raises:
        UserError: A question of a probe is too long for the model.
    """
    check_questions(plan.probes, plan.recipe, plan.own.base)
    unseen = [item for probe in plan.probes if probe.name == UNSEEN for way in probe.variations for item in way.items]
    splits = replace(plan.data.splits, test=plan.items, held_out=unseen)
    examples = [*splits.train, *splits.validation, *splits.test, *splits.held_out]
    found = [*plan.data.findings, *plan.probe_findings, *check_examples(splits, plan.task)]
    found += [planted_finding(plan.planted)] if plan.planted else []
    found += check_injections(plan.task, examples)
    found += check_references(examples, plan.task) or check_scoring(plan.items, plan.task, plan.metrics)
    known = {example.id for example in examples}
    for system in plan.models:
        training = system.training + system.validation if system.tuned or not system.name else []
        training = [prompt for prompt in training if prompt.example_id in known]  # none that was planted
        base = system.base
        # Tuning all weights trains the rows of these tokens, too.
        untrained = frozenset() if system.tuned and system.settings.method.full else base.untrained_tokens
        found += check_prompts(system.style, examples, training, system.prompts, base.context, untrained)
    return [*found, *(finding for head in plan.heads for finding in head.findings)]
