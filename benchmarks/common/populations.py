"""Populations of two systems' answers, from which comparisons with a known true effect are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunelift.comparison.reading import read_pair
from tunelift.core.seeds import derive_seed
from tunelift.evaluation.metrics.counts import f1_of_counts
from tunelift.evaluation.metrics.metric import Outcome
from tunelift.evaluation.metrics.translation import chrf, chrf_of_sums
from tunelift.statistics.intervals import group_codes

Array = NDArray[np.float64]

SEED = 7
POPULATION = 20_000  # items
MEAN_SIZE = 8  # items of a cluster
# Of the items that the second system answers anew; the others it answers as the first one does.
RENEWED = {"few differ": 0.1, "many differ": 1.0}


@dataclass(frozen=True, slots=True)
class Population:
    """Answers of two systems to the same items.

    Attributes:
        name: For tables.
        of_sums: Sums of counts, shape (..., columns), to scores.
        worse: Counts of the worse answer to each item, shape (items, columns), cluster behind cluster.
        better: Those of the better answer.
        second: Whether the better answer is that of the second system, shape (items,).
        starts: The first item of every cluster and behind them the number of items, shape (clusters + 1,).
        grouped: Whether clusters are more than single items.
    """

    name: str
    of_sums: Callable[[Array], Array]
    worse: Array
    better: Array
    second: NDArray[np.bool_]
    starts: NDArray[np.int64]
    grouped: bool

    @property
    def is_mean(self) -> bool:
        """Whether the score is a mean of scores of items."""
        return self.of_sums is mean_of_sums

    def score(self, counts: Array, weights: Array) -> Array:
        """Counts and weights of shape (draws, items) to scores of shape (draws,)."""
        return self.of_sums(weights @ counts)

    def truth(self, share: float) -> float:
        """The effect when the candidate has the better answer to this share of the items, and to half of the others."""
        worse, better, often = self.worse.sum(axis=0), self.better.sum(axis=0), (1 + share) / 2
        candidate, baseline = often * better + (1 - often) * worse, often * worse + (1 - often) * better
        return float(self.of_sums(candidate) - self.of_sums(baseline))

    def differing(self) -> float:
        """Share of the items on which the systems differ."""
        return float(np.any(self.worse != self.better, axis=1).mean())


@dataclass(frozen=True, slots=True)
class Data:
    """What a comparison is given: counts of both systems, shape (items, columns), and groups, shape (items,)."""

    baseline: Array
    candidate: Array
    groups: NDArray[np.int64] | None


def populations(samples: list[Path] | None) -> Iterator[tuple[str, Population]]:
    """All populations with what they stand for."""
    if samples:
        yield from (("samples", source) for source in measured(*samples))
        return
    for kind in SCORES:
        for grouped in (False, True):
            for label, renewed in RENEWED.items():
                yield label, modelled(kind, renewed, grouped)


def population(
    name: str,
    of_sums: Callable[[Array], Array],
    first: Array,
    second: Array,
    clusters: NDArray[np.int64] | None,
) -> Population:
    """A population of two systems' counts.

    Args:
        name: For tables.
        of_sums: Sums of counts to scores; of the counts of one item, its score.
        first: Counts of one system, shape (items, columns).
        second: Those of the other.
        clusters: Cluster of each item; None: all items are independent.
    """
    codes = group_codes(clusters, len(first))
    order = np.argsort(codes, kind="stable")
    first, second, starts = first[order], second[order], np.concatenate([[0], np.cumsum(np.bincount(codes))])
    turned = of_sums(second) >= of_sums(first)
    worse, better = np.where(turned[:, None], first, second), np.where(turned[:, None], second, first)
    return Population(name, of_sums, worse, better, turned, starts, clusters is not None)


def mean_of_sums(sums: Array) -> Array:
    """Mean of scores whose counts are the score and 1."""
    return sums[..., 0] / sums[..., 1]


def micro_f1_of_sums(sums: Array) -> Array:
    """F1 of right, answered and asked-for entities."""
    return f1_of_counts(sums[..., 0], sums[..., 1], sums[..., 2])


def modelled(kind: str, renewed: float, grouped: bool) -> Population:
    """A population by a model of two versions of one language model.

    An item has a difficulty: normal, with standard deviation 1.5; where there are clusters, they make 30 % of its
    variance, and their sizes are geometric with mean 8. The first system is right with the logistic function of it. The
    second answers a share of the items anew, with a difficulty that is other by a normal with deviation 0.5 of the
    cluster; its other answers are the same. With the probability p of an item, scores are

    * binary: Bernoulli(p);
    * continuous: Beta(4 p, 4 (1 - p)) rounded to twentieths, with many scores of 0 and of 1;
    * micro F1: Poisson(2) entities are asked for, each is found with p, Poisson(0.5) others are answered;
    * chrF: references have log-normal lengths around 60 characters, answers differ from them by 20 %, and an n-gram
      matches with p to the power (n + 1) / 2, where p lies between 0.3 and 0.9.

    Args:
        kind: Of these.
        renewed: Share of the items that the second system answers anew.
        grouped: Whether there are clusters.
    """
    generator = np.random.default_rng(derive_seed(SEED, "population", kind, renewed, grouped))
    sizes = generator.geometric(1 / MEAN_SIZE, POPULATION // MEAN_SIZE) if grouped else np.ones(POPULATION, dtype=int)
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    share = 0.3 if grouped else 0.0
    difficulty = 1.5 * (
        sqrt(share) * generator.normal(size=len(sizes))[clusters]
        + sqrt(1 - share) * generator.normal(size=len(clusters))
    )
    shift = 0.5 * generator.normal(size=len(sizes))[clusters]
    asked = generator.poisson(2, len(clusters)) if kind == "micro F1" else generator.lognormal(4.1, 0.5, len(clusters))
    first = answered(kind, 1 / (1 + np.exp(-difficulty)), asked, generator)
    second = answered(kind, 1 / (1 + np.exp(-difficulty - shift)), asked, generator)
    same = generator.random(len(clusters)) >= renewed
    return population(kind, SCORES[kind], first, np.where(same[:, None], first, second), clusters if grouped else None)


SCORES = {"binary": mean_of_sums, "continuous": mean_of_sums, "micro F1": micro_f1_of_sums, "chrF": chrf_of_sums}


def answered(kind: str, probability: Array, asked: Array, generator: np.random.Generator) -> Array:
    """Counts of answers in the model, shape (items, columns); asked for are numbers of entities or of characters."""
    if kind == "micro F1":
        right = generator.binomial(asked.astype(int), probability)
        return np.stack([right, right + generator.poisson(0.5, len(asked)), asked], axis=1).astype(float)
    if kind == "chrF":
        orders = np.arange(6)
        lengths = np.round(np.stack([asked * generator.lognormal(0, 0.2, len(asked)), asked]))
        answer, reference = np.maximum(lengths[:, :, None] - orders, 0)
        chance = (0.3 + 0.6 * probability[:, None]) ** ((orders + 2) / 2)
        matches = generator.binomial(np.minimum(answer, reference).astype(int), chance)
        return np.stack([answer, reference, matches], axis=2).reshape(len(asked), -1)
    if kind == "continuous":
        scores = np.round(20 * generator.beta(4 * probability, 4 * (1 - probability))) / 20
    else:
        scores = (generator.random(len(probability)) < probability).astype(float)
    return np.stack([scores, np.ones(len(scores))], axis=1)


def measured(first: Path, second: Path) -> Iterator[Population]:
    """The populations of two samples files: of every metric that both have, and chrF of the answers."""
    logs = read_pair(first, second)
    samples = [log.samples for log in logs]
    groups = [sample.group for sample in samples[0]]
    clusters = None if None in groups else group_codes(np.array(groups), len(groups))
    names = [name for name in samples[0][0].metrics if all(name in one.metrics for log in samples for one in log)]
    for name in names:
        values = [np.array([[sample.metrics[name], 1.0] for sample in log]) for log in samples]
        yield population(name, mean_of_sums, values[0], values[1], clusters)
    texts = [[Outcome(str(one.answer or ""), (one.target,)) for one in log] for log in samples]
    counts = [chrf("en").statistics(outcomes) for outcomes in texts]
    yield population("chrF", chrf_of_sums, counts[0], counts[1], clusters)


def drawn(source: Population, clusters: int, share: float, generator: np.random.Generator) -> Data:
    """A comparison's data: clusters with replacement, systems swapped by chance, an effect on a share of the items."""
    taken = generator.integers(0, len(source.starts) - 1, clusters)
    sizes = source.starts[taken + 1] - source.starts[taken]
    groups = np.repeat(np.arange(clusters), sizes)
    items = np.arange(len(groups)) + np.repeat(source.starts[taken] - np.cumsum(sizes) + sizes, sizes)
    swapped, affected = generator.random(clusters) < 0.5, generator.random(len(items)) < share
    for_candidate = (affected | (source.second[items] != swapped[groups]))[:, None]
    worse, better = source.worse[items], source.better[items]
    baseline, candidate = np.where(for_candidate, worse, better), np.where(for_candidate, better, worse)
    return Data(baseline, candidate, groups if source.grouped else None)
