"""Alternating measurements, their medians, and how they are shown and kept."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from common.workloads import DATA, REPOSITORY

MODEL = "bundled/smollm2-135m-instruct"
MEGABYTE = 1e6
# A precision whose products take so many times as long as those of float32 cannot be a peer's best.
SLOW = 4


def arguments(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--model", default=MODEL, help="bundled/..., a folder, a .gguf file or a hub id")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of data sets; without it tweets are used")
    parser.add_argument("--precision", choices=["auto", "bfloat16", "float32"], default="auto", help="of our side")
    parser.add_argument(
        "--peer", metavar="PRECISION:SIZE", help="measure this configuration of the peer, try no others"
    )
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each side")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "benchmarks" / f"{name}.json")
    return parser


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of repeated measurements."""

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def spread(values: Sequence[float]) -> Spread:
    """Median and range."""
    return Spread(median(values), min(values), max(values))


def prepare(options: argparse.Namespace) -> tuple[str, str]:
    """The folder or hub id of the model, whose weights are converted if they have not been, and our precision."""
    from tunelift.core.hardware import fast_precision
    from tunelift.models.load import load_model

    source = load_model(options.model, accept_terms=True).source
    return source, fast_precision() if options.precision == "auto" else options.precision


def default_settings() -> dict[str, Any]:
    """How a recipe tunes by default, and with which adapter."""
    from tunelift.core.recipe import Lora, Tune

    return {**Tune().model_dump(exclude={"method", "objective"}), "lora": Lora().model_dump()}


def fast_precisions(precisions: Sequence[str]) -> tuple[str, ...]:
    """Those that are worth a trial: without those in bfloat16 where its products are several times slower.

    Args:
        precisions: Names of precisions, which contain "bfloat16" where products are computed in it, or "autocast".
    """
    import torch

    slowness = product_seconds(torch.bfloat16) / product_seconds(torch.float32)
    if slowness < SLOW:
        return tuple(precisions)
    kept = tuple(name for name in precisions if "bfloat16" not in name and "with autocast" not in name)
    print(f"  not tried: {', '.join(name for name in precisions if name not in kept)}; on this machine products in ")
    print(f"  bfloat16 take {slowness:.0f} times as long as in float32", flush=True)
    return kept


def product_seconds(dtype: Any) -> float:
    """Time of a matrix product and of one as in a backward pass, the fastest of three measurements."""
    import torch

    states, weights = torch.ones(512, 576, dtype=dtype), torch.ones(1536, 576, dtype=dtype)
    times = []
    for _ in range(4):
        started = time.perf_counter()
        torch.nn.functional.linear(states, weights) @ weights
        times.append(time.perf_counter() - started)
    return min(times[1:])


def alternate(sides: dict[str, Callable[[], dict[str, Any]]], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Measure the sides in turn, so that whatever slows the machine down slows down all of them.

    Args:
        sides: Name to what does one repetition and returns its measurement.
        repeats: Number of rounds.
    """
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, once in sides.items():
            measured[name].append(once())
    return measured


def rates(measured: Sequence[dict[str, Any]], unit: str) -> Spread:
    """How much work a second each repetition did."""
    return spread([one[unit] / one["seconds"] for one in measured])


def cores(measured: Sequence[dict[str, Any]]) -> str:
    """How many processor cores each repetition had; measurements with fewer than usual were disturbed."""
    return f"{spread([one['cores'] for one in measured]):.1f}"


def ratio(ours: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]], unit: str) -> Spread:
    """Our rate over the peer's: the ratio of the medians, and the range over the rounds."""
    rounds = [mine[unit] / mine["seconds"] * one["seconds"] / one[unit] for mine, one in zip(ours, peer, strict=True)]
    return Spread(rates(ours, unit).median / rates(peer, unit).median, min(rounds), max(rounds))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned text, the first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [head, *rows]
    ]
    return "\n".join(lines)


def save(path: Path, content: dict[str, Any]) -> None:
    """Write the results with a description of the machine."""
    from tunelift.core.hardware import describe

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": describe(), **content}, indent=2, ensure_ascii=False) + "\n")
