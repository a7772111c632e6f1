"""lm-evaluation-harness's side of the answering benchmarks: its hf backend on the requests of a task file.

The task is a YAML file as users write it, its requests are the harness's own, demonstrations included. The clock runs
while the backend answers them, tokenising included, and not while it loads. `batch_size="auto"` is not among the
configurations: it ends at the largest size that raises no memory error, which on a CPU is always the largest allowed,
64, after five more passes to find that out; and for generation it tries that with the longest context of the model.
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.answering import requests_digest
from common.memory import peak_memory
from common.stopwatch import Stopwatch
from common.workers import serve

TASK = {
    "task": "benchmark",
    "dataset_path": "json",
    "test_split": "test",
    "fewshot_split": "fewshot",
    "fewshot_config": {"sampler": "first_n"},
    "doc_to_text": "{{question}}\nAnswer:",
    "metadata": {"version": 1},
}
KINDS: dict[str, dict[str, Any]] = {
    "score": {"output_type": "multiple_choice", "doc_to_choice": "choices", "doc_to_target": "gold"},
    "generate": {"output_type": "generate_until", "doc_to_target": "{{choices[gold]}}"},
}


def repeat(configuration: dict[str, Any]) -> dict[str, Any]:
    """Answer all requests.

    Args:
        configuration: model (a folder or hub id), precision, batch, kind, demonstrations, items, and for generation
            stop and max_new_tokens.
    """
    backend = _load(configuration["model"], configuration["precision"])
    backend.batch_size_per_gpu = configuration["batch"]
    requests = _requests(configuration)
    with peak_memory() as peak:
        watch = Stopwatch()
        score = configuration["kind"] == "score"
        results = (backend.loglikelihood if score else backend.generate_until)(requests, disable_tqdm=True)
        watch.look()
    by_item: dict[int, list[Any]] = {}
    for request, result in zip(requests, results, strict=True):
        by_item.setdefault(request.doc_id, []).append(result[0] if score else result)
    texts = [(request.args[0], request.args[1] if score else "") for request in requests]
    return {
        "seconds": watch.seconds,
        "cores": watch.cores,
        "memory": peak.above,
        "requests": len(requests),
        "tokens": sum(len(backend.tok_encode(context + continuation)) for context, continuation in texts),
        "digest": requests_digest(texts),
        "answers": [by_item[number] for number in sorted(by_item)],
    }


@lru_cache(maxsize=1)
def _load(model: str, precision: str) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=model, device="cpu", dtype=precision, batch_size=1)


def _requests(configuration: dict[str, Any]) -> list[Any]:
    """The harness's requests for the items."""
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"test": configuration["items"], "fewshot": configuration["demonstrations"]}
        for split, rows in files.items():
            (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        task = {
            **TASK,
            **KINDS[configuration["kind"]],
            "dataset_kwargs": {
                "data_files": {split: str(folder / f"{split}.jsonl") for split in files},
                "cache_dir": str(folder / "cache"),
            },
            "num_fewshot": len(configuration["demonstrations"]),
        }
        if configuration["kind"] == "generate":
            task["generation_kwargs"] = {
                "until": [configuration["stop"]],
                "max_gen_toks": configuration["max_new_tokens"],
                "do_sample": False,
            }
        # JSON is YAML.
        (folder / "benchmark.yaml").write_text(json.dumps(task))
        manager = TaskManager(include_path=name, include_defaults=False)
        built = manager.load(["benchmark"])["tasks"]["benchmark"]
        built.build_all_requests()
        return list(built.instances)


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    serve(["lm_eval", "torch", "transformers"], repeat)
