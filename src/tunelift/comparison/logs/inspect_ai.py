"""Logs of Inspect (inspect_ai): JSON, or a zip archive (`.eval`) with a JSON file for every sample."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

from tunelift.comparison.logs.archives import COPY, FINISH, parse, unpack
from tunelift.comparison.logs.log import Log, as_number, named_groups
from tunelift.core.errors import UserError
from tunelift.core.files import canonical_json
from tunelift.core.records import Sample

# As Inspect's own metrics count them.
LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def read_eval(path: Path, group_by: str | None = None) -> Log:
    """Read a log in Inspect's zip format; arguments, result and errors are those of `read_json_log`.

    Only the header and the samples are unpacked, one after another, and no more than a log can sensibly hold.
    """
    parts = unpack(path)
    _, header = next(parts)
    return _log(path, header, parts, group_by)


def read_json_log(path: Path, group_by: str | None = None) -> Log:
    """Read a log in Inspect's JSON format.

    Args:
        path: The log.
        group_by: The key of the samples' metadata whose value names the group.

    Returns:
        The items by the id of their sample; the log is named after the model. The document of an item is its input.
        Each scorer is a metric, and so is each part of a scorer with several, as ``scorer.part``. Of several epochs
        it is the mean over those that were scored.

    Raises:
        UserError: It is no log of Inspect, its evaluation is not finished, or a sample is malformed.
    """
    log = parse(path, path.read_bytes())
    samples = log.get("samples") if isinstance(log, dict) else None
    numbered = enumerate(samples if isinstance(samples, list) else [], start=1)
    return _log(path, log, ((f"sample {number}", sample) for number, sample in numbered), group_by)


def _log(path: Path, header: Any, samples: Iterable[tuple[str, Any]], group_by: str | None) -> Log:
    """A log from its header, and its samples with the places where they stand."""
    about = header.get("eval") if isinstance(header, dict) else None
    if not isinstance(about, dict):
        hint = "name a log of Inspect, or the samples_*.jsonl of lm-evaluation-harness"
        raise UserError(path, 'is no log of Inspect (it has no "eval")', hint)
    if header.get("status") != "success":
        raise UserError(path, f'is of an evaluation with the status "{header.get("status")}"', FINISH)
    if header.get("invalidated"):
        raise UserError(path, "holds samples that were declared invalid", FINISH)
    items = _items(path, samples)
    if not items:
        raise UserError(path, "holds no samples", "evaluate without --no-log-samples")
    first = [next(iter(epochs.values())) for epochs in items.values()]
    groups: list[str] | None = None
    if group_by:
        groups = named_groups(path, group_by, [sample["metadata"] for sample in first])
    return Log(
        path=path,
        kind="inspect",
        name=str(about.get("model") or path.stem),
        task=str(about.get("task") or ""),
        samples=[
            _sample(number, list(epochs.values()), groups[number] if groups else None)
            for number, epochs in enumerate(items.values())
        ],
        scores=_recorded(header),
    )


def _recorded(header: dict[str, Any]) -> dict[str, float]:
    """The accuracy or the mean of each score as Inspect has it, which is no mean where it reduces epochs otherwise."""
    found: dict[str, float] = {}
    try:
        for score in header["results"]["scores"]:
            name = score["name"] if score["name"] == score["scorer"] else f"{score['scorer']}.{score['name']}"
            mean = score["metrics"].get("accuracy") or score["metrics"].get("mean")
            if mean:
                found.setdefault(name, float(mean["value"]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return {}
    return found


def _items(path: Path, samples: Iterable[tuple[str, Any]]) -> dict[str, dict[int, dict[str, Any]]]:
    """The samples by id and epoch, with nothing but what is compared: the rest of a log can be large."""
    items: dict[str, dict[int, dict[str, Any]]] = {}
    for place, sample in samples:
        if not _is_sample(sample):
            raise UserError(f"{path}:{place}", "is no sample of Inspect", COPY)
        epochs = items.setdefault(str(sample["id"]), {})
        if sample["epoch"] in epochs:
            what = f'is epoch {sample["epoch"]} of sample "{sample["id"]}" once more'
            raise UserError(f"{path}:{place}", what, "give every sample an id of its own")
        kept = {name: sample.get(name) for name in ("id", "input", "target", "metadata")}
        epochs[sample["epoch"]] = {**kept, "scores": _numbers(sample.get("scores") or {})}
    return items


def _is_sample(sample: Any) -> bool:
    if not isinstance(sample, dict) or type(sample.get("id")) not in (int, str) or type(sample.get("epoch")) is not int:
        return False
    scores = sample.get("scores") or {}
    is_scored = isinstance(scores, dict) and all(isinstance(score, dict) for score in scores.values())
    return is_scored and "input" in sample


def _sample(number: int, epochs: list[dict[str, Any]], group: str | None) -> Sample:
    """An item from its epochs."""
    first = epochs[0]
    names = dict.fromkeys(name for epoch in epochs for name in epoch["scores"])
    return Sample(
        example_id=str(first["id"]),
        doc_id=number,
        doc={"input": _question(first["input"])},
        target=first["target"] if isinstance(first["target"], str) else canonical_json(first["target"]),
        condition="",
        output="",
        answer="",  # whether there was one is not known
        finish_reason="",
        metrics={name: _mean([epoch["scores"][name] for epoch in epochs if name in epoch["scores"]]) for name in names},
        group=group,
    )


def _mean(values: list[float]) -> float:
    """Their mean; infinite where their sum is."""
    try:
        return fmean(values)
    except OverflowError:
        return inf


def _question(given: Any) -> Any:
    """An input without what differs from run to run, such as the ids of messages."""
    if not isinstance(given, list):
        return given
    return [
        [message.get("role"), message.get("content")] if isinstance(message, dict) else message for message in given
    ]


def _numbers(scores: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The scores that are numbers, by metric."""
    found: dict[str, float | None] = {}
    for scorer, score in scores.items():
        value = score.get("value")
        if isinstance(value, dict):
            found |= {f"{scorer}.{part}": _number(inner) for part, inner in value.items()}
        else:
            found[scorer] = _number(value)
    return {name: number for name, number in found.items() if number is not None}


def _number(value: Any) -> float | None:
    """A score as a number; None where it is none, such as the NaN of a sample that could not be scored."""
    if not isinstance(value, str):
        return as_number(value)
    if value in LETTERS:
        return LETTERS[value]
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    try:
        return as_number(float(value))
    except ValueError:
        return None
