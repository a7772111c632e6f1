"""Results and samples in the file layout of lm-evaluation-harness, with our own fields beside its own."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tunelift.core.errors import UserError
from tunelift.core.files import write_json, write_jsonl
from tunelift.core.records import Sample
from tunelift.core.store import timestamp
from tunelift.data.tasks import Task
from tunelift.evaluation.evaluate import Evaluation, error_of
from tunelift.evaluation.metrics.tokens import text_of

OWN_FIELDS = (
    "example_id", "condition", "group", "template", "demonstrations", "logprobs", "tokens", "finish_reason", "choices",
    "answer", "choice_answer", "references", "probabilities", "reference_logprob",
)  # fmt: skip

# Keys of the harness's results for which there is nothing to say unless the caller does; viewers look for them.
NOT_OURS = (
    "git_hash", "upper_git_hash", "lm_eval_version", "system_instruction", "system_instruction_sha", "chat_template",
    "chat_template_sha",
)  # fmt: skip


def write_evaluation(evaluation: Evaluation, task: Task, shots: int, folder: Path, facts: dict[str, Any]) -> list[Path]:
    """Write ``results_<date>.json`` and ``samples_<task>_<date>.jsonl``.

    Args:
        evaluation: What was answered.
        task: The task.
        shots: Number of demonstrations.
        folder: The directory of the condition.
        facts: Versions and model facts for the results file.

    Returns:
        The two files.
    """
    date = timestamp()
    results, samples = folder / f"results_{date}.json", folder / f"samples_{task.task}_{date}.jsonl"
    write_jsonl(samples, [sample_line(sample, task) for sample in evaluation.samples])
    write_json(results, results_record(evaluation, task, shots, facts))
    return [results, samples]


def sample_line(sample: Sample, task: Task) -> dict[str, Any]:
    """One line of the samples file."""
    generation = task.generation_kwargs
    return {
        "doc_id": sample.doc_id,
        "doc": sample.doc,
        "target": sample.target,
        "arguments": {"gen_args_0": {"arg_0": sample.prompt, "arg_1": generation.model_dump()}},
        "resps": [[sample.output]],
        "filtered_resps": [text_of(sample.answer) if sample.answer is not None else ""],
        "filter": "none",
        "metrics": list(sample.metrics),
        "doc_hash": _hash(json.dumps(sample.doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(sample.prompt),
        "target_hash": _hash(sample.target),
        **sample.metrics,
        **{name: getattr(sample, name) for name in OWN_FIELDS},
    }


def read_samples(path: Path) -> list[Sample]:
    """Read a samples file that tunelift wrote.

    Raises:
        UserError: The file is damaged or was written by another program.
    """
    samples = []
    with path.open(encoding="utf-8", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                samples.append(_sample(json.loads(line)))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                hint = "delete it and run the same command again; it is made anew"
                raise UserError(f"{path}:{number}", f"is not a sample of tunelift ({error!r})", hint) from error
    return samples


def _sample(row: dict[str, Any]) -> Sample:
    values = {name: row[name] for name in OWN_FIELDS}
    for name in ("choices", "logprobs", "demonstrations", "references", "probabilities"):
        values[name] = tuple(values[name]) if values[name] is not None else None
    return Sample(
        doc_id=row["doc_id"],
        doc=row["doc"],
        target=row["target"],
        output=row["resps"][0][0],
        prompt=row["arguments"]["gen_args_0"]["arg_0"],
        metrics={name: row[name] for name in row["metrics"]},
        **values,
    )


def sanitise(model: str) -> str:
    """The name of a model as the harness writes it into paths."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", model)


def results_record(evaluation: Evaluation, task: Task, shots: int, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of the results file: the keys of the harness's but for those of its tokenizer, and our own."""
    samples = evaluation.samples
    directions = {metric.name: metric.higher_is_better for metric in evaluation.metrics}
    scores: dict[str, Any] = {"name": task.task, "alias": task.task_alias or task.task, "sample_len": len(samples)}
    measured = evaluation.scores
    for name, score in measured.items():
        scores[f"{name},none"] = score
        scores[f"{name}_stderr,none"] = _standard_error(evaluation, name)
    return {
        "results": {task.task: scores},
        "configs": {task.task: task.model_dump(exclude_none=True)},
        "versions": {task.task: task.metadata.get("version", 0)},
        "n-shot": {task.task: shots},
        "higher_is_better": {task.task: {name: directions.get(name, True) for name in measured}},
        "n-samples": {task.task: {"original": evaluation.available, "effective": len(samples)}},
        "group_subtasks": {},
        "config": {},
        "date": time.time(),
        "pretty_env_info": platform.platform(),
        "transformers_version": version("transformers"),
        "task_hashes": {task.task: _task_hash([sample_line(sample, task) for sample in samples])},
        "model_name": evaluation.model,
        "model_name_sanitized": sanitise(evaluation.model),
        "model_source": "tunelift",
        "fewshot_as_multiturn": True,
        "total_evaluation_time_seconds": str(evaluation.seconds),
        **dict.fromkeys(NOT_OURS),
        **facts,
        "condition": evaluation.condition,
        "counts": {
            "unparsed": sum(sample.answer is None for sample in samples),
            "truncated": sum(sample.finish_reason == "length" for sample in samples),
            "prompt_tokens": sum(sample.tokens.get("prompt", 0) for sample in samples),
            "completion_tokens": sum(sample.tokens.get("completion", 0) for sample in samples),
        },
        "seconds_per_1000_answers": 1000 * evaluation.seconds / max(len(samples), 1),
    }


def _standard_error(evaluation: Evaluation, name: str) -> float | str:
    """Of a mean; as in the harness, other scores have none here, and an interval in the comparison."""
    metric = next((metric for metric in evaluation.metrics if metric.name == name), None)
    error = error_of(name, evaluation.samples) if metric is None or metric.is_mean else None
    return "N/A" if error is None else error


def _task_hash(lines: list[dict[str, Any]]) -> str:
    return _hash("".join(line["doc_hash"] + line["prompt_hash"] + line["target_hash"] for line in lines))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
