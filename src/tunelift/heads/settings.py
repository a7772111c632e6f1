"""What a head is: the configuration that is saved beside its weights, made from the settings that a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from tunelift.core.config import Strict
from tunelift.core.errors import UserError, nearest
from tunelift.core.recipe import HeadKind, HeadSettings

Pooling = Literal["mean", "first", "last"]

# What a relation is read from: its first entity, its second entity, and the text.
RELATION_PARTS = 3
LEAST_LENGTH = 8


class HeadConfig(Strict):
    """A head as it is saved.

    Attributes:
        kind: See `HeadSettings`.
        labels: Classes, labels, or types of entities, in order; empty for a regression.
        pooling: See `HeadSettings`, decided.
        bidirectional: Every token of a decoder sees all others.
        balanced: The class weights are those of `losses.balanced_weights`.
        class_weights: One factor for each output; empty where all are 1.
        focal_gamma: See `HeadSettings`.
        label_smoothing: See `HeadSettings`.
        dropout: Dropout on what the head reads.
        max_length: Longest input in tokens.
        overlap: How many tokens of a window stand in the next one, too; at most a third of a window.
        learning_rate: See `HeadSettings`.
        mean: Of the training targets of a regression, which are standardised.
        deviation: Their standard deviation.
        threshold: A label is given from this probability on.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    pooling: Pooling
    bidirectional: bool
    balanced: bool = False
    class_weights: tuple[float, ...] = ()
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0
    dropout: float = 0.0
    max_length: PositiveInt
    overlap: int
    learning_rate: PositiveFloat | None = None
    mean: float = 0.0
    deviation: PositiveFloat = 1.0
    threshold: float = 0.5

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the numbers that the head computes; for entities the tags of `tag_names`."""
        if self.kind == "regression":
            return ("value",)
        return tag_names(self.labels) if self.kind == "entities" else self.labels

    @property
    def parts(self) -> int:
        """How many groups of tokens a reading has."""
        return RELATION_PARTS if self.kind == "relation" else 1


def tag_names(types: Sequence[str]) -> tuple[str, ...]:
    """Tags of units: O outside of entities, then B at the beginning and I inside of an entity, type by type."""
    return ("O", *(f"{place}-{name}" for name in types for place in "BI"))


def make_config(
    settings: HeadSettings, labels: Sequence[str], sees_all: bool, context: int, where: str = "head"
) -> HeadConfig:
    """Decide what the settings leave open.

    Args:
        settings: What the user asks for.
        labels: Classes, labels, or types of entities.
        sees_all: Every token of the model sees all others.
        context: The longest sequence that the model takes, in tokens.
        where: The place of the settings, for messages.

    Raises:
        UserError: There are too few labels, one occurs twice, a class with a weight is none of the outputs, or the
            length is too short for what stands around a text.
    """
    kind = settings.kind or "classification"
    least = {"regression": 0, "labels": 1, "entities": 1}.get(kind, 2)
    if len(labels) < least or len(set(labels)) != len(labels):
        what = "one occurs twice" if len(set(labels)) != len(labels) else f"there are {len(labels)}"
        raise UserError(where, f"of its labels {what}", f"a head for {kind} needs at least {least}, each once")
    max_length = min(settings.max_length, context)
    if max_length < LEAST_LENGTH:
        raise UserError(f"{where}.max_length", f"is {max_length}", f"give at least {LEAST_LENGTH} tokens")
    config = HeadConfig(
        kind=kind,
        labels=() if kind == "regression" else tuple(labels),
        pooling=("mean" if sees_all else "last") if settings.pooling == "auto" else settings.pooling,
        bidirectional=settings.bidirectional,
        balanced=settings.class_weights == "balanced",
        focal_gamma=settings.focal_gamma,
        label_smoothing=settings.label_smoothing,
        dropout=settings.dropout,
        max_length=max_length,
        overlap=min(settings.overlap, max_length // 3),
        learning_rate=settings.learning_rate,
    )
    if not isinstance(settings.class_weights, dict):
        return config
    for name in settings.class_weights:
        if name not in config.outputs:
            raise UserError(
                f"{where}.class_weights.{name}", "is not an output of the head", nearest(name, config.outputs)
            )
    return config.model_copy(
        update={"class_weights": tuple(settings.class_weights.get(name, 1.0) for name in config.outputs)}
    )
