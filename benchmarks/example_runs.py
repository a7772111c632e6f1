"""What every recipe under `examples/` prints: the untuned model, the tuned one and a head, on one commit.

Each recipe is run as a user would run it, in a process of its own. Its run directory and what it printed stay beside
the results, so that the same command goes on where it was stopped. Examples whose data set `--data` does not
have are named and left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common.example_data import data_of, missing, name_of, recipes
from common.measure import save, table
from common.workloads import DATA, REPOSITORY
from tunelift.comparison.records import Comparison, p_text
from tunelift.report.wording import NONE, number_text, percent

NAME = "example_runs"
HEAD = ["", "metric", "zero-shot", "tuned", "p", "head", "p", "minutes"]
# The untuned model first: the others are held against it.
CONDITIONS = ("zero-shot", "tuned", "head")


def main() -> None:
    """Run what is asked for, print the table and write it down after every example."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of public data sets")
    parser.add_argument("--only", nargs="+", metavar="NAME", help='for example "tweets/recipe"; by default all')
    parser.add_argument("--output", type=Path, default=REPOSITORY / "runs" / "benchmarks" / f"{NAME}.json")
    options = parser.parse_args()
    paths = {name_of(path): path for path in recipes()}
    names = options.only or list(paths)
    if unknown := [name for name in names if name not in paths]:
        raise SystemExit(f'error: --only: there is no example "{unknown[0]}" - one of: {", ".join(paths)}')
    folder, rows = options.output.with_suffix(""), []
    for name in names:
        if absent := missing(paths[name], options.data):
            print(f"{name}: left out, {', '.join(map(str, absent))} is not there", flush=True)
            continue
        minutes = run(paths[name], options.data, folder / name)
        if minutes is None:
            print(f"{name}: FAILED, read {folder / name}.txt", flush=True)
            continue
        rows.append({"example": name, "minutes": minutes, "results": found(folder / name / "comparison.json")})
        print("\n".join(map("  ".join, cells(rows[-1]))), flush=True)
        save(options.output, {"benchmark": NAME, "examples": rows})
    print("\n" + table(HEAD, [line for row in rows for line in cells(row)]))


def run(recipe: Path, data: Path, folder: Path) -> float | None:
    """Carry one recipe through the whole loop; returns the minutes that it took, None if it failed."""
    given = data_of(recipe, data, folder.with_suffix(".jsonl"))
    command = [sys.executable, "-m", "tunelift.cli", "run", str(recipe), "--output", str(folder), "--accept-terms"]
    log = folder.with_suffix(".txt")
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as text:
        done = subprocess.run([*command, "--set", f"data={given}"], stdout=text, stderr=subprocess.STDOUT, check=False)
    return None if done.returncode else (time.monotonic() - began) / 60


def found(path: Path) -> list[dict[str, Any]]:
    """For each metric, what the conditions reach that an example is about, and the p-values against the untuned model.

    Args:
        path: The file of the comparison in a run directory.
    """
    comparison = Comparison.from_dict(json.loads(path.read_text(encoding="utf-8")))
    scores = {score.name: {comparison.metric: score.score, **score.others} for score in comparison.conditions}
    tests = {
        contrast.candidate: {
            comparison.metric: contrast.p,
            **{metric: result.p for metric, result in contrast.others.items()},
        }
        for contrast in comparison.contrasts
        if contrast.baseline == CONDITIONS[0]
    }
    return [
        {
            "metric": metric,
            "scale": comparison.scale if metric == comparison.metric else 1.0,
            "scores": {name: scores[name].get(metric) for name in CONDITIONS if name in scores},
            "p": {name: tests[name].get(metric) for name in CONDITIONS if name in tests},
        }
        for metric in scores[CONDITIONS[0]]
    ]


def cells(row: dict[str, Any]) -> list[list[str]]:
    """The lines of the table for one example."""
    lines = []
    for result in row["results"]:
        line = [row["example"], result["metric"]]
        for name in CONDITIONS:
            line.append(shown(result["scores"].get(name), result["scale"]))
            if name != CONDITIONS[0]:
                p = result["p"].get(name)
                line.append(NONE if p is None else p_text(p))
        lines.append([*line, f"{row['minutes']:.1f}"])
    return lines


def shown(score: float | None, scale: float) -> str:
    """A share as per cent, any other score in its own unit."""
    return number_text(score) if scale == 1 else percent(score, scale)


if __name__ == "__main__":
    main()
