"""How long a user waits before anything happens: the help text, the import, and loading the bundled models.

Prints the median of several runs, each in a process of its own, and writes benchmarks/startup.json.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
LOADING = """
import time, torch, transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from tunelift.models.load import load_model
load = lambda: load_model({name!r}, accept_terms=True)
load()
started = time.perf_counter()
load()
print(time.perf_counter() - started)
"""


def seconds_of(arguments: list[str]) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def loading_seconds(name: str) -> float:
    """Time to load a model from the cache, imports aside: the modules are imported by loading it once before."""
    code = LOADING.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure, print a table and write it as JSON."""
    from tunelift.doctor import examine

    installed = examine()
    empty = ["-c", "pass"]
    measured = {
        "python -c pass": [seconds_of(empty) for _ in range(RUNS)],
        "tunelift --help": [seconds_of(["-m", "tunelift.cli", "--help"]) for _ in range(RUNS)],
        "import tunelift": [seconds_of(["-c", "import tunelift"]) for _ in range(RUNS)],
    }
    for name in ("bundled/smollm2-135m-instruct", "bundled/gemma3-270m"):
        if installed[name] == "installed":
            measured[f"load {name}"] = [loading_seconds(name) for _ in range(3)]
    medians = {name: statistics.median(times) for name, times in measured.items()}
    for name, median in medians.items():
        print(f"{name:<40} {median:7.3f} s")
    Path(__file__).with_suffix(".json").write_text(json.dumps({"medians": medians, "runs": measured}, indent=2) + "\n")


if __name__ == "__main__":
    main()
