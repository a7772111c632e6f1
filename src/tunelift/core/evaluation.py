"""The part of a recipe that says how answers are scored, and what else the systems are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from tunelift.core.config import Count, Strict


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
        attack: Texts that are tried for every item, to find the one on which each model does worst; 0: no search.
        injections: Instructions are hidden in the texts, too.
        negation: Texts are negated, too, to see how many answers change.
    """

    perturbations: Annotated[list[str], Field(min_length=1)] | Literal["all"] = "all"
    strength: float = Field(0.2, gt=0, le=1)
    attack: int = Field(0, ge=0, le=10_000)
    injections: bool = True
    negation: bool = True


class Canaries(Strict):
    """Made-up secrets among the training examples, to see whether the tuned model gives them away.

    Attributes:
        count: How many.
        copies: How often each is planted.
    """

    count: int = Field(8, ge=1, le=9000)
    copies: int = Field(2, ge=1, le=1000)


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
        temperature: The tuned model is asked the validation split, too, and the temperature that corrects its
            probabilities is fitted there.
        safety: People are exchanged in the items, and sentence pairs and requests of this package are asked, to see
            what tuning does to bias, refusals and toxicity.
        canaries: Secrets that are planted in what the recipe's own model is tuned on.
        membership: A hint is computed whether the untuned model has seen the test items before (Min-K%++).
        probe_limit: At most so many items for each of these questions, a seeded random subset.
    """

    allow_execution: bool = False
    templates: int = Field(0, ge=0, le=100)
    orders: int = Field(0, ge=0, le=100)
    held_out: list[str] = Field(default_factory=list)
    general: General | None = None
    robustness: Robustness | None = None
    temperature: bool = False
    safety: bool = False
    canaries: Canaries | None = None
    membership: bool = False
    probe_limit: Count = 100

    @field_validator("robustness", "general", "canaries", mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """YAML reads ``on`` and ``off`` as true and false."""
        return {} if value is True else None if value is False else value


def place_tasks(evaluate: Evaluate, folder: Path) -> Evaluate:
    """The tasks of the probes relative to the current directory, as the recipe's own task is."""

    def placed(names: list[str]) -> list[str]:
        return [str(folder / name) if (folder / name).exists() else name for name in names]

    general = evaluate.general and evaluate.general.model_copy(update={"suites": placed(evaluate.general.suites)})
    return evaluate.model_copy(update={"held_out": placed(evaluate.held_out), "general": general})
