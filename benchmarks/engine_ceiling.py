"""How much of this machine's matrix products one optimizer step reaches, and what all of them would give.

The ceiling is the rate of the products of the model's own linear layers, measured alone at the numbers of rows that
the step's micro-batches have, in the same precision, each product weighted by its share of the step's operations.

Operations are counted for the slots that were really computed, as a multiplication and an addition each: linear layers
and adapters forward; backward for their inputs, where a trainable weight lies before them, and for weights that are
tuned; products of queries, keys and values for the tokens that a causal model sees; the vocabulary at supervised
positions. What is computed again in the backward pass does not count. Wall time is that of the whole step.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from common.measure import Spread, arguments, default_settings, prepare, save, spread
from common.workloads import TUNING, tuning_examples
from ours.tune import repeat

NAME = "engine_ceiling"
BATCH = 32
GOAL = 0.45
# A product is timed for so long, so many times.
SECONDS = 0.05
TIMES = 5


@dataclass(frozen=True, slots=True)
class Product:
    """A linear layer as it is used in a step.

    Attributes:
        inputs: Width of its inputs.
        outputs: Width of its outputs.
        for_inputs: A gradient for its inputs is computed.
        for_weights: A gradient for its weights is computed.
        own: It belongs to the model, not to an adapter.
    """

    inputs: int
    outputs: int
    for_inputs: bool
    for_weights: bool
    own: bool

    def passes(self) -> list[str]:
        """The products that a step does."""
        return ["forward", *["inputs"] * self.for_inputs, *["weights"] * self.for_weights]


@dataclass(slots=True)
class Record:
    """What a step computed, micro-batch by micro-batch.

    Attributes:
        layers: The linear layers inside the decoder, and how many there are of each kind.
        vocabulary: The output projection.
        attention: Multiplications and additions of one query with one key and its value, in all layers.
        slots: Tokens of each pass through the decoder.
        seen: Sum over these tokens of the number of tokens that each attends to.
        projected: Rows of each output projection.
    """

    layers: Counter[Product] = field(default_factory=Counter)
    vocabulary: Product | None = None
    attention: float = 0
    slots: list[int] = field(default_factory=list)
    seen: int = 0
    projected: list[int] = field(default_factory=list)

    def watch(self, trainer: Any) -> None:
        """Look at the model, and at every micro-batch of the steps after the warm-up."""
        model = trainer.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        config = base.config.get_text_config()
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.attention = 4.0 * config.num_hidden_layers * config.num_attention_heads * size
        self._look_at_layers(base)

        def count_slots(_: Any, __: Any, options: dict[str, Any]) -> None:
            if trainer.state.global_step and not _in_backward():
                self.slots.append(options["input_ids"].numel())
                self.seen += int((options["position_ids"] + 1).sum())

        def count_projected(_: Any, inputs: tuple[torch.Tensor]) -> None:
            if trainer.state.global_step:
                self.projected.append(inputs[0].numel() // inputs[0].shape[-1])

        base.get_decoder().register_forward_pre_hook(count_slots, with_kwargs=True)
        base.get_output_embeddings().register_forward_pre_hook(count_projected)

    def _look_at_layers(self, base: Any) -> None:
        """Which gradients each linear layer needs, from an ordinary forward pass over two tokens."""
        found: list[tuple[str, Product]] = []

        def look(name: str) -> Callable[..., None]:
            def hook(module: Any, inputs: tuple[torch.Tensor], _: Any) -> None:
                outputs, width = module.weight.shape
                product = Product(
                    width, outputs, inputs[0].requires_grad, module.weight.requires_grad, "lora_" not in name
                )
                found.append((name, product))

            return hook

        linear = [(name, part) for name, part in base.named_modules() if isinstance(part, torch.nn.Linear)]
        handles = [part.register_forward_hook(look(name)) for name, part in linear]
        base(input_ids=torch.tensor([[0, 1]]), use_cache=False)
        for handle in handles:
            handle.remove()
        output = next(name for name, part in linear if part is base.get_output_embeddings())
        self.layers = Counter(product for name, product in found if name != output)
        self.vocabulary = next(product for name, product in found if name == output)

    def products(self) -> Counter[tuple[Product, int]]:
        """How often each linear layer was used with how many rows."""
        counted: Counter[tuple[Product, int]] = Counter()
        for rows in self.slots:
            for product, times in self.layers.items():
                counted[product, rows] += times
        counted.update((self.vocabulary, rows) for rows in self.projected if self.vocabulary)
        return counted

    def attention_operations(self) -> float:
        """Forward, and twice as many backward: both factors of each product have gradients."""
        return 3 * self.attention * self.seen


def _in_backward() -> bool:
    """Whether a backward pass is going on, in which a forward pass can only be one that is computed again."""
    return torch._C._current_graph_task_id() != -1


def operations(product: Product, rows: int) -> float:
    """Of one pass of one linear layer."""
    return 2.0 * product.inputs * product.outputs * rows


def product_seconds(product: Product, rows: int, kind: str, dtype: torch.dtype) -> float:
    """Time of one pass of a linear layer alone, the fastest of several measurements."""
    weight = torch.randn(product.outputs, product.inputs).to(dtype)
    states = torch.randn(rows, product.inputs).to(dtype)
    gradients = torch.randn(rows, product.outputs).to(dtype)
    compute = {
        "forward": lambda: torch.nn.functional.linear(states, weight),
        "inputs": lambda: gradients @ weight,
        "weights": lambda: gradients.T @ states,
    }[kind]
    compute()
    return min(_mean_seconds(compute) for _ in range(TIMES))


def _mean_seconds(compute: Callable[[], object]) -> float:
    started, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < SECONDS or not count:
        compute()
        count += 1
    return passed / count


def ceiling(record: Record, dtype: torch.dtype) -> float:
    """Operations a second of the model's own products, weighted by their share of the step."""
    done = seconds = 0.0
    measured: dict[tuple[int, int, int, str], float] = {}
    with torch.inference_mode():
        for (product, rows), times in record.products().items():
            for kind in product.passes() if product.own else []:
                shape = (product.inputs, product.outputs, rows, kind)
                if shape not in measured:
                    measured[shape] = product_seconds(product, rows, kind, dtype)
                seconds += times * measured[shape]
                done += times * operations(product, rows)
    return done / seconds


def main() -> None:
    """Measure, print and write the results."""
    parser = arguments(NAME, __doc__)
    parser.add_argument("--work", choices=TUNING, default=TUNING[0])
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--batch", type=int, default=BATCH, help="examples of a step")
    options = parser.parse_args()
    source, precision = prepare(options)
    origin, examples = tuning_examples(options.work, options.data)
    configuration = {
        "model": source,
        "precision": precision,
        "method": options.method,
        "batch": options.batch,
        "tune": default_settings(),
        "examples": examples[: options.batch],
    }
    repeat(configuration)
    records = [Record() for _ in range(options.repeats)]
    steps, ceilings = [], []
    for record in records:
        steps.append(repeat(configuration, record.watch))
        ceilings.append(ceiling(record, getattr(torch, precision)) / 1e9)
    described = {"work": options.work, "source": origin, "method": options.method, "precision": precision}
    print(f"\n{origin}, {options.method}, {precision}, {options.batch} examples, {steps[0]['tokens']:,} tokens")
    content = described | _report(records[-1], steps, spread(ceilings))
    save(options.output, {"benchmark": NAME, "model": options.model, **content, "measured": steps})


def _report(record: Record, steps: list[dict[str, Any]], highest: Spread) -> dict[str, Any]:
    """Print what the steps reached, and what they would at all of the ceiling, in 10^9 operations a second."""
    linear = sum(
        times * operations(product, rows) * len(product.passes())
        for (product, rows), times in record.products().items()
    )
    total = (linear + record.attention_operations()) / 1e9
    seconds, tokens = spread([step["seconds"] for step in steps]), steps[0]["tokens"]
    rate = spread([total / step["seconds"] for step in steps])
    share = rate.median / highest.median
    print(f"slots computed              {sum(record.slots):,} in {len(record.slots)} micro-batches {record.slots}")
    print(f"seconds of the step         {seconds:.2f}")
    print(f"operations of the step      {total:,.0f} G, {record.attention_operations() / 1e9 / total:.1%} of attention")
    print(f"rate of the step            {rate:,.0f} GFLOP/s")
    print(f"ceiling of the products     {highest:,.0f} GFLOP/s")
    print(f"share of the ceiling        {share:.1%}, the goal for one instruction, LoRA, is {GOAL:.0%}")
    print(f"effective tokens/s          {tokens / seconds.median:,.0f}")
    print(f"  at all of the ceiling     {tokens * highest.median / total:,.0f}")
    rates = {"gigaflops": asdict(rate), "ceiling_gigaflops": asdict(highest), "share": share}
    return {"slots": record.slots, "operations": total * 1e9, **rates}


if __name__ == "__main__":
    main()
