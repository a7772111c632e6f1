"""A search for the perturbed text on which a system does worst, within a number of evaluations.

In every round each item proposes perturbations of the worst text found so far, all of them are scored in one call, and
the worst is kept. What an item proposes depends on its id and on its own losses alone, not on the other items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import ArrayLike

from tunelift.core.seeds import generator
from tunelift.evaluation.robustness.table import Perturbation

# Ids of items and a text for each, to the loss of the system on each: higher is worse for it.
Losses = Callable[[Sequence[str], Sequence[str]], ArrayLike]
TRIES = 4  # draws for each proposal: on a short text perturbations give the same again, or nothing new


@dataclass(frozen=True, slots=True)
class Item:
    """What is attacked.

    Attributes:
        id: Unique; the draws depend on it.
        text: The text that may be perturbed.
        protected: Strings in it that have to survive: words of its choices, its entities.
    """

    id: str
    text: str
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attacked:
    """What the search found for an item.

    Attributes:
        id: The item.
        text: The text with the largest loss; the item's own where no perturbation raised it.
        loss: Its loss.
        clean_loss: The loss of the item's own text.
        perturbations: Those that led from the item's own text to it, in order.
        evaluations: How many perturbed texts were scored.
    """

    id: str
    text: str
    loss: float
    clean_loss: float
    perturbations: tuple[str, ...]
    evaluations: int


@dataclass(slots=True)
class _Search:
    """The state of one item: the worst text so far, and the texts that have been scored."""

    item: Item
    text: str
    clean_loss: float
    loss: float
    path: tuple[str, ...]
    seen: set[str]


def attack(
    items: Sequence[Item],
    perturbations: Sequence[Perturbation],
    losses: Losses,
    budget: int = 16,
    rounds: int = 4,
    strength: float = 0.1,
    seed: int = 0,
) -> list[Attacked]:
    """Search for every item's text with the largest loss, greedily, several rounds deep.

    Args:
        items: What is attacked.
        perturbations: What may be done.
        losses: Ids and texts to losses, shape (texts,), finite; called once for the clean texts and once a round.
        budget: Perturbed texts that are scored for an item, at most.
        rounds: How many perturbations may be made one after the other.
        strength: Of each of them.
        seed: Seed of the run.

    Returns:
        One result for each item, in their order.

    Raises:
        ValueError: Ids repeat, the budget is smaller than the rounds, or the losses have another shape or are not
            finite.
    """
    _check(items, budget, rounds)
    clean = _scored(losses, items, [item.text for item in items])
    searches = [_Search(item, item.text, loss, loss, (), {item.text}) for item, loss in zip(items, clean, strict=True)]
    for number in range(rounds):
        size = budget // rounds + (number < budget % rounds)
        batches = [_proposals(search, perturbations, size, strength, seed, number) for search in searches]
        pairs = [(search, text) for search, batch in zip(searches, batches, strict=True) for _, text in batch]
        scores = iter(_scored(losses, [search.item for search, _ in pairs], [text for _, text in pairs]))
        for search, batch in zip(searches, batches, strict=True):
            _move(search, batch, [next(scores) for _ in batch])
    return [
        Attacked(
            search.item.id, search.text, search.loss, search.clean_loss, search.path, evaluations=len(search.seen) - 1
        )
        for search in searches
    ]


def _check(items: Sequence[Item], budget: int, rounds: int) -> None:
    if len({item.id for item in items}) < len(items):
        raise ValueError("the ids of items have to differ")
    if not 1 <= rounds <= budget:
        raise ValueError(f"{rounds} rounds need at least as many evaluations, not {budget}")


def _proposals(
    search: _Search, perturbations: Sequence[Perturbation], size: int, strength: float, seed: int, number: int
) -> list[tuple[str, str]]:
    """New texts from an item's worst one with what was done to it: all perturbations before any comes again."""
    draws = generator(seed, "attack", search.item.id, number)
    turns = chain.from_iterable(draws.sample(perturbations, len(perturbations)) for _ in range(TRIES * size))
    found: list[tuple[str, str]] = []
    for perturbation in islice(turns, TRIES * size):
        if len(found) == size:
            break
        text = perturbation.perturb(search.text, draws, strength, search.item.protected)
        if text not in search.seen:
            search.seen.add(text)
            found.append((perturbation.name, text))
    return found


def _move(search: _Search, batch: Sequence[tuple[str, str]], scores: Sequence[float]) -> None:
    """Go on from the proposal with the largest loss, the first of equal ones, if it is worse than all before."""
    if scores and max(scores) > search.loss:
        search.loss = max(scores)
        name, search.text = batch[scores.index(search.loss)]
        search.path = (*search.path, name)


def _scored(losses: Losses, items: Sequence[Item], texts: Sequence[str]) -> list[float]:
    if not texts:
        return []
    scores = np.asarray(losses([item.id for item in items], texts), dtype=float)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ValueError(f"{len(texts)} finite losses are needed, not an array of shape {scores.shape}")
    return [float(score) for score in scores]
