"""Which sequences are computed together, and what is computed once for several groups of them.

Sequences in lexicographic order stand beside those with which they have most in common, so a *family*, sequences that
begin alike, is a range of them. A group of sequences becomes one tree, whose slots the budget bounds as they would be
if all were shared that is common; what is too short for a segment comes on top. A family that is clearly larger than
that is divided into groups; where it pays, what all of it begins with becomes a *stem*, which is computed once before
its groups instead of in each of them. A stem larger than the budget is several, one behind the other.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tunelift.engine.tree import SEGMENT_COST, Indices, build_tree, common_lengths

# A stem is computed twice forward, and once more backward, which counts two thirds of the work of a token; and it is
# a pass through the model of its own, which costs as much as so many more tokens in a larger one.
STEM_AGAIN = 1 / 3
PASS_COST = 64
# A family of so many times the budget is still one tree. Its parts would begin alike, and need more passes.
WHOLE = 1.25


@dataclass(frozen=True, slots=True)
class Plan:
    """A stem and what continues it.

    Attributes:
        stem: Token ids that all sequences of the plan have behind the stems above; none in the outermost plan.
        groups: The sequences that form a tree behind the stem, by their indices.
        below: Families that have more in common.
    """

    stem: tuple[int, ...]
    groups: list[list[int]]
    below: list[Plan]


@dataclass(slots=True)
class _Group:
    """Sequences that form a tree, by their indices, and its slots."""

    slots: int
    indices: list[int]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Sequences in order: their indices, their tokens, and what each has in common with the one before it."""

    indices: list[int]
    tokens: list[Indices]
    common: Indices

    def new(self, place: int, depth: int) -> int:
        """How many tokens a sequence has that the one before it, or the stems above, have not."""
        return len(self.tokens[place]) - max(int(self.common[place]), depth)

    def slots(self, first: int, last: int, depth: int) -> int:
        """How many slots a tree of a range of sequences has behind the stems above, if all is shared."""
        return len(self.tokens[first]) - depth + sum(self.new(place, depth) for place in range(first + 1, last))

    def families(self, first: int, last: int, depth: int) -> list[tuple[int, int]]:
        """Ranges of sequences that share something behind the stems above, those with the longest one first."""
        borders = (first + 1 + np.flatnonzero(self.common[first + 1 : last] <= depth + SEGMENT_COST)).tolist()
        families = list(zip([first, *borders], [*borders, last], strict=True)) if last > first else []
        return sorted(families, key=lambda family: -max(len(tokens) for tokens in self.tokens[slice(*family)]))


def plan_trees(sequences: Sequence[Sequence[int]], budget: int, most: int | None = None) -> list[list[int]]:
    """Group sequences into trees of limited size, so that those that share stand together.

    Args:
        sequences: Token ids.
        budget: Largest number of slots of a tree. A longer sequence forms a tree of its own.
        most: Largest number of sequences of a tree.

    Returns:
        Indices of the sequences, in no more trees than the budget asks for and as even ones as that allows, the largest
        first, so that memory is known to suffice from the first tree on; a function of the whole list and of nothing
        else.
    """
    ordered = _sort(sequences)
    return _groups(ordered, ordered.families(0, len(sequences), 0), 0, budget, most=most)


def plan_stems(sequences: Sequence[Sequence[int]], free: Sequence[int], budget: int) -> Plan:
    """The same with stems.

    Args:
        sequences: Token ids.
        free: For each sequence how many of its tokens may stand in stems, fewer than it has.
        budget: Largest number of slots of a tree, but see `WHOLE`, and of tokens of a stem.
    """
    ordered = _sort(sequences)

    def below(first: int, last: int, depth: int) -> tuple[list[list[int]], list[Plan]]:
        small, plans = [], []
        for family in ordered.families(first, last, depth):
            places = range(*family)
            stem = min(min(free[ordered.indices[place]] for place in places), _common(ordered, *family))
            slots = ordered.slots(*family, depth)
            if slots > WHOLE * budget and _pays(stem - depth, slots - (stem - depth), len(places), budget):
                plans.append(
                    _behind(ordered.tokens[places[0]][depth:stem].tolist(), budget, Plan((), *below(*family, stem)))
                )
            else:
                small.append(family)
        return _groups(ordered, small, depth, budget, whole=WHOLE * budget), plans

    return Plan((), *below(0, len(sequences), 0))


def computed_tokens(sequences: Sequence[Sequence[int]], plan: Plan, depth: int = 0) -> int:
    """How many tokens a plan computes, the stems once.

    Args:
        sequences: Token ids.
        plan: Of these sequences.
        depth: Number of tokens in the stems above it.
    """
    depth += len(plan.stem)
    trees = [build_tree([sequences[index][depth:] for index in group]) for group in plan.groups]
    below = sum(computed_tokens(sequences, part, depth) for part in plan.below)
    return len(plan.stem) + sum(len(tree.token_ids) for tree in trees) + below


def _sort(sequences: Sequence[Sequence[int]]) -> _Sorted:
    indices = sorted(range(len(sequences)), key=lambda index: (tuple(sequences[index]), index))
    tokens = [np.asarray(sequences[index], dtype=np.int64) for index in indices]
    return _Sorted(indices, tokens, common_lengths(tokens))


def _common(ordered: _Sorted, first: int, last: int) -> int:
    """What all sequences of a range begin with."""
    return int(ordered.common[first + 1 : last].min(initial=len(ordered.tokens[first])))


def _behind(tokens: list[int], budget: int, plan: Plan) -> Plan:
    """A plan behind tokens, which are divided evenly into stems no longer than the budget."""
    pieces = math.ceil(len(tokens) / budget)
    borders = [len(tokens) * piece // pieces for piece in range(pieces + 1)]
    plan = replace(plan, stem=tuple(tokens[borders[-2] :]))
    for first, last in reversed(list(pairwise(borders[:-1]))):
        plan = Plan(tuple(tokens[first:last]), [], [plan])
    return plan


def _pays(stem: int, branches: int, sequences: int, budget: int) -> bool:
    """Whether a stem costs less than to compute its tokens in every group."""
    groups = min(sequences, math.ceil(branches / (budget - stem))) if stem < budget else sequences
    return stem * (groups - 1) > stem * STEM_AGAIN + PASS_COST


def _groups(
    ordered: _Sorted,
    families: Sequence[tuple[int, int]],
    depth: int,
    budget: int,
    *,
    whole: float = 0,
    most: int | None = None,
) -> list[list[int]]:
    """Groups as even as their number allows, the largest first; a family of at most `whole` slots is not divided."""

    def divided(budget: int) -> list[_Group]:
        return _divide(ordered, families, depth, budget, whole, most)

    count = len(divided(budget))
    smallest = 1 + bisect_left(range(1, budget), True, key=lambda smaller: len(divided(smaller)) <= count)
    return [group.indices for group in sorted(divided(smallest), key=lambda group: -group.slots)]


def _divide(
    ordered: _Sorted,
    families: Sequence[tuple[int, int]],
    depth: int,
    budget: int,
    whole: float,
    most: int | None,
) -> list[_Group]:
    """Groups that are filled one after the other."""
    groups: list[_Group] = []
    for first, last in families:
        slots = ordered.slots(first, last, depth)
        for place in range(first, last):
            alone = len(ordered.tokens[place]) - depth
            added = ordered.new(place, depth) if place > first else alone
            # A family that is not divided needs room for all of it, once.
            room = slots if slots <= whole else added
            begun = slots <= whole and place > first
            full = groups and not begun and groups[-1].slots + room > budget
            if not groups or full or len(groups[-1].indices) == most:
                groups.append(_Group(alone, [ordered.indices[place]]))
            else:
                groups[-1].indices.append(ordered.indices[place])
                groups[-1].slots += added
    return groups
