"""The answering benchmarks: scoring choices, and generating short answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

from common.comparison import Comparison, Peer, compare
from common.measure import MEGABYTE, arguments, cores, prepare, rates, ratio, save, spread, table
from common.workers import Message, peers_python
from common.workloads import questions

STOP = "\n"
MAX_NEW_TOKENS = 32
TRIAL = 16
HARNESS = Peer("peers.harness", "lm-eval", "batch", ("bfloat16", "float32"), (1, 2, 4, 8, 16, 32, 64), 8, "requests")


def requests_digest(requests: Sequence[tuple[str, str]]) -> str:
    """Equal for equal texts in equal order."""
    return hashlib.sha256(json.dumps([list(request) for request in requests]).encode()).hexdigest()


def run(name: str, kind: str, description: str | None) -> None:
    """A whole benchmark.

    Args:
        name: Of its results.
        kind: "score" or "generate".
        description: For the help text.
    """
    parser = arguments(name, description)
    parser.add_argument("--items", type=int, default=200, help="number of questions")
    options = parser.parse_args()
    peers_python()
    source, precision = prepare(options)
    work = questions(options.items, options.data)
    configuration = {
        "model": source,
        "precision": precision,
        "kind": kind,
        "demonstrations": work.demonstrations,
        "items": work.items,
        "stop": STOP,
        "max_new_tokens": MAX_NEW_TOKENS,
    }

    def part(batch: int) -> Message:
        # An item has several requests where choices are scored.
        return {"items": work.items[: TRIAL if kind == "score" else max(TRIAL, batch)]}

    print(f"\n{work.source}, {options.items} questions after {len(work.demonstrations)} demonstrations, {precision}")
    comparison = compare(
        "ours.answers", HARNESS, configuration, part, same=[precision], only=options.peer, repeats=options.repeats
    )
    results = _report(comparison, kind) | asdict(comparison)
    described = {"benchmark": name, "model": options.model, "source": work.source, "precision": precision}
    save(options.output, described | results)


def _report(comparison: Comparison, kind: str) -> Message:
    """Print the table and what shows that both sides answered the same."""
    measured = comparison.measured
    ours, *peers = measured
    first = measured[ours][0]
    memory = {name: spread([one["memory"] / MEGABYTE for one in ones]) for name, ones in measured.items()}
    rows = [
        [name, f"{rates(ones, 'requests'):,.1f}", f"{memory[name]:,.0f}", cores(ones)]
        for name, ones in measured.items()
    ]
    print(f"{first['requests']:,} requests, {first['tokens']:,} tokens if nothing is shared")
    print(table(["", "requests/s", "peak memory above the model, MB", "cores had"], rows))
    ratios = {}
    for name in peers:
        faster = ratio(measured[ours], measured[name], "requests")
        print(f"{faster:.1f} times as fast as {name}")
        print(f"  {_agreement(first, measured[name][0], kind)}", flush=True)
        ratios[name] = {"speed": asdict(faster)}
    return {"ratios": ratios}


def _agreement(ours: Message, peer: Message, kind: str) -> str:
    """In a line whether both sides were asked and answered the same."""
    same = ours["digest"] == peer["digest"] and ours["tokens"] == peer["tokens"]
    asked = "the same requests" if same else "DIFFERENT REQUESTS"
    pairs = list(zip(ours["answers"], peer["answers"], strict=True))
    if kind == "generate":
        return f"{asked}, {fmean(mine == its for mine, its in pairs):.0%} of the texts are equal"
    differences = [abs(a - b) for mine, its in pairs for a, b in zip(mine, its, strict=True)]
    preferred = fmean(mine.index(max(mine)) == its.index(max(its)) for mine, its in pairs)
    return (
        f"{asked}, {preferred:.0%} of the preferred choices are equal, log-probabilities differ by "
        f"{fmean(differences):.2g} nats in the mean, {max(differences):.2g} at most"
    )
