"""The recipe: one strict YAML file that says everything about a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, field_validator, model_validator

from tunelift.core.config import Count, FileName, Strict, apply_override, argument_places, build, key_error, read_yaml
from tunelift.core.errors import UserError, nearest
from tunelift.core.evaluation import Evaluate, place_tasks
from tunelift.core.names import BUILT_IN_SYSTEMS, CLASSICAL, NEAREST, TUNED
from tunelift.core.prices import Prices
from tunelift.core.shorthand import BUILT_IN_CONDITIONS, DEFAULT_CONDITIONS, model_name, repeated, write_out


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


Precision = Literal["auto", "float32", "bfloat16"]


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
        seeds: Seeds of tuning, the recipe's own unless given. With several, every tuned condition is repeated with
            each, and what a contrast says holds for the settings and not for one tuned model alone.
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
    precision: Precision = "auto"
    seeds: list[int] = Field(default_factory=list)

    @field_validator("seeds")
    @classmethod
    def _check_different(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise ValueError("names a seed twice - give each once")
        return value


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
        wordings: The question is asked in the best of its own and so many other wordings, with and without
            demonstrations; which is the best is found on the validation split.
    """

    shots: int = Field(0, ge=0, lt=2**31)
    select: Literal["random", "balanced", "bm25"] = "random"
    wordings: int = Field(0, ge=0, le=100)


class EndpointSettings(Strict):
    """A model that answers somewhere else, through the API that OpenAI has made common.

    Attributes:
        url: Base address, for example ``http://127.0.0.1:8000/v1``.
        model: What the server calls the model.
        key_variable: Name of the environment variable that holds the key; none where no key is needed.
        max_parallel: Largest number of requests at one time.
        timeout: Seconds without any sign of the server after which a request counts as lost.
        retries: How often a request is repeated that was lost, or that a busy server refused.
        length_parameter: What the server calls the largest number of new tokens.
        parameters: Further parameters of every request; null leaves one of ours out.
    """

    url: str = Field(min_length=1)
    model: str = Field(min_length=1)
    key_variable: str | None = None
    max_parallel: Count = 4
    timeout: PositiveFloat = 120.0
    retries: int = Field(6, ge=0, le=100)
    length_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class System(Strict):
    """What answers: a language model or a model with a head, as it is or tuned, or an endpoint.

    Attributes:
        model: The model; the recipe's unless given.
        head: A head in place of the language-model head; it is always tuned.
        tune: How the model is tuned: the recipe's settings, with these in their place. Untuned where it is not given.
        endpoint: A model that answers somewhere else, in place of all these.
    """

    model: Annotated[str, Field(min_length=1)] | None = None
    head: HeadSettings | None = None
    tune: Tune | None = None
    endpoint: EndpointSettings | None = None

    @model_validator(mode="after")
    def _elsewhere_or_here(self) -> System:
        if self.endpoint and (self.model or self.head or self.tune):
            raise ValueError("has an endpoint, which takes no model, head or tune - remove them")
        return self


class Condition(Strict):
    """A system and a prompting; its name in the recipe is its directory in the run.

    Attributes:
        system: What answers.
        prompting: What stands before the question.
        encoder: What "nearest" embeds the questions with, in place of TF-IDF.
    """

    system: FileName
    prompting: Prompting = Prompting()
    encoder: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _prompts_only_language_models(self) -> Condition:
        if self.system in CLASSICAL and self.prompting != Prompting():
            raise ValueError(f"takes no shots and no select - {self.system} is not prompted; remove them")
        return self

    @model_validator(mode="after")
    def _embeds_only_the_nearest(self) -> Condition:
        if self.encoder is not None and self.system != NEAREST:
            raise ValueError(f"takes no encoder - {self.system} embeds nothing; remove it")
        return self


class Recipe(Strict):
    """A run: a comparison of conditions on identical items.

    Attributes:
        model: Hub id, folder, .gguf file, or ``bundled/...``.
        task: Path of a task file, relative to the recipe.
        data: Where the task's data is, in place of what the task file says; relative to where you are.
        conditions: Name to system and prompting.
        systems: Further systems, by name: another model, a head, other settings of tuning.
        models: Further base models, to choose one before it is tuned: each is asked under every condition of the
            recipe's own untuned model.
        tune: How the model is tuned.
        evaluate: How answers are scored.
        prices: What time, energy and tokens cost.
        limit: Use only this many test items, a seeded random subset that is the same for all conditions.
        seed: Every random draw of the run is derived from it. The splits have a seed of their own, in the task.
    """

    model: str = Field(min_length=1)
    task: str
    data: str | None = None
    conditions: dict[FileName, Condition] = Field(
        default_factory=lambda: {
            name: Condition.model_validate(BUILT_IN_CONDITIONS[name]) for name in DEFAULT_CONDITIONS
        }
    )
    systems: dict[FileName, System] = Field(default_factory=dict)
    models: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    tune: Tune = Tune()
    evaluate: Evaluate = Evaluate()
    prices: Prices = Prices()
    limit: PositiveInt | None = None
    seed: int = 7

    @model_validator(mode="before")
    @classmethod
    def _write_out(cls, data: Any) -> Any:
        return write_out(data)

    @model_validator(mode="after")
    def _check_systems(self) -> Recipe:
        for name in self.systems:
            if name in BUILT_IN_SYSTEMS:
                raise key_error(("systems", name), name, "is a built-in system - give it another name")
        for model in self.models:
            if self.systems[model_name(model)] != System(model=model):
                what = f'has "{model}", but another system is called {model_name(model)}, too'
                raise key_error("models", model, f"{what} - write it under systems, by a name of its own")
        for name, condition in self.conditions.items():
            if condition.system not in (*BUILT_IN_SYSTEMS, *self.systems):
                hint = nearest(condition.system, [*BUILT_IN_SYSTEMS, *self.systems])
                what = f'is "{condition.system}", which is not a system - {hint}'
                raise key_error(("conditions", name, "system"), name, what)
            asked = self.system(condition.system)
            if condition.prompting.wordings and asked.endpoint is not None:
                what = "takes no wordings - they are not searched for an endpoint, where every answer has its price"
                raise key_error(("conditions", name), name, what)
            if condition.prompting != Prompting() and asked.head is not None:
                what = "takes no shots and no select - a head is not prompted; remove them"
                raise key_error(("conditions", name), name, what)
        return self

    @property
    def repeats(self) -> dict[str, str]:
        """The conditions that repeat another one with a further seed of tuning, with that condition."""
        systems = {name: condition.system for name, condition in self.conditions.items()}
        found = {name: repeated(name, systems) for name in self.conditions}
        return {name: original for name, original in found.items() if original is not None}

    def seed_of(self, settings: Tune) -> int:
        """The seed of a tuning."""
        return settings.seeds[0] if settings.seeds else self.seed

    def system(self, name: str) -> System:
        """A system by its name; the classical ones are no models, and empty."""
        if name in self.systems:
            return self.systems[name]
        return System(tune=self.tune) if name == TUNED else System()

    @field_validator("conditions")
    @classmethod
    def _check_not_empty(cls, value: dict[str, Condition]) -> dict[str, Condition]:
        if not value:
            raise ValueError("is empty - name at least one condition, for example zero-shot: {}")
        return value


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
    return recipe.model_copy(update={"task": str(task), "evaluate": place_tasks(recipe.evaluate, path.parent)})


def change_recipe(recipe: Recipe, changes: Mapping[str, Any], function: str) -> Recipe:
    """The recipe with other values under some of its top-level keys.

    Args:
        recipe: The recipe; it stays as it is.
        changes: The keys and their values.
        function: Whose keyword arguments these are, for errors.

    Raises:
        UserError: A key is unknown, or a value has the wrong type or range.
    """
    data = _as_given(recipe) | dict(changes)
    return build(Recipe, data, f"{function}()", argument_places(function, changes))


def _as_given(recipe: Recipe) -> dict[str, Any]:
    """The data of a recipe without what its seeds and further models have added: others may take their place."""
    data, repeats = _as_written(recipe), recipe.repeats
    models = {model_name(model) for model in recipe.models}
    asking = {f"{name}-{model}" for name in recipe.conditions for model in models}
    added = models | {recipe.conditions[name].system for name in repeats}
    kept = {name: entry for name, entry in data["conditions"].items() if name not in {*asking, *repeats}}
    systems = {name: entry for name, entry in data["systems"].items() if name not in added}
    asked = {entry["system"] for entry in kept.values()}
    return data | {"conditions": kept, "systems": systems | {name: data["systems"][name] for name in added & asked}}


def _as_written(recipe: Recipe) -> dict[str, Any]:
    """The data of a recipe, in which its systems leave out the settings of tuning that are the recipe's.

    So they take the recipe's when these change, as they do in the user's own file.
    """
    data = recipe.model_dump(by_alias=True, exclude_none=True)
    for system in data["systems"].values():
        if "tune" in system:
            own, shared = system["tune"], data["tune"]
            system["tune"] = {key: value for key, value in own.items() if value != shared.get(key)}
    return data


def dump_recipe(recipe: Recipe) -> str:
    """The recipe with every default, as YAML."""
    return yaml.safe_dump(_as_written(recipe), sort_keys=False, allow_unicode=True)
