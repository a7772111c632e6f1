"""What perturbations and attacks did to a system, per item, so that statistics can compare two systems.

Arrays of one value per item go to `statistics.paired`. A rate among some of the items (attack success among those that
were right) has a numerator and a denominator per item; with `rate` it goes to `statistics.resampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def worst_case(clean: ArrayLike, perturbed: ArrayLike) -> Array:
    """The lowest score of each item over its clean text and all perturbations (Goel et al. 2021, Liang et al. 2022).

    Args:
        clean: Shape (items,), higher is better.
        perturbed: Shape (perturbations, items).

    Returns:
        Shape (items,); the mean is the worst-case score.

    Raises:
        ValueError: The shapes do not fit, or a score is not finite.
    """
    scores, others = _scores(clean, 1), _scores(perturbed, 2)
    _same_items(scores, others)
    return np.minimum(scores, others.min(axis=0, initial=np.inf))


def attack_success(before: ArrayLike, after: ArrayLike) -> Array:
    """What an attack took from each item, and what there was to take; an item that it made better lost nothing.

    Of answers that are right or wrong, `rate` makes the attack success rate of it: wrong after, among those right
    before (Morris et al. 2020).

    Args:
        before: Score of every item as it stands, shape (items,), from 0, higher is better.
        after: The same on the attacked texts.

    Returns:
        Shape (items, 2), for `rate`.

    Raises:
        ValueError: The shapes differ, or a score is negative.
    """
    kept = worst_case(before, np.asarray(after, dtype=float)[None])
    scores = _scores(before, 1)
    if min(scores.min(initial=0), kept.min(initial=0)) < 0:
        raise ValueError("a score is negative")
    return np.stack([scores - kept, scores], axis=1)


def injection_success(follows_before: ArrayLike, follows_after: ArrayLike) -> Array:
    """Counts of the success rate of injections: answers that give what was asked for, among those that did not before.

    Args:
        follows_before: For every item whether the answer to the clean text gives it, shape (items,).
        follows_after: The same for the text with the injection.

    Returns:
        Shape (items, 2), for `rate`.

    Raises:
        ValueError: The shapes differ, or a value is neither 0 nor 1.
    """
    before, after = _binary(follows_before), _binary(follows_after)
    return among(1 - before, after)


def changed(answers_before: Sequence[Any], answers_after: Sequence[Any]) -> Array:
    """Whether each answer changed; the mean is the share of changed answers, for perturbations that move the label.

    Args:
        answers_before: Parsed answers to the clean texts; None where nothing could be parsed.
        answers_after: Those to the perturbed texts.

    Raises:
        ValueError: The lengths differ.
    """
    if len(answers_before) != len(answers_after):
        raise ValueError(f"{len(answers_before)} answers and {len(answers_after)} cannot be compared")
    pairs = zip(answers_before, answers_after, strict=True)
    return np.array([before != after for before, after in pairs], dtype=float)


def among(members: Array, events: Array) -> Array:
    """Counts of an event among some of the items, shape (items, 2): whether it happened to a member; membership."""
    _same_items(members, events)
    return np.stack([members * events, members], axis=1)


def rate(counts: Array, weights: Array) -> Array:
    """The share of members to which the event happened; 0 where there are no members.

    Args:
        counts: Of `among`, shape (items, 2).
        weights: Weight of every item in every draw, shape (draws, items).

    Returns:
        Shape (draws,).
    """
    happened, members = (weights @ counts).T
    return np.divide(happened, members, out=np.zeros_like(happened), where=members > 0)


def _scores(values: ArrayLike, dimensions: int) -> Array:
    scores = np.asarray(values, dtype=float)
    if scores.ndim != dimensions or not np.isfinite(scores).all():
        raise ValueError(f"finite scores in {dimensions} dimensions are needed, not of shape {scores.shape}")
    return scores


def _binary(values: ArrayLike) -> Array:
    scores = _scores(values, 1)
    if not np.isin(scores, (0, 1)).all():
        raise ValueError("a value is neither 0 nor 1")
    return scores


def _same_items(one: Array, other: Array) -> None:
    if one.shape[-1] != other.shape[-1]:
        raise ValueError(f"scores of {one.shape[-1]} and {other.shape[-1]} items cannot be compared")
