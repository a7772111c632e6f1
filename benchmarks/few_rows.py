"""Linear layers of few rows: the library's product beside the same one with its factors exchanged.

The products are those of a model with the sizes of SmolLM2 135M, all layers one behind the other, so that the weights
are read from memory as in a step of generation. Both take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch.nn.functional import linear

from common.measure import arguments, save, spread, table

NAME = "few_rows"
LAYERS = 30
# Inputs and outputs of the linear layers of one decoder layer.
SHAPES = ((576, 576), (576, 192), (576, 192), (576, 576), (576, 1536), (576, 1536), (1536, 576))
ROWS = (1, 2, 4, 8, 16, 32, 64)


def main() -> None:
    """Measure, print a table and write the results."""
    options = arguments(NAME, __doc__).parse_args()
    from tunelift.engine.few_rows import exchanged

    weights = [torch.randn(outputs, inputs) for _ in range(LAYERS) for inputs, outputs in SHAPES]
    results, lines = [], []
    for rows in ROWS:
        states = {inputs: torch.randn(rows, inputs) for inputs, _ in SHAPES}
        seconds: dict[str, list[float]] = {"library": [], "exchanged": []}
        for _ in range(options.repeats + 1):
            for name, product in (("library", linear), ("exchanged", exchanged)):
                seconds[name].append(_once(product, states, weights))
        measured = {name: spread(times[1:]) for name, times in seconds.items()}
        results.append({"rows": rows} | {name: asdict(times) for name, times in measured.items()})
        faster = measured["library"].median / measured["exchanged"].median
        lines.append([str(rows), *(f"{1000 * times.median:.0f}" for times in measured.values()), f"{faster:.1f}"])
    print(table(["rows", "library, ms", "exchanged, ms", "times as fast"], lines))
    save(options.output, {"benchmark": NAME, "results": results})


def _once(product: Callable[..., torch.Tensor], states: dict[int, torch.Tensor], weights: list[torch.Tensor]) -> float:
    with torch.inference_mode():
        started = time.perf_counter()
        for weight in weights:
            product(states[weight.shape[1]], weight)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
