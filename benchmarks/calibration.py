"""Whether our own claims hold: false-positive rate, coverage and power, by simulated comparisons with a known truth.

A population of items, or of clusters of items, holds two systems' answers as counts. A comparison draws items, or whole
clusters, from it, and swaps the two systems in each of them with a probability of one half: then they do not differ,
and whatever is found is false. An effect gives, on a share of the items, the better answer to the candidate: the true
effect is that of the expected counts, and the systems differ on as many items as without one.

The populations are either those of a model (see `modelled`) or the items of two samples files of a real run. Beside
our statistics stand two that are in use elsewhere: Z from the standard errors of two systems, which takes no account
of their having answered the same items, nor of clusters (lm-evaluation-harness, scripts/model_comparator.py), and the
same with a bootstrap error that is divided by the root of the number of resamples (lighteval, metrics/utils/stderr.py).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from math import erfc, inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from common.measure import save, table
from common.populations import SEED, Array, Data, Population, drawn, populations
from common.workloads import REPOSITORY
from tunelift.core.progress import progress
from tunelift.core.seeds import derive_seed
from tunelift.statistics.intervals import Interval, normal_quantile
from tunelift.statistics.paired import compare_paired
from tunelift.statistics.power import detectable_difference, detectable_from_interval
from tunelift.statistics.resampling import compare_resampled

NAME = "calibration"
LEVEL, CONFIDENCE, POWER = 0.05, 0.95, 0.80
BAND = 0.99
POWER_TOLERANCE = 0.03
ITEMS = (30, 100, 500, 2000)
CLUSTERS = (10, 15, 25, 100)
STRONG = 0.8  # share of items with an effect where even that of all is not detectable
PILOTS = (
    0.1  # as many comparisons, as a share of the simulated ones, say what effect is detectable; their median counts
)
REPLICATES = 100  # as many as the harness draws for the error of chrF
LIGHTEVAL_REPLICATES = 1000
OURS, UNPAIRED, SHRUNK = "ours", "unpaired", "shrunk"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a comparison says; an interval without ends where it gives none."""

    effect: float
    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a method said what.

    Attributes:
        found: Share of the comparisons with p at most 0.05.
        found_better: The same where the candidate seems better.
        covered: Share of the intervals that hold the true effect.
        without: Share of the comparisons without an interval, which count as covering.
    """

    found: float
    found_better: float
    covered: float
    without: float


def our_claim(source: Population, data: Data, seed: int, draws: int) -> Claim:
    """What tunelift says."""
    if source.is_mean:
        result = compare_paired(data.baseline[:, 0], data.candidate[:, 0], data.groups, seed, CONFIDENCE)
    else:
        result = compare_resampled(
            source.score, data.baseline, data.candidate, data.groups, seed, CONFIDENCE, draws=draws
        )
    low, high = (-inf, inf) if result.interval is None else (result.interval.low, result.interval.high)
    return Claim(result.effect, result.p, low, high)


def unpaired_claim(effect: float, errors: tuple[float, float]) -> Claim:
    """A Z test of two systems as if they had answered different items."""
    error = sqrt(errors[0] ** 2 + errors[1] ** 2)
    if error == 0:
        return Claim(effect, 0.0 if effect else 1.0, effect, effect)
    half = normal_quantile(0.5 + CONFIDENCE / 2) * error
    return Claim(effect, erfc(abs(effect) / error / sqrt(2)), effect - half, effect + half)


def standard_error(source: Population, counts: Array, generator: np.random.Generator) -> float:
    """Of one system as the harness has it: of independent items, by the bootstrap where the score is no mean."""
    n = len(counts)
    if source.is_mean:
        return float(counts[:, 0].std(ddof=1)) / sqrt(n)
    places = generator.integers(0, n, (REPLICATES, n)) + n * np.arange(REPLICATES)[:, None]
    weights = np.bincount(places.ravel(), minlength=REPLICATES * n).reshape(REPLICATES, n).astype(float)
    return float(source.score(counts, weights).std(ddof=1))


def claims(source: Population, data: Data, seed: int, draws: int, generator: np.random.Generator) -> dict[str, Claim]:
    """What each method says about the same data."""
    ours = our_claim(source, data, seed, draws)
    first, second = (standard_error(source, counts, generator) for counts in (data.baseline, data.candidate))
    said = {OURS: ours, UNPAIRED: unpaired_claim(ours.effect, (first, second))}
    if not source.is_mean:
        root = sqrt(LIGHTEVAL_REPLICATES)
        said[SHRUNK] = unpaired_claim(ours.effect, (first / root, second / root))
    return said


def rates(said: list[Claim], truth: float) -> Rates:
    """How often the claims of one method are what."""
    effect, p, low, high = np.array([[one.effect, one.p, one.low, one.high] for one in said]).T
    found = p <= LEVEL
    covered = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
    return Rates(
        float(found.mean()), float((found & (effect > 0)).mean()), float(covered.mean()), float(np.isinf(low).mean())
    )


def simulate(
    source: Population, clusters: int, share: float, options: argparse.Namespace, purpose: str
) -> dict[str, Rates]:
    """Many comparisons of one kind: the rates of every method."""
    generator = np.random.default_rng(derive_seed(SEED, source.name, clusters, purpose))
    said: dict[str, list[Claim]] = {}
    for seed in range(options.comparisons):
        data = drawn(source, clusters, share, generator)
        for name, claim in claims(source, data, seed, options.draws, generator).items():
            said.setdefault(name, []).append(claim)
    return {name: rates(ones, source.truth(share)) for name, ones in said.items()}


def stated_effect(source: Population, clusters: int, share: float, pilots: int, draws: int) -> float:
    """What comparisons state as the smallest detectable effect: the mean, or the median where some state none."""
    generator = np.random.default_rng(derive_seed(SEED, source.name, clusters, "stated"))
    stated = []
    for seed in range(pilots):
        data = drawn(source, clusters, share, generator)
        if source.is_mean:
            effect = detectable_difference(data.baseline[:, 0], data.candidate[:, 0], data.groups, LEVEL, POWER)
        else:
            claim = our_claim(source, data, seed, draws)
            interval = Interval(claim.low, claim.high, CONFIDENCE, "")
            differs = np.any(data.baseline != data.candidate, axis=1)
            differing = differs.sum() if data.groups is None else len(set(data.groups[differs].tolist()))
            effect = detectable_from_interval(interval, int(differing), LEVEL, POWER) if claim.low > -inf else None
        stated.append(inf if effect is None else effect)
    return float(np.median(stated) if inf in stated else np.mean(stated))


def share_for(source: Population, effect: float) -> float | None:
    """The share of items whose effect this is; None where there is none."""
    if source.truth(1.0) < effect:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if source.truth(middle) < effect else (low, middle)
    return high


def detectable(source: Population, clusters: int, options: argparse.Namespace) -> tuple[float, float] | None:
    """The effect that is stated as detectable on data that have this effect, and its share; None where out of reach.

    Differences of one sign scatter less, so that less is stated where there is an effect: about linearly.
    """
    pilots = max(1, int(PILOTS * options.comparisons))
    few = max(1, pilots // 4)
    without = stated_effect(source, clusters, 0.0, few, options.draws)
    guess = share_for(source, without)
    if guess is None:
        return None
    slope = (stated_effect(source, clusters, guess, few, options.draws) - without) / guess
    share = without / (source.truth(1.0) - slope)
    effect = stated_effect(source, clusters, share, pilots, options.draws)
    reached = share_for(source, effect)
    return None if reached is None else (effect, reached)


def cell(source: Population, clusters: int, label: str, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one population and number of clusters."""
    reached = detectable(source, clusters, options)
    effect, share = reached or (source.truth(STRONG), STRONG)
    null, real = (simulate(source, clusters, each, options, f"{label} {each > 0}") for each in (0.0, share))
    return {
        "score": source.name,
        "population": label,
        "grouped": source.grouped,
        "clusters": clusters,
        "items": round(clusters * source.starts[-1] / (len(source.starts) - 1)),
        "differing": source.differing(),
        "detectable": effect if reached else None,
        "effect": effect,
        "without effect": {name: asdict(one) for name, one in null.items()},
        "with effect": {name: asdict(one) for name, one in real.items()},
    }


def bands(comparisons: int, cells: int) -> tuple[float, float]:
    """The highest false-positive rate and the lowest coverage that chance explains where the claims hold.

    Args:
        comparisons: Simulated comparisons of a cell.
        cells: Number of cells, over which the probability of 99 % is corrected (Bonferroni).
    """
    from scipy.stats import binom

    chance = (1 - BAND) / cells
    return (
        float(binom.isf(chance, comparisons, LEVEL) / comparisons),
        float(binom.ppf(chance, comparisons, CONFIDENCE) / comparisons),
    )


def failures(row: dict[str, Any], highest: float, lowest: float) -> list[str]:
    """What one of our claims says and the simulation does not."""
    null, real = row["without effect"][OURS], row["with effect"][OURS]
    found = []
    if null["found"] > highest:
        found.append(f"{null['found']:.1%} false positives")
    for when, measured_rates in (("no effect", null), (f"an effect of {row['effect']:.3g}", real)):
        if measured_rates["covered"] < lowest:
            found.append(f"{measured_rates['covered']:.1%} coverage with {when}")
    if row["detectable"] is not None and abs(real["found_better"] - POWER) > POWER_TOLERANCE:
        found.append(f"{real['found_better']:.1%} power at the effect stated for {POWER:.0%}")
    return found


def name_of(row: dict[str, Any]) -> str:
    """A cell for tables."""
    size = f"{row['clusters']} clusters" if row["grouped"] else f"{row['items']} items"
    return f"{row['score']}, {row['population']}, {size}"


def line(row: dict[str, Any]) -> list[str]:
    """A cell's row of the table."""

    def each(when: str, what: str) -> list[str]:
        return [f"{100 * row[when][name][what]:.1f}" if name in row[when] else "" for name in (OURS, UNPAIRED, SHRUNK)]

    stated = row["detectable"]
    return [
        name_of(row),
        f"{row['differing']:.0%}",
        *each("without effect", "found"),
        *each("without effect", "covered"),
        f"{100 * row['without effect'][OURS]['without']:.1f}",
        "none" if stated is None else f"{stated:.3g}",
        *each("with effect", "covered"),
        *(each("with effect", "found_better")[:2] if stated is not None else ["", ""]),
    ]


HEAD = (
    *("%", "differ", "false +", UNPAIRED, SHRUNK, "covers 0", UNPAIRED, SHRUNK, "no interval"),
    *("detectable", "covers it", UNPAIRED, SHRUNK, "power", UNPAIRED),
)


def main() -> None:
    """Simulate, print a table and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--comparisons", type=int, default=2000, help="of each cell, without and with an effect")
    parser.add_argument("--draws", type=int, default=499, help="resamples of a comparison; reports take 10,000")
    parser.add_argument("--samples", type=Path, nargs=2, metavar="FILE", help="samples of a real run to draw from")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "benchmarks" / f"{NAME}.json")
    options = parser.parse_args()
    sources = list(populations(options.samples))
    cells = [(label, source, n) for label, source in sources for n in (CLUSTERS if source.grouped else ITEMS)]
    rows = []
    with progress(len(cells), "simulating", "cell") as bar:
        for label, source, n in cells:
            rows.append(cell(source, n, label, options))
            bar.update(1)
    highest, lowest = bands(options.comparisons, len(rows))
    print(table(HEAD, [line(row) for row in rows]))
    print(f"\n{options.comparisons:,} comparisons a cell without an effect, and as many with the detectable one")
    print(
        f"(where none is: another), {options.draws} resamples for each where the score is no mean. In per cent, but for"
    )
    print("the effect. No interval counts as one that covers; power is that of finding the candidate better.")
    print(f"Chance explains up to {highest:.1%} false positives and down to {lowest:.1%} coverage.")
    missed = [f"{name_of(row)}: {what}" for row in rows for what in failures(row, highest, lowest)]
    print("\n".join(["Outside:", *missed]) if missed else "All of ours lie inside.")
    described = {"comparisons": options.comparisons, "draws": options.draws, "highest": highest, "lowest": lowest}
    save(options.output, {"benchmark": NAME, **described, "outside": missed, "cells": rows})


if __name__ == "__main__":
    main()
