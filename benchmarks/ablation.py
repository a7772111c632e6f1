"""What each part of the engine gives in tuning: one optimizer step, computed in ways that differ by one part each.

All ways compute the same loss of the same examples, with the same weights tuned, forward and backward, without the
optimizer. They take turns; effective tokens are those of the unshared sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any, TypeAlias
from unittest.mock import patch

import torch

from common.measure import MEGABYTE, alternate, arguments, default_settings, prepare, rates, save, spread, table
from common.memory import peak_memory
from common.stopwatch import Stopwatch
from common.workloads import TUNING, tuning_examples
from ours.tune import encode

NAME = "ablation"
# Computes the loss of prompts, in groups of a number of tokens at most, and its gradients.
Way: TypeAlias = Callable[[Any, list[Any], int], float]
PADDED = 8
NEVER = 1 << 40


def every_position(model: Any, prompts: list[Any], _: int) -> float:
    """Padded batches in the order given; the vocabulary is projected at every position."""
    from tunelift.engine.modes import without_autocast
    from tunelift.engine.padding import pad

    total = 0.0
    for start in range(0, len(prompts), PADDED):
        batch = prompts[start : start + PADDED]
        token_ids, mask = pad([prompt.token_ids for prompt in batch])
        wanted, _ = pad([[int(mark) for mark in prompt.supervised] for prompt in batch])
        targets = token_ids[:, 1:].masked_fill(wanted[:, 1:] == 0, -100)
        logits = model(input_ids=token_ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
        with without_autocast(loss.device):
            loss.backward()
        total += loss.item()
    return total


def supervised_positions(model: Any, prompts: list[Any], _: int) -> float:
    """The same batches; the vocabulary is projected where a supervised token is predicted."""
    from tunelift.engine.loss import step_loss
    from tunelift.engine.plan import Plan

    groups = [list(range(start, min(start + PADDED, len(prompts)))) for start in range(0, len(prompts), PADDED)]
    return step_loss(model, prompts, Plan((), groups, []), torch.Tensor.backward)


def grouped(model: Any, prompts: list[Any], budget: int, *, share: bool) -> float:
    """Trees of the budget, with or without sharing."""
    from tunelift.engine import tree
    from tunelift.engine.loss import predicting_tokens, step_loss
    from tunelift.engine.plan import Plan, plan_trees

    cost = tree.SEGMENT_COST if share else NEVER
    with patch.object(tree, "SEGMENT_COST", cost), patch("tunelift.engine.plan.SEGMENT_COST", cost):
        groups = plan_trees([predicting_tokens(prompt) for prompt in prompts], budget)
        return step_loss(model, prompts, Plan((), groups, []), torch.Tensor.backward)


def with_stems(model: Any, prompts: list[Any], budget: int) -> float:
    """What tunelift does with all weights tuned: stems before the trees."""
    from tunelift.engine.loss import plan_step, step_loss

    return step_loss(model, prompts, plan_step(model, prompts, budget), torch.Tensor.backward)


def with_adapters_fused(model: Any, prompts: list[Any], budget: int) -> float:
    """What tunelift does with an adapter, where each low-rank update is one operation with its layer."""
    from tunelift.tuning.adapters import fused_adapters

    with fused_adapters(model):
        return with_stems(model, prompts, budget)


def keeping_all(way: Way) -> Way:
    """A way with every state kept that the library keeps, instead of computing again what is cheap."""

    def same(model: Any, prompts: list[Any], budget: int) -> float:
        with patch("tunelift.engine.loss.kept_in_less_memory", nullcontext):
            return way(model, prompts, budget)

    return same


FUSED = "adapters fused with their layers"
# Name, whether attention takes trees, and the way.
WAYS: dict[str, tuple[bool, Way]] = {
    "padded, every position projected": (False, every_position),
    "padded, supervised positions projected": (False, keeping_all(supervised_positions)),
    "packed without padding": (True, keeping_all(partial(grouped, share=False))),
    "shared inside each micro-batch": (True, keeping_all(partial(grouped, share=True))),
    "shared over the whole step (stems)": (True, keeping_all(with_stems)),
    "what is cheap computed again": (True, with_stems),
    FUSED: (True, with_adapters_fused),
}


def main() -> None:
    """Measure, print and write the results."""
    parser = arguments(NAME, __doc__)
    parser.add_argument("--work", choices=TUNING, default=TUNING[0])
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--batch", type=int, default=32, help="examples of the step")
    options = parser.parse_args()
    source, precision = prepare(options)
    origin, examples = tuning_examples(options.work, options.data)
    model, tokenizer = _load(source, precision, options.method)
    prompts = [encode(tokenizer, example) for example in examples[: options.batch]]
    ways = {name: way for name, way in WAYS.items() if name != FUSED or options.method == "lora"}
    sides = {name: partial(_once, model, prompts, precision, *way) for name, way in ways.items()}
    for side in sides.values():
        side()  # warm: what is made once, and pages of memory, count nowhere
    measured = alternate(sides, options.repeats)
    first = rates(next(iter(measured.values())), "tokens").median
    rows = []
    for name, ones in measured.items():
        rate, memory = rates(ones, "tokens"), spread([one["memory"] / MEGABYTE for one in ones])
        rows.append([name, f"{rate:,.0f}", f"{rate.median / first:.1f}", f"{memory:,.0f}", f"{ones[0]['loss']:.4f}"])
    print(f"\n{options.work} ({origin}), {options.method}, {precision}, {options.batch} examples")
    print(table(["", "effective tokens/s", "times the first", "peak memory above the model, MB", "loss"], rows))
    described = {"work": options.work, "source": origin, "precision": precision, "method": options.method}
    results = {name: asdict(rates(ones, "tokens")) for name, ones in measured.items()}
    save(
        options.output, {"benchmark": NAME, "model": options.model, **described, "rates": results, "measured": measured}
    )


def _load(source: str, precision: str, method: str) -> tuple[Any, Any]:
    from tunelift.core.recipe import Lora
    from tunelift.models.adapters import add_lora
    from tunelift.models.load import load_model

    loaded = load_model(source, precision if method == "lora" else "float32", accept_terms=True)
    if method == "lora":
        return add_lora(loaded.model, Lora.model_validate(default_settings()["lora"]), seed=7), loaded.tokenizer
    return loaded.model.float().requires_grad_(True), loaded.tokenizer


@contextmanager
def _bfloat16(model: Any) -> Iterator[None]:
    """What the trainer computes in."""
    from peft.helpers import disable_input_dtype_casting

    with torch.autocast("cpu", torch.bfloat16), disable_input_dtype_casting(model):
        yield


def _once(
    model: Any,
    prompts: list[Any],
    precision: str,
    trees: bool,
    way: Way,
) -> dict[str, Any]:
    from tunelift.engine.attention import NAME as OURS
    from tunelift.engine.support import PLAIN
    from tunelift.tuning.loop import TOKEN_BUDGET

    model.set_attn_implementation(OURS if trees else PLAIN)
    with peak_memory() as peak, _bfloat16(model) if precision == "bfloat16" else nullcontext():
        watch = Stopwatch()
        loss = way(model, prompts, TOKEN_BUDGET["cpu"])
        watch.look()
    model.zero_grad()
    tokens = sum(len(prompt.token_ids) for prompt in prompts)
    loss /= sum(sum(prompt.supervised) for prompt in prompts)
    return {"seconds": watch.seconds, "cores": watch.cores, "memory": peak.above, "tokens": tokens, "loss": loss}


if __name__ == "__main__":
    main()
