"""Read samples files, our own and those of lm-evaluation-harness, and compare two of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

from tunelift.comparison.compare import HEADLINE, compare, known_metric
from tunelift.comparison.records import Comparison
from tunelift.core.errors import UserError, nearest, shorten
from tunelift.core.records import CHOICE, Sample

INVALID = "[invalid]"  # what the harness's regex filters write when nothing matches
FILE_NAME = re.compile(r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d{2}-\d{2}T.*))?")

ItemKey = tuple[str, int]


def compare_files(a: str | Path, b: str | Path, metric: str | None = None, filter: str | None = None) -> Comparison:
    """Compare two samples files of the same items; positive effects mean that `b` is better.

    Args:
        a: The baseline: a samples file, or a folder that holds exactly one.
        b: The candidate.
        metric: A metric with one number an item; "acc", or the only one, unless given. Its direction is that of the
            results files beside the samples, or else what its name says.
        filter: The harness's filter to compare, where its files hold several.

    Returns:
        A comparison with one contrast; conditions are named by the files. What is compared are means over the items;
        where the results say that the score is another one, such as F1, the metric is called its mean.

    Raises:
        UserError: A file is missing or malformed, the two hold different items, or metric or filter must be
            chosen.
    """
    path_a, path_b = find_samples(Path(a)), find_samples(Path(b))
    first, second = read_samples(path_a, filter), read_samples(path_b, filter)
    _check_same_items(path_a, first, path_b, second)
    # The hash of the document has paired them; ids may differ, and a file may leave the document itself out.
    partners = [replace(second[key], example_id=item.example_id, doc=item.doc) for key, item in first.items()]
    samples = [list(first.values()), partners]
    names = [_condition_name(path, answers) for path, answers in zip((path_a, path_b), samples, strict=True)]
    if names[0] == names[1]:
        names = [f"A ({names[0]})", f"B ({names[1]})"]
    tasks = dict.fromkeys(_task_name(path) for path in (path_a, path_b))
    chosen = _choose_metric(samples[0] + samples[1], metric, f"{path_a} and {path_b}")
    recorded = [_recorded(path, chosen, filter) for path in (path_a, path_b)]
    direction = next((higher for higher, _ in recorded if higher is not None), None)
    comparison = compare(
        dict(zip(names, samples, strict=True)),
        [(names[1], names[0])],
        task=" / ".join(tasks),
        seed=0,
        metrics=[known_metric(chosen, samples[0] + samples[1], direction)],
    )
    means = [condition.score for condition in comparison.conditions]
    if all(
        score is None or isclose(score, mean, rel_tol=1e-6, abs_tol=1e-6)
        for (_, score), mean in zip(recorded, means, strict=True)
    ):
        return comparison
    name = f"mean of {chosen} of single items"
    return replace(
        comparison, metric=name, contrasts=tuple(replace(each, metric=name) for each in comparison.contrasts)
    )


def _recorded(samples: Path, metric: str, filter: str | None) -> tuple[bool | None, float | None]:
    """Whether higher is better, and the score, as the results file beside samples has them; None where it does not."""
    match = FILE_NAME.fullmatch(samples.stem)
    if match is None or match["date"] is None:
        return None, None
    try:
        results = json.loads(samples.with_name(f"results_{match['date']}.json").read_bytes())
        higher = results["higher_is_better"][match["task"]].get(metric)
        keyed = {tuple(key.split(",")): value for key, value in results["results"][match["task"]].items()}
        score = next((keyed[key] for key in keyed if key[0] == metric and filter in (None, *key[1:])), None)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, None
    return (higher if isinstance(higher, bool) else None), (score if isinstance(score, float) else None)


def find_samples(path: Path) -> Path:
    """The samples file that a path means.

    Raises:
        UserError: There is no file, or the folder does not hold exactly one ``samples_*.jsonl``.
    """
    if not path.is_dir():
        return path
    files = sorted(path.glob("samples_*.jsonl"))
    if not files:
        raise UserError(path, "holds no samples_*.jsonl", "name a samples file, or the folder that holds one")
    if len(files) > 1:
        names = shorten(file.name for file in files)
        raise UserError(path, f"holds {len(files)} samples files", f"name one of them: {names}")
    return files[0]


def read_samples(path: Path, filter: str | None = None) -> dict[ItemKey, Sample]:
    """Read a samples file, our own or one of lm-evaluation-harness.

    Args:
        path: JSON lines in the harness's layout.
        filter: The filter to read; needed only where the file holds several.

    Returns:
        The samples by item, in the order of `doc_id`. An item is the hash of its document and, for documents that
        occur several times, the number of the occurrence. Where the file is silent, `finish_reason` and
        `condition` are empty, and `example_id` is the `doc_id`.

    Raises:
        UserError: The file is missing, holds no samples, has lines that are no samples, or the filter must be
            chosen.
    """
    rows = _read_rows(path)
    filters = sorted({str(row.get("filter", "none")) for row in rows})
    if filter is None and len(filters) > 1:
        raise UserError(path, f"holds the answers of {len(filters)} filters", f"choose one: {', '.join(filters)}")
    if filter is not None and filter not in filters:
        raise UserError(path, f'has no filter "{filter}"', nearest(filter, filters))
    chosen = [row for row in rows if filter is None or str(row.get("filter", "none")) == filter]
    samples: dict[ItemKey, Sample] = {}
    occurrences: Counter[str] = Counter()
    for row in sorted(chosen, key=lambda row: row["doc_id"]):
        identity = str(row.get("doc_hash") or _document_hash(row["doc"]))
        samples[identity, occurrences[identity]] = _sample(row)
        occurrences[identity] += 1
    return samples


def _read_rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(path, "file not found", "name a samples_*.jsonl, or the folder that holds one") from error
    rows, malformed = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if _is_sample(row):
            rows.append(row)
        else:
            malformed.append(number)
    if malformed:
        what = f"is not a sample; {len(malformed)} such lines in the file: {shorten(malformed)}"
        hint = 'every line must be a JSON object with "doc_id", "doc" and its metrics; write the file again'
        raise UserError(f"{path}:{malformed[0]}", what, hint)
    if not rows:
        raise UserError(path, "holds no samples", "write them with --log_samples")
    return rows


def _is_sample(row: Any) -> bool:
    if not isinstance(row, dict) or type(row.get("doc_id")) is not int:
        return False
    return "doc" in row or bool(row.get("doc_hash"))


def _document_hash(document: Any) -> str:
    """The harness's hash of a document."""
    return hashlib.sha256(json.dumps(document, indent=2, ensure_ascii=False).encode()).hexdigest()


def _sample(row: dict[str, Any]) -> Sample:
    filtered = _first(row.get("filtered_resps"))
    names = row.get("metrics") or row.keys() - {"doc_id"}
    group = row.get("group")
    return Sample(
        example_id=str(row.get("example_id", row["doc_id"])),
        doc_id=row["doc_id"],
        doc=row.get("doc", {}),
        target=str(row.get("target", "")),
        condition=row.get("condition") or "",
        output=_first(row.get("resps")),
        answer=row.get("answer", None if filtered == INVALID else filtered),
        finish_reason=row.get("finish_reason") or "",
        choices=tuple(row["choices"]) if row.get("choices") else None,
        metrics={name: float(row[name]) for name in names if isinstance(row.get(name), int | float)},
        group=None if group is None else str(group),
    )


def _first(responses: Any) -> str:
    """The first response of nested lists of them."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return str(responses)


def _check_same_items(path_a: Path, first: dict[ItemKey, Sample], path_b: Path, second: dict[ItemKey, Sample]) -> None:
    problems = []
    for path, samples, others in ((path_a, first, second), (path_b, second, first)):
        if only := [sample.example_id for key, sample in samples.items() if key not in others]:
            problems.append(f"{len(only)} only in {path} ({shorten(only)})")
    if problems:
        what = f"hold different items: {'; '.join(problems)}"
        raise UserError(f"{path_a} and {path_b}", what, "evaluate both on the same items")


def _choose_metric(samples: list[Sample], metric: str | None, where: str) -> str:
    every = sorted(set.intersection(*(set(sample.metrics) for sample in samples)))
    available = [name for name in every if name != CHOICE]
    if metric is not None and metric not in every:
        hint = nearest(metric, available) if available else "only metrics with a number an item can be compared"
        raise UserError(where, f'"{metric}" has no number for every item', hint)
    if metric is not None or HEADLINE in available:
        return metric or HEADLINE
    if not available:
        raise UserError(where, "share no metric with a number for every item", "corpus metrics cannot be compared")
    if len(available) > 1:
        raise UserError(where, "hold several metrics", f"choose one: {', '.join(available)}")
    return available[0]


def _condition_name(path: Path, samples: list[Sample]) -> str:
    return samples[0].condition or path.resolve().parent.name or path.stem


def _task_name(path: Path) -> str:
    match = FILE_NAME.fullmatch(path.stem)
    return match["task"] if match else path.stem
