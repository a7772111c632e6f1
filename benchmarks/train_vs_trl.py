"""Effective tokens a second and peak memory of tuning, beside TRL's SFTTrainer in its best configuration.

Effective tokens are those of the unshared sequences. Both sides train on the same token ids in the same steps of 32
examples, with the same optimizer, schedule and, with LoRA, the same adapter. TRL's configurations are tried on half a
step, see `common.comparison`. The fastest is measured in turn with ours, and so is the fastest of those with our
precision (LoRA: frozen weights in bfloat16; full: tuned weights in float32, computed in bfloat16), or else the second
fastest. Memory counts from the level with the model loaded.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from common.comparison import Comparison, Peer, compare
from common.measure import MEGABYTE, arguments, cores, default_settings, prepare, rates, ratio, save, spread, table
from common.workers import Message, peers_python
from common.workloads import EXAMPLES, TUNING, tuning_examples

NAME = "train_vs_trl"
BATCH = 32
TRIAL = 16
PRECISIONS = ("bfloat16", "bfloat16 without autocast", "float32 with autocast", "float32")
TRL = Peer("peers.trl_tune", "TRL", "micro_batch", PRECISIONS, (1, 2, 4, 8, 16, 32), 4, "tokens")
SAME = {
    ("lora", "bfloat16"): PRECISIONS[:2],
    ("full", "bfloat16"): PRECISIONS[2:3],
    ("lora", "float32"): PRECISIONS[3:],
    ("full", "float32"): PRECISIONS[3:],
}
# Largest relative difference of the first losses, which rounding explains.
AGREEMENT = {"bfloat16": 0.02, "float32": 1e-3}


def main() -> None:
    """Measure what is asked for, print tables and write the results."""
    parser = arguments(NAME, __doc__)
    parser.add_argument("--work", choices=[*TUNING, "all"], default="all")
    parser.add_argument("--method", choices=["lora", "full", "both"], default="both")
    parser.add_argument("--steps", type=int, default=1, choices=range(1, EXAMPLES // BATCH + 1), help="of 32 examples")
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="examples of a step; at least 4, for trials of this script"
    )
    options = parser.parse_args()
    peers_python()
    source, precision = prepare(options)
    common = {"model": source, "precision": precision, "batch": options.batch, "tune": default_settings()}
    results = []
    for work in TUNING if options.work == "all" else [options.work]:
        origin, examples = tuning_examples(work, options.data)
        for method in ["lora", "full"] if options.method == "both" else [options.method]:
            print(f"\n{work} ({origin}), {method}, {precision}", flush=True)
            work_of_both = {**common, "method": method, "examples": examples[: options.steps * options.batch]}
            comparison = _compare(work_of_both, options)
            described = {"work": work, "source": origin, "method": method, "precision": precision}
            results.append(described | _report(comparison, precision) | asdict(comparison))
            save(options.output, {"benchmark": NAME, "model": options.model, "results": results})


def _compare(configuration: Message, options: Any) -> Comparison:
    def part(micro_batch: int) -> Message:
        batch = min(max(micro_batch, TRIAL), configuration["batch"])
        return {"batch": batch, "examples": configuration["examples"][:batch]}

    peer = replace(TRL, sizes=tuple(size for size in TRL.sizes if size <= configuration["batch"]))
    same = SAME[configuration["method"], configuration["precision"]]
    return compare("ours.tune", peer, configuration, part, same=same, only=options.peer, repeats=options.repeats)


def _report(comparison: Comparison, precision: str) -> Message:
    """Print the table and what shows that both sides did the same."""
    measured = comparison.measured
    ours, *peers = measured
    first = measured[ours][0]
    memory = {name: spread([one["memory"] / MEGABYTE for one in ones]) for name, ones in measured.items()}
    rows = [
        [name, f"{rates(ones, 'tokens'):,.0f}", f"{memory[name]:,.0f}", cores(ones)] for name, ones in measured.items()
    ]
    print(
        f"{first['tokens']:,} tokens, {first['supervised']:,} of them supervised, {first['trainable']:,} weights tuned"
    )
    print(table(["", "effective tokens/s", "peak memory above the model, MB", "cores had"], rows))
    ratios = {}
    for name in peers:
        faster = ratio(measured[ours], measured[name], "tokens")
        share = memory[ours].median / memory[name].median
        print(f"{faster:.1f} times as fast as {name}, with {share:.2f} of its memory")
        print(f"  {_agreement(first, measured[name][0], AGREEMENT[precision])}", flush=True)
        ratios[name] = {"speed": asdict(faster), "memory": share}
    return {"ratios": ratios}


def _agreement(ours: Message, peer: Message, limit: float) -> str:
    """In a line whether both sides did the same work."""
    mine, its = ours["losses"][0], peer["losses"][0]
    parts = [
        "the same tokens" if ours["digest"] == peer["digest"] else "DIFFERENT TOKENS",
        "the same number of weights" if ours["trainable"] == peer["trainable"] else "DIFFERENT WEIGHTS",
        f"first losses {mine:.4f} and {its:.4f}{'' if abs(mine - its) <= limit * its else ' DIFFER'}",
    ]
    return ", ".join(parts)


if __name__ == "__main__":
    main()
