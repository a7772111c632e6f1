"""The recipe: one strict YAML file that says everything about a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from tunelift.core.config import Count, FileName, Strict, apply_override, argument_places, build, key_error, read_yaml
from tunelift.core.errors import UserError, nearest


class Lora(Strict):
    """Low-rank adapters on linear layers (Hu et al. 2021).

    Attributes:
        rank: Rank of the update.
        target_modules: Names of the modules; "all-linear" takes all but the output projection.
        last_layers: Only so many of the last decoder layers; all if it is not given. No gradient is computed for
            the layers below, which saves time and memory.
        alpha: Scale of the update is alpha / rank.
        dropout: Dropout on the adapter's input.
    """

    rank: Count = 16
    alpha: PositiveFloat = 32.0
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: Annotated[list[str], Field(min_length=1)] | Literal["all-linear"] = "all-linear"
    last_layers: Count | None = None


class Full(Strict):
    """Every weight is tuned."""


class Method(Strict):
    """How weights change: exactly one of the methods."""

    lora: Lora | None = None
    full: Full | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Method:
        if (self.lora is None) == (self.full is None):
            raise ValueError('needs exactly one method - write "lora: {rank: 16}" or "full: {}"')
        return self


class CrossEntropy(Strict):
    """Token-level cross-entropy on the supervised tokens."""


class Objective(Strict):
    """What is minimised."""

    cross_entropy: CrossEntropy = Field(CrossEntropy(), alias="cross-entropy")


class Tune(Strict):
    """How the model is tuned.

    Attributes:
        method: LoRA or full.
        objective: What is minimised.
        learning_rate: Peak of the schedule.
        schedule: Course of the learning rate after warm-up.
        warmup: Share of the steps over which the learning rate rises.
        epochs: Passes over the training split.
        batch_size: Examples per optimizer step, whatever the hardware.
        weight_decay: Decoupled weight decay of AdamW.
        max_gradient_norm: Gradients are clipped to this norm.
        evaluations_per_epoch: How often the validation loss is measured.
        patience: Tuning stops after this many evaluations without a better validation loss.
        checkpoint_steps: A checkpoint is written every so many optimizer steps.
        precision: Precision of the weights that are computed with; "auto" takes what this machine does fast.
    """

    method: Method = Method(lora=Lora())
    objective: Objective = Objective()
    learning_rate: PositiveFloat = 2.0e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    epochs: Count = 2
    batch_size: Count = 32
    weight_decay: float = Field(0.0, ge=0)
    max_gradient_norm: PositiveFloat = 1.0
    evaluations_per_epoch: Count = 1
    patience: Count = 3
    checkpoint_steps: Count = 10
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


HeadKind = Literal["classification", "labels", "regression", "entities", "relation"]


class HeadSettings(Strict):
    """A head as a user asks for it.

    Attributes:
        kind: That of the task unless given: "classification" (one class of a text), "labels" (any number of labels),
            "regression" (a number), "entities" (typed spans), or "relation" (one class of two marked entities).
        pooling: Whose hidden states are read: "mean" of all tokens, the "first" or the "last"; of the text, or of each
            word for entities. "auto" is the mean where every token sees all others, and the last where it sees those
            before it.
        bidirectional: Every token of a decoder sees all others.
        class_weights: Factor of the loss by class; "balanced" makes it inverse to the class's share of the training
            outputs. For labels it is the factor where the label is present. Classes that are not named have 1.
        focal_gamma: Easy outputs weigh less by this power (Lin et al. 2017).
        label_smoothing: So much of the target is spread over all classes.
        dropout: Dropout on what the head reads.
        max_length: Longest input in tokens; entities are read in windows of this size.
        overlap: How many tokens of a window stand in the next one, too.
        learning_rate: Peak for the weights of the head itself, which begin at random; by default that of the recipe.
    """

    kind: HeadKind | None = None
    pooling: Literal["auto", "mean", "first", "last"] = "auto"
    bidirectional: bool = False
    class_weights: Literal["balanced"] | Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    focal_gamma: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    max_length: Count = 512
    overlap: int = Field(64, ge=0, lt=2**31)
    learning_rate: PositiveFloat | None = None

    @model_validator(mode="after")
    def _classes_only(self) -> HeadSettings:
        if self.kind == "regression" and (self.class_weights or self.focal_gamma or self.label_smoothing):
            raise ValueError("a regression has no classes - remove class_weights, focal_gamma and label_smoothing")
        return self


class Prompting(Strict):
    """What stands before the question.

    Attributes:
        shots: Number of demonstrations.
        select: How they are chosen from the training split: "random" and "balanced" (over the answers) show the
            same ones before every item, "bm25" the most similar to each item.
    """

    shots: int = Field(0, ge=0, lt=2**31)
    select: Literal["random", "balanced", "bm25"] = "random"


class System(Strict):
    """What answers: a language model or a model with a head, as it is or tuned.

    Attributes:
        model: The model; the recipe's unless given.
        head: A head in place of the language-model head; it is always tuned.
        tune: How the model is tuned: the recipe's settings, with these in their place. Untuned where it is not given.
    """

    model: Annotated[str, Field(min_length=1)] | None = None
    head: HeadSettings | None = None
    tune: Tune | None = None


CLASSICAL = ("majority", "tfidf")
BASE, TUNED = "base", "tuned"
BUILT_IN_SYSTEMS = (*CLASSICAL, BASE, TUNED)


class Condition(Strict):
    """A system and a prompting; its name in the recipe is its directory in the run."""

    system: FileName
    prompting: Prompting = Prompting()

    @model_validator(mode="after")
    def _prompts_only_language_models(self) -> Condition:
        if self.system in CLASSICAL and self.prompting != Prompting():
            raise ValueError(f"takes no shots and no select - {self.system} is not prompted; remove them")
        return self


class General(Strict):
    """What the model could before it was tuned, and should still be able to do.

    Attributes:
        suites: Task files, folders of such, or ``builtin/general-en`` and ``builtin/general-zh``.
        margin: The loss that counts as none: in the score where that is a share, and relative to the untuned model's
            where it is none, as for bits per byte.
    """

    suites: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["builtin/general-en"])
    margin: float = Field(0.02, gt=0, lt=1)


class Robustness(Strict):
    """Damaged texts.

    Attributes:
        perturbations: Their names, or all that keep the right answer.
        strength: Share of the words (or characters, marks, sentences) that are changed.
        injections: Instructions are hidden in the texts, too.
    """

    perturbations: Annotated[list[str], Field(min_length=1)] | Literal["all"] = "all"
    strength: float = Field(0.2, gt=0, le=1)
    injections: bool = True


class Evaluate(Strict):
    """How answers are scored, and what else the systems are asked.

    Of the untuned and of the tuned model the condition with the fewest demonstrations is asked again (probes).

    Attributes:
        allow_execution: Programs that a model wrote may be run, in a sandbox, to see whether they work.
        templates: In how many other wordings each item is asked: those of the task, then general frames.
        orders: In how many other orders the choices are listed, and demonstrations shown.
        held_out: Tasks that nothing was tuned on: task files, or folders of such.
        general: What should not be forgotten.
        robustness: Damaged texts; `on` for all of them.
        probe_limit: At most so many items for each of these questions, a seeded random subset.
    """

    allow_execution: bool = False
    templates: int = Field(0, ge=0, le=100)
    orders: int = Field(0, ge=0, le=100)
    held_out: list[str] = Field(default_factory=list)
    general: General | None = None
    robustness: Robustness | None = None
    probe_limit: Count = 100

    @field_validator("robustness", "general", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """YAML reads ``on`` and ``off`` as true and false."""
        return {} if value is True else None if value is False else value


BUILT_IN_CONDITIONS: dict[str, dict[str, Any]] = {
    "majority": {"system": "majority"},
    "tfidf": {"system": "tfidf"},
    "zero-shot": {"system": "base"},
    "few-shot": {"system": "base", "prompting": {"shots": 4}},
    "tuned": {"system": "tuned"},
}


class Recipe(Strict):
    """A run: a comparison of conditions on identical items.

    Attributes:
        model: Hub id, folder, .gguf file, or ``bundled/...``.
        task: Path of a task file, relative to the recipe.
        data: Where the task's data is, in place of what the task file says; relative to where you are.
        conditions: Name to system and prompting.
        systems: Further systems, by name: another model, a head, other settings of tuning.
        tune: How the model is tuned.
        evaluate: How answers are scored.
        limit: Use only this many test items, a seeded random subset that is the same for all conditions.
        seed: Every random draw of the run is derived from it. The splits have a seed of their own, in the task.
    """

    model: str = Field(min_length=1)
    task: str
    data: str | None = None
    conditions: dict[FileName, Condition] = Field(
        default_factory=lambda: {name: Condition.model_validate(spec) for name, spec in BUILT_IN_CONDITIONS.items()}
    )
    systems: dict[FileName, System] = Field(default_factory=dict)
    tune: Tune = Tune()
    evaluate: Evaluate = Evaluate()
    limit: PositiveInt | None = None
    seed: int = 7

    @model_validator(mode="before")
    @classmethod
    def _complete_systems(cls, data: Any) -> Any:
        """Settings of tuning that a system does not give are the recipe's; a head is tuned in any case."""
        systems = data.get("systems") if isinstance(data, dict) else None
        if not isinstance(systems, dict):
            return data
        return {**data, "systems": {name: _complete(spec, data.get("tune")) for name, spec in systems.items()}}

    @model_validator(mode="after")
    def _check_systems(self) -> Recipe:
        for name in self.systems:
            if name in BUILT_IN_SYSTEMS:
                raise key_error(("systems", name), name, "is a built-in system - give it another name")
        for name, condition in self.conditions.items():
            if condition.system not in (*BUILT_IN_SYSTEMS, *self.systems):
                hint = nearest(condition.system, [*BUILT_IN_SYSTEMS, *self.systems])
                what = f'is "{condition.system}", a system that there is not - {hint}'
                raise key_error(("conditions", name, "system"), name, what)
            if condition.prompting != Prompting() and self.system(condition.system).head is not None:
                what = "takes no shots and no select - a head is not prompted; remove them"
                raise key_error(("conditions", name), name, what)
        return self

    def system(self, name: str) -> System:
        """A system by its name; the classical ones are no models, and empty."""
        if name in self.systems:
            return self.systems[name]
        return System(tune=self.tune) if name == TUNED else System()

    @field_validator("conditions", mode="before")
    @classmethod
    def _expand_short_names(cls, value: Any) -> Any:
        """``few-shot: {shots: 4}`` becomes the built-in system with that prompting."""
        if not isinstance(value, dict):
            return value
        return {name: _expand(name, spec) for name, spec in value.items()}

    @field_validator("conditions")
    @classmethod
    def _check_not_empty(cls, value: dict[str, Condition]) -> dict[str, Condition]:
        if not value:
            raise ValueError("is empty - name at least one condition, for example zero-shot: {}")
        return value


def _complete(spec: Any, tune: Any) -> Any:
    spec = {} if spec is None else spec
    if not isinstance(spec, dict) or ("tune" not in spec and "head" not in spec):
        return spec
    own = spec.get("tune")
    merged = {**(tune if isinstance(tune, dict) else {}), **(own or {})} if isinstance(own, dict | None) else own
    return {**spec, "tune": merged}


def _expand(name: Any, spec: Any) -> Any:
    spec = {} if spec is None else spec
    if not isinstance(name, str) or not isinstance(spec, dict) or "system" in spec:
        return spec
    if name not in BUILT_IN_CONDITIONS:
        hint = f"{nearest(name, BUILT_IN_CONDITIONS)} or give a system: {{system: base, prompting: {{shots: 8}}}}"
        raise key_error(name, spec, f"is not a built-in condition - {hint}")
    built_in = BUILT_IN_CONDITIONS[name]
    given = spec.get("prompting", {})
    if not isinstance(given, dict):
        return {"system": built_in["system"], "prompting": given}
    short = {key: item for key, item in spec.items() if key != "prompting"}
    return {"system": built_in["system"], "prompting": {**built_in.get("prompting", {}), **given, **short}}


def load_recipe(path: Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe file.

    Args:
        path: The YAML file.
        overrides: ``key.key=value`` settings from the command line.

    Returns:
        The recipe, its task path made relative to the current directory.

    Raises:
        UserError: Something in the file or in an override is wrong.
    """
    data, places = read_yaml(path)
    for override in overrides or []:
        apply_override(data, places, override)
    recipe = build(Recipe, data, path, places)
    task = path.parent / recipe.task
    if not task.is_file():
        where = places.get(("task",), path)
        raise UserError(where, f'task file "{recipe.task}" not found', f"paths are relative to {path.parent}")
    return recipe.model_copy(update={"task": str(task), "evaluate": _beside(recipe.evaluate, path.parent)})


def _beside(evaluate: Evaluate, folder: Path) -> Evaluate:
    """The tasks of the probes relative to the current directory, as the recipe's own task is."""

    def placed(names: list[str]) -> list[str]:
        return [str(folder / name) if (folder / name).exists() else name for name in names]

    general = evaluate.general and evaluate.general.model_copy(update={"suites": placed(evaluate.general.suites)})
    return evaluate.model_copy(update={"held_out": placed(evaluate.held_out), "general": general})


def change_recipe(recipe: Recipe, changes: Mapping[str, Any], function: str) -> Recipe:
    """The recipe with other values under some of its top-level keys.

    Args:
        recipe: The recipe; it stays as it is.
        changes: The keys and their values.
        function: Whose keyword arguments these are, for errors.

    Raises:
        UserError: A key is unknown, or a value has the wrong type or range.
    """
    data = recipe.model_dump(by_alias=True, exclude_none=True) | dict(changes)
    return build(Recipe, data, f"{function}()", argument_places(function, changes))


def dump_recipe(recipe: Recipe) -> str:
    """The recipe with every default, as YAML."""
    data = recipe.model_dump(by_alias=True, exclude_none=True)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
